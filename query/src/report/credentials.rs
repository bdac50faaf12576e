//! R08: what people and programs authenticate with: tokens by type and lifetime, leases by what issued them.

use std::collections::{BTreeMap, BTreeSet};

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, Summed, columns};
use crate::controls::Field;
use crate::count::distinct_in;
use crate::error::QueryError;
use crate::filter::CountField;
use crate::lookup::{GivenOut, LeaseRow, State, leases};
use crate::question::Question;
use crate::table::{Cell, Kind, Table};

/// Which requests come with a token of which kind. Each request is in one of them.
const TYPES: [(&str, &str); 3] =
    [("service", "token:* -is:batch"), ("batch", "token:* is:batch"), ("none", "-token:*")];

/// Lifetimes as they were given. Each request is in one of them.
const LIFETIMES: [(&str, &str); 6] = [
    ("not told", "-ttl:*"),
    ("up to 1 h", "ttl:<=1h"),
    ("1 h to 12 h", "ttl:>1h ttl:<=12h"),
    ("12 h to 24 h", "ttl:>12h ttl:<=24h"),
    ("24 h to 32 d", "ttl:>24h ttl:<=768h"),
    ("over 32 d", "ttl:>768h"),
];

/// The most leases of a period: how each of them stood is found out one by one.
const LEASES_MAX: usize = 50_000;

/// Makes the report.
pub(super) fn credentials(making: &Making<'_>) -> Result<Document, ReportError> {
    let (tokens, summed) = tokens(making)?;
    let mut sections = vec![tokens, issued(making)?];
    sections.extend(Findings::of(making)?.sections());
    let notes = vec![
        "a token's lifetime is the one that its requests tell; that it ended by itself is in no log".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, sections)
}

/// Requests and tokens by kind of identity, type of token and lifetime.
fn tokens(making: &Making<'_>) -> Result<(Section, Summed), ReportError> {
    let columns = columns(&[&[
        ("kind", Kind::Text),
        ("token_type", Kind::Text),
        ("lifetime", Kind::Text),
        ("tokens", Kind::Number),
        ("requests", Kind::Number),
        ("first", Kind::Time),
        ("last", Kind::Time),
        ("filter", Kind::Text),
    ]]);
    let field = |name| CountField::parse(name, making.view.fields()).expect("a column");
    let mut rows = Vec::new();
    let mut by_type = TYPES.map(|(name, _)| (name, 0));
    for ((token_type, of_type), sum) in TYPES.iter().zip(&mut by_type) {
        for (lifetime, of_lifetime) in LIFETIMES {
            let more = format!("{of_type} {of_lifetime}");
            let counts = making.counts(&more, &["kind"])?;
            let distinct = distinct_in(
                &making.view,
                &making.question(&more),
                field("token"),
                &[field("kind")],
                None,
            )?;
            for row in &counts.rows {
                let tokens = distinct.rows.iter().find(|tokens| tokens.values == row.values);
                let kind = row.values[0].clone();
                sum.1 += row.count;
                rows.push(vec![
                    Cell::text(kind.clone()),
                    Cell::text(Some(*token_type)),
                    Cell::text(Some(lifetime)),
                    Cell::count(tokens.map_or(0, |tokens| tokens.count)),
                    Cell::count(row.count),
                    Cell::time(row.measured.seen.map(|(first, _)| first)),
                    Cell::time(row.measured.seen.map(|(_, last)| last)),
                    making.opens(&more, &[(Field::Kind, kind.as_deref())]),
                ]);
            }
        }
    }
    let bars: Vec<(String, u64)> =
        LIFETIMES.iter().map(|(name, _)| ((*name).to_owned(), sum_of(&rows, name))).collect();
    let words = vec![
        "Each request of the scope, by the token it came with. Requests without a token are logins and open paths.".to_owned(),
        "A token counts in each group in which it made a request: one whose lifetime was renewed to another may be in two.".to_owned(),
    ];
    let mut section = Section::new("tokens", "Tokens in use", words, Table { columns, rows });
    section.chart = Bars::of("tokens in use by lifetime", bars);
    let rows = vec![
        ("with a service token", by_type[0].1),
        ("with a batch token", by_type[1].1),
        ("without a token", by_type[2].1),
    ];
    Ok((section, Summed { tally: making.tally("")?, rows }))
}

