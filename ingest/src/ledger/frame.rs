//! A frame: a table of batch headers and, compressed, the lines of these batches.
//!
//! ```text
//!   zstd skippable frame                                     zstd frame
//!  ┌──────────┬─────────┬───────────────────────────────────┬─────────────────────────────┐
//!  │ magic  4 │ size  4 │ table: CRC, sizes, batch headers  │ the lines, batch after batch │
//!  └──────────┴─────────┴───────────────────────────────────┴─────────────────────────────┘
//! ```
//!
//! A zstd program passes over the table, so `zstd -dc` of a segment gives the lines alone. The table comes
//! first and tells length and CRC of what follows: a torn write is known without decompressing anything.
//! Skippable frames with another magic (there are sixteen) hold nothing of the ledger and are passed over.
//!
//! A frame whose lines were removed by retention keeps its headers and, in place of the lines, their leaf
//! hashes: in a skippable frame, so that a zstd program gives nothing for it.
//!
//! A frame of a batch just appended has one header. A sealed one, made of many small ones, has many;
//! their leaves need not be consecutive, since batches of the other stream may stand between.

use std::io::{self, Read};
use std::path::PathBuf;

use thiserror::Error;
use zstd::zstd_safe::CParameter;

use super::batch::{BATCH_BYTES_MAX, BatchHeader, Sources};
use super::error::LedgerError;
use super::tree::{Hash, leaf_hash};
use crate::spare;

/// The magic of our skippable frames, of the sixteen that zstd leaves to its users.
pub(super) const TABLE_MAGIC: u32 = 0x184D_2A5B;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
const VERSION: u8 = 1;
/// Of a table whose lines were removed.
const VERSION_EMPTIED: u8 = 2;
/// The magic of the skippable frame with the leaf hashes of removed lines.
const HASHES_MAGIC: u32 = 0x184D_2A5D;
/// Bytes of a table before its headers.
const FIXED_BYTES: usize = 28;
/// No table is longer: 4 Mi lines with lengths of 4 bytes, and room for names.
const TABLE_BYTES_MAX: u32 = 32 << 20;
/// The level for frames that are written as lines arrive, with a window as wide as a large batch and a table of
/// 256 KiB: what repeats in an audit log is long (a token's whole block) and far apart, so looking further back gives
/// more than looking harder. On frames of 4 MiB that is 6.5 % at twice the speed of level 3, which has 7.0 %.
const LEVEL: i32 = 1;
const WINDOW_LOG: u32 = 22;
const HASH_LOG: u32 = 16;
/// The level for sealed frames: beyond it a tenth of the size costs ten times the work.
const SEALED_LEVEL: i32 = 9;

/// What a frame's table says.
#[derive(Debug)]
pub(super) struct FrameTable {
    /// Never empty.
    pub(super) headers: Vec<BatchHeader>,
    /// Bytes of the skippable frame as a whole.
    pub(super) table_bytes: u64,
    /// The lines were removed: what follows are their leaf hashes.
    pub(super) emptied: bool,
    /// Bytes of the frame after it.
    pub(super) data_bytes: u32,
    data_crc: u32,
    /// Bytes of the lines, decompressed.
    pub(super) content_bytes: u32,
    /// How many leaves right before these were not known to be durable when the frame was written.
    not_durable: u16,
}

/// What stands after a table, for its batches back to back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The lines.
    Lines(Vec<u8>),
    /// The leaf hash of each line: the lines were removed.
    Hashes(Vec<Hash>),
}

impl Content {
    /// Returns the leaf hashes of one batch, whose content this is: its header's, then its lines'.
    pub(super) fn leaves(&self, header: &BatchHeader) -> Vec<Hash> {
        let mut leaves = vec![header.leaf_hash()];
        match self {
            Content::Lines(lines) => {
                let mut rest = &lines[..];
                leaves.extend(header.lengths.iter().map(|&length| {
                    let (line, after) = rest.split_at(length as usize);
                    rest = after;
                    leaf_hash(line)
                }));
            }
            Content::Hashes(hashes) => leaves.extend(hashes),
        }
        leaves
    }
}

/// A frame's content, given out batch by batch.
pub(super) struct Batched {
    content: Content,
    /// How many bytes, or hashes, were given out.
    at: usize,
}

impl Batched {
    pub(super) fn new(content: Content) -> Batched {
        Batched { content, at: 0 }
    }

