//! What every form of a report is written from: page, PDF, workbook, CSV and JSON take their numbers from one [`Document`].

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Heading;
use crate::period::rfc3339;
use crate::table::{Cell, Column, Kind, Table};

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// What was asked, over what, and what the answer does not cover.
    pub heading: Heading,
    /// Its parts, in the order in which they are read.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name in names of files and sheets, lower case with hyphens: `rows`.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// Paragraphs above the table: what the rows are, and where nothing is known.
    pub words: Vec<String>,
    /// A chart of the rows.
    pub chart: Option<Bars>,
    /// The rows. A row that stands for events has a last column `filter`, which opens exactly those.
    pub table: Table,
}

/// A chart of bars: a name and a number each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bars {
    /// The same in words, for whoever does not see it.
    pub alt: String,
    /// From the first to the last.
    pub bars: Vec<(String, u64)>,
}

impl Document {
    /// Returns the section of this id; without one, the first.
    pub fn section(&self, id: Option<&str>) -> Option<&Section> {
        match id {
            Some(id) => self.sections.iter().find(|section| section.id == id),
            None => self.sections.first(),
        }
    }
}

impl Section {
    /// Returns a part without a chart.
    pub fn new(
        id: &'static str,
        title: impl Into<String>,
        words: Vec<String>,
        table: Table,
    ) -> Section {
        Section { id, title: title.into(), words, chart: None, table }
    }
}

impl Bars {
    /// Most bars that are drawn: more are not read any more, and the table has them all.
    pub const MOST: usize = 12;

    /// Returns a chart of the largest of these numbers, the largest first; `None` without any. `what` says what is counted.
    pub fn of(what: &str, numbers: impl IntoIterator<Item = (String, u64)>) -> Option<Bars> {
        let mut bars: Vec<(String, u64)> =
            numbers.into_iter().filter(|(_, number)| *number > 0).collect();
        bars.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let more = bars.len().saturating_sub(Bars::MOST);
        bars.truncate(Bars::MOST);
        let told: Vec<String> =
            bars.iter().map(|(name, number)| format!("{name} {number}")).collect();
        let more = if more > 0 { format!("; and {more} smaller ones") } else { String::new() };
        let alt = format!("{what}: {}{more}", told.join(", "));
        (!bars.is_empty()).then_some(Bars { alt, bars })
    }
}

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Section", 5)?;
        object.serialize_field("id", self.id)?;
        object.serialize_field("title", &self.title)?;
        object.serialize_field("words", &self.words)?;
        object.serialize_field("chart", &self.chart)?;
        object.serialize_field("table", &AsJson(&self.table))?;
        object.end()
    }
}

/// A table as one JSON object: its columns, and its rows as arrays in their order. Times are RFC 3339 in UTC.
struct AsJson<'a>(&'a Table);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named {
            name: &'static str,
            kind: &'static str,
        }
        let Table { columns, rows } = self.0;
        let named = |column: &Column| Named { name: column.name, kind: kind(column.kind) };
        let columns: Vec<Named> = columns.iter().map(named).collect();
        let mut object = serializer.serialize_struct("Table", 2)?;
        object.serialize_field("columns", &columns)?;
        object.serialize_field("rows", &Rows(rows))?;
        object.end()
    }
}

struct Rows<'a>(&'a [Vec<Cell>]);
struct Row<'a>(&'a [Cell]);
struct Value<'a>(&'a Cell);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|row| Row(row)))
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Value))
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Cell::Absent => serializer.serialize_none(),
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Number(number) => serializer.serialize_i64(*number),
            Cell::Time(time) => serializer.serialize_str(&rfc3339(*time)),
            Cell::List(texts) => serializer.collect_seq(texts),
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Time => "time",
        Kind::List => "list",
    }
}
