//! The files as they are on disk, and as the model has them: which content has which bytes, which of
//! them can be read, and which are lost.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

/// A content: the bytes of a file between two cuts.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// So many of them must be in the ledger: they stood there when keytrail had read all there was.
    pub(super) must: usize,
}

/// A file, whatever its names are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode {
    content: usize,
    /// keytrail need not take it for one of the files it follows: a copy of a content that it never saw.
    foreign: bool,
    /// keytrail holds a descriptor of it, so it needs no name.
    pub(super) held: bool,
    /// keytrail may not open it.
    pub(super) forbidden: bool,
    /// keytrail has had it open as the file to follow, so that it can be missed.
    followed: bool,
}

/// Bytes that were destroyed before it was sure that keytrail had read them.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// A gap or an open joint must tell, if they are not in the ledger.
    pub(super) to_tell: Vec<usize>,
    /// They leave no trace: a file that came and went while nobody looked, a late write to a rotated file
    /// that was then removed.
    pub(super) traceless: Vec<usize>,
}

pub(super) struct World {
    root: PathBuf,
    away: bool,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) inodes: Vec<Inode>,
    pub(super) contents: Vec<Content>,
    /// Every piece that was written, each different from all others.
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) losses: Losses,
    pub(super) writer: (File, usize),
    /// Rotated files are followed by a pattern too.
    pub(super) glob: bool,
    /// Files to which the path was or is a symlink, by the number in their names.
    pub(super) targets: Vec<usize>,
    /// Times were changed so often.
    pub(super) stamps: u32,
    /// keytrail's clock has jumped, or times were changed.
    pub(super) times_lie: bool,
}

pub(super) const BASE: &str = "audit.log";

impl World {
    pub(super) fn new(root: &Path, glob: bool) -> World {
        fs::create_dir(root.join("logs")).unwrap();
        let path = root.join("logs").join(BASE);
        let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        let inode =
            Inode { content: 0, foreign: false, held: false, forbidden: false, followed: false };
        World {
            root: root.to_owned(),
            away: false,
            names: BTreeMap::from([(BASE.to_owned(), 0)]),
            inodes: vec![inode],
            contents: vec![Content::default()],
            pieces: Vec::new(),
            losses: Losses::default(),
            writer: (file, 0),
            glob,
            targets: Vec::new(),
            stamps: 0,
            times_lie: false,
        }
    }

    /// Returns what keytrail is to follow.
    pub(super) fn pattern(&self) -> String {
        let path = self.root.join("logs").join(BASE).display().to_string();
        if self.glob { format!("{path}*") } else { path }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(if self.away { "away" } else { "logs" }).join(name)
    }

    fn content(&self, inode: usize) -> &Content {
        &self.contents[self.inodes[inode].content]
    }

    pub(super) fn has_base(&self) -> bool {
        self.names.contains_key(BASE)
    }

    /// Returns the path of the file that keytrail must come to hold open: a file of which nothing shows in the
    /// ledger must have been opened too, before what befalls it can be expected to be seen.
    pub(super) fn base_to_hold(&self) -> Option<PathBuf> {
        let base = self.names.get(BASE)?;
        self.readable().contains(base).then(|| self.path(BASE))
    }

    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    pub(super) fn write(&mut self, whole: bool) {
        let number = self.pieces.len();
        let end = if whole { "\n" } else { "" };
        let piece = format!("<{number}{}>{end}", ".".repeat(number * 7 % 60)).into_bytes();
        self.writer.0.write_all(&piece).unwrap();
        let content = self.inodes[self.writer.1].content;
        self.contents[content].bytes.extend(&piece);
        self.pieces.push(piece);
    }

    pub(super) fn new_inode(&mut self, content: Content) -> usize {
        self.contents.push(content);
        let content = self.contents.len() - 1;
        self.inodes.push(Inode {
            content,
            foreign: false,
            held: false,
            forbidden: false,
            followed: false,
        });
        self.inodes.len() - 1
    }

