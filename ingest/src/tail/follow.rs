//! Follows files: one round after the other looks at names, then at contents, and sends what is new.
//!
//! A file is its open descriptor; names only lead to it. So a renamed or deleted file is read on until
//! another stands in its place *and* it has been quiet, since servers write to the old one for a while;
//! after that it is still watched ([`super::linger`]).
//! What a content is, [`super::recognise`] tells. Files of a source are read oldest first, and a younger
//! one waits while an older one has a backlog.
//!
//! ```text
//!            first whole line,        all read, replaced
//!            nothing under way        and quiet
//!   Waiting -----------------> Reading ----------> Finished
//!      ^  \                     ^   |
//!      |   \ all is known       |   | the file shrank, or other bytes stand in it
//!      |    `-----> Shadow -----'   |
//!      `----------------------------'
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::TailError;
use super::continuity::Joints;
use super::discover::Pattern;
use super::file::{FileKey, FollowedFile, Stamp};
use super::identity::{End, KnownContent, LeafHash};
use super::item::{Notice, TailItem};
use super::missed::{History, Settled};
use super::names::Names;
use super::siblings::rotated_from;
use super::troubles::Troubles;
use crate::source::SourceId;

/// A source and where its files are.
#[derive(Clone, Debug)]
pub struct FollowedSource {
    /// Whose lines they are.
    pub source: SourceId,
    /// A path, or a glob.
    pub pattern: String,
}

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// The sources. A file that two of them match belongs to the first.
    pub sources: Vec<FollowedSource>,
    /// How often to look when the system tells of no change; 250 ms.
    pub poll: Duration,
    /// How long a replaced file must be still before it is finished; 2 s.
    pub quiet: Duration,
    /// About how many bytes of lines one item holds; 1 MiB. A longer line is an item of its own.
    pub batch_bytes: usize,
}

impl FollowOptions {
    /// Returns the usual options for these sources.
    pub fn new(sources: Vec<FollowedSource>) -> FollowOptions {
        FollowOptions {
            sources,
            poll: Duration::from_millis(250),
            quiet: Duration::from_secs(2),
            batch_bytes: 1 << 20,
        }
    }
}

/// What came of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// More could be read at once: the round ended to look at the names again.
    pub more: bool,
    /// The receiver wants nothing more. The tail is of no use after that.
    pub stopped: bool,
}

/// Reads the followed files.
pub struct Tail {
    pub(super) options: FollowOptions,
    pub(super) known: Box<dyn KnownContent + Send>,
    pub(super) patterns: Vec<Pattern>,
    /// Open files, in the order in which those of one source are read.
    pub(super) files: Vec<FollowedFile>,
    /// Finished files that a pattern still matches.
    pub(super) finished: HashMap<FileKey, Returned>,
    /// Compressed files that no pattern matches and that were read to their end, the last one first.
    pub(super) looked_through: VecDeque<(FileKey, Stamp)>,
    /// Finished files that no pattern matches any more, the longest finished first.
    pub(super) lingering: VecDeque<FollowedFile>,
    /// Contents read to their end, until the ledger has them.
    pub(super) departed: VecDeque<Departed>,
    /// What was read before the start and is to be found again.
    pub(super) joints: Joints,
    /// Rotated files from before, by the path of the file that they were.
    pub(super) history: HashMap<PathBuf, History>,
    /// Rotated files that need not be looked into again, by the same path.
    pub(super) settled: HashMap<PathBuf, Settled>,
    /// Files that wait for room to be opened.
    pub(super) unopened: usize,
    /// What the patterns led to in the last round.
    pub(super) names: Vec<(PathBuf, Option<FileKey>)>,
    /// Sources whose files are being renamed in this round, so that one of them may not have been seen. Nothing is
    /// read of these: lines of a younger file before those of an older one would not be paired rightly.
    pub(super) unsettled: HashSet<Arc<SourceId>>,
    pub(super) troubles: Troubles,
    /// Something has been sent since the last [`TailItem::CaughtUp`].
    behind: bool,
}

/// What a finished file looked like.
#[derive(Clone, Copy)]
pub(super) struct Returned {
    pub(super) stamp: Stamp,
    pub(super) times: u32,
}

