//! R12: whether the log itself can be relied upon: sources, gaps, equations, devices, clocks, keys, removal.

use ingest::ledger::Stream;
use ingest::own::Fact;
use ingest::source::LeafIndex;
use serde_json::Value;

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, ROWS_MAX, Summed, columns};
use crate::coverage::Arrival;
use crate::own_trail::each_own_row;
use crate::table::{Cell, Kind, Table};

/// Own lines that tell of the log itself, and not of people who read it.
pub(super) const ABOUT_THE_LOG: &[&str] = &[
    "gap",
    "continuity",
    "trouble",
    "paused",
    "imported",
    "refused_raw",
    "started",
    "stopped",
    "declared",
    "alarm",
    "key_rotated",
    "new_origin",
    "retained",
    "hold_set",
    "hold_released",
];

/// Makes the report.
pub(super) fn log_assurance(making: &Making<'_>) -> Result<Document, ReportError> {
    let counts = making.counts("", &["source"])?;
    let summed = Summed {
        tally: making.tally("")?,
        rows: vec![("events of all sources", counts.rows.iter().map(|row| row.count).sum())],
    };
    let mut sections = vec![sources(making), gaps(making), devices(making), clocks(making)];
    sections.extend([history(making)?, sinks(making)?, ledger(making)?]);
    sections.extend(Findings::of(making)?.sections());
    let notes = vec![
        "that no recorded line was changed, taken out or put in is shown by `keytrail verify`, with a checkpoint that left this machine; this report does not show it".to_owned(),
        "of the server's own side, that it wrote every line, only heartbeats and its own counters tell".to_owned(),
    ];
    let mut document = making.document(summed, Vec::new(), notes, sections)?;
    let equations = tie_out(&document);
    document.sections.insert(0, equations);
    Ok(document)
}

/// The equations as rows: one for each number on the right.
fn tie_out(document: &Document) -> Section {
    let columns = columns(&[&[
        ("what", Kind::Text),
        ("left", Kind::Number),
        ("holds", Kind::Text),
        ("part", Kind::Text),
        ("right", Kind::Number),
    ]]);
    let rows = document.heading.tie_out.iter().flat_map(|equation| {
        equation.right.iter().map(move |(part, number)| {
            vec![
                Cell::Text(equation.words.clone()),
                Cell::count(equation.left),
                Cell::text(Some(if equation.holds() { "yes" } else { "NO" })),
                Cell::Text(part.clone()),
                Cell::count(*number),
            ]
        })
    });
    let words = vec![
        "Each left number was counted otherwise than those on its right, which have to add up to it: lines of the ledger by the headers of its batches, and again by what the index made of them.".to_owned(),
    ];
    Section::new("tie-out", "Tie-out", words, Table { columns, rows: rows.collect() })
}

fn sources(making: &Making<'_>) -> Section {
    let coverage = making.scope().coverage;
    let columns = columns(&[&[
        ("source", Kind::Text),
        ("grade", Kind::Text),
        ("why", Kind::List),
        ("followed", Kind::Text),
        ("lines", Kind::Number),
        ("bytes", Kind::Number),
        ("lines_followed", Kind::Number),
        ("lines_imported", Kind::Number),
        ("not_decodable", Kind::Number),
        ("waiting", Kind::Number),
        ("gaps", Kind::Number),
        ("gap_bytes_at_least", Kind::Number),
        ("first", Kind::Text),
        ("last", Kind::Text),
        ("proven", Kind::List),
    ]]);
    let rows = coverage.sources.iter().map(|source| {
        let proven = source.proven.iter();
        let proven = proven.map(|it| format!("{} to {}", it.from, it.to)).collect();
        vec![
            Cell::Text(source.source.clone()),
            Cell::text(Some(source.grade.words())),
            Cell::List(source.why.clone()),
            Cell::text(Some(if source.followed { "yes" } else { "no" })),
            Cell::count(source.lines),
            Cell::count(source.bytes),
            Cell::count(source.live_lines),
            Cell::count(source.lines - source.live_lines),
            Cell::count(source.undecodable),
            Cell::count(source.pending),
            Cell::count(source.gaps),
            Cell::count(source.gap_bytes),
            Cell::text(source.first.clone()),
            Cell::text(source.last.clone()),
            Cell::List(proven),
        ]
    });
    let mut words = vec![
        "Lines are those of the whole hours (UTC) that the period touches. Imported lines were not seen while the server wrote them.".to_owned(),
    ];
    words.push(match &coverage.nodes {
        None => "The nodes of the cluster are not declared: nobody can say whether a node's log is missing.".to_owned(),
        Some(nodes) if coverage.nodes_without_source.is_empty() => {
            format!("Each declared node has a source: {}.", nodes.join(", "))
        }
        Some(_) => format!("No lines from: {}.", coverage.nodes_without_source.join(", ")),
    });
    let table = Table { columns, rows: rows.collect() };
    let mut section = Section::new("sources", "Sources", words, table);
    let lines = coverage.sources.iter().map(|source| (source.source.clone(), source.lines));
    section.chart = Bars::of("lines by source", lines);
    section
}

