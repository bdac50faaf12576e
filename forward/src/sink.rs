//! Sinks that run: each a thread of its own, which reads the trail and waits for its receiver alone.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use ingest::event::Issued;
use ingest::source::LeafIndex;
use query::filter::Filter;
use query::issued::newest;
use query::trail::Trail;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::encode::Options;
use crate::folder::{Folder, SinkState};
use crate::format::Format;
use crate::standing::Standings;
use crate::transport::TransportConfig;

mod deliver;
mod totals;
mod work;

use self::work::Work;

/// A sink as it is configured.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Its name, unique: letters, digits, `-` and `_`.
    pub name: String,
    /// Which events.
    pub filter: Filter,
    /// The filter as it was typed.
    pub filter_text: String,
    /// How they are written.
    pub format: Format,
    /// What the encoder is told.
    pub options: Options,
    /// Where it begins when it is new.
    pub begin: Begin,
    /// Events of a batch, at most.
    pub batch_events: usize,
    /// Bytes of a batch's events, at most; a larger event goes alone.
    pub batch_bytes: usize,
    /// How long a batch waits to fill, from its first event on.
    pub batch_wait: Duration,
    /// It says each hour what it has delivered.
    pub control_totals: bool,
    /// The longest wait between two tries, unless the receiver asks for a longer one.
    pub retry_max: Duration,
    /// Where to.
    pub transport: TransportConfig,
}

/// Where a new sink begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the first event that the ledger holds.
    First,
    /// With the first event after those there are now.
    Now,
}

/// Running sinks.
pub struct Sinks {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    standings: Standings,
}

impl Sinks {
    /// Starts all sinks. `handle` is of a runtime that turns elsewhere.
    ///
    /// # Errors
    /// What a sink keeps in the data folder cannot be read or written, or no thread started.
    pub fn start(
        data: &Path,
        trail: &Trail,
        configs: Vec<SinkConfig>,
        handle: &Handle,
    ) -> io::Result<Sinks> {
        let (stop, stopped) = watch::channel(false);
        let mut sinks = Sinks { stop, threads: Vec::new(), standings: Standings::default() };
        for config in configs {
            let folder = Folder::of(data, &config.name);
            let state = begun(&folder, trail, &config)?;
            let standings = sinks.standings.clone();
            let (trail, handle, stopped) = (trail.clone(), handle.clone(), stopped.clone());
            let name = format!("sink {}", config.name);
            let mut work = Work::new(config, folder, state, trail, standings, handle, stopped)?;
            sinks.threads.push(std::thread::Builder::new().name(name).spawn(move || work.run())?);
        }
        Ok(sinks)
    }

    /// Returns how they stand.
    pub fn standings(&self) -> Standings {
        self.standings.clone()
    }

    /// Ends all; a try at hand has a few seconds more. May block.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        for thread in self.threads {
            // One that panicked has told for itself.
            let _ = thread.join();
        }
    }
}

/// Reads how far a sink is, or begins it: from then on retention waits for it.
fn begun(folder: &Folder, trail: &Trail, config: &SinkConfig) -> io::Result<SinkState> {
    folder.make()?;
    let mut state = match folder.state()? {
        Some(state) => state,
        None => {
            let begin = match config.begin {
                Begin::First => Issued(LeafIndex(0), 0),
                Begin::Now => newest(&trail.view()),
            };
            SinkState::begin((begin.0.0, begin.1))
        }
    };
    config.transport.kind().clone_into(&mut state.kind);
    config.format.as_str().clone_into(&mut state.format);
    if state.filter != config.filter_text {
        state.began = state.cursor;
        state.filter.clone_from(&config.filter_text);
    }
    state.stopped = None;
    state.furthest.get_or_insert(state.cursor);
    if state.run.is_empty() {
        state.run = totals::run()?;
    }
    folder.save(&state)?;
    Ok(state)
}

/// Returns the leaf below which every sink of these names is done with everything, and the name of the sink that is
/// least far; none if there is no sink.
///
/// # Errors
/// What a sink keeps cannot be read: then nobody knows how far it is.
pub fn least_far(data: &Path, names: &[String]) -> io::Result<Option<(u64, String)>> {
    let mut least: Option<(u64, String)> = None;
    for name in names {
        let state = Folder::of(data, name).state()?;
        // The events of the cursor's own leaf are not all done with.
        let leaf = state.map_or(0, |state| state.cursor.0);
        if least.as_ref().is_none_or(|(other, _)| leaf < *other) {
            least = Some((leaf, name.clone()));
        }
    }
    Ok(least)
}
