//! All that the template can reach: itself, what it is given, and the fonts. No disk, no network, no clock.

use std::collections::HashMap;
use std::sync::LazyLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use crate::font::FONTS;

const TEMPLATE: &str = include_str!("../../../assets/pdf/report.typ");

static LIBRARY: LazyLock<LazyHash<Library>> =
    LazyLock::new(|| LazyHash::new(<Library as LibraryExt>::default()));
static BOOK: LazyLock<LazyHash<FontBook>> =
    LazyLock::new(|| LazyHash::new(FontBook::from_fonts(FONTS.iter())));
static MAIN: LazyLock<Source> =
    LazyLock::new(|| Source::new(file_id("report.typ"), TEMPLATE.to_owned()));

/// The world of one paper.
pub(crate) struct PaperWorld {
    files: HashMap<FileId, Bytes>,
}

impl PaperWorld {
    /// Returns a world with these files, by the names under which the template reads them.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> PaperWorld {
        let files = files.into_iter().map(|(name, bytes)| (file_id(&name), Bytes::new(bytes)));
        PaperWorld { files: files.collect() }
    }
}

/// Ids are kept for as long as the process lives, so names must come from a small set.
fn file_id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("our own names are paths");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

impl World for PaperWorld {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &BOOK
    }

    fn main(&self) -> FileId {
        MAIN.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == MAIN.id() { Ok(MAIN.clone()) } else { Err(missing(id)) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        self.files.get(&id).cloned().ok_or_else(|| missing(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

fn missing(id: FileId) -> FileError {
    FileError::NotFound(id.vpath().get_without_slash().into())
}
