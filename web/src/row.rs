//! One event as a row, in the explorer and on the overview.

use crate::text::Text;
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
    pub(crate) kind: Option<String>,
    pub(crate) action: Text,
    /// The server's word, where ours does not end in it.
    pub(crate) op: Option<Text>,
    pub(crate) path: Text,
    pub(crate) ns: Option<Text>,
    pub(crate) verdict: Verdict,
    pub(crate) address: Text,
    pub(crate) node: Text,
}
