//! Hashes whose text the same event shows in clear.
//!
//! Only pairs that no client can make unequal. Not learned: the role of jwt logins (an empty one stands for
//! the mount's default), a user name that stands in the path too (the path wins over the body), and what the
//! token store changes (`display_name` gains a prefix).

use super::Learned;
use super::identity::text;
use super::lines::Lines;

/// Returns the pairs of an event.
pub(super) fn learned(lines: &Lines<'_>, has_logged_in: bool) -> Vec<Learned> {
    let mut pairs = Vec::new();
    let mut pair = |key: &str, clear: Option<&str>| {
        let hash = lines
            .asked
            .hmacs
            .iter()
            .find(|(path, _)| path == key)
            .map(|(_, hash)| hash.to_string());
        if let (Some(hash), Some(clear)) = (hash, clear) {
            pairs.push(Learned { hash, text: text(clear) });
        }
    };
    if has_logged_in {
        let metadata = |key: &str| {
            let given = lines.given()?;
            given.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
        };
        match (lines.mount_type(), lines.within_mount()) {
            (Some("kubernetes" | "gcp"), _) => pair("role", metadata("role")),
            (Some("radius" | "userpass" | "ldap"), Some("login")) => {
                pair("username", metadata("username"))
            }
            _ => {}
        }
    } else if lines.path() == Some("sys/leases/renew") {
        pair(
            "lease_id",
            lines
                .response
                .as_ref()
                .and_then(|response| response.response.secret.as_ref()?.lease_id.as_deref()),
        );
    }
    pairs
}
