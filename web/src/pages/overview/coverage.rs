//! Whether everything is here: the sources, and the state of the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::ledger::{GenerationInfo, OWN_SOURCE};
use ingest::source::Reader;
use query::coverage::Coverage;
use query::history::View;
use query::question::Question;
use query::search::search_in;
use query::trail::Trail;

use crate::app::Seen;
use crate::chart::{CoverageStrip, coverage_strip};
use crate::error::PageError;
use crate::link::{self, Link};
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};

mod days;

/// One source of lines.
pub(super) struct Source {
    pub(super) link: Link,
    pub(super) lines: String,
    pub(super) last: String,
    pub(super) reader: &'static str,
    pub(super) grade: &'static str,
    pub(super) why: Vec<Text>,
    /// Its last days.
    pub(super) strip: CoverageStrip,
    /// Names the strip's sentence.
    pub(super) id: String,
}

/// Reasons of a source that the overview shows.
const WHY_SHOWN: usize = 3;

/// One fact about the ledger.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) link: Link,
    pub(super) code: bool,
    pub(super) note: Option<String>,
}

/// Returns the frame of a page, which says up to which leaf everything is signed.
pub(crate) fn shell(trail: &Seen, current: &'static str) -> Shell {
    let mut shell = Shell::of(current).read_by(trail.reader());
    // A page of answers is of use without this; the overview says what is wrong.
    if let Ok(checkpoint) = trail.ledger().checkpoint() {
        shell.signed = Some(format!("signed up to leaf {}", grouped(checkpoint.size)));
    }
    shell
}

/// Returns how many lines servers wrote.
pub(super) fn lines(trail: &Trail) -> Result<u64, PageError> {
    Ok(generations(trail)?.iter().map(|generation| generation.lines).sum())
}

fn generations(trail: &Trail) -> Result<Vec<GenerationInfo>, PageError> {
    let mut all = trail.ledger().generations().map_err(query::error::QueryError::from)?;
    all.retain(|generation| &*generation.source != OWN_SOURCE);
    Ok(all)
}

/// Returns how complete the trail is.
pub(crate) fn coverage(view: &View) -> Result<Arc<Coverage>, PageError> {
    Ok(view.coverage(None, None, jiff::Timestamp::now())?)
}

pub(super) fn sources(
    trail: &Seen,
    coverage: &Coverage,
    now: i64,
) -> Result<Vec<Source>, PageError> {
    let mut by_source: BTreeMap<String, (u64, GenerationInfo)> = BTreeMap::new();
    for generation in generations(trail)? {
        let name = generation.source.to_string();
        let lines = generation.lines;
        let (sum, newest) = by_source.entry(name).or_insert((0, generation.clone()));
        *sum += lines;
        if generation.last_arrived_unix_ns >= newest.last_arrived_unix_ns {
            *newest = generation;
        }
    }
    let graded = |name: &str| coverage.sources.iter().find(|source| source.source == name);
    let strip = |name: &str| {
        let days = graded(name).map_or_else(Vec::new, |source| days::days(source, now));
        coverage_strip(&days)
    };
    let source = |(at, (name, (lines, newest))): (usize, (String, (u64, GenerationInfo)))| Source {
        strip: strip(&name),
        id: format!("source-{at}"),
        grade: graded(&name).map_or("", |source| source.grade.words()),
        why: graded(&name).map_or_else(Vec::new, why),
        link: Link::of("source", &name),
        lines: grouped(lines),
        last: trail.zone().to_the_second(newest.last_arrived_unix_ns),
        reader: match newest.reader {
            Reader::Live => "followed",
            Reader::Import => "imported",
        },
    };
    Ok(by_source.into_iter().enumerate().map(source).collect())
}

fn why(source: &query::coverage::Source) -> Vec<Text> {
    let mut why: Vec<Text> = source.why.iter().take(WHY_SHOWN).map(|why| Text::new(why)).collect();
    let more = source.why.len().saturating_sub(WHY_SHOWN) as u64 + source.more_why;
    if more > 0 {
        why.push(Text::new(&format!("and {} more", grouped(more))));
    }
    why
}

pub(super) fn ledger(
    trail: &Trail,
    view: &View,
    coverage: &Coverage,
) -> Result<Vec<Fact>, PageError> {
    let totals = view.totals()?;
    let checkpoint = trail.ledger().checkpoint().map_err(query::error::QueryError::from)?;
    let left_out = search_in(view, &Question::everything(), 1, None)?.left_out;
    let no_twin = view.without_twin()?.len() as u64;
    let behind = checkpoint.size.saturating_sub(totals.leaves);
    let fact = |name, link, note: &str| Fact {
        name,
        link,
        code: false,
        note: (!note.is_empty()).then(|| note.to_owned()),
    };
    let asking = |text: String, q: &str, all| Link {
        text: Text::new(&text),
        href: Some(
            link::Question { q: q.to_owned(), all, ..link::Question::default() }.href("/explore"),
        ),
    };
    let mut facts = vec![
        fact("Coverage", Link::none(coverage.grade.words()), &coverage.why.join("; ")),
        fact(
            "Recorded and signed",
            Link::none(&format!("up to leaf {}", grouped(checkpoint.size))),
            "",
        ),
        fact(
            "Answers hold",
            Link::none(&format!("up to leaf {}", grouped(totals.leaves))),
            &if behind > 0 {
                format!("{} not indexed yet", counted(behind, "leaf", "leaves"))
            } else {
                String::new()
            },
        ),
        fact(
            "Undecodable",
            Link::none(&counted(totals.undecodable, "line", "lines")),
            "kept, counted, and in no other number",
        ),
        fact(
            "Pending",
            asking(counted(totals.pending, "request", "requests"), "is:pending", true),
            "the answer has not come",
        ),
        fact("Gaps", Link::none(&grouped(totals.gaps)), "stretches known to be missing"),
    ];
    if let Some(until) = view.retention().until {
        facts.push(fact(
            "Removed by retention",
            Link::none(&format!("what arrived up to {until}")),
            "batch headers and leaf hashes stay",
        ));
    }
    for (word, count) in &left_out.0 {
        facts.push(fact(
            "Left out of counts",
            asking(format!("{} {word}", grouped(*count)), &format!("is:{word}"), true),
            match *word {
                "forwarded" => "a standby handed them on; the active node's own event counts",
                "copy" => "the same requests, as other audit devices of the node recorded them",
                "late" => "answers to requests that were closed as unanswered",
                "system" => {
                    "the audit device's own probes, plugins' lines and keytrail's heartbeats"
                }
                _ => "",
            },
        ));
    }
    if no_twin > 0 {
        facts.push(fact(
            "Without twin",
            asking(counted(no_twin, "forwarded request", "forwarded requests"), "is:no_twin", true),
            "no other node's log tells what came of them",
        ));
    }
    facts.push(fact("Origin", Link::none(&checkpoint.origin), ""));
    let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
    facts.push(Fact { code: true, ..fact("Root", Link::none(&root), "") });
    Ok(facts)
}
