//! One event as a row, in the explorer and on the overview.

use query::row::EventRow;

use crate::text::Text;
use crate::time::to_the_millisecond;
use crate::verdict::Verdict;

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

impl From<EventRow> for Row {
    fn from(row: EventRow) -> Row {
        let text = |word: &Option<_>| Text::new(word.as_deref().unwrap_or("–"));
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        Row {
            href: format!("/event/{}", row.uid),
            time: row.time_unix_ns.map_or_else(|| "no time".to_owned(), to_the_millisecond),
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
