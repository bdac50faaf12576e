//! One object: the events of a batch that are of one day, as NDJSON or Parquet; and the uids in one that is read back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use ingest::event::Uid;
use jiff::Timestamp;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use query::listing::COLUMNS;
use query::table::{Cell, Column, Form as TableForm, Kind, TableWriter};
use serde_json::Value;

use crate::batch::{Batch, Beside, Item, uids_sha256};
use crate::format::Format;

/// By Hive's convention, the partition of rows that have no value: engines read it as null.
const NO_DAY: &str = "__HIVE_DEFAULT_PARTITION__";
/// No line that is read back is longer.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An event a line, compressed by gzip.
    NdjsonGzip,
    /// An event a line, compressed by zstd.
    NdjsonZstd,
    /// The columns of `keytrail search --format parquet`, and `event`: the event in its format.
    Parquet,
}

impl Form {
    /// Returns how names of its objects end.
    fn ending(self) -> &'static str {
        match self {
            Form::NdjsonGzip => "ndjson.gz",
            Form::NdjsonZstd => "ndjson.zst",
            Form::Parquet => "parquet",
        }
    }

    /// Returns the form of an object of this name; none of another's.
    pub(super) fn of_name(name: &str) -> Option<Form> {
        let all = [Form::NdjsonGzip, Form::NdjsonZstd, Form::Parquet];
        all.into_iter()
            .find(|form| name.strip_suffix(form.ending()).is_some_and(|rest| rest.ends_with('.')))
    }
}

/// An object that can be put into a store.
pub(super) struct Object {
    /// Below the sink's own name.
    pub(super) name: String,
    pub(super) bytes: Arc<[u8]>,
    pub(super) events: u64,
    pub(super) uids_sha256: String,
}

/// Returns the names of a batch's objects and their events, in the order in which they were issued: an object a day.
pub(super) fn objects(batch: &Batch, form: Form) -> BTreeMap<String, Vec<&Item>> {
    let mut days: BTreeMap<String, Vec<&Item>> = BTreeMap::new();
    for item in &batch.items {
        days.entry(day(item.time_unix_ns)).or_default().push(item);
    }
    let named = days.into_iter().map(|(day, items)| {
        let uids = uids_sha256(items.iter().map(|item| item.uid));
        let leaf = |item: Option<&&Item>| item.map_or(0, |item| item.issued.0.0);
        let stem = stem(leaf(items.first()), leaf(items.last()), &uids);
        (format!("day={day}/{stem}.{}", form.ending()), items)
    });
    named.collect()
}

/// Returns a name that sorts by leaves, and is of these events alone.
pub(super) fn stem(first: u64, last: u64, uids_sha256: &str) -> String {
    format!("{first:020}-{last:020}-{}", &uids_sha256[..16])
}

fn day(time_unix_ns: Option<i64>) -> String {
    let time = time_unix_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    time.map_or_else(|| NO_DAY.to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

impl Object {
    /// Writes events.
    ///
    /// # Errors
    /// Only a bug can cause one: memory takes everything.
    pub(super) fn write(name: String, items: &[&Item], form: Form) -> Result<Object, String> {
        let lines = |mut out: &mut dyn Write| {
            items.iter().try_for_each(|item| {
                out.write_all(&item.bytes)?;
                (&mut out).write_all(b"\n")
            })
        };
        let bytes = match form {
            Form::NdjsonGzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::default());
                lines(&mut packed).and_then(|()| packed.finish()).map_err(|e| e.to_string())
            }
            Form::NdjsonZstd => zstd::stream::Encoder::new(Vec::new(), 3)
                .and_then(|mut packed| lines(&mut packed).and_then(|()| packed.finish()))
                .map_err(|error| error.to_string()),
            Form::Parquet => rows(items).map_err(|error| error.to_string()),
        };
        let bytes = bytes.map_err(|error| format!("{name} cannot be written: {error}"))?;
        let uids_sha256 = uids_sha256(items.iter().map(|item| item.uid));
        Ok(Object { name, bytes: Arc::from(bytes), events: items.len() as u64, uids_sha256 })
    }
}

fn rows(items: &[&Item]) -> Result<Vec<u8>, query::table::TableError> {
    let mut columns = COLUMNS.to_vec();
    columns.push(Column::new("event", Kind::Text));
    let mut writer = TableWriter::new(TableForm::Parquet, &columns, Vec::new())?;
    for item in items {
        let Beside::Row(cells) = &item.beside else {
            unreachable!("a Parquet object is made of rows")
        };
        let event = String::from_utf8_lossy(&item.bytes).into_owned();
        let row: Vec<Cell> = cells.iter().cloned().chain([Cell::Text(event)]).collect();
        writer.row(&row)?;
    }
    writer.finish()
}

/// Gives the uid of each event of an object.
///
/// # Errors
/// It is none of this form, or holds something else than events of this format; in words.
pub(super) fn each_uid(
    bytes: &Bytes,
    form: Form,
    format: Format,
    each: &mut dyn FnMut(Uid) -> Result<(), String>,
) -> Result<(), String> {
    match form {
        Form::NdjsonGzip => of_lines(&mut MultiGzDecoder::new(&bytes[..]), format, each),
        Form::NdjsonZstd => {
            let mut plain =
                zstd::stream::Decoder::new(&bytes[..]).map_err(|error| error.to_string())?;
            of_lines(&mut plain, format, each)
        }
        Form::Parquet => of_rows(bytes, each),
    }
}

/// Returns the sum over the uids of an object.
pub(super) fn uids_sha256_of(bytes: &Bytes, form: Form, format: Format) -> Result<String, String> {
    let mut uids = Vec::new();
    each_uid(bytes, form, format, &mut |uid| {
        uids.push(uid);
        Ok(())
    })?;
    Ok(uids_sha256(uids))
}

fn of_lines(
    plain: &mut dyn Read,
    format: Format,
    each: &mut dyn FnMut(Uid) -> Result<(), String>,
) -> Result<(), String> {
    let mut lines = BufReader::with_capacity(64 << 10, plain);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        // What a store has may be anything, and unpacked it may be endless.
        let mut bounded = (&mut lines).take(LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            break;
        }
        let event: Value = serde_json::from_slice(&line)
            .map_err(|error| format!("line {number} is no event: {error}"))?;
        let uid = format.uid_of(&event).and_then(|uid| uid.parse().ok());
        each(uid.ok_or_else(|| format!("line {number} has no uid of the format {format}"))?)?;
    }
    Ok(())
}

fn of_rows(bytes: &Bytes, each: &mut dyn FnMut(Uid) -> Result<(), String>) -> Result<(), String> {
    let words = |error: &dyn std::error::Error| format!("it is no Parquet of ours: {error}");
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|error| words(&error))?;
    let uid_alone = ProjectionMask::columns(builder.parquet_schema(), ["uid"]);
    let batches = builder.with_projection(uid_alone).build().map_err(|error| words(&error))?;
    for batch in batches {
        let batch = batch.map_err(|error| words(&error))?;
        let column = batch.column_by_name("uid");
        let uids = column.and_then(|it| it.as_any().downcast_ref::<arrow::array::StringArray>());
        for uid in uids.ok_or("it has no column of uids")? {
            let uid = uid.and_then(|uid| uid.parse().ok());
            each(uid.ok_or("a row has no uid")?)?;
        }
    }
    Ok(())
}
