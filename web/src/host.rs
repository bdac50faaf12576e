//! The process that the pages are part of, as far as they need it.

use std::path::PathBuf;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;

use ingest::own::Fact;

use crate::app::App;
use crate::door::{Metrics, Reader};
use crate::error::PageError;

/// What the pages ask of the process that serves them. It knows the configuration, other servers and who writes the
/// ledger; the pages know none of these.
pub trait Host: Send + Sync + 'static {
    /// Returns the data folder.
    fn data(&self) -> PathBuf;

    /// Returns the process's figures in Prometheus's text.
    fn metrics(&self) -> String;

    /// Tells why questions cannot be answered as they should.
    ///
    /// # Errors
    /// That is the answer.
    fn ready(&self) -> Result<(), String>;

    /// Returns what came of the last verification of the ledger.
    fn verified(&self) -> Option<Verified>;

    /// Records in the ledger what somebody is about to do, or be shown. May block.
    ///
    /// # Errors
    /// It cannot be recorded, so it must not be done.
    fn record(&self, fact: Fact) -> Result<(), String>;

    /// Asks the configured secrets servers for the hashes of a value, one for each audit device. May block.
    ///
    /// # Errors
    /// No server is configured for that, or one does not answer; in words for the person who asks.
    fn hashes_of(&self, value: &str) -> Result<Vec<String>, String>;

    /// Asks the provider that people sign in by. May block, but not for long; the answer is bounded.
    ///
    /// # Errors
    /// It does not answer, or none is configured; in words that hold no secret.
    fn ask_provider(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String>;

    /// Takes note of an answer: the route as it is declared, the status, how long it took.
    fn answered(&self, route: &str, status: u16, took: Duration);
}

/// What came of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When it ended, in seconds since 1970.
    pub at_unix: i64,
    /// What is wrong; absent if the ledger is what was signed.
    pub problem: Option<String>,
}

/// `GET /metrics`: open to this machine, and beyond it to readers who are not bound.
pub(crate) async fn metrics(_reader: Metrics, State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.host().metrics())
}

/// `GET /readyz`: ready is who can answer a question from an index that has caught up.
pub(crate) async fn ready(State(app): State<App>) -> Result<(StatusCode, String), PageError> {
    if let Err(why) = app.host().ready() {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")));
    }
    match app.ask(&Reader::local(), |trail| Ok(trail.view().totals()?)).await {
        // Who has more questions than it can answer answers all the same: taken out of service, it would answer none.
        Ok(_) | Err(PageError::Busy) => Ok((StatusCode::OK, "ready\n".to_owned())),
        Err(error) => Err(error),
    }
}
