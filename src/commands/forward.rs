//! `keytrail forward`: how sinks stand, whether one works, and events sent again.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use forward::asked::Asked;
use forward::assets::Siem;
use forward::folder::{DeadLetter, Delivery, Folder, SinkState, Unnamed};
use forward::sink::SinkConfig;
use forward::transport::Transport;
use ingest::event::Issued;
use ingest::ledger::LedgerReader;
use ingest::own::Fact;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::filter::Filter;
use query::trail::Trail;
use query::walk::count_after;
use serde::Serialize;

use crate::args::{ForwardArgs, ForwardCommand, ReplayArgs, StatusFormat};
use crate::commands::run::runtime;
use crate::config::Config;
use crate::deed;
use crate::failure::Failure;
use crate::output::stdout;

mod plan;
mod reconcile;

/// Of deliveries and refused events so many are shown.
const SHOWN: usize = 10;

/// Runs the command.
pub(crate) fn run(args: ForwardArgs) -> Result<(), Failure> {
    match args.command {
        ForwardCommand::Status { data, format } => status(&data.existing()?, format),
        ForwardCommand::Test { config, sink } => test(&config, &sink),
        ForwardCommand::Plan(args) => plan::run(&args),
        ForwardCommand::Replay(args) => replay(args),
        ForwardCommand::Reconcile(args) => reconcile::run(&args),
        ForwardCommand::Assets { receiver, output } => assets(&receiver, &output),
    }
}

/// How a sink stands, as far as its folder tells.
#[derive(Serialize)]
struct Shown {
    name: String,
    #[serde(flatten)]
    state: SinkState,
    /// Events after the cursor that its filter keeps, those that are not sent since counts leave them out included.
    waiting: u64,
    /// The last batches, the newest last.
    deliveries: Vec<Delivery>,
    /// The last events that were refused.
    dead: Vec<DeadLetter>,
    /// How many there are.
    dead_events: usize,
    /// Events that are asked for once more and were not sent yet.
    again: usize,
}

fn status(data: &Path, format: StatusFormat) -> Result<(), Failure> {
    let trail = Trail::open(data)?;
    let view = trail.view();
    let mut out = stdout();
    let names = Folder::names(data)?;
    if names.is_empty() && format == StatusFormat::Table {
        eprintln!("no sink has ever run here: `[[sink]]` in the configuration of `keytrail run`");
    }
    for name in names {
        let folder = Folder::of(data, &name);
        let Some(state) = folder.state()? else { continue };
        let filter = Filter::parse(&state.filter, Timestamp::now())
            .map_err(|error| anyhow::anyhow!("sink {name}: its filter: {error}"))?;
        let cursor = Issued(LeafIndex(state.cursor.0), state.cursor.1);
        let mut dead = folder.dead()?;
        let dead_events = dead.len();
        let shown = Shown {
            waiting: count_after(&view, &filter, cursor)?,
            deliveries: folder.deliveries(SHOWN)?,
            dead: dead.split_off(dead_events.saturating_sub(SHOWN)),
            dead_events,
            again: folder.asked()?.again.len(),
            name,
            state,
        };
        match format {
            StatusFormat::Json => {
                serde_json::to_writer(&mut out, &shown)?;
                out.write_all(b"\n")?;
            }
            StatusFormat::Table => write_text(&shown, &mut out)?,
        }
    }
    Ok(out.flush()?)
}

fn write_text(shown: &Shown, out: &mut dyn Write) -> std::io::Result<()> {
    let Shown { name, state, waiting, dead_events, again, .. } = shown;
    let filter = if state.filter.is_empty() { "everything" } else { &state.filter };
    writeln!(out, "sink         {name}: {} as {}, of {filter}", state.kind, state.format)?;
    let (delivered, rejected, leaf) = (state.delivered, state.rejected, state.cursor.0);
    writeln!(out, "             {delivered} taken, {rejected} refused, done up to leaf {leaf}")?;
    let since = state.behind_since.map(|since| format!(", behind since {since}"));
    writeln!(out, "             {waiting} wait at most{}", since.unwrap_or_default())?;
    if *again > 0 {
        writeln!(out, "             {again} are asked for once more")?;
    }
    if let Some(why) = &state.stopped {
        writeln!(out, "             stopped: {why}")?;
    }
    if let Some((since, why)) = &state.problem {
        writeln!(out, "             since {since}: {why}")?;
    }
    if let Some(Unnamed { events, batches, first, last, why }) = &state.unnamed {
        let (first, last) = (first.0, last.0);
        writeln!(
            out,
            "             {events} events of {batches} batches (leaves {first} to {last}) were refused without saying which, reconcile tells: {why}"
        )?;
    }
    if let Some(batch) = &state.in_flight {
        let (id, said) = (&batch.id, &batch.said);
        let (events, tries, state) = (said.events, batch.attempts, batch.state.as_str());
        writeln!(out, "             under way: {events} events, try {tries}, {state}, {id}")?;
    }
    if let Some(last) = shown.deliveries.last() {
        let (at, id, events, state) = (last.at, &last.id, last.said.events, last.state.as_str());
        writeln!(out, "             last: {events} events {state} at {at}, {id}")?;
    }
    if *dead_events > 0 {
        writeln!(out, "             {dead_events} refused events are kept; the last ones:")?;
    }
    for dead in &shown.dead {
        writeln!(out, "             {} at {}: {}", dead.uid, dead.at, dead.why)?;
    }
    Ok(())
}

