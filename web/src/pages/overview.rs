//! `GET /`: what happened, at a glance; and whether everything is here.

use askama::Template;

use crate::chart::Chart;
use crate::link::Link;
use crate::row::Row;
use crate::shell::Shell;
use crate::text::Text;

/// The overview.
#[derive(Template)]
#[template(path = "overview.html")]
pub(crate) struct OverviewPage {
    pub(crate) shell: Shell,
    pub(crate) span_words: String,
    pub(crate) spans: Vec<Span>,
    pub(crate) note: Option<String>,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) chart: Chart,
    pub(crate) rankings: Vec<Ranking>,
    pub(crate) denied: Vec<Row>,
    pub(crate) denied_empty: String,
    pub(crate) denied_href: Option<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) ledger: Vec<Fact>,
}

/// A choice of time.
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// One number, and what it says.
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) icon: Option<&'static str>,
    pub(crate) figure: String,
    pub(crate) sub: String,
    pub(crate) href: String,
}

/// Who or what has the most.
pub(crate) struct Ranking {
    pub(crate) title: &'static str,
    pub(crate) href: String,
    pub(crate) empty: &'static str,
    pub(crate) rows: Vec<Ranked>,
}

/// One of a ranking.
pub(crate) struct Ranked {
    pub(crate) link: Link,
    pub(crate) count: String,
    pub(crate) share: u64,
    pub(crate) because: String,
}

/// One source of lines.
pub(crate) struct Source {
    pub(crate) link: Link,
    pub(crate) lines: String,
    pub(crate) last: String,
    pub(crate) reader: &'static str,
}

/// One fact about the ledger.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) link: Link,
    pub(crate) note: Option<String>,
}

/// The overview before the first event.
#[derive(Template)]
#[template(path = "waiting.html")]
pub(crate) struct WaitingPage {
    pub(crate) shell: Shell,
    pub(crate) taken_in: Text,
}