/// A content that is closed: its first leaf, and the last one sent.
pub(super) struct Departed {
    pub(super) source: Arc<SourceId>,
    pub(super) first: LeafHash,
    pub(super) sent: (u64, LeafHash),
}

/// Goes on, or ends because the receiver wants nothing more.
pub(super) type Flow<T> = ControlFlow<(), T>;

/// Receives items; says whether it wants more.
pub(super) type Out<'a> = &'a mut dyn FnMut(TailItem) -> bool;

/// Open files; a process has 1,024 descriptors by default.
pub(super) const FILES_MAX: usize = 512;
/// How far a file has come in a round.
pub(super) enum Step {
    /// Everything has been sent.
    Done,
    /// Something must happen first: the ledger must have what is under way, a file must be quiet.
    Waits,
    /// The same, and younger files wait too. What is known of a younger file proves that an older one has
    /// been read, which is how [`super::discover`] finds out what a stopped process had missed.
    Blocks,
    /// More can be read at once.
    More,
    /// The file is finished and no longer in the list.
    Gone,
}

impl Tail {
    /// Returns a tail that has read nothing yet.
    ///
    /// # Errors
    /// A pattern is not one.
    pub fn new(
        options: FollowOptions,
        known: Box<dyn KnownContent + Send>,
    ) -> Result<Tail, TailError> {
        let patterns = options.sources.iter().map(Pattern::new).collect::<Result<_, _>>()?;
        Ok(Tail {
            options,
            known,
            patterns,
            files: Vec::new(),
            finished: HashMap::new(),
            looked_through: VecDeque::new(),
            lingering: VecDeque::new(),
            departed: VecDeque::new(),
            joints: Joints::default(),
            history: HashMap::new(),
            settled: HashMap::new(),
            unopened: 0,
            names: Vec::new(),
            unsettled: HashSet::new(),
            troubles: Troubles::default(),
            behind: true,
        })
    }

    /// Does one round: looks at every file once and sends what is new.
    pub fn poll_once(&mut self, out: Out<'_>) -> Round {
        self.poll_at(Instant::now(), out)
    }

    /// Does one round at a given time, which must not go back.
    pub fn poll_at(&mut self, now: Instant, out: Out<'_>) -> Round {
        match self.round(now, out) {
            ControlFlow::Continue(more) => Round { more, stopped: false },
            ControlFlow::Break(()) => Round { more: false, stopped: true },
        }
    }

    fn round(&mut self, now: Instant, out: Out<'_>) -> Flow<bool> {
        let seen = self.discover(now, out)?;
        let mut backlog: HashSet<Arc<SourceId>> = HashSet::new();
        let settled = self.unsettled.is_empty();
        let (mut caught_up, mut more) = (self.unopened == 0 && settled, !settled);
        let mut index = 0;
        while index < self.files.len() {
            let source = Arc::clone(&self.files[index].source);
            let step = match backlog.contains(&source) || self.unsettled.contains(&source) {
                true => Step::Waits,
                false => self.advance(index, &seen, now, out)?,
            };
            caught_up &= matches!(step, Step::Done | Step::Gone);
            match step {
                Step::Gone => continue,
                Step::More | Step::Blocks => {
                    more |= matches!(step, Step::More);
                    backlog.insert(source);
                }
                Step::Done | Step::Waits => {}
            }
            index += 1;
        }
        more |= self.tell_joints(out)?;
        self.troubles.tell(&seen, out)?;
        if caught_up && self.behind {
            self.behind = false;
            emit(out, TailItem::CaughtUp)?;
        }
        ControlFlow::Continue(more)
    }

