//! Any report with finished values, for its page and for the document that stands alone.

use jiff::tz::TimeZone;
use query::period::{rfc3339_in, time_zone};
use query::report::Heading;
use query::report::document::{Bars, Document, Section};
use query::table::{Cell, Column, Kind};

use crate::link::{self, Link};
use crate::text::{Text, capital, grouped};

/// The report.
pub(super) struct DocumentView {
    pub(super) title: Text,
    pub(super) subject: Text,
    pub(super) period: Text,
    pub(super) complete: Complete,
    pub(super) facts: Vec<(&'static str, Text)>,
    pub(super) tie_out: Vec<Sum>,
    pub(super) sections: Vec<SectionView>,
    pub(super) frameworks: Vec<Framework>,
    pub(super) notes: Vec<Text>,
    pub(super) limits: Vec<Text>,
}

/// What may be said of completeness.
pub(super) struct Complete {
    /// In words; "complete" stands with a proven grade only.
    pub(super) words: &'static str,
    pub(super) is_proven: bool,
    pub(super) why: Vec<Text>,
}

/// An equation.
pub(super) struct Sum {
    pub(super) sentence: Text,
    pub(super) holds: bool,
}

/// A framework, and the requirements for which the report is evidence and for which it is none.
pub(super) struct Framework {
    pub(super) name: Text,
    pub(super) evidence: Vec<[Text; 4]>,
    pub(super) not: Vec<[Text; 2]>,
}

/// A part of the report.
pub(super) struct SectionView {
    pub(super) id: &'static str,
    pub(super) title: Text,
    pub(super) words: Vec<Text>,
    pub(super) chart: Option<Chart>,
    pub(super) columns: Vec<Head>,
    pub(super) rows: Vec<Vec<CellView>>,
    /// Says how many rows are not shown.
    pub(super) cut: Option<String>,
    pub(super) csv: Option<String>,
}

/// A column's heading.
pub(super) struct Head {
    pub(super) words: String,
    pub(super) is_number: bool,
}

/// A cell.
pub(super) struct CellView {
    pub(super) values: Vec<Link>,
    /// How much room it needs so that names are not broken: a class of the style sheet.
    pub(super) room: &'static str,
}

/// A chart of bars.
pub(super) struct Chart {
    pub(super) alt: Text,
    pub(super) bars: Vec<Bar>,
}

/// A bar, its length in hundredths of the longest.
pub(super) struct Bar {
    pub(super) name: Text,
    pub(super) number: String,
    pub(super) length: u64,
}

/// How many rows of a section a page shows, and how many the document that stands alone: each is to be read.
const ROWS_ON_PAGE: usize = 100;
const ROWS_ALONE: usize = 2_000;
/// How many values of a list a cell shows.
const LISTED: usize = 8;

impl DocumentView {
    /// Returns the report with its rows leading to their events, and its sections to their CSV if the reader may take it.
    pub(super) fn linked(report: &Document, csv: Option<&dyn Fn(&str) -> String>) -> DocumentView {
        DocumentView::new(report, true, csv)
    }

    /// Returns the report without links: a document leads nowhere.
    pub(super) fn alone(report: &Document) -> DocumentView {
        DocumentView::new(report, false, None)
    }