fn gaps(making: &Making<'_>) -> Section {
    let columns = columns(&[&[
        ("source", Kind::Text),
        ("kind", Kind::Text),
        ("from", Kind::Time),
        ("to", Kind::Time),
        ("what", Kind::Text),
    ]]);
    let mut rows = Vec::new();
    for source in &making.scope().coverage.sources {
        rows.extend(source.all_missing.iter().map(|missing| {
            vec![
                Cell::Text(source.source.clone()),
                Cell::text(Some(missing.kind)),
                Cell::time(missing.from_unix_ns),
                Cell::Time(missing.to_unix_ns),
                Cell::Text(missing.text.clone()),
            ]
        }));
    }
    let words = match rows.is_empty() {
        true => {
            "None that anything tells of. Whether that means that nothing is missing, the grades say."
        }
        false => "What is or may be missing.",
    };
    Section::new("gaps", "Gaps", vec![words.to_owned()], Table { columns, rows })
}

fn devices(making: &Making<'_>) -> Section {
    let columns = columns(&[&[
        ("node", Kind::Text),
        ("source", Kind::Text),
        ("requests", Kind::Number),
        ("same_as_others", Kind::Text),
    ]]);
    let devices = &making.scope().coverage.devices;
    let rows = devices.iter().flat_map(|of_node| {
        of_node.requests.iter().map(|(source, requests)| {
            vec![
                Cell::Text(of_node.node.clone()),
                Cell::Text(source.clone()),
                Cell::count(*requests),
                Cell::text(Some(if of_node.same { "yes" } else { "no" })),
            ]
        })
    });
    let words = match devices.is_empty() {
        true => "No node has several audit devices, so none can be held against another.",
        false => {
            "The devices of a node should have the same requests; they are compared by the ids of requests."
        }
    };
    let table = Table { columns, rows: rows.collect() };
    Section::new("devices", "Audit devices", vec![words.to_owned()], table)
}

/// How late lines arrive, and whether a server's clock is ahead of keytrail's.
fn clocks(making: &Making<'_>) -> Section {
    let columns = columns(&[&[
        ("source", Kind::Text),
        ("median_delay_ms", Kind::Number),
        ("greatest_delay_ms", Kind::Number),
        ("least_delay_ms", Kind::Number),
    ]]);
    let rows = making.scope().coverage.sources.iter().map(|source| {
        let of = |number: &dyn Fn(Arrival) -> i64| {
            source.arrival.map_or(Cell::Absent, |arrival| Cell::Number(number(arrival)))
        };
        vec![
            Cell::Text(source.source.clone()),
            of(&|arrival| i64::try_from(arrival.median_ms).unwrap_or(i64::MAX)),
            of(&|arrival| arrival.max_ms),
            of(&|arrival| arrival.min_ms),
        ]
    });
    let words = vec![
        "From a line's own time to its arrival, of lines that were followed; imported ones tell nothing of clocks. Below zero: the server's clock was ahead of keytrail's. Whether either clock was right is not shown.".to_owned(),
    ];
    Section::new("clocks", "Clocks", words, Table { columns, rows: rows.collect() })
}

/// What keytrail wrote down of the log within the period: restarts, gaps, imports, alarms, keys, holds, removals.
fn history(making: &Making<'_>) -> Result<Section, ReportError> {
    let columns = columns(&[&[
        ("time", Kind::Time),
        ("line", Kind::Text),
        ("says", Kind::Text),
        ("leaf", Kind::Number),
    ]]);
    let (mut rows, mut too_many) = (Vec::new(), false);
    let below = making.leaf();
    each_own_row(making.trail, below, &mut |row| {
        if ABOUT_THE_LOG.contains(&row.kind.as_str()) && making.has_time(row.time_unix_ns()) {
            too_many |= rows.len() >= ROWS_MAX;
            if !too_many {
                rows.push(vec![
                    Cell::Time(row.time_unix_ns()),
                    Cell::Text(row.kind.clone()),
                    Cell::Text(Value::Object(row.rest.clone()).to_string()),
                    Cell::count(row.leaf),
                ]);
            }
        }
    })?;
    if too_many {
        return Err(making.too_many("lines about the log"));
    }
    let words = vec![
        "keytrail's own lines about the log in the period, each a leaf of the ledger. A scheduled verification leaves a line only if it fails (alarm).".to_owned(),
    ];
    Ok(Section::new("history", "What happened to the log", words, Table { columns, rows }))
}

