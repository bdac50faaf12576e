//! What stands above every report, as parts of a paper.

use query::coverage::Grade;
use query::report::catalogue::EvidenceFor;
use query::report::document::Document;
use query::report::{Heading, NotAddressed};
use query::table::{Cell, Column, Kind, Table};

use crate::paper::{Block, Completeness, Fact, Part, Sum};
use crate::report::{chapter, whole};

/// What a document claims, and what not.
pub(crate) const CLAIM: &str = "keytrail states what the log shows. Whether a requirement is met is for the auditor to conclude.";
/// Reasons that stand on the cover; the part on completeness has all.
const REASONS_ON_COVER: usize = 6;

/// Returns what may be said of completeness. The word complete stands with the proven grade only.
pub(crate) fn completeness(heading: &Heading) -> Completeness {
    let (grade, word, meaning) = match heading.completeness.grade {
        "proven" => (
            Grade::Proven,
            "Complete: proven",
            "Heartbeats or the server's own counters agree over the whole period.",
        ),
        "no gap seen" => (
            Grade::NoGapSeen,
            "No gap seen",
            "Nothing tells of a loss, and nothing proves that there was none: completeness is not claimed.",
        ),
        _ => (
            Grade::Incomplete,
            "Incomplete",
            "Something is missing, or nobody can say that it is not:",
        ),
    };
    let sentences = &heading.completeness.sentences;
    let mut why = vec![meaning.to_owned()];
    why.extend(sentences.iter().take(REASONS_ON_COVER).map(|why| format!("– {why}")));
    if let Some(more @ 1..) = sentences.len().checked_sub(REASONS_ON_COVER) {
        why.push(format!("– and {more} more, listed under Completeness"));
    }
    Completeness { grade, word: word.to_owned(), why }
}

/// Returns what the cover says of every report.
pub(crate) fn facts(heading: &Heading) -> Vec<Fact> {
    vec![
        Fact::new("State", capital(heading.state.as_str())),
        Fact::new(
            "Period in UTC",
            format!(
                "from {} to {}",
                heading.from.as_deref().unwrap_or("the first event"),
                (heading.to.as_ref()).map_or("the last event".to_owned(), |to| {
                    format!("{to}, which does not belong to it")
                })
            ),
        ),
        Fact::exact("Ledger", heading.origin.clone()),
        Fact::new("Leaves covered", format!("the first {}", query::table::grouped(heading.leaf))),
        Fact::exact("Root of the tree over them", heading.root.clone()),
        Fact::new("Program", heading.generator.clone()),
    ]
}

/// Returns the frameworks of which it is evidence for a requirement, in words.
pub(crate) fn frameworks(heading: &Heading) -> Option<Fact> {
    let mut frameworks: Vec<String> = Vec::new();
    for evidence in &heading.evidence {
        let name = named(&evidence.framework, &evidence.version);
        if !frameworks.contains(&name) {
            frameworks.push(name);
        }
    }
    (!frameworks.is_empty()).then(|| Fact::new("Evidence for", frameworks.join(", ")))
}

/// Returns by what every page can be held against the ledger.
pub(crate) fn proof(heading: &Heading) -> String {
    format!("{} · leaf {}", heading.origin, heading.leaf)
}

/// Returns the title of a document: a report of one section is about nothing else.
pub(crate) fn title(document: &Document) -> &str {
    match &document.sections[..] {
        [only] => &only.title,
        _ => &document.heading.title,
    }
}

/// Returns the period as it was asked for, with its zone.
pub(crate) fn period(heading: &Heading) -> String {
    let Heading { period, zone, .. } = heading;
    if period.contains(zone.as_str()) { period.clone() } else { format!("{period}, {zone}") }
}

/// Returns a time of the heading as a cell.
pub(crate) fn instant(time: Option<&str>) -> Cell {
    let time = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    time.map_or(Cell::Absent, |time| {
        i64::try_from(time.as_nanosecond()).map_or(Cell::Absent, Cell::Time)
    })
}

/// Returns the equations.
pub(crate) fn ties(heading: &Heading) -> Vec<Sum> {
    let sum = |equation: &query::report::Equation| Sum {
        left: equation.left,
        words: equation.words.clone(),
        right: equation.right.clone(),
    };
    heading.tie_out.iter().map(sum).collect()
}

/// Returns what was asked.
pub(crate) fn scope(heading: &Heading) -> Part {
    let parameter = |parameter: &query::report::Parameter| {
        let default = if parameter.is_default { " (default)" } else { "" };
        Fact::new(parameter.name.clone(), format!("{}{default}", parameter.value))
    };
    let blocks = vec![
        Block::Words(sentence(&heading.subject)),
        Block::Facts(heading.parameters.iter().map(parameter).collect()),
        Block::Words(match heading.filter.is_empty() {
            true => "No filter: every event of the period is in the scope.".to_owned(),
            false => "Filter of the scope:".to_owned(),
        }),
    ];
    let filter = (!heading.filter.is_empty()).then(|| Block::Exact(heading.filter.clone()));
    chapter("Scope", blocks.into_iter().chain(filter).collect())
}

/// Returns the requirements for which a report is evidence, those for which it is none, and what it cannot show.
pub(crate) fn requirements(heading: &Heading) -> Part {
    let evidence = heading.evidence.iter().map(|evidence| {
        let EvidenceFor { framework, version, requirement, words, shows, not_shown } = evidence;
        (named(framework, version), [requirement, words, shows, not_shown])
    });
    let not = heading.not_addressed.iter().map(|not| {
        let NotAddressed { framework, version, requirement, words } = not;
        (named(framework, version), [requirement, words])
    });
    let words = "Requirements are named by their numbers, in our own words.";
    let mut blocks = vec![Block::Words(words.to_owned())];
    for (framework, table) in
        by_framework(["requirement", "is_about", "shown", "not_shown"], evidence)
    {
        blocks.push(Block::Heading(format!("Evidence for {framework}")));
        blocks.push(Block::Rows(whole(table)));
    }
    for (framework, table) in by_framework(["requirement", "is_about"], not) {
        blocks.push(Block::Heading(format!("Not addressed of {framework}")));
        blocks.push(Block::Rows(whole(table)));
    }
    blocks.push(Block::Heading("Limits".to_owned()));
    blocks.push(limits(heading));
    chapter("Requirements and limits", blocks)
}

/// Returns what no report over an audit log can show.
pub(crate) fn limits(heading: &Heading) -> Block {
    Block::Points(heading.limits.iter().map(|limit| sentence(limit)).collect())
}

fn named(framework: &str, version: &str) -> String {
    format!("{framework} ({version})")
}

/// Returns a table a framework, in the order in which they come.
fn by_framework<'a, const N: usize>(
    columns: [&'static str; N],
    rows: impl Iterator<Item = (String, [&'a String; N])>,
) -> Vec<(String, Table)> {
    let columns = columns.map(|name| Column::new(name, Kind::Text)).to_vec();
    let mut tables: Vec<(String, Table)> = Vec::new();
    for (framework, row) in rows {
        let row = row.map(|text| Cell::Text(text.clone())).to_vec();
        match tables.iter_mut().find(|(known, _)| *known == framework) {
            Some((_, table)) => table.rows.push(row),
            None => tables.push((framework, Table { columns: columns.clone(), rows: vec![row] })),
        }
    }
    tables
}

/// Returns a text of ours with a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Returns a text of ours as a sentence: with a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let body = capital(text.trim_end_matches('.'));
    if body.ends_with([':', '?', '!']) { body } else { format!("{body}.") }
}
