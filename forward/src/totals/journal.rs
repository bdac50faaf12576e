//! What was delivered since the last control events, on disk before the cursor moves over it.
//!
//! `control.jsonl` is added to; when control events are due it becomes `control.sending.jsonl`, out of which they are made, the same
//! after a crash, until the receiver has them. The first line of each is the run and the time; then a line an event.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use ingest::event::Uid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ControlTotal, Counted, by_hour};
use crate::folder::{Folder, named};
use crate::transport::file::{sync_folder, whole_lines};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The receiver took it.
    Delivered,
    /// It refused it.
    Refused,
    /// It took it after it had refused it.
    AfterRefusal,
}

#[derive(Serialize, Deserialize)]
struct Head {
    run: String,
    since: Timestamp,
}

/// Uid, time in nanoseconds since 1970, leaf, ordinal, what.
#[derive(Serialize, Deserialize)]
struct Line(String, i64, u64, u32, What);

/// The journal of a sink.
pub(crate) struct Journal {
    path: PathBuf,
    sending: PathBuf,
    run: String,
    /// How many events stand in it, since when.
    events: usize,
    since: Option<Timestamp>,
    /// Events in it that the cursor has yet to move over, or that had been refused: they are not counted twice if they are sent again.
    open: HashMap<Uid, ((u64, u32), What)>,
}

impl Journal {
    /// Opens it. A line that a crash left half written is taken away: its event comes again. `furthest` is the place up to which
    /// everything was counted.
    pub(crate) fn open(folder: &Folder, run: &str, furthest: (u64, u32)) -> io::Result<Journal> {
        let mut journal = Journal {
            path: folder.file("control.jsonl"),
            sending: folder.file("control.sending.jsonl"),
            run: run.to_owned(),
            events: 0,
            since: None,
            open: HashMap::new(),
        };
        if let Some(mut file) = journal.existing()? {
            let length = file.metadata()?.len();
            let end = whole_lines(&mut file, length).map_err(named(&journal.path))?;
            file.set_len(end).and_then(|()| file.sync_all()).map_err(named(&journal.path))?;
            let (head, counted) = read(&journal.path)?;
            journal.since = head.map(|head| head.since);
            journal.events = counted.len();
            for one in counted {
                if one.place > furthest || one.what == What::AfterRefusal {
                    journal.open.insert(one.uid, (one.place, one.what));
                }
            }
        }
        Ok(journal)
    }

    fn existing(&self) -> io::Result<Option<File>> {
        match OpenOptions::new().read(true).append(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some).map_err(named(&self.path)),
        }
    }

    /// Returns how many events stand in it, and since when.
    pub(crate) fn holds(&self) -> Option<(usize, Timestamp)> {
        self.since.filter(|_| self.events > 0).map(|since| (self.events, since))
    }

    /// Tells what stands in it of an event that the cursor has yet to move over, or that had been refused.
    pub(crate) fn has(&self, uid: Uid) -> Option<What> {
        self.open.get(&uid).map(|(_, what)| *what)
    }

    /// Adds events; when this returns they are durable.
    pub(crate) fn add(&mut self, counted: &[Counted]) -> io::Result<()> {
        if counted.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(counted.len() * 96);
        let now = Timestamp::now();
        if self.since.is_none() {
            push(&mut bytes, &Head { run: self.run.clone(), since: now });
        }
        for one in counted {
            let (leaf, ordinal) = one.place;
            push(&mut bytes, &Line(one.uid.to_string(), one.time_unix_ns, leaf, ordinal, one.what));
        }
        let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path);
        let mut file = open.map_err(named(&self.path))?;
        let end = file.metadata().map_err(named(&self.path))?.len();
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // What was half written would be counted, and its event comes again.
            let _ = file.set_len(end);
        }
        written.map_err(named(&self.path))?;
        if end == 0 {
            sync_folder(&self.path)?;
        }
        self.since.get_or_insert(now);
        self.events += counted.len();
        self.open.extend(counted.iter().map(|one| (one.uid, (one.place, one.what))));
        Ok(())
    }

    /// Forgets what the cursor has moved over: it is not asked for again.
    pub(crate) fn moved_to(&mut self, furthest: (u64, u32)) {
        self.open.retain(|_, (place, what)| *place > furthest || *what == What::AfterRefusal);
    }

    /// Makes what stands in it what control events are to be sent of. The state that says how far everything was counted is on disk before.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.sending).map_err(named(&self.path))?;
        sync_folder(&self.path)?;
        (self.events, self.since) = (0, None);
        self.open.clear();
        Ok(())
    }

    /// Returns the control events that are to be sent.
    pub(crate) fn due(&self, sink: &str) -> io::Result<Vec<ControlTotal>> {
        if !self.sending.exists() {
            return Ok(Vec::new());
        }
        let (head, counted) = read(&self.sending)?;
        let run = head.map_or_else(|| self.run.clone(), |head| head.run);
        Ok(by_hour(sink, &run, &counted))
    }

    /// Takes away what was sent.
    pub(crate) fn sent(&self) -> io::Result<()> {
        fs::remove_file(&self.sending).map_err(named(&self.sending))
    }

    /// Begins anew with another run: another ledger stands in place of the one whose events are in it.
    pub(crate) fn begin(&mut self, run: &str) -> io::Result<()> {
        for path in [&self.path, &self.sending] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(named(path)(error));
                }
                _ => {}
            }
        }
        run.clone_into(&mut self.run);
        (self.events, self.since) = (0, None);
        self.open.clear();
        Ok(())
    }
}