    /// Returns what is the next batch's, whose header this is.
    pub(super) fn next(&mut self, header: &BatchHeader) -> Content {
        let start = self.pass(header);
        // Most frames hold one batch: its content is moved, not copied.
        match &mut self.content {
            Content::Lines(all) if start == 0 && self.at == all.len() => {
                Content::Lines(std::mem::take(all))
            }
            Content::Lines(all) => Content::Lines(all[start..self.at].to_vec()),
            Content::Hashes(all) => Content::Hashes(all[start..self.at].to_vec()),
        }
    }

    /// Leaves out what is the next batch's, and returns where it began.
    pub(super) fn pass(&mut self, header: &BatchHeader) -> usize {
        let start = self.at;
        self.at += match &self.content {
            Content::Lines(_) => header.bytes() as usize,
            Content::Hashes(_) => header.lengths.len(),
        };
        start
    }
}

/// The most leaves that can stand before a frame without being durable.
pub(super) const NOT_DURABLE_MAX: u64 = u16::MAX as u64;

/// What is wrong with a frame.
#[derive(Debug, Error)]
pub(super) enum FrameFault {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends within the frame, as after a write that was cut short. `table` tells whether the
    /// table is whole; if it is, nothing can follow.
    #[error("the file ends within a frame")]
    Torn { table: bool },
    /// Something else than what was written stands here.
    #[error("{0}")]
    Bad(String),
}

impl FrameFault {
    /// Turns a fault in a place that must be whole into an error.
    pub(super) fn at(self, path: PathBuf, offset: u64) -> LedgerError {
        match self {
            FrameFault::Io(source) => LedgerError::Io { action: "read", path, source },
            FrameFault::Torn { .. } | FrameFault::Bad(_) => {
                LedgerError::Corrupt { path, offset, problem: self.to_string() }
            }
        }
    }
}

fn bad(problem: impl Into<String>) -> FrameFault {
    FrameFault::Bad(problem.into())
}

/// Makes frames. Keeps its memory from frame to frame.
pub(super) struct FrameEncoder {
    zstd: zstd::bulk::Compressor<'static>,
    packs_headers: bool,
    headers: Vec<u8>,
    data: Vec<u8>,
}

impl FrameEncoder {
    pub(super) fn new() -> io::Result<FrameEncoder> {
        let mut zstd = zstd::bulk::Compressor::new(LEVEL)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        zstd.set_parameter(CParameter::HashLog(HASH_LOG))?;
        Ok(FrameEncoder { zstd, packs_headers: false, headers: Vec::new(), data: Vec::new() })
    }

    /// Returns an encoder for sealed frames.
    pub(super) fn sealing() -> io::Result<FrameEncoder> {
        let zstd = zstd::bulk::Compressor::new(SEALED_LEVEL)?;
        Ok(FrameEncoder { zstd, packs_headers: true, ..FrameEncoder::new()? })
    }

    /// Replaces `frame` by the frame of these batches; `content` is their lines back to back, `not_durable` how
    /// many leaves before them a power cut could still take.
    pub(super) fn encode(
        &mut self,
        headers: &[BatchHeader],
        content: &[u8],
        not_durable: u16,
        frame: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.data.clear();
        self.data.reserve(zstd::zstd_safe::compress_bound(content.len()));
        self.zstd.compress_to_buffer(content, &mut self.data)?;
        let data = std::mem::take(&mut self.data);
        let done = self.lay_out(headers, &data, content.len(), not_durable, frame);
        self.data = data;
        done
    }

    /// Replaces `frame` by a sealed frame of these batches, whose `content_bytes` of lines are compressed already.
    pub(super) fn encode_data(
        &mut self,
        headers: &[BatchHeader],
        data: &[u8],
        content_bytes: usize,
        frame: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.lay_out(headers, data, content_bytes, 0, frame)
    }

    fn lay_out(
        &mut self,
        headers: &[BatchHeader],
        data: &[u8],
        content_bytes: usize,
        not_durable: u16,
        frame: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.headers.clear();
        for header in headers {
            let start = self.headers.len();
            self.headers.extend([0; 4]);
            header.encode(&mut self.headers);
            let length = u32_of(self.headers.len() - start - 4);
            self.headers[start..start + 4].copy_from_slice(&length.to_le_bytes());
        }
        let headers_bytes = self.headers.len();
        if self.packs_headers {
            self.headers = self.zstd.compress(&self.headers)?;
        }
        let parts = Parts {
            version: VERSION,
            count: headers.len(),
            headers: &self.headers,
            coding: u8::from(self.packs_headers),
            headers_bytes,
            not_durable,
            data,
            content_bytes,
        };
        parts.write(frame);
        Ok(())
    }
}