    /// Opens the file under its usual name, and makes it if it is not there.
    pub(super) fn reopen(&mut self) {
        // While the folder is away the server cannot reach it either.
        if self.away {
            return;
        }
        let file = OpenOptions::new().append(true).create(true).open(self.path(BASE)).unwrap();
        let inode = match self.names.get(BASE) {
            Some(&inode) => inode,
            None => self.new_inode(Content::default()),
        };
        self.names.insert(BASE.to_owned(), inode);
        let before = self.writer.1;
        self.writer = (file, inode);
        self.forget_unreachable(before);
    }

    /// Numbers of the rotated files, the youngest first, with their endings.
    pub(super) fn siblings(&self) -> Vec<(u32, String)> {
        let mut found: Vec<(u32, String)> = self
            .names
            .keys()
            .filter_map(|name| {
                let number =
                    name.strip_prefix("audit.log.")?.trim_end_matches(".gz").parse().ok()?;
                Some((number, name.clone()))
            })
            .collect();
        found.sort();
        found
    }

    fn shift(&mut self) {
        for (number, name) in self.siblings().into_iter().rev() {
            let ending = if name.ends_with(".gz") { ".gz" } else { "" };
            self.rename(&name, &format!("{BASE}.{}{ending}", number + 1));
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
        let inode = self.names.remove(from).unwrap();
        self.names.insert(to.to_owned(), inode);
        // A rotated file that a pattern matches is closed once it is quiet, and opened by name again.
        self.inodes[inode].held &= !self.glob;
    }

    pub(super) fn rotate_by_rename(&mut self) {
        self.shift();
        self.rename(BASE, "audit.log.1");
    }

    /// Cuts the file, and writes the first line of something else if asked to.
    pub(super) fn truncate(&mut self, copy_first: bool, rewrite: bool) {
        let inode = self.names[BASE];
        if copy_first {
            self.shift();
            fs::copy(self.path(BASE), self.path("audit.log.1")).unwrap();
            let copy = self.new_inode(self.content(inode).clone());
            self.names.insert("audit.log.1".to_owned(), copy);
            self.inodes[copy].foreign = self.content(inode).must == 0 && !self.glob;
            // A copy has the mode of what it was made from.
            self.inodes[copy].forbidden = self.inodes[inode].forbidden;
        }
        let file = OpenOptions::new().append(true).open(self.path(BASE)).unwrap();
        file.set_len(0).unwrap();
        if !copy_first || self.content(inode).must == 0 {
            self.lose(inode, true);
        }
        self.contents.push(Content::default());
        self.inodes[inode].content = self.contents.len() - 1;
        if rewrite {
            let writer = std::mem::replace(&mut self.writer, (file, inode));
            self.write(true);
            self.writer = writer;
        }
    }

    pub(super) fn delete(&mut self, name: Option<String>) {
        let name = name.unwrap_or_else(|| BASE.to_owned());
        fs::remove_file(self.path(&name)).unwrap();
        let inode = self.names.remove(&name).unwrap();
        self.unlinked(inode, name == BASE);
    }

    pub(super) fn expire(&mut self) {
        if let Some((_, name)) = self.siblings().pop() {
            self.delete(Some(name));
        }
    }

    /// Renames another file over the file: an empty one, or an older state of it.
    pub(super) fn replace(&mut self, older: bool) {
        let old = self.names[BASE];
        let content = match older {
            false => Content::default(),
            true => {
                let bytes = &self.content(old).bytes;
                let half = bytes.len() / 2;
                let end =
                    bytes[..half].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                Content { bytes: bytes[..end].to_vec(), must: self.content(old).must.min(end) }
            }
        };
        fs::write(self.path("new"), &content.bytes).unwrap();
        fs::rename(self.path("new"), self.path(BASE)).unwrap();
        let new = self.new_inode(content);
        self.names.insert(BASE.to_owned(), new);
        let file = OpenOptions::new().append(true).open(self.path(BASE)).unwrap();
        self.writer = (file, new);
        // An older state that has all that was read looks as if nothing more had ever been written.
        let seen = !older || self.content(new).must < self.content(old).must;
        self.unlinked(old, seen);
    }

    pub(super) fn compress(&mut self) {
        let plain = self.siblings().into_iter().find(|(_, name)| !name.ends_with(".gz"));
        let Some((_, name)) = plain else { return };
        // As gzip does: the plain file goes when the other is whole.
        let inode = self.names[&name];
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.content(inode).bytes).unwrap();
        fs::write(self.path("packed"), encoder.finish().unwrap()).unwrap();
        fs::rename(self.path("packed"), self.path(&format!("{name}.gz"))).unwrap();
        let packed = self.new_inode(self.content(inode).clone());
        self.inodes[packed].foreign = self.inodes[inode].foreign;
        self.names.insert(format!("{name}.gz"), packed);
        fs::remove_file(self.path(&name)).unwrap();
        self.names.remove(&name);
        // What is still written to the plain one is lost, unless keytrail holds it.
        self.unlinked(inode, false);
    }

