//! The door as its readers meet it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use super::*;
use crate::tests::{Answer, Site};

mod auditor;
mod matrix;

/// Asks in somebody's name.
async fn ask_as(site: &Site, reader: &Reader, method: &Method, target: &str, body: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "127.0.0.1:8088")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .expect("a request");
    request.extensions_mut().insert(reader.clone());
    site.send(request).await
}