    /// Takes one file as far as it goes now.
    fn advance(&mut self, index: usize, seen: &Names, now: Instant, out: Out<'_>) -> Flow<Step> {
        let file = &self.files[index];
        if file.is_still(seen)
            && !is_rotated(&file.path, seen)
            && !self.joints.is_open(&file.source)
        {
            return ControlFlow::Continue(Step::Done);
        }
        let changed = match self.files[index]
            .look(now)
            .and_then(|changed| self.files[index].ended_at(changed))
        {
            Ok(ended_at) => ended_at,
            Err(error) => return self.trouble(index, &error),
        };
        if let Some(read_to) = changed
            && self.truncated(index, read_to, now, out)?
        {
            // The copy's turn is in the next round.
            return ControlFlow::Continue(Step::More);
        }
        let present = self.place(index, seen, now, out)?;
        let compressed = match self.files[index].is_compressed() {
            Ok(compressed) => compressed,
            Err(error) => return self.trouble(index, &error),
        };
        // Whoever compresses a file is not done before it is quiet, unless its end says so.
        if compressed
            && !self.files[index].is_quiet(now, self.options.quiet)
            && !self.files[index].is_whole()
        {
            return ControlFlow::Continue(Step::Blocks);
        }
        let end = if compressed { End::Closed } else { End::Open };
        if let Err(error) = self.recognise(index, end, now, out)? {
            return self.trouble(index, &error);
        }
        if self.joints.is_open(&self.files[index].source) {
            return ControlFlow::Continue(Step::Waits);
        }
        if !self.read(index, out)? {
            return ControlFlow::Continue(Step::More);
        }
        let file = &self.files[index];
        // What the disk does not give now may come yet: such a file has no end.
        if file.waits() || file.failing {
            return ControlFlow::Continue(Step::Waits);
        }
        if compressed || self.is_over(index, now) {
            return self.finish(index, present, end, now, out);
        }
        let file = &mut self.files[index];
        file.rest =
            (present && file.replaced.is_none() && file.reached_end()).then_some(file.stamp);
        ControlFlow::Continue(Step::Done)
    }

    /// Compares the file's path with the names, tells if they parted, and says whether a pattern still
    /// leads to the file.
    fn place(&mut self, index: usize, seen: &Names, now: Instant, out: Out<'_>) -> Flow<bool> {
        let (file, after) = self.files[index..].split_first_mut().expect("an index of the list");
        let names: Vec<&Path> = seen.of(file.key).collect();
        let taken = |path: &Path| seen.at(path).is_some_and(|key| key != file.key);
        let (replaced, told) = match names.first() {
            Some(_) if names.contains(&&*file.path) => (is_rotated(&file.path, seen), None),
            Some(&name) => (is_rotated(name, seen), Some(name.to_owned())),
            // The path cannot be looked at, so what it names is not known.
            None if !taken(&file.path) && self.troubles.covers(&file.path) => {
                return ControlFlow::Continue(true);
            }
            None => (
                taken(&file.path)
                    || after.iter().any(|younger| younger.source == file.source)
                    // Nothing comes back under a rotated file's name.
                    || rotated_from(&file.path).is_some(),
                None,
            ),
        };
        file.replaced = if replaced { file.replaced.or(Some(now)) } else { None };
        let present = !names.is_empty();
        if let (Some(id), true) = (file.id(), told.is_some() || (!present && !file.told)) {
            let (path, source, read_to) =
                (file.path.clone(), SourceId::clone(&file.source), file.read_to());
            let notice = match file.deleted {
                true => Notice::Deleted { file: id, path, source, read_to },
                false => Notice::Rotated { file: id, path, now: told.clone(), source, read_to },
            };
            emit(out, TailItem::Notice(notice))?;
        }
        file.told = !present;
        file.path = told.unwrap_or_else(|| std::mem::take(&mut file.path));
        ControlFlow::Continue(present)
    }

    /// Tells whether a file that has been read to its end will not grow any more.
    fn is_over(&self, index: usize, now: Instant) -> bool {
        let file = &self.files[index];
        // One that grew after it had been finished costs a comparison each time, so it is given longer.
        let quiet = self.options.quiet.saturating_mul(1 << file.returns.min(12));
        let since = file.replaced.map(|replaced| now.saturating_duration_since(replaced));
        since.is_some_and(|since| since >= quiet) && file.is_quiet(now, quiet)
    }

    pub(super) fn troubles(&mut self) -> &mut Troubles {
        &mut self.troubles
    }

    /// Notes that the next end of everything is worth telling.
    pub(super) fn fell_behind(&mut self) {
        self.behind = true;
    }
}

/// Tells whether a name is a rotation's, and the name that it had before is taken again.
fn is_rotated(path: &Path, seen: &Names) -> bool {
    rotated_from(path).is_some_and(|base| seen.at(&base).is_some())
}

/// Sends one item.
pub(super) fn emit(out: Out<'_>, item: TailItem) -> Flow<()> {
    match out(item) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}