fn push(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *bytes, value).expect("texts and numbers");
    bytes.push(b'\n');
}

fn read(path: &std::path::Path) -> io::Result<(Option<Head>, Vec<Counted>)> {
    let odd = |error: serde_json::Error| {
        io::Error::other(format!("{} is no file of this version: {error}", path.display()))
    };
    let mut lines = BufReader::new(File::open(path).map_err(named(path))?).lines();
    let head = match lines.next() {
        Some(line) => Some(serde_json::from_str(&line?).map_err(odd)?),
        None => None,
    };
    let mut counted = Vec::new();
    for line in lines {
        let Line(uid, time_unix_ns, leaf, ordinal, what) =
            serde_json::from_str(&line?).map_err(odd)?;
        let uid = uid.parse().map_err(|()| serde::de::Error::custom("no uid")).map_err(odd)?;
        counted.push(Counted { uid, time_unix_ns, place: (leaf, ordinal), what });
    }
    Ok((head, counted))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn counted(number: u8, what: What) -> Counted {
        Counted { uid: Uid([number; 16]), time_unix_ns: 5, place: (number.into(), 0), what }
    }

    #[test]
    fn what_was_added_is_there_after_a_crash_and_a_half_line_is_not() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path(), "soc");
        folder.make().unwrap();
        let mut journal = Journal::open(&folder, "r1", (0, 0)).unwrap();
        assert_eq!(journal.holds(), None);
        journal.add(&[counted(1, What::Delivered), counted(2, What::Refused)]).unwrap();
        journal.moved_to((2, 0));
        assert_eq!(journal.has(Uid([1; 16])), None);
        journal.add(&[counted(3, What::Delivered)]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&journal.path).unwrap();
        file.write_all(b"[\"0404").unwrap();
        // As the state on disk says: the cursor has not moved over the third.
        let mut journal = Journal::open(&folder, "r1", (2, 0)).unwrap();
        assert_eq!(journal.holds().unwrap().0, 3);
        let has = [1, 2, 3].map(|number| journal.has(Uid([number; 16])));
        assert_eq!(has, [None, None, Some(What::Delivered)]);
        journal.add(&[counted(4, What::Delivered)]).unwrap();
        assert!(journal.due("soc").unwrap().is_empty());
        journal.close().unwrap();
        journal.add(&[counted(5, What::Delivered)]).unwrap();
        // The same after a crash, under the run that it was written in.
        let again = Journal::open(&folder, "r2", (4, 0)).unwrap();
        let due = again.due("soc").unwrap();
        assert_eq!(due, journal.due("soc").unwrap());
        assert_eq!((due.len(), due[0].said.events, due[0].refused, &*due[0].run), (1, 3, 1, "r1"));
        again.sent().unwrap();
        assert!(again.due("soc").unwrap().is_empty());
        assert_eq!(again.holds().unwrap().0, 1);
    }
}
