//! Register files: TOML or CSV to rows of texts, each with its line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::{NAMES, RegisterError};
use crate::filter::nearest;

/// The largest file, in bytes.
const BYTES_MAX: u64 = 64 << 20;

/// What a row says: under each column one or more texts.
pub(super) type Values = BTreeMap<String, Vec<String>>;

/// A register as texts.
pub(super) struct Untyped {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    /// Each row's line in the file, and what it says.
    pub(super) rows: Vec<(usize, Values)>,
}

/// Reads every register of a folder.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Untyped>, RegisterError> {
    let unreadable =
        |path: &Path, problem| RegisterError::Unreadable { path: path.into(), problem };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.collect::<Result<_, _>>().map_err(|error| unreadable(folder, error))?;
    paths.sort();
    let mut all: Vec<Untyped> = Vec::new();
    for path in paths {
        let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
            continue;
        };
        if !matches!(extension, "toml" | "csv") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let Some(&(name, row)) = NAMES.iter().find(|(name, _)| *name == stem) else {
            let meant = nearest(stem, NAMES.iter().map(|(name, _)| *name));
            return Err(RegisterError::Unknown { path, meant });
        };
        if let Some(other) = all.iter().find(|other| other.name == name) {
            return Err(RegisterError::Twice { one: other.path.clone(), other: path });
        }
        let size = fs::metadata(&path).map_err(|error| unreadable(&path, error))?.len();
        if size > BYTES_MAX {
            let problem =
                format!("a register has at most {} MB, and this has {size} bytes", BYTES_MAX >> 20);
            return Err(RegisterError::Damaged { path, line: 1, problem });
        }
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        let rows = if extension == "toml" { of_toml(&text, row) } else { of_csv(&text) };
        match rows {
            Ok(rows) => all.push(Untyped { name, path, rows }),
            Err((line, problem)) => return Err(RegisterError::Damaged { path, line, problem }),
        }
    }
    Ok(all)
}

type Rows = Result<Vec<(usize, Values)>, (usize, String)>;

fn of_toml(text: &str, row: &str) -> Rows {
    let line_of = |byte: usize| {
        1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
    };
    let wrong = |error: toml::de::Error| {
        (line_of(error.span().map_or(0, |span| span.start)), error.message().to_owned())
    };
    let document: BTreeMap<Spanned<String>, Spanned<toml::Value>> =
        toml::from_str(text).map_err(wrong)?;
    let mut rows = Vec::new();
    if let Some(name) = document.keys().find(|name| name.get_ref() != row) {
        let problem = format!("{:?} is no row of this register: write [[{row}]]", name.get_ref());
        return Err((line_of(name.span().start), problem));
    }
    if document.is_empty() {
        return Ok(rows);
    }
    type Table = BTreeMap<String, Spanned<toml::Value>>;
    let tables: BTreeMap<String, Vec<Spanned<Table>>> = toml::from_str(text).map_err(wrong)?;
    for table in tables.into_values().flatten() {
        let line = line_of(table.span().start);
        let mut values = Values::new();
        for (column, value) in table.into_inner() {
            let line = line_of(value.span().start);
            let texts = texts(value.into_inner()).ok_or_else(|| {
                (line, format!("{column} is a text, a time, true, false, or a list of texts"))
            })?;
            values.insert(column, texts);
        }
        rows.push((line, values));
    }
    Ok(rows)
}

fn texts(value: toml::Value) -> Option<Vec<String>> {
    let one = |value| match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Float(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    match value {
        toml::Value::Array(list) => list.into_iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}

fn of_csv(text: &str) -> Rows {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| {
        let line = error.position().map_or(1, |position| position.line() as usize);
        (line, format!("{error}; every line has as many values as the first has columns"))
    };
    let columns = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(1, |position| position.line() as usize);
        let mut values = Values::new();
        for (column, cell) in columns.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
            let texts = cell.split(';').map(|text| text.trim().to_owned()).collect();
            if values.insert(column.to_owned(), texts).is_some() {
                return Err((1, format!("the column {column} is there twice: keep one of them")));
            }
        }
        rows.push((line, values));
    }
    Ok(rows)
}