    fn new(
        report: &Document,
        is_linked: bool,
        csv: Option<&dyn Fn(&str) -> String>,
    ) -> DocumentView {
        let heading = &report.heading;
        let zone = time_zone(&heading.zone).unwrap_or(TimeZone::UTC);
        let texts = |all: &[String]| all.iter().map(|text| sentence(text)).collect();
        let section = |section: &Section| {
            let csv = csv.map(|csv| csv(section.id));
            SectionView::new(section, heading, &zone, is_linked, csv)
        };
        DocumentView {
            title: Text::new(&heading.title),
            subject: Text::new(&heading.subject),
            period: Text::new(&heading.period),
            complete: Complete {
                words: match heading.completeness.grade {
                    "proven" => "Complete: proven",
                    "no gap seen" => "No gap seen; that nothing is missing is not proven",
                    _ => "Incomplete",
                },
                is_proven: heading.completeness.is_proven(),
                why: texts(&heading.completeness.sentences),
            },
            facts: facts(heading),
            tie_out: heading
                .tie_out
                .iter()
                .map(|equation| Sum {
                    sentence: Text::new(&equation.sentence()),
                    holds: equation.holds(),
                })
                .collect(),
            sections: report.sections.iter().map(section).collect(),
            frameworks: frameworks(heading),
            notes: texts(&heading.notes),
            limits: texts(&heading.limits),
        }
    }
}

impl SectionView {
    fn new(
        section: &Section,
        heading: &Heading,
        zone: &TimeZone,
        is_linked: bool,
        csv: Option<String>,
    ) -> SectionView {
        let shown = if is_linked { ROWS_ON_PAGE } else { ROWS_ALONE };
        let columns = &section.table.columns;
        let rows = section.table.rows.iter().take(shown).map(|row| {
            let cells = columns.iter().zip(row);
            cells
                .map(|(column, cell)| CellView::new(column, cell, heading, zone, is_linked))
                .collect()
        });
        let all = section.table.rows.len();
        SectionView {
            id: section.id,
            title: Text::new(&section.title),
            words: section.words.iter().map(|text| Text::whole(&capital(text))).collect(),
            chart: section.chart.as_ref().map(Chart::new),
            columns: columns
                .iter()
                .map(|column| Head {
                    words: capital(&column.name.replace('_', " ")),
                    is_number: column.kind == Kind::Number,
                })
                .collect(),
            rows: rows.collect(),
            cut: (all > shown).then(|| {
                format!(
                    "Shown are the first {} rows of {}. All of them stand in the report's CSV, JSON and workbook.",
                    grouped(shown),
                    grouped(all)
                )
            }),
            csv,
        }
    }
}

impl CellView {
    fn new(
        column: &Column,
        cell: &Cell,
        heading: &Heading,
        zone: &TimeZone,
        is_linked: bool,
    ) -> CellView {
        let plain = |text: &str| vec![Link { text: Text::new(text), href: None }];
        let values = match cell {
            Cell::Absent => Vec::new(),
            Cell::Text(text) if column.name == "filter" && is_linked => {
                vec![Link { text: Text::new("events"), href: opened(text, heading) }]
            }
            Cell::Text(text) => plain(text),
            Cell::Number(number) if *number >= 0 => plain(&grouped(number.unsigned_abs())),
            Cell::Number(number) => plain(&number.to_string()),
            Cell::Time(unix_ns) => plain(&second(&rfc3339_in(*unix_ns, zone))),
            Cell::List(texts) => listed(texts),
        };
        let room = match column.kind {
            Kind::Number => "num",
            _ => values.iter().map(|value| room(&value.text.to_string())).max().unwrap_or_default(),
        };
        CellView { values, room }
    }
}

impl Chart {
    fn new(bars: &Bars) -> Chart {
        let most = bars.bars.iter().map(|(_, number)| *number).max().unwrap_or(1).max(1);
        let bar = |(name, number): &(String, u64)| Bar {
            name: Text::new(name),
            number: grouped(*number),
            // A bar of little is there to be seen all the same.
            length: (number * 100).div_ceil(most),
        };
        Chart { alt: Text::whole(&capital(&bars.alt)), bars: bars.bars.iter().map(bar).collect() }
    }
}

/// Returns the class of a text, by its length and that of its longest word. They are in alphabetical order as in their width.
fn room(text: &str) -> &'static str {
    let word = text.split_whitespace().map(str::len).max().unwrap_or(0);
    match (text.len(), word) {
        (61.., _) => "w-4",
        (_, 17..) => "w-3",
        (_, 11..) => "w-2",
        _ => "w-1",
    }
}

/// Returns the address that shows a row's events. A filter that names a stretch of time itself is of no other.
fn opened(filter: &str, heading: &Heading) -> Option<String> {
    let question = link::Question::default().with_typed(filter)?;
    let end = |time: &Option<String>| time.clone().unwrap_or_default();
    let question = match link::has_stretch(filter) {
        true => question,
        false => link::Question { from: end(&heading.from), to: end(&heading.to), ..question },
    };
    Some(question.href("/explore"))
}

