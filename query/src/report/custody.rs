//! R13: who read the trail and took what away, by keytrail's own lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, ROWS_MAX, Summed, columns};
use super::tie_out::Equation;
use crate::own_trail::{OwnRow, each_own_row};
use crate::table::{Cell, Kind, Table};

/// What people do with keytrail, by what it means for custody.
const DEEDS: &[(&str, &str)] = &[
    ("signed_in", "signed in"),
    ("sign_in_failed", "could not sign in"),
    ("signed_out", "signed out"),
    ("asked", "asked a question"),
    ("lines_shown", "was shown raw lines"),
    ("looked_up", "looked a value up"),
    ("exported", "took an answer away"),
    ("report_issued", "issued a report"),
    ("sink_asked", "had events sent to a sink again"),
    ("sink_reconciled", "compared what a sink's receiver has"),
    ("report_made", "had a report made on schedule"),
    ("view_changed", "changed a named question"),
    ("exception_reviewed", "reviewed an exception"),
    ("campaign_opened", "opened a review of access"),
    ("campaign_decided", "decided in a review of access"),
    ("campaign_closed", "closed a review of access"),
    ("account_changed", "changed an account"),
    ("registers_changed", "ran with other registers"),
    ("deeds_left_out", "did more than is written down one by one"),
    ("hold_set", "set a legal hold"),
    ("hold_released", "released a legal hold"),
];

/// What one person did, of one kind.
#[derive(Default)]
struct Done {
    lines: u64,
    /// Deeds that were not written down one by one.
    more: u64,
    /// Raw lines shown.
    leaves: u64,
    seen: Option<(i64, i64)>,
    addresses: BTreeSet<String>,
}

/// Makes the report.
pub(super) fn auditor_access(making: &Making<'_>) -> Result<Document, ReportError> {
    let below = making.leaf();
    let mut done: BTreeMap<(Option<String>, &str), Done> = BTreeMap::new();
    let mut roles: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = Vec::new();
    let (mut outside, mut unlike, mut too_many) = (0, 0, false);
    let unreadable = each_own_row(making.trail, below, &mut |row| {
        role(&row, &mut roles);
        let at = row.time_unix_ns();
        let Some((kind, _)) = DEEDS.iter().find(|(kind, _)| *kind == row.kind) else {
            unlike += 1;
            return;
        };
        if !making.has_time(at) {
            outside += 1;
            return;
        }
        let of = done.entry((row.who.clone(), kind)).or_default();
        of.lines += 1;
        of.more += row.rest.get("deeds").and_then(Value::as_u64).unwrap_or(0);
        of.leaves +=
            row.rest.get("leaves").and_then(Value::as_array).map_or(0, |all| all.len() as u64);
        let (first, last) = of.seen.unwrap_or((at, at));
        of.seen = Some((first.min(at), last.max(at)));
        of.addresses.extend(row.address.clone().filter(|address| !address.is_empty()));
        too_many |= rows.len() >= ROWS_MAX;
        if !too_many {
            rows.push(line(&row));
        }
    })?;
    if too_many {
        return Err(making.too_many("deeds"));
    }
    let counted = rows.len() as u64;
    let mut sections = vec![people(&done, &roles), deeds(rows)];
    sections.extend(Findings::of(making)?.sections());
    let events = making.tally("")?;
    let sources = making.counts("", &["source"])?;
    let summed = Summed {
        tally: events,
        rows: vec![("events of all sources", sources.rows.iter().map(|row| row.count).sum())],
    };
    let notes = vec![
        "counted are keytrail's own lines; what somebody reads of its files on its own machine, or does with a copy of the ledger or an answer that he took away, leaves none".to_owned(),
        "os:user@host is what the operating system told: claimed, not proven".to_owned(),
        "a role is the one that the last line before the leaf gave".to_owned(),
    ];
    let mut document = making.document(summed, Vec::new(), notes, sections)?;
    let own = making.own_lines_by_headers()?;
    let words = "own lines in the ledger, by the headers of their batches";
    let read = [
        ("deeds in the period", counted),
        ("deeds at other times", outside),
        ("of keytrail itself", unlike),
        ("that this version cannot read", unreadable),
    ];
    document.heading.tie_out.push(Equation::new(words, own, read));
    let by_person = done.values().map(|of| of.lines).sum();
    if by_person != counted {
        return Err(ReportError::TieOut { rows: by_person, counted });
    }
    Ok(document)
}

