//! Plays a scenario over real files in a folder of its own.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::model::Model;
use crate::source::SourceId;
use crate::tail::content::faults;
use crate::tail::{FileId, FollowOptions, FollowedSource, Notice, Start, Tail, TailItem};

/// How long a file must be quiet in scenarios; the clock only moves by `wait`.
pub(super) const QUIET: Duration = Duration::from_secs(3600);

/// A folder, a tail over it, and what the ledger knows.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) model: Model,
    patterns: Vec<String>,
    tail: Tail,
    now: Instant,
    /// The server's descriptor, which outlives names.
    server: Option<File>,
    /// The ledger lags behind until `commit`.
    lags: bool,
    numbers: HashMap<FileId, usize>,
}

/// Plays a scenario and compares what the tail says with what stands below each command.
///
/// A scenario is commands, one a line, and what the tail says, after four spaces. In the text of lines
/// `;` is a newline. The first line names the patterns.
#[track_caller]
pub(super) fn check(scenario: &str) {
    let scenario: Vec<&str> = scenario.trim().lines().map(str::trim_end).collect();
    let mut bench = Bench::new(&scenario[0].split_whitespace().collect::<Vec<_>>());
    let mut played = scenario[0].to_owned();
    for command in scenario[1..].iter().filter(|line| !line.starts_with("    ")) {
        played.push_str(&format!("\n{command}"));
        for said in bench.play(command) {
            played.push_str(&format!("\n    {said}"));
        }
    }
    assert!(played == scenario.join("\n"), "the tail says\n\n{played}\n");
}

