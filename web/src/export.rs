//! Answers as files, written while they are read: whatever their length, little of them is in memory.
//!
//! What an answer covers stands in headers, since a file of rows has no place for it, see [`About::tell`]. If an export fails on its way, the connection is cut, so that no
//! client takes a part for the whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use ingest::event::AuditEvent;
use ingest::own::Fact;
use query::error::QueryError;
use query::full::events_in;
use query::history::View;
use query::listing::{COLUMNS, TERMINAL, pick};
use query::page::PageToken;
use query::period::rfc3339;
use query::question::Question;
use query::search::{each_row, search_in};
use query::table::{Form as TableForm, TableError, TableWriter};
use query::trail::Trail;
use query::turn::Turn;
use serde::Serialize;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::api::{About, Form};
use crate::app::App;
use crate::asked::Asked;
use crate::door::{Export, May, Reader};
use crate::error::PageError;

/// Bytes of one piece of an export.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the reader.
const PIECES_MAX: usize = 4;
/// How long a reader may take for one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// `GET /explore.csv`: the rows, with the columns of `keytrail search --format csv`.
pub(crate) async fn explore_csv(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    rows_as_file(&reader, app, &asked, Form::Csv, "keytrail-events.csv").await
}

/// `GET /explore.arrow`: the same rows as an Arrow IPC stream.
pub(crate) async fn explore_arrow(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    rows_as_file(&reader, app, &asked, Form::Arrow, "keytrail-events.arrow").await
}

async fn rows_as_file(
    reader: &Reader,
    app: App,
    asked: &Asked,
    form: Form,
    name: &str,
) -> Result<Response, PageError> {
    let question = understood(asked)?;
    let response =
        stream(reader, app, form.content_type(), question.clone(), move |_, view, out| {
            rows(view, &question, 0, None, form.table(None), out)
        });
    Ok(as_file(name, response.await?))
}

/// `GET /explore.json`: whole events, one JSON object a line.
pub(crate) async fn explore_json(
    reader: May<Export>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let question = understood(&asked)?;
    let response = stream(
        &reader,
        app,
        Form::Ndjson.content_type(),
        question.clone(),
        move |trail, view, out| whole_events(trail, view, &question, 0, None, out),
    );
    Ok(as_file("keytrail-events.json", response.await?))
}

pub(crate) fn understood(asked: &Asked) -> Result<Question, PageError> {
    asked.question().map_err(|problem| PageError::Question(problem.to_string()))
}

/// Writes rows as a table, of the columns that there is room for.
pub(crate) fn rows(
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    form: TableForm,
    out: Pieces,
) -> Result<(), ExportError> {
    let names: Vec<&str> = match form {
        TableForm::Text { .. } => TERMINAL.to_vec(),
        _ => COLUMNS.iter().map(|column| column.name).collect(),
    };
    let (columns, cells) = pick(&names);
    let mut writer = TableWriter::new(form, &columns, out)?;
    each_row(view, question, limit, after, &mut |row| {
        Ok::<_, ExportError>(writer.row(&cells(&row))?)
    })?;
    Ok(writer.finish()?.flush()?)
}

/// Writes whole events, one JSON object a line.
pub(crate) fn whole_events(
    trail: &Trail,
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    mut out: Pieces,
) -> Result<(), ExportError> {
    events_in(trail, view, question, limit, after, &mut |event: AuditEvent| {
        line(&event, &mut out)
    })?;
    Ok(out.flush()?)
}

/// Writes an object as a line of JSON.
pub(crate) fn line(object: &impl Serialize, out: &mut impl Write) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// Gives a file that a page is the reading form of.
pub(crate) fn file(name: &str, content_type: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    as_file(name, response)
}

/// Tells a browser to keep the answer as a file.
pub(crate) fn as_file(name: &str, mut response: Response) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition).expect("names are ours");
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    response
}

/// Why an answer ended early.
#[derive(Debug, Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Answers with what `write` writes, while it is read.
pub(crate) async fn stream(
    reader: &Reader,
    app: App,
    content_type: &'static str,
    question: Question,
    write: impl FnOnce(&Trail, &View, Pieces) -> Result<(), ExportError> + Send + 'static,
) -> Result<Response, PageError> {
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: "events".to_owned(),
        filter: question.filter.to_string(),
        from: question.from.map(rfc3339),
        to: question.to.map(rfc3339),
    };
    app.record(reader, fact).await?;
    let about = app.ask(reader, move |trail| {
        let view = trail.view();
        let page = search_in(&view, &question, 1, None)?;
        Ok((
            About::new(&view, &question, page.matched, page.left_out)?,
            view.within(Turn::default()),
        ))
    });
    // What the headers say is of the same view as what is written, which takes as long as its reader.
    let (about, view) = about.await?;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let runtime = Handle::current();
    app.export(reader, move |trail| {
        let out =
            Pieces { piece: Vec::with_capacity(PIECE_BYTES), sender: sender.clone(), runtime };
        if let Err(error) = write(trail, &view, out) {
            warn!(%error, "an export ended early");
            // Without this the body would end as if it were whole.
            let _ = sender.blocking_send(Err(io::Error::other("the export failed")));
        }
    })
    .await?;
    let mut response = Body::new(Receiving(pieces)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    about.tell(&mut response);
    Ok(response)
}

/// The writing end: gathers bytes into pieces and waits for the reader, though not for ever.
pub(crate) struct Pieces {
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
pub(crate) struct Receiving(pub(crate) mpsc::Receiver<io::Result<Bytes>>);

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