/// Learns the role of an account.
fn role(row: &OwnRow, roles: &mut BTreeMap<String, String>) {
    let text = |name: &str| row.rest.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(role) = text("role") else { return };
    match row.kind.as_str() {
        "account_changed" => {
            let Some(name) = text("name") else { return };
            let is_token = text("change").is_some_and(|change| change.starts_with("token"));
            roles.insert(format!("{}:{name}", if is_token { "token" } else { "user" }), role);
        }
        "signed_in" => {
            let Some(who) = &row.who else { return };
            roles.insert(who.clone(), role);
        }
        _ => {}
    }
}

fn people(
    done: &BTreeMap<(Option<String>, &str), Done>,
    roles: &BTreeMap<String, String>,
) -> Section {
    let columns = columns(&[&[
        ("who", Kind::Text),
        ("role", Kind::Text),
        ("did", Kind::Text),
        ("lines", Kind::Number),
        ("not_written_one_by_one", Kind::Number),
        ("raw_lines_shown", Kind::Number),
        ("first", Kind::Time),
        ("last", Kind::Time),
        ("addresses", Kind::List),
    ]]);
    let told = |kind: &str| {
        let found = DEEDS.iter().find(|(known, _)| *known == kind);
        found.map_or(kind.to_owned(), |(_, words)| (*words).to_owned())
    };
    let rows = done.iter().map(|((who, kind), of)| {
        vec![
            Cell::text(who.clone()),
            Cell::text(who.as_ref().and_then(|who| roles.get(who)).cloned()),
            Cell::Text(told(kind)),
            Cell::count(of.lines),
            Cell::count(of.more),
            Cell::count(of.leaves),
            Cell::time(of.seen.map(|(first, _)| first)),
            Cell::time(of.seen.map(|(_, last)| last)),
            Cell::List(of.addresses.iter().cloned().collect()),
        ]
    });
    let words = match done.is_empty() {
        true => {
            "no data: no line in the period tells of anybody who did something with keytrail. Before the first user is added everybody may ask, and nobody is named."
        }
        false => {
            "By person and what he did. Where nobody is named: a failed sign-in under a name that is none of ours, or a command on keytrail's own machine."
        }
    };
    let table = Table { columns, rows: rows.collect() };
    let mut section = Section::new("people", "Who did what", vec![words.to_owned()], table);
    let mut by_kind: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, kind), of) in done {
        *by_kind.entry(kind).or_default() += of.lines;
    }
    let bars = by_kind.into_iter().map(|(kind, lines)| (told(kind), lines));
    section.chart = Bars::of("lines by what was done", bars);
    section
}

fn line(row: &OwnRow) -> Vec<Cell> {
    vec![
        Cell::Time(row.time_unix_ns()),
        Cell::text(row.who.clone()),
        Cell::Text(row.kind.clone()),
        Cell::text(row.address.clone().filter(|address| !address.is_empty())),
        Cell::Text(Value::Object(row.rest.clone()).to_string()),
        Cell::count(row.leaf),
    ]
}

fn deeds(rows: Vec<Vec<Cell>>) -> Section {
    let columns = columns(&[&[
        ("time", Kind::Time),
        ("who", Kind::Text),
        ("line", Kind::Text),
        ("address", Kind::Text),
        ("says", Kind::Text),
        ("leaf", Kind::Number),
    ]]);
    let words = vec![
        "Line by line, the oldest first; each is a leaf of the ledger, and `keytrail prove` shows that it is there.".to_owned(),
    ];
    Section::new("deeds", "Custody", words, Table { columns, rows })
}

#[cfg(test)]
mod tests {
    use ingest::own::Fact;

    use super::DEEDS;
    use crate::report::assurance::ABOUT_THE_LOG;

    /// A new kind of line is a deed, about the log, or told by coverage: somebody has to say.
    #[test]
    fn every_kind_of_line_is_somewhere() {
        let in_coverage = ["tick", "heartbeats", "counters"];
        for kind in Fact::KINDS {
            let is_deed = DEEDS.iter().any(|(deed, _)| deed == kind);
            let is_known = is_deed || ABOUT_THE_LOG.contains(kind) || in_coverage.contains(kind);
            assert!(is_known, "{kind} is in no report");
        }
        for (deed, _) in DEEDS {
            assert!(Fact::KINDS.contains(deed), "{deed}");
        }
    }
}
