//! Who asked, and what was asked for: every identity and every path, with what came of their requests.
//!
//! A list is as of a leaf, the first page's: pages fit together however much comes in between. A request that still waits
//! for its response is not issued yet, and not counted.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ingest::event::{Decision, Outcome};
use serde::Serialize;
use utoipa::ToSchema;

use crate::count::{CountRow, Measures, measure_in};
use crate::error::QueryError;
use crate::filter::CountField;
use crate::history::View;
use crate::period::rfc3339;
use crate::question::{LeftOut, Question};
use crate::select::selected;
use crate::table::{Cell, Column, Kind, Table};

/// Of what the list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Identities, by their keys.
    Identities,
    /// Paths, each of a namespace.
    Paths,
}

/// An identity or a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subject {
    /// The identity's key, or the path; null: the requests that have none, such as failed logins.
    pub key: Option<String>,
    /// The name on an identity's newest event.
    pub name: Option<String>,
    /// The namespace of a path; null: the root namespace.
    pub namespace: Option<String>,
    /// All requests. Those below are parts of them.
    pub requests: u64,
    /// Allowed and successful.
    pub access: u64,
    /// Denied.
    pub denied: u64,
    /// Of which the log does not tell whether they were allowed.
    pub unknown: u64,
    /// The time of the first request.
    #[schema(format = DateTime)]
    pub first: Option<String>,
    /// The time of the last.
    #[schema(format = DateTime)]
    pub last: Option<String>,
    #[serde(skip)]
    span: Option<(i64, i64)>,
}

/// Part of a list.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// Most requests first, then by key.
    pub items: Vec<Subject>,
    /// How many there are in all.
    pub subjects: u64,
    /// Asks for those after these.
    pub next: Option<ListToken>,
    /// How many events they are made of.
    pub matched: u64,
    /// How many fit the question and are left out.
    pub left_out: LeftOut,
    /// How many more fit that still wait for their response, of a list as of now; `None`: the list is as of an earlier leaf.
    pub waiting: Option<u64>,
    /// The list is as of this leaf.
    pub leaf: u64,
}

/// Where a page of a list ended: of which question, as of which leaf, after how many.
///
/// As text: base64url of version (1 byte), question (8), leaf (8), place (8), all big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListToken {
    question: u64,
    leaf: u64,
    place: u64,
}

const VERSION: u8 = 1;
const BYTES: usize = 25;

impl fmt::Display for ListToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        for number in [self.question, self.leaf, self.place] {
            bytes.extend(number.to_be_bytes());
        }
        f.pad(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ListToken {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<ListToken, QueryError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::PageToken)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| QueryError::PageToken)?;
        if bytes[0] != VERSION {
            return Err(QueryError::PageToken);
        }
        let number = |start: usize| {
            u64::from_be_bytes(bytes[start..start + 8].try_into().expect("eight bytes"))
        };
        Ok(ListToken { question: number(1), leaf: number(9), place: number(17) })
    }
}

/// Returns a page of the list, at most `limit` (0: all).
///
/// # Errors
/// A token of another question; more groups than can be counted; an index that cannot be read.
pub fn subjects(
    view: &View,
    question: &Question,
    of: Of,
    limit: usize,
    after: Option<&ListToken>,
) -> Result<Subjects, QueryError> {
    let fingerprint = question.fingerprint() ^ of as u64;
    let leaf = match after {
        Some(token) if token.question != fingerprint => return Err(QueryError::OtherQuestion),
        Some(token) => token.leaf,
        None => question.at.unwrap_or(view.leaf()),
    };
    let field = |name| CountField::parse(name, view.fields()).expect("a column");
    let by: &[CountField] = match of {
        Of::Identities => &["identity", "decision", "outcome"].map(field),
        Of::Paths => &["ns", "path", "decision", "outcome"].map(field),
    };
    let frozen = Question { at: Some(leaf), ..question.clone() };
    let measures = Measures { seen: true, latency: false };
    let counts = measure_in(view, &frozen, by, None, measures)?;
    let waiting = match leaf == view.leaf() {
        true => Some(selected(view, &Question { at: None, ..frozen })?.matched - counts.total),
        false => None,
    };
    let mut all = gathered(&counts.rows, of);
    let subjects = all.len() as u64;
    let place = after.map_or(0, |token| token.place);
    all.drain(..usize::try_from(place).unwrap_or(usize::MAX).min(all.len()));
    let shown = if limit == 0 { all.len() } else { limit.min(all.len()) };
    let has_more = shown < all.len();
    all.truncate(shown);
    let next = ListToken { question: fingerprint, leaf, place: place + shown as u64 };
    Ok(Subjects {
        items: all,
        subjects,
        next: has_more.then_some(next),
        matched: counts.total,
        left_out: counts.left_out,
        waiting,
        leaf,
    })
}

