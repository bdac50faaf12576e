//! A row of texts as it is read into its type: what is missing, misspelt or no time is named.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::file::Values;
use crate::filter::{Filter, nearest};
use crate::period;

/// What a register's rows are read into.
pub trait Read: Sized {
    /// Reads a row; the message says what is wrong and what to write.
    fn read(row: &mut Row<'_>) -> Result<Self, String>;
}

/// A row that is being read.
pub struct Row<'a> {
    name: &'static str,
    values: &'a Values,
    now: Timestamp,
    /// Every column that was asked for.
    known: Vec<&'static str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(name: &'static str, values: &'a Values, now: Timestamp) -> Row<'a> {
        Row { name, values, now, known: Vec::new() }
    }

    /// Returns what a row of this register is called.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Ends the reading: a column that nobody asked for is a mistake.
    pub(super) fn end<T>(&self, read: T) -> Result<T, String> {
        match self.values.keys().find(|column| !self.known.contains(&column.as_str())) {
            None => Ok(read),
            Some(column) => {
                let meant = nearest(column, self.known.iter().copied());
                let meant =
                    meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
                Err(format!(
                    "a {} has no column {column:?}{meant}; it has {}",
                    self.name,
                    self.known.join(", ")
                ))
            }
        }
    }

    /// Returns the texts of a list; none if there is no such column.
    pub(super) fn list(&mut self, column: &'static str) -> Result<Vec<String>, String> {
        self.known.push(column);
        let list = self.values.get(column).cloned().unwrap_or_default();
        if list.iter().any(String::is_empty) {
            return Err(format!("{column} is empty: write a value, or leave the column out"));
        }
        Ok(list)
    }

    pub(super) fn optional(&mut self, column: &'static str) -> Result<Option<String>, String> {
        let mut list = self.list(column)?;
        match list.len() {
            0 | 1 => Ok(list.pop()),
            more => Err(format!("{column} is one value, and there are {more}")),
        }
    }

    pub(super) fn text(&mut self, column: &'static str) -> Result<String, String> {
        let name = self.name;
        self.optional(column)?.ok_or_else(|| format!("a {name} has a {column}: write {column} = …"))
    }

    /// Returns an instant in nanoseconds since 1970; of a date, its beginning.
    pub(super) fn time(&mut self, column: &'static str) -> Result<i64, String> {
        let text = self.text(column)?;
        let form = || {
            format!(
                "{column}: {text:?} is no time: write 2026-10-12T08:00:00Z, or 2026-10-12 for its beginning (UTC)"
            )
        };
        if text.starts_with('-') {
            return Err(form()); // it would mean something else tomorrow
        }
        let moment = period::moment(&text, self.now, &TimeZone::UTC).map_err(|_| form())?;
        Ok(moment.start())
    }

    /// Returns `from` and `to` as [from, to).
    pub(super) fn stretch(&mut self) -> Result<(i64, i64), String> {
        let (from, to) = (self.time("from")?, self.time("to")?);
        if from >= to {
            return Err(
                "from is not before to: the end itself does not belong to the stretch".to_owned()
            );
        }
        Ok((from, to))
    }

    pub(super) fn flag(&mut self, column: &'static str) -> Result<bool, String> {
        match self.optional(column)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!("{column} is true or false, not {other:?}")),
        }
    }

    pub(super) fn filter(&mut self, column: &'static str) -> Result<Option<Filter>, String> {
        let text = self.optional(column)?;
        text.map(|text| self.parsed(column, &text)).transpose()
    }

    /// Reads a text as a filter.
    pub(super) fn parsed(&self, column: &str, text: &str) -> Result<Filter, String> {
        Filter::parse(text, self.now).map_err(|error| format!("{column}:\n{}", error.caret()))
    }

    /// Returns addresses and networks, each with the length of its prefix.
    pub(super) fn networks(&mut self, column: &'static str) -> Result<Vec<(IpAddr, u32)>, String> {
        let list = self.list(column)?;
        if list.is_empty() {
            return Err(format!("a {} has a {column}: write {column} = \"10.0.0.0/8\"", self.name));
        }
        let network = |text: &String| {
            let (address, length) = text.split_once('/').unwrap_or((text, ""));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let length = if text.contains('/') { length.parse().ok()? } else { most };
            (length <= most).then_some((address, length))
        };
        let read = |text| {
            network(text).ok_or_else(|| {
                format!("{column}: {text:?} is no address or network: write 10.0.1.7 or 10.0.0.0/8")
            })
        };
        list.iter().map(read).collect()
    }
}
