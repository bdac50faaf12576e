//! `GET /api/v1/lines/{leaf}`, `/api/v1/proofs/…`, `/api/v1/checkpoint`: what stands behind an answer, for who checks it
//! himself. The exact bytes of a line leave the ledger by `keytrail cat` and `keytrail prove` only: they may hold what
//! pages and the API withhold.

use axum::extract::{Path, State};
use axum::response::Response;
use ingest::ledger::{LedgerError, StoredLine};
use ingest::normalise::redact_line;
use ingest::source::{LeafIndex, Reader};
use query::error::QueryError;
use query::period::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{object, respond};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Look, May, RawLine};

/// A line of a server, secrets withheld.
#[derive(Serialize, ToSchema)]
pub(crate) struct Line {
    leaf: u64,
    /// cluster/node/device.
    source: String,
    /// Which content of the source's file it stood in, and from which byte of it on.
    generation: u64,
    offset: u64,
    /// Its length in bytes.
    bytes: u64,
    /// When it arrived, by keytrail's clock.
    #[schema(format = DateTime)]
    arrived: String,
    /// A tail brought it while the file was written; else it was imported.
    followed: bool,
    /// The leaf's hash in the tree, 64 hexadecimal digits.
    hash: String,
    /// The line; what may be secret is withheld and stands in ‹ ›.
    text: String,
}

/// Show a line as the server wrote it, secrets withheld
#[utoipa::path(get, path = "/api/v1/lines/{leaf}", tag = "proof",
    params(("leaf" = u64, Path, description = "The line's leaf")),
    responses(
        (status = 200, body = Line, description = "The line"),
        (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
    ))]
pub(crate) async fn show_line(
    reader: May<RawLine>,
    State(app): State<App>,
    Path(leaf): Path<String>,
) -> Result<Response, Problem> {
    let leaf = LeafIndex(number(&leaf)?);
    let found = app.ask(&reader, move |trail| {
        let Some(line) = trail.line(leaf)? else { return Ok(None) };
        trail.lines_shown(vec![leaf.0])?;
        let StoredLine { source, generation, offset, arrived_unix_ns, reader, bytes, .. } = line;
        let hash = trail.ledger().leaf_hash(leaf).map_err(QueryError::from)?;
        object(&Line {
            leaf: leaf.0,
            source: source.to_string(),
            generation: generation.0,
            offset,
            bytes: bytes.len() as u64,
            arrived: rfc3339(arrived_unix_ns),
            followed: reader == Reader::Live,
            hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            text: redact_line(&bytes, trail.rules()).trim_end_matches(['\r', '\n']).to_owned(),
        })
        .map(Some)
    });
    found.await?.ok_or_else(|| Problem::not_found("line"))
}

/// Prove that a leaf is in the tree of the newest checkpoint
#[utoipa::path(get, path = "/api/v1/proofs/leaf/{leaf}", tag = "proof",
    params(("leaf" = u64, Path, description = "The leaf")),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "A C2SP tlog-proof. `keytrail verify` checks it against the line, whose exact bytes `keytrail prove` writes beside it"),
        (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
    ))]
pub(crate) async fn prove_leaf(
    reader: May<RawLine>,
    State(app): State<App>,
    Path(leaf): Path<String>,
) -> Result<Response, Problem> {
    let leaf = LeafIndex(number(&leaf)?);
    let proof =
        app.ask(&reader, move |trail| Ok(trail.prove(leaf)?.map(|proof| text(proof.to_string()))));
    proof.await?.ok_or_else(|| Problem::not_found("leaf under the newest checkpoint"))
}

/// Prove that the newest checkpoint extends an older one
#[utoipa::path(get, path = "/api/v1/proofs/extension/{older}", tag = "proof",
    params(("older" = u64, Path, description = "How many leaves the older checkpoint has")),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "A consistency proof, in the form of a C2SP tlog-witness request"),
        (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
    ))]
pub(crate) async fn prove_extension(
    reader: May<Look>,
    State(app): State<App>,
    Path(older): Path<String>,
) -> Result<Response, Problem> {
    let older = number(&older)?;
    let proof = app.ask(&reader, move |trail| match trail.ledger().prove_consistency(older) {
        Ok(proof) => Ok(Some(text(proof.to_string()))),
        Err(error) => absent(error),
    });
    proof.await?.ok_or_else(|| Problem::not_found("checkpoint of so many leaves"))
}

/// Show the newest checkpoint
#[utoipa::path(get, path = "/api/v1/checkpoint", tag = "proof", responses(
    (status = 200, body = String, content_type = "text/plain", description = "A C2SP signed note: origin, leaves, root, signatures"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "Why there is no answer"),
))]
pub(crate) async fn show_checkpoint(
    reader: May<Look>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let checkpoint =
        app.ask(&reader, |trail| Ok(trail.ledger().checkpoint().map_err(QueryError::from)?.note));
    Ok(text(checkpoint.await?))
}

fn text(text: String) -> Response {
    respond("text/plain; charset=utf-8", text.into_bytes())
}

/// Reads a leaf's number. What is none has no leaf either.
fn number(typed: &str) -> Result<u64, Problem> {
    // The largest number is no leaf, and one more would be none.
    let number = typed.parse::<u64>().ok().filter(|number| *number < u64::MAX >> 1);
    number.ok_or_else(|| Problem::not_found("leaf"))
}

/// Tells what is not there from what cannot be read.
fn absent<T>(error: LedgerError) -> Result<Option<T>, crate::error::PageError> {
    match error {
        LedgerError::OutOfRange { .. } => Ok(None),
        error => Err(QueryError::from(error).into()),
    }
}
