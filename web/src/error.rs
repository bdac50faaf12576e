//! What can go wrong with a page. The one place with status codes, and each has a way on.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use query::error::QueryError;
use query::table::TableError;
use thiserror::Error;
use tracing::error;

use crate::door::{AccountsError, Right, Role};
use crate::shell::Shell;
use crate::views::ViewsError;

/// Why there is no page.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    /// No such page, or no such event.
    #[error("there is no such {what}")]
    NotFound {
        /// `page`, `event`, `identity` or `path`.
        what: &'static str,
    },
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignIn,
    /// A form was sent that is on none of the reader's pages.
    #[error("that form is none of your pages'")]
    ForeignForm,
    /// What is recorded before it is done could not be recorded.
    #[error("it is recorded before it is done, and that failed: {0}")]
    Unrecorded(String),
    /// The reader's role does not go so far.
    #[error("{}", forbidden(*role, *right, bounds.as_deref()))]
    Forbidden {
        /// What he is.
        role: Role,
        /// What he would need.
        right: Right,
        /// What he is bound to, in words.
        bounds: Option<String>,
    },
    /// Something in the address cannot be understood.
    #[error("{0}")]
    Question(String),
    /// Views cannot be read or changed.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// Too many questions are being answered.
    #[error("too many questions are being answered just now")]
    Busy,
    /// It took too long.
    #[error("the answer took longer than {seconds} seconds")]
    TooLong {
        /// The limit.
        seconds: u64,
    },
    /// Who asked has gone.
    #[error("nobody waits for this answer")]
    Left,
    /// The index or the ledger could not be read.
    #[error("the trail could not be read")]
    Trail(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A template failed.
    #[error("the page could not be drawn")]
    Render(#[source] askama::Error),
    /// A bug.
    #[error("the page could not be made")]
    Panic,
}

impl PageError {
    /// Returns the HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            PageError::NotFound { .. } => StatusCode::NOT_FOUND,
            PageError::SignIn => StatusCode::UNAUTHORIZED,
            PageError::Forbidden { .. } | PageError::ForeignForm => StatusCode::FORBIDDEN,
            PageError::Question(_) | PageError::Views(ViewsError::Refused(_)) => {
                StatusCode::BAD_REQUEST
            }
            // Who asks more than can be answered is told to come back; nothing is wrong with the server.
            PageError::Busy => StatusCode::TOO_MANY_REQUESTS,
            PageError::TooLong { .. } | PageError::Left | PageError::Unrecorded(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            PageError::Trail(_) | PageError::Views(_) | PageError::Render(_) | PageError::Panic => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Says what to do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            PageError::NotFound { what: "event" } => {
                "An event keeps its address for as long as its lines are kept, also when they are taken in anew. Look whether the address was cut when it was copied, or search for the request id."
            }
            PageError::NotFound { what: "identity" | "path" } => {
                "No event that you may see has it. The lists of identities and paths have all that there are."
            }
            PageError::NotFound { .. } => {
                "The pages are the overview, the explorer, identities, paths, the look-up, integrity, sources and the access report."
            }
            PageError::SignIn => {
                "Sign in, or send a token: Authorization: Bearer, from keytrail token add."
            }
            PageError::Forbidden { .. } => {
                "An admin can give you another role: keytrail user role."
            }
            PageError::ForeignForm => "Go back, load the page anew, and send the form again.",
            PageError::Unrecorded(_) => {
                "keytrail's own log says more. Mostly the disk is full: taking in lines waits for room as well."
            }
            PageError::Views(ViewsError::Refused(_)) => "Go back, and name it anew.",
            PageError::Views(_) => "keytrail's own log says more; the rest of the pages works.",
            PageError::Question(_) => "Correct the address, or ask anew.",
            PageError::Busy | PageError::Left => {
                "Nothing is lost: taking in lines never waits for pages. Try again in a moment."
            }
            PageError::TooLong { .. } => {
                "Ask for a shorter stretch of time, or use keytrail search, which has no limit."
            }
            PageError::Trail(_) => {
                "keytrail's own log names the file and the cause. keytrail verify checks the ledger; the index can be made anew from it with keytrail rebuild."
            }
            PageError::Render(_) | PageError::Panic => {
                "This is a fault of keytrail. Its log says more; please report it."
            }
        }
    }
}

fn forbidden(role: Role, right: Right, bounds: Option<&str>) -> String {
    match bounds {
        Some(bounds) => format!("the role {role} may not {right}; it sees {bounds}"),
        None => format!("the role {role} may not {right}"),
    }
}

impl From<AccountsError> for PageError {
    fn from(error: AccountsError) -> PageError {
        match error {
            AccountsError::Refused(why) => PageError::Question(why),
            error => PageError::Trail(Box::new(error)),
        }
    }
}

/// Only a bug can cause one: tables are written into memory.
impl From<TableError> for PageError {
    fn from(error: TableError) -> PageError {
        PageError::Trail(Box::new(error))
    }
}

impl From<QueryError> for PageError {
    fn from(error: QueryError) -> PageError {
        match error {
            // What a reader put into the address.
            QueryError::PageToken
            | QueryError::OtherQuestion
            | QueryError::Groups { .. }
            | QueryError::TooMany { .. }
            | QueryError::NotYet { .. }
            | QueryError::Memory { .. }
            | QueryError::Fields { .. }
            | QueryError::FieldTwice(_)
            | QueryError::NoColumn(_)
            | QueryError::Interval(_) => PageError::Question(error.to_string()),
            QueryError::Deadline { limit } => PageError::TooLong { seconds: limit.as_secs() },
            QueryError::Cancelled => PageError::Left,
            QueryError::Index(_)
            | QueryError::Ledger(_)
            | QueryError::Engine(_)
            | QueryError::IndexAhead { .. }
            | QueryError::MakeIndex(_)
            | QueryError::Temporary(_)
            | QueryError::Scope { .. }
            | QueryError::Broken { .. } => PageError::Trail(Box::new(error)),
        }
    }
}

/// An error as a page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    says: String,
    remedy: &'static str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = self.status();
        // Logged once, here; what a reader did wrong is no event in the life of the server.
        if status.is_server_error() {
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            error!(status = status.as_u16(), cause, "{self}");
        }
        let title = match status {
            StatusCode::NOT_FOUND => "Not here",
            StatusCode::UNAUTHORIZED => "Sign in",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::BAD_REQUEST => "That could not be understood",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Not just now",
            _ => "Something went wrong",
        };
        let mut says = self.to_string();
        if let Some(first) = says.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        says.push('.');
        let page = ProblemPage {
            shell: Shell::default(),
            status: status.as_u16(),
            title,
            says,
            remedy: self.remedy(),
        };
        let html = page.render().unwrap_or_else(|error| {
            error!(cause = %error, "the page of an error could not be drawn");
            format!("{title}\n")
        });
        let mut response =
            (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("2"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_much_is_told_to_come_back() {
        let response = PageError::Busy.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key(RETRY_AFTER));
    }
}
