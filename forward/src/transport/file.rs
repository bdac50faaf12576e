//! `file`: one event a line, appended and synced, the file renamed when it is large.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ingest::room::Room;

use super::Answer;
use crate::batch::Batch;
use crate::folder::{DeliveryState, named};

/// Which file, and how large it may be.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// Before it would have more bytes than this, it is renamed and another one begun.
    pub rotate_bytes: u64,
    /// So many renamed files are kept, as `PATH.1` and on; older ones are removed.
    pub rotate_keep: u32,
    /// The file's volume, where the last bytes may be a secrets server's.
    pub room: Option<Room>,
}

/// A file.
pub struct File {
    config: FileConfig,
}

impl File {
    pub(super) fn new(config: &FileConfig) -> File {
        File { config: config.clone() }
    }

    pub(super) fn send(&self, batch: &Batch) -> Answer {
        let mut lines = Vec::with_capacity(batch.bytes() + batch.items.len());
        for item in &batch.items {
            lines.extend_from_slice(&item.bytes);
            lines.push(b'\n');
        }
        let room = self.config.room.as_ref();
        if let Some(why) = room.and_then(|room| room.refuses(lines.len() as u64)) {
            return Answer::later(why);
        }
        match self.append(&lines) {
            Ok(()) => Answer::Taken(DeliveryState::Confirmed),
            Err(error) => Answer::Later { why: error.to_string(), after: None, maybe_taken: true },
        }
    }

    pub(super) fn try_out(&self) -> Result<String, String> {
        self.open().map_err(|error| error.to_string())?;
        Ok(format!("{} can be written", self.config.path.display()))
    }

    fn open(&self) -> io::Result<fs::File> {
        let path = &self.config.path;
        let mut options = OpenOptions::new();
        let options = options.create(true).read(true).append(true).mode(0o600);
        options.open(path).map_err(named(path))
    }

    /// Appends whole lines. What a crash left of a line goes away first: its event comes again, whole.
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let path = &self.config.path;
        let mut file = self.open()?;
        let length = file.seek(SeekFrom::End(0)).map_err(named(path))?;
        let mut end = whole_lines(&mut file, length).map_err(named(path))?;
        if end < length {
            file.set_len(end).map_err(named(path))?;
        }
        if end > 0 && end + lines.len() as u64 > self.config.rotate_bytes {
            self.rotate().map_err(named(path))?;
            file = self.open()?;
            end = 0;
        }
        let written = file.write_all(lines).and_then(|()| file.sync_all());
        if written.is_err() {
            // Another try appends all of it again.
            let _ = file.set_len(end);
        }
        written.map_err(named(path))?;
        if end == 0 { sync_folder(path) } else { Ok(()) }
    }

    fn rotate(&self) -> io::Result<()> {
        let path = &self.config.path;
        let numbered = |number: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.config.rotate_keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, numbered(1))
    }
}

/// Makes a new name as durable as the file.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(named(folder))
}

/// Returns where the last whole line ends.
pub(crate) fn whole_lines(file: &mut fs::File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = vec![0; 64 << 10];
    while end > 0 {
        let from = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        match part.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => return Ok(from + at as u64 + 1),
            None => end = from,
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use ingest::room::Reserve;

    use super::*;
    use crate::batch::testing::item;

    fn batch(number: u8) -> Batch {
        Batch::new("f", vec![item(number)])
    }

    #[test]
    fn lines_are_whole_and_files_are_renamed_when_they_are_large() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let path = folder.path().join("events");
        let config =
            FileConfig { path: path.clone(), rotate_bytes: 20, rotate_keep: 2, room: None };
        let file = File::new(&config);
        file.try_out().unwrap();
        assert_eq!(file.send(&batch(1)), Answer::Taken(DeliveryState::Confirmed));
        // A crash in the middle of a line.
        fs::write(&path, "{\"n\":1}\n{\"n\":2").unwrap();
        file.send(&batch(2));
        assert_eq!(read("events"), "{\"n\":1}\n{\"n\":2}\n");
        for number in 3..=7 {
            file.send(&batch(number));
        }
        assert_eq!(read("events"), "{\"n\":7}\n");
        assert_eq!(read("events.1"), "{\"n\":5}\n{\"n\":6}\n");
        assert_eq!(read("events.2"), "{\"n\":3}\n{\"n\":4}\n");
        assert_eq!(read("events.3"), "");
    }

    #[test]
    fn the_reserve_of_a_secrets_server_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let all = Reserve { bytes: u64::MAX, percent: 0 };
        let room = Some(Room::new(folder.path(), vec![folder.path().to_owned()], all));
        let path = folder.path().join("events");
        let config = FileConfig { path: path.clone(), rotate_bytes: 20, rotate_keep: 2, room };
        let answer = File::new(&config).send(&batch(1));
        let Answer::Later { why, .. } = answer else { panic!("{answer:?}") };
        assert!(why.contains("left to the secrets server") && !path.exists(), "{why}");
    }
}
