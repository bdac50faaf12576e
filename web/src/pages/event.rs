//! `GET /event/{uid}?q=&from=&to=&near=`: one request to the secrets server, in a sentence, in its own lines, and in facts.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ingest::event::{AuditEvent, Uid};
use query::full::{FullEvent, event};

use crate::app::{App, Seen};
use crate::asked::Asked;
use crate::door::{Look, May, Right};
use crate::error::PageError;
use crate::link::{self, Link};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::subject;
use crate::row::who;
use crate::shell::Shell;
use crate::text::Text;
use crate::verdict::{Verdict, words};
use crate::zone::Zone;
use query::subjects::Of;

mod around;
pub(super) mod facts;
mod lines;
mod remarks;

use self::around::Around;
use self::facts::Group;
use self::lines::Line;
use self::remarks::Remark;

/// One event.
#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    shell: Shell,
    uid: String,
    json: String,
    /// Back to the question that found it.
    back: Option<String>,
    sentence: Sentence,
    verdict: Verdict,
    granted_by: Option<Text>,
    remarks: Vec<Remark>,
    /// Nothing to a reader who may not see them.
    lines: Vec<Line>,
    groups: Vec<Group>,
    around: Around,
}

/// Who did what to which path, when and from where.
struct Sentence {
    who: Link,
    kind: Option<Text>,
    did: Text,
    path: Option<Link>,
    ns: Option<Text>,
    at: Option<At>,
    from: Option<Text>,
}

/// When it was asked.
struct At {
    stamp: String,
    zoned: Option<String>,
}

/// The page, or with `.json` after the uid the event as data.
pub(crate) async fn event_page(
    reader: May<Look>,
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    Query(near): Query<around::Near>,
) -> Result<Response, PageError> {
    let (uid, as_json) = match name.strip_suffix(".json") {
        Some(uid) => (uid, true),
        None => (&*name, false),
    };
    let uid: Uid = uid.parse().map_err(|()| PageError::NotFound { what: "event" })?;
    app.ask(&reader, move |trail| {
        let full = event(trail, uid)?.ok_or(PageError::NotFound { what: "event" })?;
        if as_json {
            let json = serde_json::to_vec(&full.event)
                .map_err(|error| PageError::Trail(Box::new(error)))?;
            return Ok(([(CONTENT_TYPE, "application/json")], Body::from(json)).into_response());
        }
        Ok(Rendered::ok(page(trail, &full, &asked.link(), &near)?).into_response())
    })
    .await
}

fn page(
    trail: &Seen,
    full: &FullEvent,
    asked: &link::Question,
    near: &around::Near,
) -> Result<EventPage, PageError> {
    let event = &full.event;
    Ok(EventPage {
        shell: shell(trail, "Explore"),
        uid: event.uid.to_string(),
        json: format!("/event/{}.json", event.uid),
        back: (*asked != link::Question::default()).then(|| asked.href("/explore")),
        around: around::around(trail, event.uid, asked, near)?,
        sentence: sentence(event, trail.zone()),
        verdict: Verdict::new(event.decision, event.reason, event.outcome),
        granted_by: (!event.granting.is_empty()).then(|| Text::new(&event.granting.join(", "))),
        remarks: remarks::remarks(full),
        lines: match trail.reader().may(Right::RawLine) {
            true => {
                let shown = full.request.iter().chain(&full.response);
                trail.lines_shown(shown.map(|line| line.leaf.0).collect())?;
                lines::lines(trail, full)?.into()
            }
            false => Vec::new(),
        },
        groups: facts::groups(full, asked),
    })
}

fn sentence(event: &AuditEvent, zone: &Zone) -> Sentence {
    let identity = &event.identity;
    let kind = identity.kind.as_str();
    let name =
        who(identity.name.as_deref(), identity.former_name.as_deref(), identity.claimed.as_deref());
    Sentence {
        // "root (root)" says nothing.
        kind: match &identity.method {
            Some(method) => Some(Text::new(&format!("{kind}, {method}"))),
            None => (kind != name).then(|| Text::new(kind)),
        },
        who: Link {
            text: Text::new(&name),
            href: identity.key.as_deref().and_then(|key| subject::address(Of::Identities, key)),
        },
        did: Text::new(&did(event)),
        path: event
            .path
            .as_deref()
            .map(|path| Link { text: Text::new(path), href: subject::address(Of::Paths, path) }),
        ns: event.namespace.as_deref().map(Text::new),
        at: event.time.as_ref().map(|time| At {
            stamp: time.text.clone(),
            // As the server wrote it, with all its digits; another zone says it beside.
            zoned: (!zone.is_utc()).then(|| zone.of_text(&time.text)),
        }),
        from: event.remote_address.as_deref().map(Text::new),
    }
}

/// Says what was asked for, in the server's word: that it was also done, only the verdict says.
fn did(event: &AuditEvent) -> String {
    match event.operation.as_deref() {
        Some("read") => "asked to read".to_owned(),
        Some("list") => "asked to list".to_owned(),
        Some("create") => "asked to create".to_owned(),
        Some("update") if event.action == "auth.login" => "asked to log in at".to_owned(),
        Some("update") => "asked to update".to_owned(),
        Some("delete") => "asked to delete".to_owned(),
        Some("patch") => "asked to patch".to_owned(),
        Some(operation) => format!("asked for {} on", words(operation)),
        None => "sent a request to".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_32_hex_digits() {
        let uid = "0c3cbbd1bd6c0d6d1f2ae4c35f4e2b4e";
        assert_eq!(uid.parse::<Uid>().expect("a uid").to_string(), uid);
        for wrong in
            ["", "0c", "+c3cbbd1bd6c0d6d1f2ae4c35f4e2b4e", &format!("{uid}0"), "../../etc/passwd"]
        {
            assert_eq!(wrong.parse::<Uid>(), Err(()), "{wrong}");
        }
    }
}
