//! What a commit says about itself, as JSON in tantivy's commit payload.

use serde::{Deserialize, Serialize};

/// The meaning of documents where the schema does not tell it; raised when `document` changes.
const FORMAT: u32 = 1;

/// What one commit of the index covers. Written in the same step as its segments.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct CommitPayload {
    /// Leaves 0 to `covered` (not included) of the ledger are in the index.
    pub covered: u64,
    /// The version of the rules that made the events.
    pub rules: String,
    /// The ledger: `keytrail/<cluster>`.
    pub origin: String,
    /// The follower's own: the clocks of pairing. The index does not look into it.
    pub state: serde_json::Value,
}

#[derive(Deserialize, Serialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    payload: CommitPayload,
}

impl CommitPayload {
    /// Returns what a new index says: nothing covered.
    pub fn nothing(rules: &str, origin: &str) -> CommitPayload {
        CommitPayload {
            covered: 0,
            rules: rules.to_owned(),
            origin: origin.to_owned(),
            state: serde_json::Value::Null,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let stored = Stored { format: FORMAT, payload: self.clone() };
        serde_json::to_string(&stored).expect("a payload has text keys only")
    }

    /// Reads a payload; None if another format wrote it or nothing did.
    pub(super) fn from_text(text: &str) -> Option<CommitPayload> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        (stored.format == FORMAT).then_some(stored.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_and_another_format_does_not() {
        let payload = CommitPayload {
            covered: 7,
            state: serde_json::json!({"clock": -1}),
            ..CommitPayload::nothing("v", "keytrail/prod")
        };
        let text = payload.to_text();
        assert_eq!(
            text,
            r#"{"format":1,"covered":7,"rules":"v","origin":"keytrail/prod","state":{"clock":-1}}"#
        );
        assert_eq!(CommitPayload::from_text(&text), Some(payload));
        assert_eq!(CommitPayload::from_text(&text.replace(":1,", ":2,")), None);
        assert_eq!(CommitPayload::from_text(""), None);
    }
}
