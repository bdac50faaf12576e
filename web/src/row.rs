//! One event as a row, in the explorer and on the overview.

use query::row::EventRow;
use serde::Serialize;

use crate::link;
use crate::text::Text;
use crate::verdict::Verdict;
use crate::zone::Zone;

/// A row, finished.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) href: String,
    /// For machines; absent if no line had a readable time.
    pub(crate) stamp: Option<String>,
    /// For people.
    pub(crate) time: String,
    pub(crate) who: Text,
    pub(crate) kind: Option<Text>,
    pub(crate) action: Text,
    /// The server's word, where ours does not end in it.
    pub(crate) op: Option<Text>,
    pub(crate) path: Text,
    pub(crate) ns: Option<Text>,
    pub(crate) verdict: Verdict,
    pub(crate) address: Text,
    pub(crate) node: Text,
}

impl Row {
    /// Makes a row; its event is read as part of the question that found it.
    pub(crate) fn of(row: EventRow, asked: &link::Question, zone: &Zone) -> Row {
        let text = |word: &Option<_>| Text::new(word.as_deref().unwrap_or("–"));
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        Row {
            href: asked.href(&format!("/event/{}", row.uid)),
            time: row
                .time_unix_ns
                .map_or_else(|| "no time".to_owned(), |at| zone.to_the_millisecond(at)),
            stamp: row.time,
            who: Text::new(&who(
                row.identity.as_deref(),
                row.former_name.as_deref(),
                row.claimed.as_deref(),
            )),
            kind: row.kind.as_deref().map(Text::new),
            action: text(&row.action),
            op: row.op.as_deref().filter(|op| !says(row.action.as_deref(), op)).map(Text::new),
            path: text(&row.path),
            ns: row.ns.as_deref().map(Text::new),
            verdict: Verdict::of_words(
                &word(&row.decision),
                &word(&row.reason),
                &word(&row.outcome),
            ),
            address: text(&row.ip),
            node: text(&row.node),
        }
    }
}

/// A row as a script puts it into a page: every text is finished.
#[derive(Debug, Serialize)]
pub(crate) struct FinishedRow {
    href: String,
    time: String,
    who: String,
    kind: Option<String>,
    path: String,
    /// Action, operation and namespace.
    what: String,
    class: &'static str,
    decision: &'static str,
    because: String,
    address: String,
    node: String,
}

impl Row {
    /// Returns the row for a script.
    pub(crate) fn finished(self) -> FinishedRow {
        let op = self.op.map(|op| format!(" · {op}")).unwrap_or_default();
        let ns = self.ns.map(|ns| format!(" · in {ns}")).unwrap_or_default();
        FinishedRow {
            href: self.href,
            time: self.time,
            who: self.who.to_string(),
            kind: self.kind.map(|kind| kind.to_string()),
            path: self.path.to_string(),
            what: format!("{}{op}{ns}", self.action),
            class: self.verdict.class,
            decision: self.verdict.decision,
            because: self.verdict.because,
            address: self.address.to_string(),
            node: self.node.to_string(),
        }
    }
}

/// Tells whether our word ends in the server's: `secret.read` says that it was a read.
fn says(action: Option<&str>, op: &str) -> bool {
    action.and_then(|action| action.rsplit('.').next()) == Some(op)
}

/// Says who asked: a name, who a refused token belonged to, who a failed login said it was.
pub(crate) fn who(name: Option<&str>, former: Option<&str>, claimed: Option<&str>) -> String {
    match (name, former, claimed) {
        (Some(name), _, _) => name.to_owned(),
        (None, Some(former), _) => format!("formerly {former}"),
        (None, None, Some(claimed)) => format!("claimed {claimed}"),
        (None, None, None) => "nobody known".to_owned(),
    }
}
