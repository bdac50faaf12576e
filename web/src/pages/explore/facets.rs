//! What the events have in common, with exact counts; each value narrows the question.

use query::count::{CountRow, count_each_in};
use query::filter::CountField;
use query::history::View;
use query::question::Question;

use crate::chart::share;
use crate::error::PageError;
use crate::link::{self, Link};
use crate::text::{Text, grouped};

/// The values of one field, with their counts.
pub(super) struct Facet {
    pub(super) title: &'static str,
    pub(super) rows: Vec<FacetRow>,
    pub(super) more: Option<String>,
}

/// One value.
pub(super) struct FacetRow {
    pub(super) link: Link,
    pub(super) count: String,
    pub(super) share: u64,
}

/// The fields, as the grammar and as people call them.
const FIELDS: [(&str, &str); 7] = [
    ("decision", "Decision"),
    ("identity", "Identity"),
    ("action", "Action"),
    ("path", "Path"),
    ("mount", "Mount"),
    ("node", "Node"),
    ("ip", "Address"),
];

/// How many values of a field are shown.
const SHOWN: usize = 10;

pub(super) fn facets(
    view: &View,
    question: &Question,
    link: &link::Question,
) -> Result<Vec<Facet>, PageError> {
    let mut facets = Vec::new();
    let field = |(key, _)| CountField::parse(key, view.fields()).expect("a field of the grammar");
    let counts = count_each_in(view, question, &FIELDS.map(field))?;
    for ((key, title), counts) in FIELDS.into_iter().zip(counts) {
        let more = counts.rows.len().saturating_sub(SHOWN);
        let rows: Vec<FacetRow> = counts
            .rows
            .into_iter()
            .take(SHOWN)
            .map(|row| facet_row(key, row, counts.total, link))
            .collect();
        if !rows.is_empty() {
            let more = (more > 0).then(|| format!("and {} more", grouped(more as u64)));
            facets.push(Facet { title, rows, more });
        }
    }
    Ok(facets)
}

fn facet_row(key: &str, row: CountRow, total: u64, link: &link::Question) -> FacetRow {
    let CountRow { mut values, count, .. } = row;
    let value = values.pop().flatten();
    // Of an identity, the name of its newest event stands before the key.
    let name = values.pop().flatten();
    let link = match &value {
        Some(value) => Link {
            text: Text::new(name.as_deref().unwrap_or(value)),
            href: link.with(key, value).map(|with| with.href("/explore")),
        },
        // Failed logins and refused tokens have no identity, though they may have names.
        None if key == "identity" => Link::none("nobody known"),
        None => Link {
            text: Text::new("none"),
            href: link.with_typed(&format!("-{key}:*")).map(|without| without.href("/explore")),
        },
    };
    FacetRow { link, count: grouped(count), share: share(count, total) }
}
