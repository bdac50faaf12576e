//! Plays a sequence of actions over real files and the real program.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::action::Action;
use super::surroundings::Surroundings;
use super::world::World;
use crate::util::{Data, Server, until};

/// How long keytrail may take to read what little there is, on a machine that does much else.
const SETTLED: Duration = Duration::from_secs(15);

/// What a sequence left behind.
pub(super) struct Played {
    data: Data,
    pub(super) world: World,
    // What the data folder stands on goes last.
    _surroundings: Surroundings,
    _folder: TempDir,
}

impl Played {
    /// Returns the data folder.
    pub(super) fn data(&self) -> &Path {
        self.data.path()
    }
}

/// Plays a sequence, brings everything into order, lets keytrail read all there is, and ends it.
pub(super) fn play(glob: bool, actions: &[Action]) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let surroundings = Surroundings::new(folder.path(), actions);
    let mut player = Player {
        world: World::new(folder.path(), glob),
        data: Data::at(&surroundings.data(folder.path())),
        config: folder.path().join("keytrail.toml"),
        surroundings,
        full: false,
        server: None,
    };
    let text =
        format!("[[source]]\npath = {:?}\ncluster = \"c\"\nnode = \"n\"\n", player.world.pattern());
    fs::write(&player.config, text).unwrap();
    // What was there before the first start is another question.
    let begins = [Action::Line, Action::Start, Action::Settle];
    for &action in begins.iter().chain(actions).chain(&ENDS) {
        player.act(action);
    }
    let Player { world, data, surroundings, .. } = player;
    Played { data, world, _surroundings: surroundings, _folder: folder }
}

/// Brings everything into order.
const ENDS: [Action; 8] = [
    Action::FolderBack,
    Action::Allow,
    Action::Room,
    Action::Reopen,
    Action::Start,
    Action::Line,
    Action::Settle,
    Action::Stop,
];

struct Player {
    world: World,
    data: Data,
    config: PathBuf,
    surroundings: Surroundings,
    /// The volume of the data folder is full.
    full: bool,
    server: Option<Server>,
}

impl Player {
    fn act(&mut self, action: Action) {
        let world = &mut self.world;
        let at_hand = !world.is_away();
        let base = at_hand && world.has_base();
        match action {
            Action::Line => world.write(true),
            Action::Part => world.write(false),
            Action::Rotate if base => {
                world.rotate_by_rename();
                world.reopen();
            }
            Action::Rename if base => world.rotate_by_rename(),
            Action::Reopen => world.reopen(),
            Action::Copytruncate if base => world.truncate(true, false),
            Action::Truncate if base => world.truncate(false, false),
            Action::Rewrite if base => world.truncate(false, true),
            Action::Delete if base => world.delete(None),
            Action::Expire if at_hand => world.expire(),
            Action::Swap if base => world.replace(false),
            Action::OlderCopy if base => world.replace(true),
            Action::Compress if at_hand => world.compress(),
            Action::FolderAway => world.move_folder(true),
            Action::FolderBack => world.move_folder(false),
            Action::Kill => {
                if let Some(server) = self.server.take() {
                    server.kill();
                    world.released();
                }
            }
            Action::Stop => {
                if let Some(server) = self.server.take() {
                    server.terminate();
                    world.released();
                }
            }
            Action::Switch if base => world.switch(),
            Action::SwitchBack if base => world.switch_back(),
            Action::Forbid if base && self.surroundings.can_forbid() => world.forbid(),
            Action::Allow if at_hand => world.allow(),
            Action::Stamp if at_hand => world.stamp(),
            Action::Clock => {
                self.surroundings.jump();
                world.times_lie = true;
            }
            Action::Fill => self.full = self.surroundings.fill(),
            Action::Room => {
                self.surroundings.make_room();
                self.full = false;
            }
            Action::Start if self.server.is_none() && !self.full => {
                let config = self.config.to_str().unwrap();
                let command = self.surroundings.command();
                self.server = Some(Server::start_as(command, &self.data, &["-c", config]));
            }
            Action::Settle if base && !self.full && self.server.is_some() => self.settle(),
            // There is nothing to do it to.
            _ => {}
        }
    }

    /// Waits until keytrail holds the file open and the ledger has every whole line that can be read.
    fn settle(&mut self) {
        let lines = self.data.path().join("ledger/lines");
        let wanted = self.world.readable_lines();
        let server = self.server.as_ref().unwrap();
        let (mut seen_bytes, mut missing) = (0, wanted.clone());
        let start = Instant::now();
        until("all that can be read is in the ledger", SETTLED * 2, || {
            let bytes = recorded(&lines);
            if bytes.len() != seen_bytes {
                seen_bytes = bytes.len();
                // Each line is found by its text: a torn end before it has no newline that would part them.
                missing.retain(|line| !bytes.windows(line.len()).any(|window| window == *line));
            }
            let held = self.world.base_to_hold().is_none_or(|base| server.holds(&base));
            assert!(
                start.elapsed() < SETTLED,
                "held: {held}; not in the ledger: {}; keytrail said:\n{}\nand wrote:\n{}",
                missing.iter().map(|line| line.escape_ascii().to_string()).collect::<String>(),
                server.said(),
                String::from_utf8_lossy(&recorded(&self.data.path().join("ledger/own")))
            );
            (held && missing.is_empty()).then_some(())
        });
        self.world.settled();
    }
}

/// Returns the lines that stand in a ledger while it is written, as `zstd -dc lines/*` gives them.
fn recorded(folder: &Path) -> Vec<u8> {
    let mut names: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => return Vec::new(),
    };
    names.sort();
    let mut bytes = Vec::new();
    for name in names {
        // Sealing replaces old segments while we look; the next look finds the new ones.
        let Ok(file) = fs::File::open(name) else { continue };
        // The last frame may be only half there; what comes before it counts.
        let _ = zstd::Decoder::new(file).and_then(|mut frames| frames.read_to_end(&mut bytes));
    }
    bytes
}
