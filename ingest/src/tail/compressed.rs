//! Uncompressed content, whatever the file's name says: the first bytes tell how it is compressed.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// How many leading bytes tell.
pub(crate) const MAGIC_BYTES: usize = 4;

/// How a file's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns what a content with this head is. Neither head can start a line of an audit log, whose
    /// device writes JSON after an optional text.
    pub(crate) fn of(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame of zstd.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// The uncompressed content of an input that is read from its first byte to its end.
pub(crate) enum Uncompressed<R: Read> {
    Plain(Whole<R>),
    // Several members, as `cat a.gz b.gz` makes them, are one content.
    Gzip(Box<MultiGzDecoder<BufReader<Whole<R>>>>),
    // Memory is bounded by zstd's own limit of 128 MiB for a window.
    Zstd(Box<zstd::Decoder<'static, BufReader<Whole<R>>>>),
}

impl<R: Read> Uncompressed<R> {
    /// Looks at the first bytes of `input`.
    ///
    /// # Errors
    /// The input cannot be read.
    pub(crate) fn new(mut input: R) -> io::Result<Uncompressed<R>> {
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        (&mut input).take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
        let compression = Compression::of(&head);
        let whole = Cursor::new(head).chain(input);
        Ok(match compression {
            Compression::None => Uncompressed::Plain(whole),
            Compression::Gzip => Uncompressed::Gzip(Box::new(MultiGzDecoder::new(
                BufReader::with_capacity(1 << 16, whole),
            ))),
            Compression::Zstd => Uncompressed::Zstd(Box::new(zstd::Decoder::new(whole)?)),
        })
    }

    /// Tells whether a reading error may come from the content and not from the disk.
    pub(crate) fn is_compressed(&self) -> bool {
        !matches!(self, Uncompressed::Plain(_))
    }
}

impl<R: Read> Read for Uncompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Uncompressed::Plain(input) => input.read(buffer),
            Uncompressed::Gzip(input) => input.read(buffer),
            Uncompressed::Zstd(input) => input.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn content_tells_how_it_is_compressed() {
        let zstd = |content: &[u8]| zstd::encode_all(content, 1).unwrap();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9], &zstd(b"a\n")[..]].concat();
        for (input, content) in [
            (b"{}\n".to_vec(), "{}\n"),
            (b"".to_vec(), ""),
            (b"a".to_vec(), "a"),
            (gzip(b"a\nb"), "a\nb"),
            ([gzip(b"a\n"), gzip(b"b\n")].concat(), "a\nb\n"),
            (zstd(b"a\nb"), "a\nb"),
            ([zstd(b"a\n"), zstd(b"b\n")].concat(), "a\nb\n"),
            (skippable, "a\n"),
        ] {
            let mut read = String::new();
            Uncompressed::new(&input[..]).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, content);
        }
    }

    #[test]
    fn a_cut_file_is_an_error_after_what_it_holds() {
        let whole = gzip(b"a\nb\n");
        for input in
            [&whole[..whole.len() - 3], &zstd::encode_all(&b"a\nb\n"[..], 1).unwrap()[..10]]
        {
            assert!(Uncompressed::new(input).unwrap().read_to_end(&mut Vec::new()).is_err());
        }
    }
}
