//! Answers as files, written while they are read: whatever their length, little of them is in memory.
//!
//! What an answer covers stands in headers, since a file of rows has no place for it: `keytrail-matched`,
//! `keytrail-left-out`, `keytrail-leaf`. If an export fails on its way, the connection is cut, so that no
//! client takes a part for the whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use ingest::event::AuditEvent;
use query::error::QueryError;
use query::full::events;
use query::listing::{COLUMNS, cells};
use query::question::Question;
use query::search::{each_row, search_in};
use query::table::{Form, TableError, TableWriter};
use query::trail::Trail;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::app::App;
use crate::asked::Asked;
use crate::error::PageError;

/// Bytes of one piece of an export.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the reader.
const PIECES_MAX: usize = 4;
/// How long a reader may take for one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// `GET /explore.csv`: the rows, with the columns of `keytrail search --format csv`.
pub(crate) async fn explore_csv(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    export(app, asked, "csv", "text/csv; charset=utf-8; header=present", |trail, question, out| {
        let mut writer = TableWriter::new(Form::Csv, COLUMNS, out)?;
        each_row(&trail.view(), question, 0, None, &mut |row| {
            Ok::<_, ExportError>(writer.row(&cells(&row))?)
        })?;
        writer.finish()?.flush()?;
        Ok(())
    })
    .await
}

/// `GET /explore.json`: whole events, one JSON object a line.
pub(crate) async fn explore_json(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    export(app, asked, "json", "application/x-ndjson", |trail, question, mut out| {
        let mut each = |event: AuditEvent| {
            serde_json::to_writer(&mut out, &event).map_err(io::Error::from)?;
            Ok::<_, ExportError>(out.write_all(b"\n")?)
        };
        events(trail, question, 0, None, &mut each)?;
        Ok(out.flush()?)
    })
    .await
}

/// Gives a file that a page is the reading form of.
pub(crate) fn file(name: &str, content_type: &'static str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition).expect("names are ours");
    let mut response = body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    response
}

#[derive(Debug, Error)]
enum ExportError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

type Writing = fn(&Trail, &Question, Pieces) -> Result<(), ExportError>;

async fn export(
    app: App,
    asked: Asked,
    extension: &str,
    content_type: &'static str,
    write: Writing,
) -> Result<Response, PageError> {
    let question = asked.question().map_err(|problem| PageError::Question(problem.to_string()))?;
    let coverage = question.clone();
    let (page, horizon) = app
        .ask(move |trail| {
            let view = trail.view();
            Ok((search_in(&view, &coverage, 1, None)?, view.retention().least_leaf))
        })
        .await?;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let runtime = Handle::current();
    app.export(move |trail| {
        let out =
            Pieces { piece: Vec::with_capacity(PIECE_BYTES), sender: sender.clone(), runtime };
        if let Err(error) = write(trail, &question, out) {
            warn!(%error, "an export ended early");
            // Without this the body would end as if it were whole.
            let _ = sender.blocking_send(Err(io::Error::other("the export failed")));
        }
    })
    .await?;
    let mut response =
        file(&format!("keytrail-events.{extension}"), content_type, Body::new(Receiving(pieces)));
    let left_out = page.left_out.0.iter().map(|(word, count)| format!("{word}={count}"));
    for (name, value) in [
        ("keytrail-matched", page.matched.to_string()),
        ("keytrail-left-out", left_out.collect::<Vec<_>>().join(" ")),
        ("keytrail-leaf", page.leaf.to_string()),
        ("keytrail-least-leaf", horizon.to_string()),
    ] {
        let value = HeaderValue::from_str(&value).expect("numbers and words of ours");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// The writing end: gathers bytes into pieces and waits for the reader, though not for ever.
struct Pieces {
    piece: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let sent =
            self.runtime.block_on(timeout(PIECE_TIMEOUT, self.sender.send(Ok(piece.into()))));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_gone)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the reader has gone")),
            Err(_elapsed) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes too long"))
            }
        }
    }
}

/// The reading end, as a body.
struct Receiving(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