fn listed(texts: &[String]) -> Vec<Link> {
    let mut values: Vec<Link> = texts.iter().take(LISTED).map(|text| Link::none(text)).collect();
    let more = texts.len() - values.len();
    if more > 0 {
        values.push(Link::none(&format!("and {} more", grouped(more))));
    }
    values
}

fn facts(heading: &Heading) -> Vec<(&'static str, Text)> {
    let filter = if heading.filter.is_empty() { "everything" } else { &heading.filter };
    let query = if heading.query.is_empty() { "everything" } else { &heading.query };
    let from = heading.from.as_deref().unwrap_or("the first event");
    let to = heading.to.as_deref().unwrap_or("the last event");
    let mut facts = vec![
        ("State", Text::new(heading.state.as_str())),
        ("Period", Text::new(&heading.period)),
        ("From, included", Text::new(from)),
        ("To, not included", Text::new(to)),
        ("Zone of dates", Text::new(&heading.zone)),
        ("Scope, as a filter", Text::new(filter)),
        ("Literal query", Text::whole(query)),
        ("Run by", Text::new(&heading.run_by)),
        ("Made at", Text::new(&heading.generated)),
        ("Made at, in the zone", Text::new(&heading.generated_local)),
        ("Made by", Text::new(&heading.generator)),
        ("Report id", Text::new(&heading.report)),
        ("SHA-256 of its definition", Text::new(&heading.definition)),
        ("SHA-256 of the catalogue", Text::new(&heading.catalogue)),
        ("Ledger", Text::new(&heading.origin)),
        ("Leaves covered", Text::new(&format!("the first {}", grouped(heading.leaf)))),
        ("Root of the tree over them", Text::new(&heading.root)),
    ];
    facts.extend(heading.parameters.iter().map(|parameter| {
        let default = if parameter.is_default { " (default)" } else { "" };
        ("Parameter", Text::new(&format!("{}: {}{default}", parameter.name, parameter.value)))
    }));
    let span = |time: &Option<String>| time.clone().unwrap_or_else(|| "no time".to_owned());
    facts.extend(heading.sources.iter().map(|source| {
        let (events, first, last) =
            (grouped(source.events), span(&source.first), span(&source.last));
        ("Source", Text::new(&format!("{}: {events} events, {first} to {last}", source.source)))
    }));
    facts
}

fn frameworks(heading: &Heading) -> Vec<Framework> {
    let mut frameworks: Vec<Framework> = Vec::new();
    let mut of = |framework: &str, version: &str| {
        let name = Text::new(&format!("{framework} ({version})"));
        match frameworks.iter().position(|framework| framework.name == name) {
            Some(at) => at,
            None => {
                frameworks.push(Framework { name, evidence: Vec::new(), not: Vec::new() });
                frameworks.len() - 1
            }
        }
    };
    let places: Vec<usize> =
        heading.evidence.iter().map(|it| of(&it.framework, &it.version)).collect();
    let not: Vec<usize> =
        heading.not_addressed.iter().map(|it| of(&it.framework, &it.version)).collect();
    for (at, it) in places.into_iter().zip(&heading.evidence) {
        let cells = [&it.requirement, &it.words, &it.shows, &it.not_shown];
        frameworks[at].evidence.push(cells.map(|text| Text::new(text)));
    }
    for (at, it) in not.into_iter().zip(&heading.not_addressed) {
        frameworks[at].not.push([Text::new(&it.requirement), Text::new(&it.words)]);
    }
    frameworks
}

/// Cuts `2026-10-12T09:00:00.123+02:00` to the second.
fn second(rfc3339: &str) -> String {
    rfc3339.get(..19).map_or_else(|| rfc3339.to_owned(), |second| second.replace('T', " "))
}

/// Makes a sentence of a note.
fn sentence(note: &str) -> Text {
    Text::whole(&format!("{}.", capital(note)))
}
