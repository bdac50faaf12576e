//! How complete the trail is: source by source over a period, with a grade that says what may be claimed.
//!
//! The index holds [records](ingest::coverage::Record), which add up whatever their order; this module puts those of a period
//! together. What a grade means, and what it does not, is in `docs/coverage.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::coverage::By;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::QueryError;
use crate::history::View;
use crate::period::rfc3339;

mod grade;
mod halves;
mod records;
mod told;

use self::grade::Span;
use self::halves::LackingLines;
pub(crate) use self::told::{AllRecords, Told};

/// What may be claimed. Ordered: the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Something is missing, or nobody can say that it is not.
    Incomplete,
    /// Nothing tells of a loss, and nothing proves that there was none.
    NoGapSeen,
    /// Heartbeats or the server's own counters agree over the whole time.
    Proven,
}

impl Grade {
    /// Returns the words for people. "complete" stands with the proven grade only.
    pub fn words(self) -> &'static str {
        match self {
            Grade::Proven => "proven complete",
            Grade::NoGapSeen => "no gap seen",
            Grade::Incomplete => "incomplete",
        }
    }
}

/// How complete the trail is over a period.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Coverage {
    /// The worst of the sources and of what is said of the cluster.
    pub grade: Grade,
    /// Why not better, as far as the cluster as a whole is concerned.
    pub why: Vec<String>,
    /// The nodes that the operator declared last; null: not declared.
    pub nodes: Option<Vec<String>>,
    /// Declared nodes without a source.
    pub nodes_without_source: Vec<String>,
    /// Nodes with several audit devices, each of which should have every request.
    pub devices: Vec<Devices>,
    /// Each source that ever gave a line or was followed.
    pub sources: Vec<Source>,
}

/// The audit devices of one node, compared by the ids of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Devices {
    /// The node.
    pub node: String,
    /// Every device has the same requests.
    pub same: bool,
    /// Request lines of each source. What one device has and another lacks is at least the difference.
    pub requests: BTreeMap<String, u64>,
}

/// How complete one source is over a period. Lines are those of the whole hours (UTC) that the period touches.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SourceCoverage)]
pub struct Source {
    /// cluster/node/device.
    pub source: String,
    /// What may be claimed.
    pub grade: Grade,
    /// Why not better: what, and where. At most [`WHY_MAX`], the first ones; `more_why` others follow.
    pub why: Vec<String>,
    /// Reasons beyond those.
    pub more_why: u64,
    /// What is or may be missing, the newest [`WHY_MAX`].
    pub incidents: Vec<Missing>,
    /// All of it.
    #[serde(skip)]
    pub(crate) all_missing: Vec<Missing>,
    /// A process follows it, as far as is known.
    pub followed: bool,
    /// What is proven, and how.
    pub proven: Vec<Proven>,
    /// Lines.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines that a tail brought while the file was written; the others were imported.
    pub live_lines: u64,
    /// Lines that hold no entry.
    pub undecodable: u64,
    /// Request lines with an id, and the sum of the ids' hashes.
    #[serde(skip)]
    pub(crate) requests: (u64, u64),
    /// Requests that wait for their response.
    pub pending: u64,
    /// Requests whose response is given up: it is missing, or the server ended before it answered.
    pub without_response: u64,
    /// Responses whose request line is missing.
    pub without_request: u64,
    /// Stretches known to be missing.
    pub gaps: u64,
    /// Bytes that are missing at least; what is missing without a known size adds nothing.
    pub gap_bytes: u64,
    /// The time of the first entry, RFC 3339.
    pub first: Option<String>,
    /// The time of the last.
    pub last: Option<String>,
    /// From the entries' own time to their arrival, of lines that a tail brought.
    pub arrival: Option<Arrival>,
    /// The same of the newest hour.
    pub newest_hour: Option<Arrival>,
    /// The same for each day (UTC), the newest [`DAYS_MAX`]; imported lines too.
    pub days: Vec<Day>,
    /// Since when a heartbeat that the server answered is not found.
    pub heartbeat_missing_since: Option<String>,
}

/// Something that is or may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Missing {
    /// What kind: `gap`, `continuity`, `refused_raw`, `heartbeats`, `order` or `counters`.
    pub kind: &'static str,
    /// It was written after this, in nanoseconds since 1970; null: unknown.
    #[serde(rename = "from", serialize_with = "maybe_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from_unix_ns: Option<i64>,
    /// It was written before this, in nanoseconds since 1970.
    #[serde(rename = "to", serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    pub to_unix_ns: i64,
    /// What, and between which times.
    pub text: String,
}

fn maybe_time<S: serde::Serializer>(unix_ns: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    unix_ns.map(rfc3339).serialize(to)
}

fn time<S: serde::Serializer>(unix_ns: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*unix_ns))
}

