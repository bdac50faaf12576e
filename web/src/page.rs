//! A page on its way out.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::error::PageError;

/// A template as the answer to a request.
pub(crate) struct Rendered<T> {
    page: T,
    status: StatusCode,
}

impl<T> Rendered<T> {
    /// The page, as it was asked for.
    pub(crate) fn ok(page: T) -> Rendered<T> {
        Rendered { page, status: StatusCode::OK }
    }

    /// The page, with what is wrong with the question on it.
    pub(crate) fn bad_request(page: T) -> Rendered<T> {
        Rendered { page, status: StatusCode::BAD_REQUEST }
    }
}

impl<T: Template> IntoResponse for Rendered<T> {
    fn into_response(self) -> Response {
        match self.page.render() {
            Ok(html) => {
                (self.status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
            }
            Err(error) => PageError::Render(error).into_response(),
        }
    }
}
