//! What a sink keeps in the data folder, `sinks/NAME/`: how far it is, what was tried, what was refused, what it is asked.
//!
//! | file | is |
//! |---|---|
//! | `state.json` | [`SinkState`], replaced whole before and after each batch |
//! | `deliveries.jsonl` | a [`Delivery`] a line, `deliveries.1.jsonl` the ones before |
//! | `dead.jsonl` | a [`DeadLetter`] a line |
//! | `control.jsonl`, `control.sending.jsonl` | what was delivered since the last control events, and what they are made of: see [`crate::totals`] |
//! | `asked.json` | what commands ask of it, see [`crate::asked`] |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ingest::kept_file;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::BatchSaid;

/// The version of `state.json`.
const VERSION: u32 = 1;
/// After so many bytes the list of deliveries is begun anew; the one before is kept.
const DELIVERIES_BYTES: u64 = 8 << 20;
/// Refused events that are kept: at so many the sink stops, rather than forget one.
pub const DEAD_MAX: usize = 1_000;

/// How far a sink is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkState {
    /// The version of this form.
    pub version: u32,
    /// The transport's word.
    pub kind: String,
    /// The format's word.
    pub format: String,
    /// The filter as it was typed.
    pub filter: String,
    /// After this place the present filter holds: leaf, ordinal.
    pub began: (u64, u32),
    /// The ledger's name.
    pub origin: String,
    /// Everything up to this place is with the receiver, refused by it, or not meant for it: leaf, ordinal.
    pub cursor: (u64, u32),
    /// Up to there everything was counted in control totals, however far back the cursor was set since.
    #[serde(default)]
    pub furthest: Option<(u64, u32)>,
    /// Which run of the sink this is: see [`crate::totals::ControlTotal::run`].
    #[serde(default)]
    pub run: String,
    /// The hash of the cursor's leaf: another ledger in this one's place is known by it.
    pub cursor_hash: Option<String>,
    /// What is being tried.
    pub in_flight: Option<InFlight>,
    /// The name of the batch that the receiver took last.
    #[serde(default)]
    pub last_batch: Option<String>,
    /// Events that the receiver took, each as often as it was asked to.
    pub delivered: u64,
    /// Events that it refused.
    pub rejected: u64,
    /// Since when there has been more than it could send at once.
    pub behind_since: Option<Timestamp>,
    /// Why it does not go on without somebody's help.
    pub stopped: Option<String>,
    /// Why events wait at present, and since when.
    #[serde(default)]
    pub problem: Option<(Timestamp, String)>,
    /// Events that the receiver refused and did not name, since a comparison found nothing missing.
    #[serde(default)]
    pub unnamed: Option<Unnamed>,
}

/// Events that a receiver refused without saying which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnamed {
    /// How many.
    pub events: u64,
    /// Of how many batches, of which it took the rest.
    pub batches: u64,
    /// The place of the first event of the first such batch.
    pub first: (u64, u32),
    /// The place of the last event of the last one.
    pub last: (u64, u32),
    /// What it said the last time.
    pub why: String,
}

/// A batch that is being tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The batch's name.
    pub id: String,
    /// Its events.
    #[serde(flatten)]
    pub said: BatchSaid,
    /// How often it was tried.
    pub attempts: u64,
    /// [`DeliveryState::Sent`] while a try goes on, [`DeliveryState::Unknown`] after one whose end was not seen.
    pub state: DeliveryState,
}

/// What is known of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It left; nobody says that it arrived.
    Sent,
    /// The receiver says that it has it.
    Accepted,
    /// The receiver says that it has stored it.
    Confirmed,
    /// The receiver has refused some of it and taken the rest, and does not say which.
    Partial,
    /// The receiver refuses it.
    Rejected,
    /// It may have it or not.
    Unknown,
}

impl DeliveryState {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Sent => "sent",
            DeliveryState::Accepted => "accepted",
            DeliveryState::Confirmed => "confirmed",
            DeliveryState::Partial => "partial",
            DeliveryState::Rejected => "rejected",
            DeliveryState::Unknown => "unknown",
        }
    }
}

/// A batch that is done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// The batch's name.
    pub id: String,
    /// Its events.
    #[serde(flatten)]
    pub said: BatchSaid,
    /// How often it was tried.
    pub attempts: u64,
    /// What became of it.
    pub state: DeliveryState,
    /// Of a partial one: how many events the receiver refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
}

/// An event that the receiver refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was refused.
    pub at: Timestamp,
    /// Under which name it was sent.
    pub uid: String,
    /// Its place: leaf, ordinal.
    pub issued: (u64, u32),
    /// The receiver's words.
    pub why: String,
    /// It had taken it before, and refuses it now.
    #[serde(default)]
    pub taken_before: bool,
}