/// A proven stretch.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Proven {
    /// How.
    pub by: By,
    /// Its beginning, RFC 3339.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// How long lines took to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Arrival {
    /// In milliseconds, rounded up by at most 19 %.
    pub median_ms: u64,
    /// In milliseconds.
    pub max_ms: i64,
    /// The least, in milliseconds; below zero when the server's clock is ahead of ours.
    pub min_ms: i64,
}

/// A day of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Day {
    /// `2026-11-24`.
    pub day: String,
    /// Lines.
    pub lines: u64,
    /// Those of them that a tail brought.
    pub live_lines: u64,
    /// Requests of which one line of two came, less those whose time is not over yet.
    pub halves: u64,
    /// How long all of them took to arrive.
    pub arrival: Option<Arrival>,
}

/// Reasons that a source gives before it only counts them.
pub const WHY_MAX: usize = 20;
/// Days of a source that are told one by one.
pub const DAYS_MAX: usize = 400;

impl View {
    /// Returns how complete the trail is over [from, to), in nanoseconds since 1970; without an end, from the
    /// first entry or up to the newest. Of a view it is worked out once for the whole time, which most answers ask for.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn coverage(
        &self,
        from: Option<i64>,
        to: Option<i64>,
        now: Timestamp,
    ) -> Result<Arc<Coverage>, QueryError> {
        // What is missing of the log may be missing of what a reader is bound to.
        let whole = self.whole();
        let (from, to) = self.bounds().map_or((from, to), |bounds| bounds.cut(from, to));
        if from.is_some() || to.is_some() {
            return whole.coverage_of(from, to, now).map(Arc::new);
        }
        if let Some(coverage) = whole.known_coverage().get() {
            return Ok(coverage.clone());
        }
        let coverage = Arc::new(whole.coverage_of(None, None, now)?);
        Ok(whole.known_coverage().get_or_init(|| coverage).clone())
    }

    fn coverage_of(
        &self,
        from: Option<i64>,
        to: Option<i64>,
        now: Timestamp,
    ) -> Result<Coverage, QueryError> {
        let told = self.told()?;
        let now = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let span = Span { from, to: to.filter(|to| *to <= now) };
        let lacking = LackingLines::read(self, from, to)?;
        let mut sources = Vec::new();
        for (name, records) in told.sources() {
            let mut source = records.over(name, span);
            lacking.tell(&mut source);
            source.heartbeat_missing_since = told.waits_since(name).map(rfc3339);
            sources.push(source);
        }
        Ok(Coverage::of(told.nodes(), sources))
    }
}

impl Coverage {
    fn of(nodes: Option<Vec<String>>, sources: Vec<Source>) -> Coverage {
        let mut why = Vec::new();
        let mut grade =
            sources.iter().map(|source| source.grade).min().unwrap_or(Grade::Incomplete);
        if sources.is_empty() {
            why.push("no source has been followed or imported".to_owned());
        }
        let has_source = |node: &String| {
            sources.iter().any(|source| source.source.split('/').nth(1) == Some(node))
        };
        let nodes_without_source: Vec<String> =
            nodes.iter().flatten().filter(|node| !has_source(node)).cloned().collect();
        match &nodes {
            None => {
                grade = grade.min(Grade::NoGapSeen);
                why.push(
                    "nodes not declared: nobody can say whether a node's log is missing".to_owned(),
                );
            }
            Some(_) if !nodes_without_source.is_empty() => {
                grade = Grade::Incomplete;
                let names = nodes_without_source.join(", ");
                why.push(format!("no source of the declared nodes: {names}"));
            }
            Some(_) => {}
        }
        let devices = devices(&sources);
        Coverage { grade, why, nodes, nodes_without_source, devices, sources }
    }

    /// Returns the grade and all reasons as one sentence for a heading.
    pub fn sentence(&self) -> String {
        let of_sources = self.sources.iter().flat_map(|source| {
            source.why.iter().map(move |why| format!("{}: {why}", source.source))
        });
        let all: Vec<String> = self.why.iter().cloned().chain(of_sources).take(5).collect();
        let told = match self.grade {
            Grade::Proven => {
                "complete: heartbeats or the server's own counters agree for every declared node over the whole period"
            }
            Grade::NoGapSeen => {
                "completeness is not proven: no gap was seen, and nothing shows that there was none"
            }
            Grade::Incomplete => "incomplete",
        };
        if all.is_empty() { told.to_owned() } else { format!("{told}; {}", all.join("; ")) }
    }
}

fn devices(sources: &[Source]) -> Vec<Devices> {
    let mut by_node: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        by_node
            .entry(source.source.split('/').nth(1).unwrap_or_default())
            .or_default()
            .push(source);
    }
    let several = by_node.into_iter().filter(|(_, of_node)| of_node.len() > 1);
    several
        .map(|(node, of_node)| Devices {
            node: node.to_owned(),
            same: of_node.iter().all(|source| source.requests == of_node[0].requests),
            requests: of_node
                .iter()
                .map(|source| (source.source.clone(), source.requests.0))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