/// Returns a sink's configuration.
fn configured(config: Config, name: &str) -> Result<SinkConfig, Failure> {
    let sinks = config.beside.sinks;
    let names: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
    sinks.into_iter().find(|sink| sink.name == name).ok_or_else(|| {
        Failure::Usage(format!(
            "no sink is called {name:?}; the configuration has {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        ))
    })
}

/// Reads what a sink has kept.
fn begun(data: &Path, name: &str) -> Result<(Folder, SinkState), Failure> {
    let folder = Folder::of(data, name);
    match folder.state()? {
        Some(state) => Ok((folder, state)),
        None => {
            let names = Folder::names(data)?.join(", ");
            Err(Failure::Usage(format!("no sink {name:?} has ever run here; there are: {names}")))
        }
    }
}

/// Writes a receiver's files, and says in which order and where they are handed over.
fn assets(receiver: &str, folder: &Path) -> Result<(), Failure> {
    let known = Siem::ALL.iter().find(|siem| siem.as_str() == receiver);
    let siem = known.ok_or_else(|| Failure::Usage(format!("no receiver is called {receiver}")))?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut out = stdout();
    for asset in siem.assets() {
        let place = folder.join(asset.name);
        fs::write(&place, asset.text).with_context(|| place.display().to_string())?;
        writeln!(out, "{}  {}", place.display(), asset.goes_to)?;
    }
    Ok(out.flush()?)
}

fn test(config: &Path, name: &str) -> Result<(), Failure> {
    let sink = configured(Config::read(config)?, name)?;
    let seen = runtime()?.block_on(async {
        let transport = Transport::new(name, &sink.transport);
        transport.map_err(|error| error.to_string())?.try_out().await
    });
    match seen {
        Ok(seen) => Ok(writeln!(stdout(), "sink {name}: {seen}")?),
        Err(why) => Err(Failure::CheckFailed(format!("sink {name}: {why}"))),
    }
}

fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let (folder, _) = begun(&data, &args.sink)?;
    let mut out = stdout();
    let asked = if args.dead {
        let again = folder.dead()?.iter().map(|dead| dead.issued).collect();
        Asked { again, ..Asked::default() }
    } else {
        let leaf = match (args.from_leaf, args.from) {
            (Some(leaf), _) => leaf,
            (None, from) => first_after(&data, from.unwrap_or(Timestamp::MIN))?,
        };
        let after = if leaf == 0 { (0, 0) } else { (leaf - 1, u32::MAX) };
        Asked { replay_after: Some(after), ..Asked::default() }
    };
    match asked.replay_after {
        Some((leaf, _)) => writeln!(out, "{} goes on after leaf {leaf}", args.sink)?,
        None => writeln!(out, "{} sends {} events again", args.sink, asked.again.len())?,
    }
    out.flush()?;
    ask_for(&data, &args.sink, asked)
}

/// Has a sink send events again.
fn ask_for(data: &Path, sink: &str, asked: Asked) -> Result<(), Failure> {
    // Written down first: what is sent twice has a reason in the ledger.
    deed::record(
        data,
        Fact::SinkAsked {
            by: deed::who(),
            address: None,
            sink: sink.to_owned(),
            after: asked.replay_after.map(|(leaf, _)| leaf),
            again: asked.again.len() as u64,
        },
    )?;
    Ok(Folder::of(data, sink).ask(asked)?)
}

/// Returns the first leaf that arrived at or after a time, or the one after the last. Found by halving, since arrival times
/// ascend but for a clock that is set back.
fn first_after(data: &Path, time: Timestamp) -> Result<u64, Failure> {
    let ledger = LedgerReader::open(data)?;
    let (mut low, mut high) = (0, ledger.size());
    while low < high {
        let middle = low + (high - low) / 2;
        match i128::from(ledger.arrived(LeafIndex(middle))?) < time.as_nanosecond() {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}