/// What a frame is laid out from.
struct Parts<'a> {
    version: u8,
    count: usize,
    headers: &'a [u8],
    /// 1 means that `headers` are a zstd frame of `headers_bytes`.
    coding: u8,
    headers_bytes: usize,
    not_durable: u16,
    data: &'a [u8],
    content_bytes: usize,
}

impl Parts<'_> {
    fn write(&self, frame: &mut Vec<u8>) {
        frame.clear();
        frame.extend(TABLE_MAGIC.to_le_bytes());
        frame.extend(u32_of(FIXED_BYTES + self.headers.len()).to_le_bytes());
        frame.extend([0; 4]);
        frame.extend([self.version, self.coding]);
        frame.extend(self.not_durable.to_le_bytes());
        for number in [
            u32_of(self.count),
            u32_of(self.headers_bytes),
            u32_of(self.data.len()),
            crc32fast::hash(self.data),
            u32_of(self.content_bytes),
        ] {
            frame.extend(number.to_le_bytes());
        }
        frame.extend(self.headers);
        let crc = crc32fast::hash(&frame[12..]);
        frame[8..12].copy_from_slice(&crc.to_le_bytes());
        frame.extend(self.data);
    }
}

/// Returns the frame of batches whose lines are removed: `hashes` are those of all their lines.
pub(super) fn emptied_frame(headers: &[BatchHeader], hashes: &[Hash]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    for header in headers {
        let start = plain.len();
        plain.extend([0; 4]);
        header.encode(&mut plain);
        let length = u32_of(plain.len() - start - 4);
        plain[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
    let packed = zstd::bulk::compress(&plain, LEVEL)?;
    let mut data = HASHES_MAGIC.to_le_bytes().to_vec();
    data.extend(u32_of(hashes.len() * 32).to_le_bytes());
    data.extend(hashes.as_flattened());
    let bytes: u64 = headers.iter().map(BatchHeader::bytes).sum();
    let parts = Parts {
        version: VERSION_EMPTIED,
        count: headers.len(),
        headers: &packed,
        coding: 1,
        headers_bytes: plain.len(),
        not_durable: 0,
        data: &data,
        content_bytes: bytes as usize,
    };
    let mut frame = Vec::new();
    parts.write(&mut frame);
    Ok(frame)
}

impl FrameTable {
    /// Returns how many leaves were known to be durable when the frame was written: whoever finds fewer has
    /// lost some by something else than a power cut.
    pub(super) fn durable_before(&self) -> u64 {
        self.headers[0].first_leaf.0.saturating_sub(self.not_durable.into())
    }
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).expect("a batch is bounded")
}

/// Reads a table; `remaining` is how many bytes the file has from here on. Skippable frames that are not
/// ours are passed over; `passed` grows by their bytes. `None` at the end of the file.
pub(super) fn read_table(
    file: &mut (impl Read + io::Seek),
    mut remaining: u64,
    passed: &mut u64,
    sources: &mut Sources,
) -> Result<Option<FrameTable>, FrameFault> {
    let size = loop {
        if remaining == 0 {
            return Ok(None);
        }
        if remaining < 8 {
            return Err(FrameFault::Torn { table: false });
        }
        let magic = read_u32(file)?;
        let size = read_u32(file)?;
        match magic {
            TABLE_MAGIC => break size,
            magic if !SKIPPABLE.contains(&magic) => return Err(bad("no frame begins here")),
            _ if u64::from(size) + 8 > remaining => return Err(FrameFault::Torn { table: false }),
            _ => {
                file.seek_relative(i64::from(size))?;
                remaining -= u64::from(size) + 8;
                *passed += u64::from(size) + 8;
            }
        }
    };
    if size < FIXED_BYTES as u32 || size > TABLE_BYTES_MAX {
        return Err(bad("a table of impossible length"));
    }
    let table_bytes = u64::from(size) + 8;
    if table_bytes > remaining {
        return Err(FrameFault::Torn { table: false });
    }
    let mut payload = vec![0; size as usize];
    file.read_exact(&mut payload)?;
    let table = decode_table(&payload, sources).map_err(bad)?;
    if table_bytes + u64::from(table.data_bytes) > remaining {
        return Err(FrameFault::Torn { table: true });
    }
    Ok(Some(table))
}

fn decode_table(payload: &[u8], sources: &mut Sources) -> Result<FrameTable, String> {
    let number = |at: usize| {
        u32::from_le_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]])
    };
    if crc32fast::hash(&payload[4..]) != number(0) {
        return Err("a table whose checksum is wrong".into());
    }
    let emptied = match payload[4] {
        VERSION => false,
        VERSION_EMPTIED => true,
        other => {
            return Err(format!(
                "a table of version {other}, which a newer keytrail may have written; use that one"
            ));
        }
    };
    let (count, headers_bytes, data_bytes, data_crc, content_bytes) =
        (number(8), number(12), number(16), number(20), number(24));
    if headers_bytes > TABLE_BYTES_MAX || content_bytes as usize > BATCH_BYTES_MAX {
        return Err("a table with impossible lengths".into());
    }
    let unpacked;
    let mut rest = match payload[5] {
        0 => &payload[FIXED_BYTES..],
        1 => {
            unpacked = zstd::bulk::decompress(&payload[FIXED_BYTES..], headers_bytes as usize)
                .map_err(|error| format!("a table that does not decompress: {error}"))?;
            &unpacked[..]
        }
        other => {
            return Err(format!("a table in coding {other}, which this keytrail does not know"));
        }
    };
    if rest.len() != headers_bytes as usize {
        return Err("a table with impossible lengths".into());
    }
    let mut headers = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (encoded, after) = after
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or("a table whose headers end early")?;
        headers.push(BatchHeader::decode(encoded, sources)?);
        rest = after;
    }
    let ascending = headers.windows(2).all(|pair| pair[0].end() <= pair[1].first_leaf.0);
    let bytes: u64 = headers.iter().map(BatchHeader::bytes).sum();
    if !rest.is_empty()
        || headers.is_empty()
        || headers.len() != count as usize
        || !ascending
        || bytes != u64::from(content_bytes)
    {
        return Err("a table that contradicts itself".into());
    }
    let table_bytes = payload.len() as u64 + 8;
    let not_durable = u16::from_le_bytes([payload[6], payload[7]]);
    Ok(FrameTable {
        headers,
        table_bytes,
        emptied,
        data_bytes,
        data_crc,
        content_bytes,
        not_durable,
    })
}

