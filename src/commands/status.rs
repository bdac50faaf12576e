//! `keytrail status`: what a data folder holds.

use std::io::Write;

use ingest::coverage::By;
use query::coverage::Coverage;
use query::status::{Status, status};
use query::trail::Trail;
use serde::Serialize;

use crate::args::{StatusArgs, StatusFormat};
use crate::config::Config;
use crate::failure::Failure;
use crate::output::stdout;
use crate::outside::left::Left;

mod disk;

use disk::{Disk, disk, write_disk};

/// Runs the command.
pub(crate) fn run(args: StatusArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let trail = Trail::open(&data)?;
    let status = status(&data, &trail)?;
    let disk = disk(&data, config.as_ref(), trail.ledger())?;
    let mut outside = Left::read(&data);
    // The notes are long, and stand outside anyway.
    outside.exported.values_mut().for_each(|last| last.note = None);
    let mut out = stdout();
    match args.format {
        StatusFormat::Json => {
            serde_json::to_writer(
                &mut out,
                &Shown { status: &status, outside: &outside, disk: &disk },
            )?;
            out.write_all(b"\n")?;
        }
        StatusFormat::Table => {
            write_text(&status, &mut out)?;
            write_outside(&outside, &mut out)?;
            write_disk(&disk, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// What the data folder holds, and what has left it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    outside: &'a Left,
    disk: &'a Disk,
}

fn write_outside(left: &Left, out: &mut dyn Write) -> std::io::Result<()> {
    let places = left.exported.iter().map(|(name, last)| (name.clone(), last));
    let witnesses = left.cosigned.iter().map(|(name, last)| (format!("witness {name}"), last));
    for (name, last) in places.chain(witnesses) {
        match &last.time {
            Some(time) => writeln!(out, "outside      {name}: {} leaves at {time}", last.leaves)?,
            None => writeln!(out, "outside      {name}: no checkpoint yet")?,
        }
        if let Some(problem) = &last.problem {
            writeln!(out, "             since then: {problem}")?;
        }
    }
    Ok(())
}

fn write_text(status: &Status, out: &mut dyn Write) -> std::io::Result<()> {
    let left_out: u64 = status.left_out.values().sum();
    writeln!(out, "ledger       {}", status.origin)?;
    writeln!(out, "key          {}", status.key_fingerprint)?;
    writeln!(
        out,
        "leaves       {} ({} signed, {} indexed)",
        status.leaves, status.signed_leaves, status.indexed_leaves
    )?;
    writeln!(out, "events       {} ({left_out} of them left out of counts)", status.events)?;
    writeln!(out, "pending      {}", status.pending)?;
    writeln!(out, "undecodable  {}", status.undecodable)?;
    writeln!(out, "gaps         {}", status.gaps)?;
    if let Some(until) = &status.retained_until {
        writeln!(
            out,
            "removed      what arrived up to {until}; answers begin at leaf {}",
            status.least_leaf
        )?;
    }
    for hold in &status.holds {
        writeln!(out, "legal hold   since {}: {}", hold.since, hold.reason)?;
    }
    write_coverage(&status.coverage, out)?;
    for source in &status.sources {
        let last = source.last_arrival.as_deref().unwrap_or("-");
        writeln!(
            out,
            "source       {}: {} lines, {} bytes, last arrival {last}",
            source.source, source.lines, source.bytes
        )?;
    }
    Ok(())
}

fn write_coverage(coverage: &Coverage, out: &mut dyn Write) -> std::io::Result<()> {
    let nodes = match &coverage.nodes {
        Some(nodes) => format!("declared nodes: {}", nodes.join(", ")),
        None => "nodes not declared".to_owned(),
    };
    writeln!(out, "coverage     {} ({nodes})", coverage.grade.words())?;
    for why in &coverage.why {
        writeln!(out, "             {why}")?;
    }
    for devices in &coverage.devices {
        let requests = devices.requests.iter().map(|(source, n)| format!("{source} {n}"));
        let requests = requests.collect::<Vec<_>>().join(", ");
        let same = if devices.same { "the same requests" } else { "not the same requests" };
        writeln!(out, "             the devices of {} have {same}: {requests}", devices.node)?;
    }
    for source in &coverage.sources {
        let span = match (&source.first, &source.last) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "no entry with a time".to_owned(),
        };
        let reader = match (source.live_lines, source.lines - source.live_lines) {
            (0, _) => "imported",
            (_, 0) => "followed",
            _ => "followed and imported",
        };
        writeln!(
            out,
            "             {}: {}, {span}, {reader}",
            source.source,
            source.grade.words()
        )?;
        if let Some(arrival) = source.arrival {
            writeln!(
                out,
                "               arrived within {} ms (median), at most {} ms",
                arrival.median_ms, arrival.max_ms
            )?;
        }
        for proven in &source.proven {
            let by = match proven.by {
                By::Heartbeat => "heartbeats",
                By::Counters => "the server's counters",
            };
            writeln!(out, "               proven by {by} from {} to {}", proven.from, proven.to)?;
        }
        for why in &source.why {
            writeln!(out, "               {why}")?;
        }
        if source.more_why > 0 {
            writeln!(out, "               and {} more", source.more_why)?;
        }
        if let Some(since) = &source.heartbeat_missing_since {
            writeln!(out, "               a heartbeat sent at {since} has not been found yet")?;
        }
    }
    Ok(())
}
