//! Answers: what every one of them says of itself, and the forms in which it goes out.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use query::coverage::Grade;
use query::history::View;
use query::question::{LeftOut, Question};
use query::table::Table;
use serde::Serialize;
use utoipa::ToSchema;

use super::form::Form;
use crate::error::PageError;

/// What an answer covers, and what is not in it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct About {
    /// How many events the whole answer is about.
    pub(crate) matched: u64,
    /// The numbers are exact. What cannot be answered exactly is an error.
    pub(crate) exact: bool,
    /// Events that fit the question and are left out, by word: copy, forwarded, late, system.
    pub(crate) left_out: LeftOut,
    /// The answer holds for the leaves below this one; `at=` asks for the same answer again.
    pub(crate) leaf: u64,
    /// The least leaf that is answered from: lines below it were removed by retention.
    pub(crate) least_leaf: u64,
    /// What retention has removed, in a sentence; null: nothing.
    pub(crate) horizon: Option<String>,
    /// How complete the trail is over the time that was asked for.
    pub(crate) coverage: Covered,
}

/// How complete the trail is, in short; `/api/v1/status` says it in full.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Covered {
    /// The worst of all sources.
    pub(crate) grade: Grade,
    /// In words, for people.
    pub(crate) sentence: String,
}

impl About {
    /// Returns what an answer to this question says of itself.
    pub(crate) fn new(
        view: &View,
        question: &Question,
        matched: u64,
        left_out: LeftOut,
    ) -> Result<About, PageError> {
        let coverage = view.coverage(question.from, question.to, Timestamp::now())?;
        Ok(About {
            matched,
            exact: true,
            left_out,
            leaf: question.answered_at(view),
            least_leaf: view.retention().least_leaf,
            horizon: view.retention().sentence(),
            coverage: Covered { grade: coverage.grade, sentence: coverage.sentence() },
        })
    }

    /// Says the same in headers, for forms that have no place for it.
    pub(crate) fn tell(&self, response: &mut Response) {
        let left_out: Vec<String> =
            self.left_out.0.iter().map(|(word, count)| format!("{word}={count}")).collect();
        for (name, value) in [
            ("keytrail-matched", self.matched.to_string()),
            ("keytrail-exact", self.exact.to_string()),
            ("keytrail-left-out", left_out.join(" ")),
            ("keytrail-leaf", self.leaf.to_string()),
            ("keytrail-least-leaf", self.least_leaf.to_string()),
            ("keytrail-coverage", self.coverage.grade.words().to_owned()),
        ] {
            let value = HeaderValue::from_str(&value).expect("numbers and words of ours");
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        if let Some(horizon) = self.horizon.as_deref().map(HeaderValue::from_str) {
            let horizon = horizon.expect("a sentence of ours");
            response.headers_mut().insert(HeaderName::from_static("keytrail-horizon"), horizon);
        }
    }
}

/// An answer whose rows are a table: as JSON an object that also says what it covers, else the rows alone.
pub(crate) struct Rows<T> {
    pub(crate) about: About,
    /// The JSON object.
    pub(crate) object: T,
    /// The rows.
    pub(crate) table: Table,
}

impl<T: Serialize> Rows<T> {
    /// Returns the answer in the form that is wanted.
    pub(crate) fn respond(self, form: Form, width: Option<u16>) -> Result<Response, PageError> {
        let bytes = match form {
            Form::Json => json(&self.object)?,
            _ => {
                let mut bytes = Vec::new();
                self.table.write(form.table(width.map(usize::from)), &mut bytes)?;
                bytes
            }
        };
        let mut response = respond(form.content_type(), bytes);
        self.about.tell(&mut response);
        Ok(response)
    }
}

/// Returns one object as JSON.
pub(crate) fn object(object: &impl Serialize) -> Result<Response, PageError> {
    Ok(respond(Form::Json.content_type(), json(object)?))
}

/// Returns bytes of this media type.
pub(crate) fn respond(content_type: &'static str, bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, content_type)], Body::from(bytes)).into_response()
}

fn json(object: &impl Serialize) -> Result<Vec<u8>, PageError> {
    serde_json::to_vec(object).map_err(|error| PageError::Trail(Box::new(error)))
}
