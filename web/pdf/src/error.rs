use thiserror::Error;

/// Why a PDF could not be made.
#[derive(Debug, Error)]
pub enum PdfError {
    /// The template failed, or what it was given cannot be printed by the standards. Only a bug can cause this.
    #[error("the report cannot be laid out as PDF: {0}; the other forms of it are not affected")]
    Layout(String),
    /// Something could not be written as JSON or CSV.
    #[error("the report's data cannot be written for its PDF")]
    Data(#[from] serde_json::Error),
    /// A table of the report is not as it says.
    #[error("the report's rows cannot be written for its PDF")]
    Table(#[from] query::table::TableError),
}
