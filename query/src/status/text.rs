//! What a data folder holds, for a person.

use std::io::{self, Write};

use ingest::coverage::By;

use super::Status;
use crate::coverage::Coverage;

impl Status {
    /// Writes it as lines, each with a name before it.
    ///
    /// # Errors
    /// The receiver fails.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let status = self;
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
}

fn write_coverage(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
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
