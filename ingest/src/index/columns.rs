//! The columns of a segment by their names.
//!
//! The engine keeps the list of a segment's columns compressed, and reads it anew for each column that is asked for. Who opens
//! many of them reads the list once.

use tantivy::SegmentReader;
use tantivy::columnar::{
    Column, ColumnType, ColumnarReader, DynamicColumn, DynamicColumnHandle,
    HasAssociatedColumnType, StrColumn,
};
use tantivy::directory::FileSlice;
use tantivy::directory::error::OpenReadError;
use tantivy::index::SegmentComponent;

use super::directory::ReadDirectory;

/// A column is narrow if it takes no more than so many bits a document: half of those that a row shows, a twelfth of all bytes.
const NARROW_BITS: u64 = 5;

/// The columns of a segment, none of them opened yet.
pub struct ColumnList(Vec<(String, DynamicColumnHandle)>);

impl ColumnList {
    /// Reads the list of a segment's columns.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn read(segment: &SegmentReader) -> tantivy::Result<ColumnList> {
        ColumnList::of(segment.open_read(SegmentComponent::FastFields)?)
    }

    /// Reads the list of a segment's columns, which are to be read for few of its documents: nothing is read ahead.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn read_for_few(segment: &SegmentReader) -> tantivy::Result<ColumnList> {
        match segment.open_read(ReadDirectory::columns_of_few()) {
            // The segment is a writer's or lies in memory.
            Err(OpenReadError::FileDoesNotExist(_)) => ColumnList::read(segment),
            file => ColumnList::of(file?),
        }
    }

    /// Has the disk bring a column, which is about to be read for most documents of a segment by who opened it for few.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn ask_for(segment: &SegmentReader, name: &str) -> tantivy::Result<()> {
        let columns = match segment.open_read(ReadDirectory::whole_columns()) {
            Err(OpenReadError::FileDoesNotExist(_)) => return Ok(()),
            file => ColumnarReader::open(file?)?.read_columns(name)?,
        };
        columns.iter().try_for_each(|column| column.file_slice().read_bytes().map(drop))?;
        Ok(())
    }

    /// Has the disk bring the columns whose values take few bits each, of which rows all over a segment need most pages.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn ask_for_narrow(segment: &SegmentReader) -> tantivy::Result<()> {
        let columns = match segment.open_read(ReadDirectory::whole_columns()) {
            Err(OpenReadError::FileDoesNotExist(_)) => return Ok(()),
            file => ColumnarReader::open(file?)?.list_columns()?,
        };
        let most = u64::from(segment.max_doc()) * NARROW_BITS / 8;
        let narrow = columns.iter().filter(|(_, column)| column.num_bytes().get_bytes() <= most);
        narrow
            .map(|(_, column)| column.file_slice())
            .try_for_each(|file| file.read_bytes().map(drop))?;
        Ok(())
    }

    /// Has the disk bring all columns, for who is about to read rows of most documents of a segment.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn ask_for_all(segment: &SegmentReader) -> tantivy::Result<()> {
        match segment.open_read(ReadDirectory::whole_columns()) {
            Err(OpenReadError::FileDoesNotExist(_)) => Ok(()),
            file => Ok(file?.read_bytes().map(drop)?),
        }
    }

    fn of(file: FileSlice) -> tantivy::Result<ColumnList> {
        Ok(ColumnList(ColumnarReader::open(file)?.list_columns()?))
    }

    /// Opens a column of words; `None` if no document of the segment has one.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn words(&self, name: &str) -> tantivy::Result<Option<StrColumn>> {
        Ok(self.open(name, ColumnType::Str)?.and_then(Into::into))
    }

    /// Opens a column of numbers; `None` if no document of the segment has one.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn numbers<T>(&self, name: &str) -> tantivy::Result<Option<Column<T>>>
    where
        T: HasAssociatedColumnType,
        DynamicColumn: Into<Option<Column<T>>>,
    {
        Ok(self.open(name, T::column_type())?.and_then(Into::into))
    }

    fn open(&self, name: &str, of: ColumnType) -> tantivy::Result<Option<DynamicColumn>> {
        let is_it = |(known, handle): &&(String, DynamicColumnHandle)| {
            known == name && handle.column_type() == of
        };
        let found = self.0.iter().find(is_it);
        Ok(found.map(|(_, handle)| handle.open()).transpose()?)
    }
}