/// Returns the tokens of all rows of one lifetime.
fn sum_of(rows: &[Vec<Cell>], lifetime: &str) -> u64 {
    let its = rows.iter().filter(|row| matches!(&row[2], Cell::Text(name) if name == lifetime));
    its.map(|row| match row[3] {
        Cell::Number(tokens) => u64::try_from(tokens).unwrap_or(0),
        _ => 0,
    })
    .sum()
}

/// What became of the leases of one path.
#[derive(Default)]
struct Leases {
    issued: u64,
    renewed: u64,
    renewals: u64,
    revoked: u64,
    ended: u64,
    open: u64,
    unknown: u64,
    seen: Option<(i64, i64)>,
    holders: BTreeSet<String>,
}

/// Leases that were issued in the period, by the path that issued them.
fn issued(making: &Making<'_>) -> Result<Section, ReportError> {
    let columns = columns(&[&[
        ("namespace", Kind::Text),
        ("path", Kind::Text),
        ("issued", Kind::Number),
        ("renewed", Kind::Number),
        ("renewals", Kind::Number),
        ("revoked", Kind::Number),
        ("ended_otherwise", Kind::Number),
        ("in_force", Kind::Number),
        ("end_unknown", Kind::Number),
        ("first", Kind::Time),
        ("last", Kind::Time),
        ("holders", Kind::List),
        ("filter", Kind::Text),
    ]]);
    let issuing = "has:lease -action:lease.* outcome:success";
    if making.tally(issuing)?.matched > LEASES_MAX as u64 {
        let limit = LEASES_MAX;
        return Err(QueryError::TooMany { what: "leases of one period", limit }.into());
    }
    // What every answer leaves out is left out here too, so that a row's filter opens as many.
    let Question { filter, from, to, at, .. } = making.question("-is:late,forwarded,system");
    if at.is_some_and(|at| at < making.view.leaf()) {
        let words = vec![format!(
            "no data: how leases stood is told as of now only, and this report is as of leaf {}; `keytrail leases --as-of` tells it of an instant",
            making.leaf()
        )];
        return Ok(Section::new("leases", "Leases", words, Table { columns, rows: Vec::new() }));
    }
    let given = GivenOut { filter, from, to, at: None, only_open: false };
    let mut by_path: BTreeMap<(Option<String>, Option<String>), Leases> = BTreeMap::new();
    leases(making.trail, &making.view, &given, 0, None, &mut |lease: LeaseRow| {
        let of = by_path.entry((lease.namespace, lease.path)).or_default();
        of.issued += 1;
        of.renewed += u64::from(lease.renewals > 0);
        of.renewals += lease.renewals;
        *match (lease.revoked_unix_ns, lease.standing.state) {
            (Some(_), _) => &mut of.revoked,
            (None, State::Ended) => &mut of.ended,
            (None, State::Open) => &mut of.open,
            (None, State::Unknown) => &mut of.unknown,
        } += 1;
        if let Some(at) = lease.issued_unix_ns {
            let (first, last) = of.seen.unwrap_or((at, at));
            of.seen = Some((first.min(at), last.max(at)));
        }
        of.holders.extend(lease.identity.or(lease.identity_key));
        Ok::<(), QueryError>(())
    })?;
    let rows = by_path.iter().map(|((namespace, path), of)| {
        vec![
            Cell::text(namespace.clone()),
            Cell::text(path.clone()),
            Cell::count(of.issued),
            Cell::count(of.renewed),
            Cell::count(of.renewals),
            Cell::count(of.revoked),
            Cell::count(of.ended),
            Cell::count(of.open),
            Cell::count(of.unknown),
            Cell::time(of.seen.map(|(first, _)| first)),
            Cell::time(of.seen.map(|(_, last)| last)),
            Cell::List(of.holders.iter().cloned().collect()),
            making.opens(
                issuing,
                &[(Field::Ns, namespace.as_deref()), (Field::Path, path.as_deref())],
            ),
        ]
    });
    let mut words = vec![
        "By the path that issued them: a database role, for example. How each stood when the log ends; a lease that ends by itself leaves no line, so an end may be inferred or unknown. `keytrail leases` says of each one why.".to_owned(),
    ];
    if by_path.is_empty() {
        words.insert(0, "No lease was issued in the period, as far as the log tells.".to_owned());
    }
    let table = Table { columns, rows: rows.collect() };
    let mut section = Section::new("leases", "Leases", words, table);
    let bars = by_path.iter().map(|((_, path), of)| (path.clone().unwrap_or_default(), of.issued));
    section.chart = Bars::of("leases issued by path", bars);
    Ok(section)
}