/// What receivers of events were found to have, each time that somebody compared it.
fn sinks(making: &Making<'_>) -> Result<Section, ReportError> {
    const NUMBERS: [&str; 7] =
        ["expected", "missing", "refused", "doubled", "altered", "other_version", "unknown"];
    let columns = columns(&[
        &[
            ("time", Kind::Time),
            ("sink", Kind::Text),
            ("by", Kind::Text),
            ("against", Kind::Text),
            ("from", Kind::Text),
            ("to", Kind::Text),
            ("up_to_leaf", Kind::Number),
        ],
        &NUMBERS.map(|name| (name, Kind::Number)),
        &[("result_sha256", Kind::Text), ("leaf", Kind::Number)],
    ]);
    let (mut rows, mut too_many) = (Vec::new(), false);
    each_own_row(making.trail, making.leaf(), &mut |row| {
        if row.kind != "sink_reconciled" || !making.has_time(row.time_unix_ns()) {
            return;
        }
        too_many |= rows.len() >= ROWS_MAX;
        if too_many {
            return;
        }
        let text = |key: &str| Cell::text(row.rest.get(key).and_then(Value::as_str));
        let number =
            |value: Option<&Value>| value.and_then(Value::as_u64).map_or(Cell::Absent, Cell::count);
        let upto = row.rest.get("upto").and_then(|place| place.get(0));
        let mut cells = vec![
            Cell::Time(row.time_unix_ns()),
            text("sink"),
            Cell::text(row.who.clone()),
            text("against"),
            text("from"),
            text("to"),
            number(upto),
        ];
        cells.extend(NUMBERS.map(|name| number(row.rest.get(name))));
        cells.extend([text("sha256"), Cell::count(row.leaf)]);
        rows.push(cells);
    })?;
    if too_many {
        return Err(making.too_many("comparisons of sinks"));
    }
    let words = match rows.is_empty() {
        true => {
            "Nobody compared in the period what a receiver of events has with what was sent to it."
        }
        false => {
            "What a receiver of events had of those that were sent to it, as `keytrail forward reconcile` found. Against `receiver`: it was asked itself; `documents` or `uids`: somebody brought its list. Without a number of altered ones, documents were not compared."
        }
    };
    let table = Table { columns, rows };
    Ok(Section::new("sinks", "Sinks", vec![words.to_owned()], table))
}

/// The ledger as of the answer: size, root, checkpoint, keys, what was removed and what may not be.
fn ledger(making: &Making<'_>) -> Result<Section, ReportError> {
    let (mut keys, mut holds, mut removed): (u64, Vec<String>, Vec<String>) = (0, vec![], vec![]);
    crate::own_trail::each_own_line(making.trail, 0, &mut |leaf, line| {
        if leaf >= making.leaf() {
            return;
        }
        match line.fact {
            Fact::KeyRotated { .. } | Fact::NewOrigin { .. } => keys += 1,
            Fact::HoldSet { reason } => holds.push(format!("{reason}, since {}", line.time)),
            Fact::HoldReleased { reason } => {
                holds.retain(|hold| !hold.starts_with(&format!("{reason}, since ")));
            }
            Fact::Retained { least_leaf, until, keep, .. } => removed.push(format!(
                "lines below leaf {least_leaf}, which had arrived up to {until}; kept are {keep}"
            )),
            _ => {}
        }
    })?;
    let (leaf, scope) = (making.leaf(), making.scope());
    let lines = making.trail.ledger().lines_below(Stream::Lines, LeafIndex(leaf));
    let lines = lines.map_err(crate::error::QueryError::from)?;
    let facts = [
        ("origin", vec![scope.origin.to_owned()]),
        ("leaves", vec![leaf.to_string()]),
        ("root of the tree over them, SHA-256", vec![scope.recorded.root.clone()]),
        ("lines of servers", vec![lines.to_string()]),
        ("changes of the signing key", vec![keys.to_string()]),
        ("legal holds that stand", none_if_empty(holds)),
        ("removed by retention", none_if_empty(removed)),
    ];
    let columns = columns(&[&[("what", Kind::Text), ("is", Kind::Text)]]);
    let rows = facts.into_iter().flat_map(|(what, all)| {
        all.into_iter().map(move |is| vec![Cell::text(Some(what)), Cell::Text(is)])
    });
    let words = vec![
        "As of the leaf of this report. Who has the key's fingerprint from elsewhere verifies it: `keytrail verify --key`.".to_owned(),
    ];
    Ok(Section::new("ledger", "Ledger", words, Table { columns, rows: rows.collect() }))
}

fn none_if_empty(all: Vec<String>) -> Vec<String> {
    if all.is_empty() { vec!["none".to_owned()] } else { all }
}