/// A sink's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Returns a sink's folder, whether it is there or not.
    pub fn of(data: &Path, name: &str) -> Folder {
        Folder { path: data.join("sinks").join(name) }
    }

    /// Makes it.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(named(&self.path))
    }

    /// Returns the names of all sinks that have been there, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(data: &Path) -> io::Result<Vec<String>> {
        let folder = data.join("sinks");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(named(&folder))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.path().join("state.json").exists()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads how far the sink is; none if it never began.
    ///
    /// # Errors
    /// The file cannot be read, or is not of this version.
    pub fn state(&self) -> io::Result<Option<SinkState>> {
        let path = self.file("state.json");
        let Some(state): Option<SinkState> = read_json(&path)? else { return Ok(None) };
        if state.version != VERSION {
            let (version, name) = (state.version, path.display());
            return Err(io::Error::other(format!(
                "{name} has version {version}, and this keytrail reads {VERSION}"
            )));
        }
        Ok(Some(state))
    }

    /// Keeps how far the sink is; after a power failure it is the old or the new.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, state: &SinkState) -> io::Result<()> {
        let path = self.file("state.json");
        kept_file::replace(&path, state).map_err(named(&path))
    }

    /// Adds a batch to the list of those that are done with.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_delivery(&self, delivery: &Delivery) -> io::Result<()> {
        let path = self.file("deliveries.jsonl");
        if fs::metadata(&path).is_ok_and(|file| file.len() >= DELIVERIES_BYTES) {
            fs::rename(&path, self.file("deliveries.1.jsonl")).map_err(named(&path))?;
        }
        append(&path, delivery)
    }

    /// Returns the last deliveries, at most so many, the newest last.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn deliveries(&self, most: usize) -> io::Result<Vec<Delivery>> {
        let mut all: Vec<Delivery> = read_lines(&self.file("deliveries.1.jsonl"))?;
        all.extend(read_lines::<Delivery>(&self.file("deliveries.jsonl"))?);
        Ok(all.split_off(all.len().saturating_sub(most)))
    }

    /// Keeps an event that the receiver refuses; one that is there already is replaced.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_dead(&self, letter: &DeadLetter) -> io::Result<()> {
        let path = self.file("dead.jsonl");
        if self.dead()?.iter().any(|dead| dead.uid == letter.uid) {
            self.forget_dead(&|dead| dead.uid == letter.uid)?;
        }
        append(&path, letter)
    }

    /// Returns the events that the receiver refuses, the oldest first.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn dead(&self) -> io::Result<Vec<DeadLetter>> {
        read_lines(&self.file("dead.jsonl"))
    }

    /// Takes events out of the list of those that are refused.
    ///
    /// # Errors
    /// The list cannot be read or written.
    pub fn forget_dead(&self, forget: &dyn Fn(&DeadLetter) -> bool) -> io::Result<()> {
        let path = self.file("dead.jsonl");
        let dead = self.dead()?;
        if !dead.iter().any(forget) {
            return Ok(());
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(named(&path))?;
        for letter in dead.iter().filter(|letter| !forget(letter)) {
            file.write_all(&line(letter))?;
        }
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    }

    /// Returns the path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl SinkState {
    /// Returns the state of a sink that begins at this place.
    pub fn begin(cursor: (u64, u32)) -> SinkState {
        SinkState {
            version: VERSION,
            kind: String::new(),
            format: String::new(),
            filter: String::new(),
            began: cursor,
            origin: String::new(),
            cursor,
            furthest: Some(cursor),
            run: String::new(),
            cursor_hash: None,
            in_flight: None,
            last_batch: None,
            delivered: 0,
            rejected: 0,
            behind_since: None,
            stopped: None,
            problem: None,
            unnamed: None,
        }
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("texts and numbers");
    line.push(b'\n');
    line
}

fn append(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let mut file = open.map_err(named(path))?;
    file.write_all(&line(value)).and_then(|()| file.sync_all()).map_err(named(path))
}

/// Reads a list; a last line that a crash left half written is none.
fn read_lines<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(named(path))?,
    };
    let lines = BufReader::new(file).lines();
    lines
        .filter_map(|line| match line {
            Ok(line) => serde_json::from_str(&line).ok().map(Ok),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// Reads a file of ours; none if it is not there.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(named(path))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        io::Error::other(format!("{} is no file of this version: {error}", path.display()))
    })
}

/// Adds the file's name to an error.
pub(crate) fn named(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_refused_events_are_there_once() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path(), "soc");
        assert_eq!(Folder::names(data.path()).unwrap(), Vec::<String>::new());
        assert_eq!(folder.state().unwrap(), None);
        folder.make().unwrap();
        let state = SinkState { delivered: 7, ..SinkState::begin((3, 1)) };
        folder.save(&state).unwrap();
        assert_eq!(folder.state().unwrap(), Some(state));
        assert_eq!(Folder::names(data.path()).unwrap(), ["soc"]);
        let letter = |uid: &str, why: &str| DeadLetter {
            at: Timestamp::UNIX_EPOCH,
            uid: uid.to_owned(),
            issued: (1, 0),
            why: why.to_owned(),
            taken_before: false,
        };
        for (uid, why) in [("a", "one"), ("b", "two"), ("a", "three")] {
            folder.add_dead(&letter(uid, why)).unwrap();
        }
        assert_eq!(folder.dead().unwrap(), [letter("b", "two"), letter("a", "three")]);
        folder.forget_dead(&|dead| dead.uid == "b").unwrap();
        assert_eq!(folder.dead().unwrap(), [letter("a", "three")]);
        // A crash in the middle of a line.
        let path = folder.file("dead.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\":").unwrap();
        assert_eq!(folder.dead().unwrap().len(), 1);
    }

    #[test]
    fn a_state_of_another_version_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path(), "soc");
        folder.make().unwrap();
        folder.save(&SinkState { version: 9, ..SinkState::begin((0, 0)) }).unwrap();
        assert!(folder.state().unwrap_err().to_string().contains("has version 9"));
    }
}
