//! From a paper to the bytes of a PDF.

use sha2::{Digest, Sha256};
use typst::diag::{SourceDiagnostic, Warned};
use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use crate::error::PdfError;
use crate::form::{Form, read_as};
use crate::paper::Paper;
use crate::world::PaperWorld;

/// Returns a paper as PDF/A-3a and PDF/UA-1. The same paper gives the same bytes.
///
/// Takes about a millisecond of processor time a row of a table, on as many threads as there are processors; what was kept meanwhile is dropped at the end.
///
/// # Errors
/// The template fails, or what it was given cannot be printed by the standards; only a bug can cause either.
pub fn render(paper: &Paper) -> Result<Vec<u8>, PdfError> {
    let form = serde_json::to_vec(&Form::of(paper))?;
    let ident = Sha256::digest(&form);
    let ident = ident.iter().map(|byte| format!("{byte:02x}")).collect();
    let attached = paper.files.iter().enumerate();
    let attached = attached.map(|(at, file)| (read_as(at), file.bytes.clone()));
    let world = PaperWorld::of(attached.chain([("paper.json".to_owned(), form)]));
    let bytes = laid_out(&world, ident, &paper.cover.generator);
    // The layout is kept for the next one, which never is of the same paper.
    typst::comemo::evict(0);
    bytes
}

fn laid_out(world: &PaperWorld, ident: String, generator: &str) -> Result<Vec<u8>, PdfError> {
    let Warned { output, warnings } = typst::compile::<PagedDocument>(world);
    let document = output.map_err(|errors| failure(&errors))?;
    // A warning says that something is not laid out as the template says, such as a font that is not there.
    if !warnings.is_empty() {
        return Err(failure(&warnings));
    }
    let standards = PdfStandards::new(&[PdfStandard::A_3a, PdfStandard::Ua_1])
        .map_err(|error| PdfError::Layout(error.message().to_string()))?;
    let options = PdfOptions {
        ident: Smart::Custom(ident),
        creator: Smart::Custom(Some(generator.to_owned())),
        standards,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|errors| failure(&errors))
}

fn failure(problems: &[SourceDiagnostic]) -> PdfError {
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    PdfError::Layout(messages.join("; "))
}
