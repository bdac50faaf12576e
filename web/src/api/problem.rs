//! What can go wrong with a request to the API, as RFC 9457 has it: `application/problem+json`.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use query::filter::FilterError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::asked::NotUnderstood;
use crate::error::PageError;

/// Why there is no answer.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of problem: `about:blank`, which says no more than the status, or `urn:keytrail:filter`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do about it.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// Of a filter: the bytes that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    /// What may have been meant in their place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    suggestion: Option<Box<str>>,
    /// The parameter that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
}

/// A part of a filter, in bytes of its UTF-8; `end` is not part of it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Position {
    start: usize,
    end: usize,
}

impl Problem {
    /// Returns a problem that the status tells.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Box<str>>) -> Problem {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            ..Problem::default()
        }
    }

    /// Returns the problem of a request that cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<Box<str>>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Returns what is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The same, in a parameter.
    pub(crate) fn parameter(name: &'static str, detail: impl Into<Box<str>>) -> Problem {
        Problem { parameter: Some(name), ..Problem::bad_request(detail) }
    }

    /// Returns the problem of a filter, or of a field to count by, that a parameter holds.
    pub(crate) fn filter(name: &'static str, error: &FilterError) -> Problem {
        Problem {
            kind: "urn:keytrail:filter",
            position: Some(Position { start: error.span.start, end: error.span.end }),
            suggestion: error.suggestion.clone().map(Into::into),
            ..Problem::parameter(name, error.to_string())
        }
    }

    /// Returns the problem of something that is not there.
    pub(crate) fn not_found(what: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }
}

impl From<NotUnderstood> for Problem {
    fn from(problem: NotUnderstood) -> Problem {
        match problem {
            NotUnderstood::Filter(error) => Problem::filter("q", &error),
            NotUnderstood::Time(error) => Problem::parameter("from", error.to_string()),
            problem @ NotUnderstood::Leaf(_) => Problem::parameter("at", problem.to_string()),
        }
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Problem {
        let status = error.status();
        if status.is_server_error() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            error!(status = status.as_u16(), cause, "{error}");
        }
        Problem::new(status, format!("{error}. {}", error.remedy()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = serde_json::to_string(&self).unwrap_or_else(|_| "{}".to_owned());
        let mut response = (status, json).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
