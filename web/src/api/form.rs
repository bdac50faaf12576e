//! In which form an answer is wanted: the address says it by a suffix, or the request by `Accept`.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use query::table::Form as TableForm;

use super::problem::Problem;
use crate::door::{Export, May};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One object: the rows, and what the answer covers.
    Json,
    /// One object a row, each on its line.
    Ndjson,
    /// RFC 4180.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// Columns in line, for people.
    Text,
}

/// Each form: its suffix and its media type.
const FORMS: [(Form, &str, &str); 5] = [
    (Form::Json, ".json", "application/json"),
    (Form::Ndjson, ".ndjson", "application/x-ndjson"),
    (Form::Csv, ".csv", "text/csv"),
    (Form::Arrow, ".arrow", "application/vnd.apache.arrow.stream"),
    (Form::Text, ".txt", "text/plain"),
];

impl Form {
    /// Every suffix of an address; none leaves the choice to `Accept`.
    pub(crate) fn suffixes() -> impl Iterator<Item = &'static str> {
        std::iter::once("").chain(FORMS.map(|(_, suffix, _)| suffix))
    }

    /// Returns the media type with its parameters.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Ndjson => "application/x-ndjson",
            Form::Csv => "text/csv; charset=utf-8; header=present",
            Form::Arrow => "application/vnd.apache.arrow.stream",
            Form::Text => "text/plain; charset=utf-8",
        }
    }

    /// Returns the form of a table; one JSON object is none.
    pub(crate) fn table(self, width: Option<usize>) -> TableForm {
        match self {
            Form::Json | Form::Ndjson => TableForm::Json,
            Form::Csv => TableForm::Csv,
            Form::Arrow => TableForm::Arrow,
            Form::Text => TableForm::Text { width },
        }
    }

    /// Tells whether an answer can be had in this form.
    ///
    /// # Errors
    /// It cannot: its problem.
    pub(crate) fn one_of(self, forms: &[Form]) -> Result<(), Problem> {
        if forms.contains(&self) {
            return Ok(());
        }
        let can = FORMS.iter().filter(|(form, ..)| forms.contains(form)).map(|(.., media)| *media);
        let can: Vec<&str> = can.collect();
        Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            format!("this answer is no table: it can be had as {}", can.join(", ")),
        ))
    }

    /// Reads the suffix, else the header. JSON is what is given to who does not mind.
    fn wanted(path: &str, accept: Option<&str>) -> Result<Form, Problem> {
        if let Some((form, ..)) = FORMS.iter().find(|(_, suffix, _)| path.ends_with(suffix)) {
            return Ok(*form);
        }
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
            return Ok(Form::Json);
        };
        let mut best: Option<(f32, Form)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            let form = match &*media {
                "*/*" | "application/*" => Some(Form::Json),
                // A browser: columns are the form that it shows.
                "text/*" | "text/html" => Some(Form::Text),
                media => FORMS.iter().find(|(.., of)| *of == media).map(|(form, ..)| *form),
            };
            if let Some(form) = form
                && quality > 0.0
                && best.is_none_or(|(so_far, _)| quality > so_far)
            {
                best = Some((quality, form));
            }
        }
        best.map(|(_, form)| form).ok_or_else(|| {
            let known: Vec<&str> = FORMS.iter().map(|(.., media)| *media).collect();
            Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                format!("an answer can be had as {}; Accept names none of them", known.join(", ")),
            )
        })
    }
}

/// The form, or why none fits.
impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Form, Problem> {
        let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        Form::wanted(parts.uri.path(), accept)
    }
}

/// The form of an answer of whole rows: all but one bounded object are exports, which the reader must have a right to.
pub(crate) struct RowsForm(pub(crate) Form);

impl<S: Sync> FromRequestParts<S> for RowsForm {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<RowsForm, Response> {
        let form = Form::from_request_parts(parts, state).await;
        let form = form.map_err(IntoResponse::into_response)?;
        if form != Form::Json {
            let export = May::<Export>::from_request_parts(parts, state).await;
            export.map_err(IntoResponse::into_response)?;
        }
        Ok(RowsForm(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_goes_before_the_header_and_the_best_quality_wins() {
        let wanted = |path, accept| Form::wanted(path, accept).ok();
        for (path, accept, form) in [
            ("/api/v1/events", None, Some(Form::Json)),
            ("/api/v1/events", Some("*/*"), Some(Form::Json)),
            ("/api/v1/events.csv", Some("application/json"), Some(Form::Csv)),
            ("/api/v1/events", Some("text/csv"), Some(Form::Csv)),
            ("/api/v1/events", Some("text/csv;q=0.5, application/x-ndjson"), Some(Form::Ndjson)),
            ("/api/v1/events", Some("Application/JSON; q=1"), Some(Form::Json)),
            (
                "/api/v1/events",
                Some("image/png, application/vnd.apache.arrow.stream;q=0.1"),
                Some(Form::Arrow),
            ),
            ("/api/v1/events", Some("image/png"), None),
            ("/api/v1/events", Some("application/json;q=0"), None),
            ("/api/v1/events", Some("text/html,application/xhtml+xml,*/*;q=0.8"), Some(Form::Text)),
        ] {
            assert_eq!(wanted(path, accept), form, "{path} {accept:?}");
        }
    }
}
