//! Where a hash stands in a request, and whether the request gave it out.

use ingest::event::{AuditEvent, IssuedToken, Outcome, Uid};
use serde::Serialize;
use utoipa::ToSchema;

/// A request that mentions a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mention {
    /// The event.
    pub uid: Uid,
    /// When.
    pub time: Option<String>,
    /// Where in it.
    pub places: Vec<String>,
    /// Who asked, by the name to show.
    pub identity: Option<String>,
    /// Our word for what was asked.
    pub action: String,
    /// Of which path.
    pub path: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Tells whether an event's request made this token, or the token of this accessor.
pub(super) fn issues(event: &AuditEvent, hash: &str) -> bool {
    let given = |issued: &IssuedToken| {
        [&issued.token, &issued.accessor].into_iter().flatten().any(|given| given == hash)
    };
    event.issued_token.as_ref().is_some_and(given)
}

/// Tells whether an event's request gave a value out, rather than mentioning it.
pub(super) fn gives(event: &AuditEvent, hash: &str) -> bool {
    // The server shows again what it made earlier.
    let word = event.action.rsplit('.').next().unwrap_or_default();
    let repeats = matches!(word, "hash" | "lookup" | "renew" | "list");
    let is_answered = places_of(event, hash).iter().any(|place| place.starts_with("response."));
    issues(event, hash) || (is_answered && !repeats)
}

/// Returns where in an event a hash stands.
pub(super) fn places_of(event: &AuditEvent, hash: &str) -> Vec<String> {
    let identity = &event.identity;
    let issued = event.issued_token.as_ref();
    let named = [
        ("token", identity.token.as_deref()),
        ("accessor", identity.accessor.as_deref()),
        ("issued_token.token", issued.and_then(|issued| issued.token.as_deref())),
        ("issued_token.accessor", issued.and_then(|issued| issued.accessor.as_deref())),
    ];
    let named = named.into_iter().filter(|(_, of)| *of == Some(hash));
    let data = event.hmacs.iter().filter(|(_, of)| *of == hash).map(|(place, _)| place.clone());
    named.map(|(place, _)| place.to_owned()).chain(data).collect()
}

/// Returns the request as one that mentions the hash.
pub(super) fn mention(event: &AuditEvent, hash: &str) -> Mention {
    Mention {
        uid: event.uid,
        time: event.time.as_ref().map(|time| time.text.clone()),
        places: places_of(event, hash),
        identity: event.identity.name.clone().or_else(|| event.identity.key.clone()),
        action: event.action.clone(),
        path: event.path.clone(),
        outcome: event.outcome,
    }
}
