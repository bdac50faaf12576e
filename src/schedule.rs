//! Reports that are made at their times while files are followed. What was made stands in the ledger, so after a stop what
//! was missed is made up, with the period that was meant then.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use ingest::own::{Fact, FileMade};
use ingest::pipeline::{CaughtUp, OwnLines};
use jiff::Timestamp;
use query::filter::Filter;
use query::period::Period;
use query::registers::Registers;
use query::report::Asking;
use query::report::catalogue::Catalogue;
use query::report::issuing::{made, schedules_made};
use query::trail::Trail;
use sha2::{Digest, Sha256};

use crate::commands::report::written;
use crate::config::ScheduleConfig;
use crate::failure::Failure;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Of one schedule so many missed reports are made up, the newest.
const MISSED_MAX: usize = 24;

/// The thread that makes them.
pub(crate) struct Schedules {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Schedules {
    /// Starts it.
    pub(crate) fn start(
        data: &Path,
        schedules: Vec<ScheduleConfig>,
        own: OwnLines,
        caught_up: CaughtUp,
    ) -> Result<Option<Schedules>, Failure> {
        if schedules.is_empty() {
            return Ok(None);
        }
        let begun = Timestamp::now();
        let last = schedules_made(&Trail::open(data)?)?;
        let mut work = Work { data: data.to_owned(), schedules, own, last, begun };
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("schedule".to_owned()).spawn(move || {
            loop {
                // What was written while nobody read belongs to what was missed.
                if caught_up.since().is_some() {
                    work.look(Timestamp::now());
                }
                match stopped.recv_timeout(LOOK_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Some(Schedules { stop, thread }))
    }

    /// Ends it after the report at hand.
    pub(crate) fn stop(self) {
        let _ = self.stop.try_send(());
        let _ = self.thread.join();
    }
}

struct Work {
    data: PathBuf,
    schedules: Vec<ScheduleConfig>,
    own: OwnLines,
    /// When the last report of each was due.
    last: HashMap<String, Timestamp>,
    /// Before that nothing is due of a schedule that never made one.
    begun: Timestamp,
}

impl Work {
    fn look(&mut self, now: Timestamp) {
        for schedule in self.schedules.clone() {
            let last = self.last.get(&schedule.name).copied().unwrap_or(self.begun);
            for due in due(&schedule, last, now) {
                let (at, label, result) = self.make(&schedule, due, now);
                let (files, problem) = match result {
                    Ok(files) => (files, None),
                    Err(error) => {
                        tracing::error!("the report of the schedule {}: {error}", schedule.name);
                        (Vec::new(), Some(error.to_string()))
                    }
                };
                let fact = Fact::ReportMade {
                    schedule: schedule.name.clone(),
                    due,
                    report: schedule.report.clone(),
                    period: label,
                    at,
                    files,
                    problem,
                };
                // What is not written down is made again, over the same files.
                if !self.own.offer(fact) {
                    return;
                }
                self.last.insert(schedule.name.clone(), due);
            }
        }
    }

    /// Makes the report that was due then, as of now.
    fn make(
        &self,
        schedule: &ScheduleConfig,
        due: Timestamp,
        now: Timestamp,
    ) -> (u64, String, Result<Vec<FileMade>, Failure>) {
        let mut of = (0, schedule.period.clone());
        let mut make = || -> Result<Vec<FileMade>, Failure> {
            let trail = Trail::open(&self.data)?;
            let at = trail.view().leaf();
            let (period, tz) = (Some(&*schedule.period), Some(&*schedule.tz));
            let period = Period::new(period, None, None, tz, due).map_err(anyhow::Error::from)?;
            of = (at, period.label.clone());
            let filter = Filter::parse(&schedule.scope, due).map_err(anyhow::Error::from)?;
            let registers = Registers::read(&self.data.join("context"), now);
            let registers = registers.map_err(anyhow::Error::from)?;
            if let Some(registers) = registers.not_recorded(&trail)? {
                let by = format!("schedule:{}", schedule.name);
                self.own.offer(Fact::RegistersChanged { by, registers });
            }
            let asking = Asking {
                catalogue: &Catalogue::built_in(),
                registers: &registers,
                filter: &filter,
                period: &period,
                at: Some(at),
                by: &format!("schedule:{}", schedule.name),
                now,
            };
            let document = made(&trail, &schedule.report, schedule.rows.as_deref(), &asking);
            let document = document.map_err(anyhow::Error::from)?;
            let mut files = Vec::new();
            for format in &schedule.formats {
                let bytes = written(&document, *format, None)?;
                let ending = clap::ValueEnum::to_possible_value(format);
                let ending = ending.map_or_else(String::new, |it| it.get_name().to_owned());
                // A colon is no letter of a name everywhere.
                let name = format!(
                    "keytrail-{}_{}.{ending}",
                    schedule.name,
                    due.strftime("%Y-%m-%dT%H%MZ")
                );
                put(&schedule.folder, &name, &bytes)?;
                let sha256 =
                    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                files.push(FileMade { name, bytes: bytes.len() as u64, sha256 });
            }
            Ok(files)
        };
        let made = make();
        let (at, label) = of;
        (at, label, made)
    }
}

/// Returns when reports of a schedule were due after `last` and up to `now`, the oldest first; of many the newest.
fn due(schedule: &ScheduleConfig, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let Ok(times) = schedule.cron.iter_after(&*last.to_string()) else { return Vec::new() };
    let mut due = Vec::new();
    for time in times {
        // Its times are of another version of the library that ours are of: they meet as text.
        let time =
            time.ok().and_then(|time| time.timestamp().to_string().parse::<Timestamp>().ok());
        match time {
            Some(time) if time <= now => due.push(time),
            _ => break,
        }
        if due.len() > MISSED_MAX {
            due.remove(0);
        }
    }
    due
}

/// Writes a file whole, for its owner alone.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let place = folder.join(name);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&place)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", place.display()))
}
