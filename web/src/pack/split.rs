//! A pack in parts: zip files of their own, each below what programs that keep evidence take, which are verified together.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::{ZipArchive, ZipWriter};

use super::PackError;

/// The most that such a program takes is 25 MB.
const BYTES_MAX: u64 = 24_000_000;
/// What a file costs in a zip beside its bytes and its name, twice.
const ENTRY_BYTES: u64 = 200;

/// Returns the name of a part: `q4.part-001.zip` of `q4.zip`.
pub fn part_of(pack: &Path, number: u32) -> PathBuf {
    pack.with_extension(format!("part-{number:03}.zip"))
}

/// Writes the files of a pack into parts beside it, none of them compressed anew, and returns how many parts there are.
///
/// # Errors
/// The pack cannot be read, a part not written; a part is there already.
pub fn split_pack(whole: &Path, beside: &Path) -> Result<u32, PackError> {
    let mut zip = ZipArchive::new(File::open(whole)?)?;
    let folder = match beside.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let (mut parts, mut number) = (0, 0);
    while number < zip.len() {
        parts += 1;
        // Created with mode 0600, and named when it is whole.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut part = ZipWriter::new(file.as_file_mut());
        let mut bytes = 0;
        while number < zip.len() {
            let entry = zip.by_index_raw(number)?;
            let cost = entry.compressed_size() + 2 * entry.name_raw().len() as u64 + ENTRY_BYTES;
            if bytes > 0 && bytes + cost > BYTES_MAX {
                break;
            }
            bytes += cost;
            part.raw_copy_file(entry)?;
            number += 1;
        }
        part.finish()?.sync_all()?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.persist_noclobber(part_of(beside, parts)).map_err(|error| error.error)?;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn parts_are_small_and_hold_every_file_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = folder.path().join("q4.zip");
        let mut zip = ZipWriter::new(File::create(&whole).expect("a file"));
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for number in 0..9_u8 {
            zip.start_file(format!("payload/{number}"), stored).expect("begun");
            zip.write_all(&vec![number; 9_000_000]).expect("written");
        }
        zip.finish().expect("finished");
        assert_eq!(split_pack(&whole, &whole).expect("parts"), 5);
        let mut names = Vec::new();
        for number in 1..=5 {
            let path = part_of(&whole, number);
            assert!(path.metadata().expect("there").len() < 25_000_000);
            let mut part = ZipArchive::new(File::open(&path).expect("a file")).expect("a zip");
            for at in 0..part.len() {
                let mut entry = part.by_index(at).expect("a file");
                let (mut bytes, name) = (Vec::new(), entry.name().expect("a name").into_owned());
                std::io::Read::read_to_end(&mut entry, &mut bytes).expect("its checksum holds");
                assert_eq!(bytes, vec![names.len() as u8; 9_000_000], "{name}");
                names.push(name);
            }
        }
        assert_eq!(names.len(), 9);
        assert!(split_pack(&whole, &whole).is_err(), "a part that is there already stays");
    }
}
