//! Cuts a stream of bytes into leaves: lines with their `\n`, and pieces of lines longer than a leaf.
//!
//! Where a line is cut depends on the content alone, never on how the bytes arrived, so that the same
//! file gives the same leaves whoever reads it, and however often.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};

use crate::source::{LEAF_BYTES_MAX, Lines};
use crate::spare;

/// Whole leaves that stand back to back in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The first byte's place in the uncompressed file.
    pub(crate) offset: u64,
    /// The leaves; never none.
    pub(crate) lines: Lines,
    /// The last leaf is a piece of a longer line that goes on in the next batch.
    pub(crate) continued: bool,
    /// The last leaf is the file's end, and has no `\n`.
    pub(crate) unterminated: bool,
}

impl Batch {
    /// Returns the place of the byte after the last.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.lines.bytes.len() as u64
    }

    /// Returns the last leaf.
    pub(crate) fn last(&self) -> &[u8] {
        let length = self.lines.lengths.last().map_or(0, |&length| length as usize);
        &self.lines.bytes[self.lines.bytes.len() - length..]
    }

    /// Drops the leading leaves up to `place`, which must be where a leaf of this batch starts.
    fn skip_to(&mut self, place: u64) {
        let bytes = usize::try_from(place - self.offset).expect("a place within this batch");
        let mut skipped = 0;
        let count = self.lines.lengths.iter().take_while(|&&length| {
            let more = skipped < bytes;
            skipped += if more { length as usize } else { 0 };
            more
        });
        let count = count.count();
        debug_assert_eq!(skipped, bytes, "a place where a leaf starts");
        self.lines.lengths.drain(..count);
        self.lines.bytes.drain(..bytes);
        self.offset = place;
    }
}

/// A content as leaves, from its first byte on.
///
/// Memory is bounded by one leaf and one chunk. An error of the input ends the stream; what was read
/// before it is given, and [`LeafStream::failure`] tells.
pub(crate) struct LeafStream<R> {
    input: R,
    chunk_bytes: usize,
    leaf_bytes_max: usize,
    /// Bytes read and not given; starts where a leaf starts.
    rest: Vec<u8>,
    /// Place of the first byte of `rest`.
    offset: u64,
    /// How much of `rest` is known to hold no `\n`.
    scanned: usize,
    returned: Option<Batch>,
    failure: Option<io::Error>,
}

impl<R: Read> LeafStream<R> {
    /// Returns the leaves of `input`, whose first byte is a file's first; about `chunk_bytes` a batch.
    pub(crate) fn new(input: R, chunk_bytes: usize) -> LeafStream<R> {
        LeafStream::with_leaf_max(input, chunk_bytes, LEAF_BYTES_MAX)
    }

    fn with_leaf_max(input: R, chunk_bytes: usize, leaf_bytes_max: usize) -> LeafStream<R> {
        LeafStream {
            input,
            chunk_bytes: chunk_bytes.max(1),
            leaf_bytes_max,
            rest: Vec::new(),
            offset: 0,
            scanned: 0,
            returned: None,
            failure: None,
        }
    }

    /// Returns the next leaves, or none at the end of what the input has now.
    pub(crate) fn next(&mut self) -> Option<Batch> {
        if let Some(batch) = self.returned.take() {
            return Some(batch);
        }
        loop {
            if let Some(newline) = memrchr(b'\n', &self.rest[self.scanned..]) {
                return Some(self.cut(self.scanned + newline + 1, false));
            }
            self.scanned = self.rest.len();
            if self.rest.len() == self.leaf_bytes_max {
                return Some(self.cut(self.leaf_bytes_max, true));
            }
            if self.failure.is_some() || !self.fill() {
                return None;
            }
        }
    }

    /// Returns what has been read and not given, when nothing more will come: first the leaves that were given back, then
    /// the last bytes as a leaf if no `\n` ends them.
    pub(crate) fn finish(&mut self) -> Option<Batch> {
        if let Some(batch) = self.returned.take() {
            return Some(batch);
        }
        if self.rest.is_empty() {
            return None;
        }
        let mut batch = self.cut(self.rest.len(), false);
        batch.unterminated = true;
        Some(batch)
    }

    /// Gives back the part of the batch taken last that starts at `place`; the next call returns it.
    pub(crate) fn give_back(&mut self, mut batch: Batch, place: u64) {
        batch.skip_to(place);
        self.returned = Some(batch);
    }

    /// Returns the place of the first byte that has not been given.
    pub(crate) fn offset(&self) -> u64 {
        self.returned.as_ref().map_or(self.offset, |batch| batch.offset)
    }

    /// Returns how many bytes of the uncompressed content have been read.
    pub(crate) fn read_to(&self) -> u64 {
        self.offset + self.rest.len() as u64
    }