fn read_u32(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Reads the lines of frames. Keeps its memory from frame to frame.
#[derive(Default)]
pub(super) struct FrameDecoder {
    zstd: zstd::bulk::Decompressor<'static>,
    data: Vec<u8>,
}

impl FrameDecoder {
    /// Reads the zstd frame after a table and returns its content, checked against the table.
    pub(super) fn content(
        &mut self,
        file: &mut impl Read,
        table: &FrameTable,
    ) -> Result<Content, FrameFault> {
        self.data.resize(table.data_bytes as usize, 0);
        file.read_exact(&mut self.data)?;
        self.checked(table)
    }

    /// Returns the content of a zstd frame that was read before, checked against the table.
    pub(super) fn content_of(
        &mut self,
        data: Vec<u8>,
        table: &FrameTable,
    ) -> Result<Content, FrameFault> {
        self.data = data;
        self.checked(table)
    }

    fn checked(&mut self, table: &FrameTable) -> Result<Content, FrameFault> {
        if crc32fast::hash(&self.data) != table.data_crc {
            return Err(bad("lines whose checksum is wrong"));
        }
        self.unpack(table).map_err(bad)
    }

    /// Returns the content of a frame whose checksum is wrong, as far as it makes sense: which of its lines
    /// changed is then told by their hashes.
    pub(super) fn salvage(&mut self, table: &FrameTable) -> Option<Content> {
        self.unpack(table).ok()
    }

    fn unpack(&mut self, table: &FrameTable) -> Result<Content, String> {
        if table.emptied {
            let lines: usize = table.headers.iter().map(|header| header.lengths.len()).sum();
            let hashes = self.data.get(8..).unwrap_or_default();
            let length = u32::try_from(hashes.len()).unwrap_or_default().to_le_bytes();
            let begins = self.data.starts_with(&HASHES_MAGIC.to_le_bytes());
            if !begins || self.data[4..8] != length || hashes.len() != lines * 32 {
                return Err("hashes of another number than their table says".into());
            }
            return Ok(Content::Hashes(hashes.as_chunks::<32>().0.to_vec()));
        }
        let mut content = spare::buffer(table.content_bytes as usize);
        match self.zstd.decompress_to_buffer(&self.data, &mut content) {
            Ok(bytes) if bytes == table.content_bytes as usize => Ok(Content::Lines(content)),
            Ok(_) => Err("lines of another length than their table says".into()),
            Err(error) => Err(format!("lines that do not decompress: {error}")),
        }
    }
}
