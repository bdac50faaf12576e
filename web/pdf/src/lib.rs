//! Reports as PDF: what an auditor files, prints and signs.
//!
//! A [`Paper`] says what is printed; [`render`] lays it out by a template that is compiled in. The same paper gives the same
//! bytes, so that a report can be made again and compared by its hash. The file is tagged and searchable, has its
//! fonts in it, and keeps to PDF/A-3a (archives) and PDF/UA-1 (readers who cannot see it).
//!
//! ```text
//!   a Document ──── report() ─┐
//!   a ControlPack ─── pack() ─┴▶ Paper ── form ──▶ paper.json ── report.typ ──▶ PDF
//! ```
//!
//! Everything a log says is data in `paper.json` and never markup, so nothing in it can run; the template can reach no
//! disk, no network and no clock, since its world holds what is given to it and nothing else.

mod error;
mod font;
mod form;
mod grid;
mod heading;
mod pack;
mod paper;
mod render;
mod report;
mod said;
mod world;

#[cfg(test)]
mod tests;

pub use self::error::PdfError;
pub use self::pack::{Chapter, ControlPack, pack};
pub use self::paper::{
    Block, Completeness, Cover, Fact, File, Paper, Part, Relation, Role, Rows, Sum,
};
pub use self::render::render;
pub use self::report::report;