    pub(super) fn move_folder(&mut self, away: bool) {
        if away != self.away {
            let (from, to) = if away { ("logs", "away") } else { ("away", "logs") };
            fs::rename(self.root.join(from), self.root.join(to)).unwrap();
            self.away = away;
        }
    }

    /// keytrail has ended, and its descriptors with it.
    pub(super) fn released(&mut self) {
        for inode in 0..self.inodes.len() {
            let held = std::mem::replace(&mut self.inodes[inode].held, false);
            if held && !self.names.values().any(|&named| named == inode) {
                self.lose(inode, false);
            }
        }
        // Which rotated files that it has never read are from before, their times tell keytrail after a start.
        if self.times_lie && !self.glob {
            for (_, &inode) in self.names.iter().filter(|(name, _)| *name != BASE) {
                let content = self.inodes[inode].content;
                self.inodes[inode].foreign |= self.contents[content].must == 0;
            }
        }
    }

    /// Notes that keytrail has read all there is.
    pub(super) fn settled(&mut self) {
        let base = self.names.get(BASE).copied();
        for inode in self.readable() {
            let content = self.inodes[inode].content;
            let content = &mut self.contents[content];
            content.must = content.must.max(whole(&content.bytes));
            let is_base = Some(inode) == base;
            self.inodes[inode].held |= is_base;
            self.inodes[inode].followed |= is_base;
        }
    }

    /// Returns the whole lines that can be read now.
    pub(super) fn readable_lines(&self) -> Vec<&[u8]> {
        let contents = self.readable().into_iter().map(|inode| &self.content(inode).bytes);
        contents
            .flat_map(|bytes| bytes.split_inclusive(|&byte| byte == b'\n'))
            .filter(|line| line.ends_with(b"\n"))
            .collect()
    }

    fn readable(&self) -> Vec<usize> {
        let named = |inode: usize| {
            !self.away
                && !self.inodes[inode].foreign
                && !self.inodes[inode].forbidden
                && self.names.values().any(|&named| named == inode)
        };
        (0..self.inodes.len()).filter(|&inode| self.inodes[inode].held || named(inode)).collect()
    }

    pub(super) fn unlinked(&mut self, inode: usize, was_base: bool) {
        if !self.inodes[inode].held {
            self.lose(inode, was_base);
        }
    }

    /// The server no longer writes to this file.
    pub(super) fn forget_unreachable(&mut self, inode: usize) {
        let named = self.names.values().any(|&named| named == inode);
        if !named && !self.inodes[inode].held {
            self.lose(inode, false);
        }
    }

    /// What was not read of a file may be lost from now on; a file that was followed is missed.
    fn lose(&mut self, inode: usize, was_base: bool) {
        let content = self.inodes[inode].content;
        match was_base && self.inodes[inode].followed && self.contents[content].must > 0 {
            true => self.losses.to_tell.push(content),
            false => self.losses.traceless.push(content),
        }
    }
}

/// Returns how many bytes belong to whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}
