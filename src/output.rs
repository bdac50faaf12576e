//! Writing answers to standard output.

use std::io::{self, BufWriter, StdoutLock};

use query::table::{Form, TableError};

use crate::args::Format;

/// Tells whether the reader of our output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(broken)
        || error
            .downcast_ref::<TableError>()
            .is_some_and(|error| matches!(error, TableError::Io(error) if broken(error)))
}

/// Returns standard output, buffered.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Returns the form asked for; a table is as wide as the terminal, or as it needs in a pipe.
pub(crate) fn form(format: Format) -> Form {
    match format {
        Format::Table => Form::Text { width: terminal_width() },
        Format::Json => Form::Json,
        Format::Csv => Form::Csv,
        Format::Arrow => Form::Arrow,
        Format::Parquet => Form::Parquet,
    }
}

/// Returns the terminal's width in columns, if standard output is one.
pub(crate) fn terminal_width() -> Option<usize> {
    if !io::IsTerminal::is_terminal(&io::stdout()) {
        return None;
    }
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| size.ws_col as usize)
        .filter(|&columns| columns > 0)
}
