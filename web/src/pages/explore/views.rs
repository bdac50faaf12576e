//! Views: questions with a name, ours and those that people saved.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;
use tracing::warn;

use crate::app::{App, Seen};
use crate::asked::Asked;
use crate::door::{May, Reader, Right, SaveViews, fields};
use crate::error::PageError;
use crate::link;
use crate::text::Text;
use crate::views::{self, SavedView};

/// The views that a page offers.
pub(super) struct Views {
    pub(super) ours: Vec<View>,
    pub(super) saved: Vec<View>,
    /// Whether the reader may save this question under a name.
    pub(super) may_save: bool,
}

/// One view.
pub(super) struct View {
    pub(super) name: Text,
    /// As it is typed, for the form that forgets it.
    pub(super) raw: String,
    pub(super) title: Text,
    pub(super) href: String,
    pub(super) current: bool,
}

/// Ours: a name, a filter, and from when. A test parses them.
const OURS: [(&str, &str, &str); 8] = [
    ("Denied, last 24 hours", "decision:denied", "-24h"),
    ("Failed logins", "action:auth.login decision:denied", "-7d"),
    ("Root token", "is:root", ""),
    ("Policies changed", "action:policy.write,policy.delete", ""),
    ("Audit devices changed", "action:audit.enable,audit.disable", ""),
    ("Credentials issued", "action:cred.issue", "-24h"),
    ("Without a token", "is:unauthenticated", "-24h"),
    ("Never answered", "is:unanswered", ""),
];

pub(super) fn views(trail: &Seen, asked: &link::Question) -> Views {
    let view = |name: &str, q: &str, from: &str, to: &str| {
        let (q, from, to) = (q.to_owned(), from.to_owned(), to.to_owned());
        let question = link::Question { q, from, to, ..link::Question::default() };
        View {
            name: Text::new(name),
            raw: name.to_owned(),
            title: Text::new(&question.q),
            href: question.href("/explore"),
            current: question == *asked,
        }
    };
    let may_save = trail.reader().may(Right::SaveViews);
    // What others ask for is no business of who is bound.
    let saved = match may_save {
        true => views::read(&trail.data()).unwrap_or_else(|error| {
            // The answer is worth more than the names beside it; whoever saves one is told.
            warn!(%error, "saved views are not shown");
            Vec::new()
        }),
        false => Vec::new(),
    };
    Views {
        ours: OURS.iter().map(|(name, q, from)| view(name, q, from, "")).collect(),
        saved: saved.iter().map(|one| view(&one.name, &one.q, &one.from, &one.to)).collect(),
        may_save,
    }
}

/// `POST /explore/views`: saves a question under a name.
pub(crate) async fn save_view(
    reader: May<SaveViews>,
    State(app): State<App>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, name, q, from, to] = fields(&body, ["token", "name", "q", "from", "to"])?;
    reader.check_form(Some(&token))?;
    let asked = Asked { q, from, to, ..Asked::default() };
    // What cannot be asked is no view.
    asked.question().map_err(|problem| PageError::Question(problem.to_string()))?;
    let question = asked.link();
    let back = question.href("/explore");
    let link::Question { q, from, to, .. } = question;
    let view = SavedView { name, q, from, to, by: reader.by() };
    let change = (view.name.trim().to_owned(), view.q.clone(), false);
    change_views(&reader, app, change, move |views| views::save(views, view)).await?;
    Ok(see(&back))
}

/// `POST /explore/views/forget`: removes a view.
pub(crate) async fn forget_view(
    reader: May<SaveViews>,
    State(app): State<App>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, name] = fields(&body, ["token", "name"])?;
    reader.check_form(Some(&token))?;
    let change = (name.clone(), String::new(), true);
    let forget = move |views: &mut Vec<SavedView>| {
        let before = views.len();
        views.retain(|view| view.name != name);
        match views.len() < before {
            true => Ok(()),
            false => Err(views::ViewsError::Refused(format!("there is no view {name:?}"))),
        }
    };
    change_views(&reader, app, change, forget).await?;
    Ok(see("/explore"))
}

async fn change_views(
    reader: &Reader,
    app: App,
    (name, filter, removed): (String, String, bool),
    change: impl FnOnce(&mut Vec<SavedView>) -> Result<(), views::ViewsError> + Send + 'static,
) -> Result<(), PageError> {
    let (by, address) = (reader.by(), reader.address().to_owned());
    let changed = tokio::task::spawn_blocking(move || {
        let fact = Fact::ViewChanged { by, address, name, filter, removed };
        views::change(&app.host().data(), change, || app.write_down(fact))
    });
    changed.await.map_err(|_panic| PageError::Panic)?
}

fn see(page: &str) -> Response {
    let page = HeaderValue::from_str(page).unwrap_or(HeaderValue::from_static("/explore"));
    (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response()
}

#[cfg(test)]
mod tests {
    use query::filter::Filter;

    use super::*;

    #[test]
    fn our_views_are_filters() {
        for (name, q, _) in OURS {
            Filter::parse(q, jiff::Timestamp::now()).expect(name);
        }
    }
}
