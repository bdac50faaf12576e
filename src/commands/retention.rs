//! `keytrail retention`: what is older than what is kept, and its removal.

use std::io::Write;
use std::path::Path;

use forward::folder::Folder;
use forward::sink::least_far;
use ingest::indexer::Indexer;
use ingest::ledger::{Ledger, LedgerReader, Lock, SegmentInfo};
use ingest::normalise::Rules;
use ingest::pipeline::index_dir;
use ingest::retention::{Retention, apply, done_with, due, told};
use jiff::Timestamp;

use crate::args::RetentionArgs;
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(crate) fn run(args: RetentionArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let reader = LedgerReader::open(&data)?;
    let now = told(&reader)?.now;
    let sinks = Folder::names(&data)?;
    let least = least_far(&data, &sinks)?;
    let done_below = least.as_ref().map(|(leaf, _)| *leaf);
    let waits = |due: &[SegmentInfo]| match &least {
        Some((leaf, name)) if done_with(due, done_below) < due.len() => eprintln!(
            "what the sink {name} has yet to send stays: it is done up to leaf {leaf}. `keytrail run` with it goes on; if it is given up, remove {}",
            data.join("sinks").join(name).display()
        ),
        _ => {}
    };
    if !args.apply {
        let mut segments = due(&reader, &now, args.keep)?;
        waits(&segments);
        segments.truncate(done_with(&segments, done_below));
        tell(&segments, "would lose their lines")?;
        return held(&now).map_or(Ok(()), |held| Ok(writeln!(stdout(), "{held}")?));
    }
    if let Some(held) = held(&now) {
        return Err(Failure::CheckFailed(format!("nothing was removed: {held}")));
    }
    let mut ledger = Ledger::open(&data, reader.cluster())?;
    waits(&due(&reader, &now, args.keep)?);
    let removed = apply(&mut ledger, args.keep, done_below)?;
    drop(ledger);
    index(&data)?;
    tell(&removed, "lost their lines")
}

/// Lets the index take up what the ledger has now.
pub(super) fn index(data: &Path) -> Result<(), Failure> {
    let _lock = Lock::take(data)?;
    let ledger = LedgerReader::open(data)?;
    let mut indexer = Indexer::open(&index_dir(data), ledger, Rules::builtin())?;
    indexer.catch_up(&mut |_| true)?;
    indexer.commit()?;
    Ok(indexer.publish()?.finish()?)
}

fn held(now: &Retention) -> Option<String> {
    let hold = now.holds.first()?;
    Some(format!(
        "legal hold since {}: {}; `keytrail hold release` ends it",
        hold.since, hold.reason
    ))
}

fn tell(segments: &[SegmentInfo], what: &str) -> Result<(), Failure> {
    let mut out = stdout();
    let leaves: u64 = segments.iter().map(|segment| segment.leaves).sum();
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    write!(out, "{} segments {what}: {leaves} leaves, {bytes} bytes of lines", segments.len())?;
    let until = segments.iter().map(|segment| segment.arrived_unix_ns).max();
    if let Some(until) = until.and_then(|until| Timestamp::from_nanosecond(until.into()).ok()) {
        write!(out, ", arrived up to {until}")?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}