    /// Returns why the input ended early, and forgets it, so that the next call tries again.
    pub(crate) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Returns the input.
    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads a chunk; tells whether there was any.
    fn fill(&mut self) -> bool {
        let wanted = self.chunk_bytes.min(self.leaf_bytes_max - self.rest.len());
        let before = self.rest.len();
        // At once: growing on the way copies all of it again and again. One byte more tells the end of the input.
        if before < self.chunk_bytes {
            let mut chunk = spare::buffer(before + wanted + 1);
            chunk.extend_from_slice(&self.rest);
            self.rest = chunk;
        } else {
            self.rest.reserve_exact(wanted + 1);
        }
        // What came before an error stays in `rest`.
        if let Err(error) = (&mut self.input).take(wanted as u64).read_to_end(&mut self.rest) {
            self.failure = Some(error);
        }
        self.rest.len() > before
    }

    fn cut(&mut self, length: usize, continued: bool) -> Batch {
        let after = self.rest.split_off(length);
        let bytes = std::mem::replace(&mut self.rest, after);
        // Only what follows the last `\n` stays, or nothing.
        self.scanned = self.rest.len();
        let batch =
            Batch { offset: self.offset, lines: split(bytes), continued, unterminated: false };
        self.offset = batch.end();
        batch
    }
}

/// Returns the lines of `bytes`, the last one with or without `\n`.
fn split(bytes: Vec<u8>) -> Lines {
    let mut lengths = Vec::new();
    let mut start = 0;
    for newline in memchr_iter(b'\n', &bytes) {
        lengths.push(length(newline + 1 - start));
        start = newline + 1;
    }
    if start < bytes.len() {
        lengths.push(length(bytes.len() - start));
    }
    Lines { bytes, lengths }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a line is cut at 64 MiB")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// Leaves of `content`, a leaf holding at most five bytes, `|` after each, `+` where it goes on and
    /// `.` where the file ends without `\n`.
    fn leaves(content: &[u8], chunk_bytes: usize) -> String {
        let mut stream = LeafStream::with_leaf_max(content, chunk_bytes, 5);
        let mut text = String::new();
        let mut place = 0;
        while let Some(batch) = stream.next().or_else(|| stream.finish()) {
            assert_eq!(batch.offset, place);
            place = batch.end();
            for line in batch.lines.iter() {
                text.push_str(&line.escape_ascii().to_string());
                text.push('|');
            }
            text.push_str(if batch.continued { "+" } else { "" });
            text.push_str(if batch.unterminated { "." } else { "" });
        }
        assert_eq!(place, content.len() as u64);
        text
    }

    #[test]
    fn what_was_given_back_comes_before_the_end() {
        let mut stream = LeafStream::new(&b"a\nb\nrest"[..], 100);
        let batch = stream.next().unwrap();
        stream.give_back(batch, 2);
        let ends: Vec<_> = std::iter::from_fn(|| stream.finish())
            .map(|batch| (batch.offset, batch.lines.bytes, batch.unterminated))
            .collect();
        assert_eq!(ends, [(2, b"b\n".to_vec(), false), (4, b"rest".to_vec(), true)]);
    }

    #[test]
    fn lines_are_cut_by_content_alone() {
        for (content, expected) in [
            (&b""[..], ""),
            (b"a\nbc\n", r"a\n|bc\n|"),
            (b"a\nbc", r"a\n|bc|."),
            (b"\n\n", r"\n|\n|"),
            (b"abcd\ne\n", r"abcd\n|e\n|"),
            (b"abcde\nf\n", r"abcde|+\n|f\n|"),
            (b"abcdefghijkl", "abcde|+fghij|+kl|."),
            (b"abcde", "abcde|+"),
            (b"\0\xff\n\r\n", r"\x00\xff\n|\r\n|"),
        ] {
            for chunk_bytes in 1..14 {
                assert_eq!(leaves(content, chunk_bytes), expected, "chunks of {chunk_bytes}");
            }
        }
    }

    #[test]
    fn what_was_read_before_an_error_is_given() {
        struct Breaks(&'static [u8]);
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() { Err(io::Error::other("gone")) } else { self.0.read(buffer) }
            }
        }
        let mut stream = LeafStream::new(Breaks(b"a\nb"), 100);
        assert_eq!(stream.next().unwrap().lines.bytes, b"a\n");
        assert_eq!(stream.next(), None);
        assert_eq!(stream.finish().unwrap().lines.bytes, b"b");
        assert_eq!(stream.failure().unwrap().to_string(), "gone");
    }

    #[test]
    fn a_batch_is_given_back_in_part() {
        let mut stream = LeafStream::new(&b"a\nbc\nd\n"[..], 100);
        let batch = stream.next().unwrap();
        stream.give_back(batch, 2);
        assert_eq!(stream.offset(), 2);
        let batch = stream.next().unwrap();
        assert_eq!(
            (batch.offset, &batch.lines.bytes[..], &batch.lines.lengths[..]),
            (2, &b"bc\nd\n"[..], &[3, 2][..])
        );
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(content in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 0..40), one in 1usize..9, other in 1usize..50) {
            prop_assert_eq!(leaves(&content, one), leaves(&content, other));
        }
    }
}
