//! What can go wrong with a disk, for tests: errors on demand, a disk that is full, and a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::Step;

/// The unit in which a disk writes; of what was not synced each may be lost alone.
const PAGE: usize = 512;

/// Answers whether a step fails.
type Refuse = Box<dyn FnMut(Step<'_>) -> Option<rustix::io::Errno> + Send>;

/// Stands between the ledger and the file system.
#[derive(Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: Vec<Done>,
    room: Option<usize>,
    refuse: Option<Refuse>,
}

/// A step that was done.
#[derive(Clone, Debug)]
enum Done {
    MakeFolder(PathBuf),
    Create(PathBuf),
    Write { path: PathBuf, at: usize, bytes: Vec<u8> },
    Cut { path: PathBuf, length: usize },
    Sync(PathBuf),
    SyncFolder(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns faults whose log begins with what stands in this folder, all of it durable.
    pub(super) fn after(folder: &Path) -> Faults {
        let faults = Faults::default();
        let mut todo = vec![folder.to_owned()];
        while let Some(path) = todo.pop() {
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    faults.done(Step::MakeFolder(&path));
                    todo.push(path);
                } else {
                    let bytes = fs::read(&path).expect("a test's own file");
                    faults.done(Step::Create(&path));
                    faults.done(Step::Write { path: &path, at: 0, bytes: &bytes });
                    faults.done(Step::Sync(&path));
                }
            }
            faults.done(Step::SyncFolder(&path));
        }
        faults
    }

    /// Lets so many more bytes be written; `None` is no limit.
    pub(crate) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// Lets steps fail for which this gives an error.
    pub(crate) fn refuse(
        &self,
        refuse: impl FnMut(Step<'_>) -> Option<rustix::io::Errno> + Send + 'static,
    ) {
        self.state().refuse = Some(Box::new(refuse));
    }

    /// Lets everything be done again.
    pub(crate) fn relent(&self) {
        self.state().refuse = None;
    }

    /// Returns how many steps were done.
    pub(crate) fn steps(&self) -> usize {
        self.state().done.len()
    }

    pub(super) fn before(&self, step: Step<'_>) -> io::Result<()> {
        match self.state().refuse.as_mut().and_then(|refuse| refuse(step)) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    pub(super) fn write_at_most(&self, bytes: usize) -> io::Result<usize> {
        match &mut self.state().room {
            None => Ok(bytes),
            Some(0) => Err(rustix::io::Errno::NOSPC.into()),
            Some(room) => {
                let most = bytes.min(*room);
                *room -= most;
                Ok(most)
            }
        }
    }

    pub(super) fn done(&self, step: Step<'_>) {
        self.state().done.push(match step {
            Step::MakeFolder(path) => Done::MakeFolder(path.to_owned()),
            Step::Create(path) => Done::Create(path.to_owned()),
            Step::Write { path, at, bytes } => {
                Done::Write { path: path.to_owned(), at: at as usize, bytes: bytes.to_owned() }
            }
            Step::Cut { path, length } => {
                Done::Cut { path: path.to_owned(), length: length as usize }
            }
            Step::Sync(path) => Done::Sync(path.to_owned()),
            Step::SyncFolder(path) => Done::SyncFolder(path.to_owned()),
            Step::Rename { from, to } => Done::Rename { from: from.to_owned(), to: to.to_owned() },
            Step::Remove(path) => Done::Remove(path.to_owned()),
        });
    }

    /// Writes to `to` what a power cut after the first `steps` steps in `data` may leave there, and returns
    /// it as a state from which the next process goes on. `choose(n)` gives a number below n.
    pub(super) fn cut_power(
        &self,
        data: &Path,
        steps: usize,
        to: &Path,
        choose: &mut dyn FnMut(usize) -> usize,
    ) {
        let mut volume = Volume::default();
        for done in &self.state().done[..steps] {
            volume.play(done);
        }
        volume.write_out(data, to, choose);
    }
}

/// Names and files, each with what is durable of it and what may be.
#[derive(Default)]
struct Volume {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, Names>,
}

/// What a name may lead to after a power cut: the durable one first, the present one last.
struct Names(Vec<Option<Node>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// The least length since the last sync: from there on nothing is certain.
    shortest: usize,
}

impl Names {
    fn now(&self) -> Option<Node> {
        self.0.last().copied().flatten()
    }
}

impl Volume {
    fn set(&mut self, path: &Path, node: Option<Node>) {
        self.names.entry(path.to_owned()).or_insert_with(|| Names(vec![None])).0.push(node);
    }

    fn file(&mut self, path: &Path) -> &mut Content {
        match self.names.get(path).and_then(Names::now) {
            Some(Node::File(number)) => &mut self.files[number],
            other => panic!("{} is {other:?}, not a file", path.display()),
        }
    }

    fn play(&mut self, done: &Done) {
        match done {
            Done::MakeFolder(path) => self.set(path, Some(Node::Folder)),
            Done::Create(path) => {
                // An emptied file is modelled as a new one: its old bytes may come back with its old name.
                self.files.push(Content::default());
                self.set(path, Some(Node::File(self.files.len() - 1)));
            }
            Done::Write { path, at, bytes } => {
                let content = &mut self.file(path).now;
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Done::Cut { path, length } => {
                let content = self.file(path);
                content.now.resize(*length, 0);
                content.shortest = content.shortest.min(*length);
            }
            Done::Sync(path) => {
                let content = self.file(path);
                content.durable.clone_from(&content.now);
                content.shortest = content.now.len();
            }
            Done::SyncFolder(folder) => {
                for (_, names) in
                    self.names.iter_mut().filter(|(path, _)| path.parent() == Some(folder))
                {
                    names.0.drain(..names.0.len() - 1);
                }
            }
            Done::Rename { from, to } => {
                let node = self.names.get(from).and_then(Names::now);
                self.set(to, node);
                self.set(from, None);
            }
            Done::Remove(path) => {
                let below: Vec<PathBuf> =
                    self.names.keys().filter(|name| name.starts_with(path)).cloned().collect();
                below.iter().for_each(|name| self.set(name, None));
            }
        }
    }

    fn write_out(&self, data: &Path, to: &Path, choose: &mut dyn FnMut(usize) -> usize) {
        let mut missing: BTreeSet<&Path> = BTreeSet::new();
        fs::create_dir_all(to).expect("a test's own folder");
        for (path, names) in self.names.iter().filter(|(path, _)| *path != data) {
            let lost = path.parent().is_some_and(|parent| missing.contains(parent));
            let node = match lost {
                true => None,
                false => names.0[choose(names.0.len())],
            };
            let Ok(within) = path.strip_prefix(data) else { continue };
            let target = to.join(within);
            let written = match node {
                None => {
                    missing.insert(path);
                    Ok(())
                }
                Some(Node::Folder) => fs::create_dir_all(&target),
                Some(Node::File(number)) => {
                    fs::write(&target, self.files[number].after_a_power_cut(choose))
                }
            };
            written.unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        }
    }
}

impl Content {
    /// Returns the durable bytes with any part of what came after.
    fn after_a_power_cut(&self, choose: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
        if self.durable == self.now {
            return self.now.clone();
        }
        let (short, long) =
            (self.shortest.min(self.now.len()), self.durable.len().max(self.now.len()));
        let length = match choose(4) {
            0 => short,
            1 => self.now.len(),
            // A file system may make it longer before it writes.
            2 => self.now.len().max(short + choose(2 * PAGE)),
            _ => short + choose(long - short + 1),
        };
        let mut bytes = vec![0; length];
        for (number, page) in bytes.chunks_mut(PAGE).enumerate() {
            let from = number * PAGE;
            let part = |of: &[u8]| {
                let mut part = of.get(from..).unwrap_or_default().to_vec();
                part.resize(page.len(), 0);
                part
            };
            let (durable, now) = (part(&self.durable), part(&self.now));
            page.copy_from_slice(if choose(3) == 0 { &durable } else { &now });
        }
        bytes
    }
}
