//! Documents as PDF. One is laid out at a time, since it takes a processor for seconds; a few wait for their turn, and whoever
//! comes then is told to come back.

use pdf::PdfError;
use query::report::document::Document;

use crate::app::App;
use crate::error::PageError;

/// The media type.
pub(crate) const CONTENT_TYPE: &str = "application/pdf";

/// Returns a report as a PDF with its data attached, for `keytrail report`.
///
/// # Errors
/// It cannot be laid out, which only a bug can cause.
pub fn report_pdf(document: &Document) -> Result<Vec<u8>, PdfError> {
    pdf::render(&pdf::report(document)?)
}

impl App {
    /// Lays out a report on a thread that may block, once it has its turn.
    ///
    /// # Errors
    /// [`PageError::Busy`] if others are before it for too long.
    pub(crate) async fn print(&self, document: Document) -> Result<Vec<u8>, PageError> {
        let place = self.printer_place().await?;
        let printed = tokio::task::spawn_blocking(move || {
            let printed = report_pdf(&document);
            drop(place);
            printed
        });
        let printed = printed.await.map_err(|_panic| PageError::Panic)?;
        printed.map_err(|error| PageError::Trail(Box::new(error)))
    }
}