/// Gathers the groups of each identity or path.
fn gathered(rows: &[CountRow], of: Of) -> Vec<Subject> {
    let mut places: HashMap<(Option<&str>, Option<&str>), usize> = HashMap::new();
    let mut all: Vec<Subject> = Vec::new();
    for row in rows {
        // Of an identity the name stands before the key, of a path the namespace.
        let [beside, key, decision, outcome] = &row.values[..] else { continue };
        let namespace = if of == Of::Paths { beside.as_deref() } else { None };
        let place = *places.entry((namespace, key.as_deref())).or_insert_with(|| {
            all.push(Subject {
                key: key.clone(),
                name: beside.clone().filter(|_| of == Of::Identities),
                namespace: namespace.map(str::to_owned),
                requests: 0,
                access: 0,
                denied: 0,
                unknown: 0,
                first: None,
                last: None,
                span: None,
            });
            all.len() - 1
        });
        let subject = &mut all[place];
        subject.requests += row.count;
        let part = match decision.as_deref().and_then(|word| word.parse().ok()) {
            Some(Decision::Denied) => &mut subject.denied,
            Some(Decision::Allowed) if outcome.as_deref() == Some(Outcome::Success.as_str()) => {
                &mut subject.access
            }
            Some(Decision::Allowed) => &mut 0,
            Some(Decision::Unknown) | None => &mut subject.unknown,
        };
        *part += row.count;
        if let Some((first, last)) = row.measured.seen {
            let (so_far, till_now) = subject.span.unwrap_or((first, last));
            subject.span = Some((so_far.min(first), till_now.max(last)));
        }
    }
    for subject in &mut all {
        subject.first = subject.span.map(|(first, _)| rfc3339(first));
        subject.last = subject.span.map(|(_, last)| rfc3339(last));
    }
    all.sort_by(|one, other| {
        let order = |subject: &Subject| (Reverse(subject.requests), subject.key.is_none());
        order(one)
            .cmp(&order(other))
            .then_with(|| (&one.key, &one.namespace).cmp(&(&other.key, &other.namespace)))
    });
    all
}

impl Subjects {
    /// Returns the rows as a table.
    pub fn table(&self, of: Of) -> Table {
        let names: &[&'static str] = match of {
            Of::Identities => &["identity", "identity_key"],
            Of::Paths => &["namespace", "path"],
        };
        let mut columns: Vec<Column> =
            names.iter().map(|name| Column::new(name, Kind::Text)).collect();
        let numbers = ["requests", "access", "denied", "unknown"];
        columns.extend(numbers.map(|name| Column::new(name, Kind::Number)));
        columns.extend(["first", "last"].map(|name| Column::new(name, Kind::Time)));
        let cells = |subject: &Subject| {
            let Subject { requests, access, denied, unknown, .. } = *subject;
            let beside = subject.name.as_ref().or(subject.namespace.as_ref());
            let mut cells = vec![Cell::text(beside.cloned()), Cell::text(subject.key.clone())];
            cells.extend([requests, access, denied, unknown].map(Cell::count));
            cells.push(Cell::time(subject.span.map(|(first, _)| first)));
            cells.push(Cell::time(subject.span.map(|(_, last)| last)));
            cells
        };
        Table { columns, rows: self.items.iter().map(cells).collect() }
    }
}
