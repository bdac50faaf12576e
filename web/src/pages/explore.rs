//! `GET /explore`: which events, narrowed step by step.

use askama::Template;

use crate::link::Link;
use crate::pages::overview::Span;
use crate::row::Row;
use crate::shell::Shell;
use crate::text::Text;

/// The explorer.
#[derive(Template)]
#[template(path = "explore.html")]
pub(crate) struct ExplorePage {
    pub(crate) shell: Shell,
    pub(crate) q: String,
    pub(crate) q_shown: Text,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) all: bool,
    pub(crate) spans: Vec<Span>,
    pub(crate) chips: Vec<Chip>,
    pub(crate) problem: Option<Problem>,
    pub(crate) examples: Vec<Example>,
    pub(crate) answer: Option<Answer>,
}

/// What cannot be understood, with its place.
pub(crate) struct Problem {
    pub(crate) caret: String,
    pub(crate) meant: Option<Example>,
}

/// A question to click on.
pub(crate) struct Example {
    pub(crate) text: Text,
    pub(crate) href: String,
    pub(crate) says: &'static str,
}

/// One term of the filter, and the question without it.
pub(crate) struct Chip {
    pub(crate) text: Text,
    pub(crate) without: String,
}

/// What the trail answers.
pub(crate) struct Answer {
    pub(crate) total: String,
    pub(crate) at: String,
    pub(crate) csv: String,
    pub(crate) json: String,
    pub(crate) left_out: Vec<Left>,
    pub(crate) include: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) empty: &'static str,
    pub(crate) wider: Option<Link2>,
    pub(crate) shown: String,
    pub(crate) first: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) facets: Vec<Facet>,
}

/// A way on.
pub(crate) struct Link2 {
    pub(crate) text: &'static str,
    pub(crate) href: String,
}

/// How many the count leaves out, by word.
pub(crate) struct Left {
    pub(crate) count: String,
    pub(crate) word: String,
    pub(crate) href: String,
}

/// The values of one field, with their counts.
pub(crate) struct Facet {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<FacetRow>,
    pub(crate) more: Option<String>,
}

/// One value.
pub(crate) struct FacetRow {
    pub(crate) link: Link,
    pub(crate) count: String,
    pub(crate) share: u64,
}
