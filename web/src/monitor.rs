//! What a running process tells machines of itself: figures, and whether it is ready.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::app::App;
use crate::error::PageError;

/// Where figures and readiness come from; the program knows, the pages ask.
pub struct Monitor {
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Monitor {
    /// Returns a monitor over what renders the figures in Prometheus's text and what tells why it is not ready.
    pub fn new(
        metrics: impl Fn() -> String + Send + Sync + 'static,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Monitor {
        Monitor { metrics: Box::new(metrics), ready: Box::new(ready) }
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (app.monitor().metrics)())
}

/// `GET /readyz`: ready is who can answer a question from an index that has caught up.
pub(crate) async fn ready(State(app): State<App>) -> Result<(StatusCode, String), PageError> {
    if let Err(why) = (app.monitor().ready)() {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")));
    }
    app.ask(|trail| Ok(trail.view().totals().map(|_| (StatusCode::OK, "ready\n".to_owned()))?))
        .await
}