impl Bench {
    pub(super) fn new(patterns: &[&str]) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let model = Model::default();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| folder.path().join(pattern).display().to_string())
            .collect();
        let tail = tail(&patterns, &model);
        let (now, numbers) = (Instant::now(), HashMap::new());
        Bench { folder, model, patterns, tail, now, server: None, lags: false, numbers }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Carries out one command and returns what the tail says to it.
    pub(super) fn play(&mut self, command: &str) -> Vec<String> {
        let mut words = command.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, name, rest) = (word(), word(), word());
        let (path, other) = (self.path(name), self.path(rest));
        let text = |text: &str| text.replace(';', "\n").into_bytes();
        let append = || OpenOptions::new().append(true).create(true).open(&path).expect("a file");
        match verb {
            "append" => append().write_all(&text(rest)).expect("writing"),
            // The same inode, from its start.
            "rewrite" => fs::write(&path, text(rest)).expect("writing"),
            "server" => self.server = Some(append()),
            "serve" => {
                self.server.as_mut().expect("a server").write_all(&text(name)).expect("writing")
            }
            "rename" => fs::rename(path, other).expect("renaming"),
            "copy" => drop(fs::copy(path, other).expect("copying")),
            "link" => std::os::unix::fs::symlink(name, other).expect("linking"),
            "gzip" => fs::write(other, gzip(&fs::read(path).expect("reading"))).expect("writing"),
            "cut" => {
                let file = OpenOptions::new().write(true).open(path).expect("a file");
                file.set_len(rest.parse().expect("a length")).expect("cutting");
            }
            // Its last change was two days before what else happens here.
            "age" => {
                let then = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
                append().set_modified(then).expect("setting a time");
            }
            // The disk gives an error instead of the bytes from there on, or gives them again.
            "fail" => {
                faults::set(
                    &File::open(path).expect("a file"),
                    Some(rest.parse().expect("a byte")),
                );
            }
            "mend" => faults::set(&File::open(path).expect("a file"), None),
            "remove" => fs::remove_file(path).expect("removing"),
            "pipe" => {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("a pipe");
            }
            "folder" => fs::create_dir(path).expect("a folder"),
            "wait" => self.now += QUIET,
            "lag" => self.lags = true,
            "commit" => {
                self.lags = false;
                self.model.commit();
            }
            "restart" => {
                self.model.crash();
                self.tail = tail(&self.patterns, &self.model);
            }
            "poll" => return self.poll(),
            _ => panic!("no command {verb:?}"),
        }
        Vec::new()
    }

    /// Polls until there is nothing more at once.
    pub(super) fn poll(&mut self) -> Vec<String> {
        let mut items = Vec::new();
        while self.tail.poll_at(self.now, &mut |item| (items.push(item), true).1).more {}
        let mut said = Vec::new();
        for item in items {
            self.model.receive(&item);
            said.push(self.say(item));
        }
        if !self.lags {
            self.model.commit();
        }
        said
    }

    fn say(&mut self, item: TailItem) -> String {
        let next = self.numbers.len() + 1;
        let mut number = |file| *self.numbers.entry(file).or_insert(next);
        let name = |path: &Path| {
            path.strip_prefix(self.folder.path()).unwrap_or(path).display().to_string()
        };
        match item {
            TailItem::Opened { file, path, start, .. } => {
                let start = match start {
                    Start::New { parent: None } => "new".to_owned(),
                    Start::New { parent: Some((generation, place)) } => {
                        format!("parts from {} at {place}", generation.0)
                    }
                    Start::Known(position) => {
                        format!("known {} to {}", position.generation.0, position.offset)
                    }
                };
                format!("{} opened {} {start}", number(file), name(&path))
            }
            TailItem::Lines { file, offset, lines, continued, unterminated } => {
                let text = lines.bytes.escape_ascii().to_string().replace("\\n", ";");
                let more = if continued { " +" } else { "" };
                let end = if unterminated { " end" } else { "" };
                format!("{} {offset} {text}{more}{end}", number(file))
            }
            TailItem::Finished { file } => format!("{} finished", number(file)),
            TailItem::CaughtUp => "caught up".to_owned(),
            TailItem::Notice(notice) => match notice {
                Notice::Truncated { path, read_to, size_now, at_least, .. } => format!(
                    "truncated {} after {read_to}, size {size_now}, lost at least {at_least}",
                    name(&path)
                ),
                Notice::Continuity { path, proven, why, .. } => {
                    let proven = if proven { "proven" } else { "not proven" };
                    format!(
                        "continuity {proven}, {}: {}",
                        name(&path),
                        short(&why.replace(&format!("{}/", self.folder.path().display()), ""))
                    )
                }
                Notice::Rotated { file, path, now, read_to, .. } => {
                    let now = now.map_or_else(|| "?".to_owned(), |now| name(&now));
                    format!("{} rotated {} -> {now} at {read_to}", number(file), name(&path))
                }
                Notice::Deleted { file, path, read_to, .. } => {
                    format!("{} deleted {} at {read_to}", number(file), name(&path))
                }
                Notice::Unreadable { reason, .. } => {
                    format!(
                        "unreadable {}",
                        reason.replace(&format!("{}/", self.folder.path().display()), "")
                    )
                }
                Notice::Readable { path, .. } => format!("readable {}", name(&path)),
                Notice::Missing { path, .. } => format!("missing {}", name(&path)),
                Notice::Appeared { path, .. } => format!("appeared {}", name(&path)),
                Notice::Damaged { path, offset, .. } => {
                    format!("damaged {} at {offset}", name(&path))
                }
            },
        }
    }
}

/// The first words of a reason: enough to know which it is.
fn short(why: &str) -> &str {
    why.find([':', ',', ';']).map_or(why, |end| &why[..end])
}

pub(super) fn source() -> SourceId {
    SourceId::new("c", "n", "file").expect("a source")
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("compressing");
    encoder.finish().expect("compressing")
}

pub(super) fn options(patterns: &[String]) -> FollowOptions {
    let followed = |pattern: &String| FollowedSource { source: source(), pattern: pattern.clone() };
    FollowOptions { quiet: QUIET, ..FollowOptions::new(patterns.iter().map(followed).collect()) }
}

fn tail(patterns: &[String], model: &Model) -> Tail {
    Tail::new(options(patterns), Box::new(model.clone())).expect("patterns")
}
