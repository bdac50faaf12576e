//! How complete the log is, as a pack says it: on its cover, in words, and never better than what is known.

use query::coverage::{Coverage, Grade};
use serde::{Deserialize, Serialize};

/// How complete the log is over the period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Completeness {
    /// `proven complete`, `no gap seen` or `incomplete`: the worst of all sources.
    pub(super) grade: String,
    /// Why not better, and where: first of the cluster as a whole, then of each source.
    pub(super) why: Vec<String>,
    /// The nodes that were declared; none: nobody declared any.
    nodes: Option<Vec<String>>,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    source: String,
    grade: String,
    lines: u64,
    /// Of the lines those that were read while they were written; the others were imported.
    live_lines: u64,
    undecodable: u64,
    pending: u64,
    without_response: u64,
    without_request: u64,
    gaps: u64,
    gap_bytes: u64,
    first: Option<String>,
    last: Option<String>,
    why: Vec<String>,
}

impl Completeness {
    /// `undecodable`: how many lines of the whole log hold no entry, since such a line has no time and is of no period.
    pub(super) fn of(coverage: &Coverage, undecodable: u64) -> Completeness {
        let mut why: Vec<String> = match &coverage.nodes {
            Some(_) => {
                let missing = coverage.nodes_without_source.iter();
                missing.map(|node| format!("no lines from {node}")).collect()
            }
            None => coverage.why.clone(),
        };
        for devices in coverage.devices.iter().filter(|devices| !devices.same) {
            let lines: Vec<String> = devices
                .requests
                .iter()
                .map(|(source, requests)| format!("{source} has {requests}"))
                .collect();
            why.push(format!(
                "the audit devices of {} have not the same requests: {}",
                devices.node,
                lines.join(", ")
            ));
        }
        let sources: Vec<Source> = coverage.sources.iter().map(Source::of).collect();
        for source in &sources {
            why.extend(source.why.iter().map(|why| format!("{}: {why}", source.source)));
        }
        if undecodable > 0 {
            why.push(format!(
                "{undecodable} lines of the whole log hold no entry that could be read"
            ));
        }
        // What one device lacks is missing, whatever the other has.
        let differs = coverage.devices.iter().any(|devices| !devices.same);
        let grade = if differs { Grade::Incomplete.min(coverage.grade) } else { coverage.grade };
        let nodes = coverage.nodes.clone();
        Completeness { grade: grade.words().to_owned(), why, nodes, sources }
    }
}

impl Source {
    fn of(source: &query::coverage::Source) -> Source {
        let mut why = source.why.clone();
        if source.more_why > 0 {
            why.push(format!("and {} more reasons: `keytrail status` lists them", source.more_why));
        }
        match source.live_lines {
            0 if source.lines > 0 => why.push(
                "all lines were imported: nobody saw the file while it was written".to_owned(),
            ),
            live if live < source.lines => {
                why.push(format!(
                    "{} of {} lines were imported",
                    source.lines - live,
                    source.lines
                ));
            }
            _ => {}
        }
        Source {
            source: source.source.clone(),
            grade: source.grade.words().to_owned(),
            lines: source.lines,
            live_lines: source.live_lines,
            undecodable: source.undecodable,
            pending: source.pending,
            without_response: source.without_response,
            without_request: source.without_request,
            gaps: source.gaps,
            gap_bytes: source.gap_bytes,
            first: source.first.clone(),
            last: source.last.clone(),
            why,
        }
    }
}
