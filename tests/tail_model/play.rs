//! Plays a sequence of actions over real files and the real program.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::action::Action;
use super::world::World;
use crate::util::{Data, Server, until};

/// How long keytrail may take to read what little there is, on a machine that does much else.
const SETTLED: Duration = Duration::from_secs(15);

/// What a sequence left behind.
pub(super) struct Played {
    /// The ledger is in `data` below it.
    pub(super) folder: TempDir,
    pub(super) world: World,
}

/// Plays a sequence, brings everything into order, lets keytrail read all there is, and ends it.
pub(super) fn play(glob: bool, actions: &[Action]) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let mut player = Player {
        world: World::new(folder.path(), glob),
        data: Data::at(&folder.path().join("data")),
        server: None,
    };
    // What was there before the first start is another question.
    let ends = [Action::FolderBack, Action::Reopen, Action::Start, Action::Line, Action::Settle];
    let begins = [Action::Line, Action::Start, Action::Settle];
    for &action in begins.iter().chain(actions).chain(&ends) {
        player.act(action);
    }
    player.act(Action::Stop);
    Played { folder, world: player.world }
}

struct Player {
    world: World,
    data: Data,
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
            Action::Start if self.server.is_none() => {
                let pattern = world.pattern();
                let config = self.data.path().with_extension("toml");
                let text =
                    format!("[[source]]\npath = {pattern:?}\ncluster = \"c\"\nnode = \"n\"\n");
                fs::write(&config, text).unwrap();
                self.server = Some(Server::start(&self.data, &["-c", config.to_str().unwrap()]));
            }
            Action::Settle if base && self.server.is_some() => self.settle(),
            // There is nothing to do it to.
            _ => {}
        }
    }

    /// Waits until the ledger has every whole line that can be read.
    fn settle(&mut self) {
        let lines = self.data.path().join("ledger/lines");
        let wanted = self.world.readable_lines();
        let mut missing = Vec::new();
        let start = Instant::now();
        until("all that can be read is in the ledger", SETTLED * 2, || {
            let bytes = recorded(&lines);
            // Each line is found by its text: a torn end before it has no newline that would part them.
            let have = |line: &[u8]| bytes.windows(line.len()).any(|window| window == line);
            missing = wanted.iter().filter(|&&line| !have(line)).collect();
            assert!(
                start.elapsed() < SETTLED,
                "not in the ledger: {}; keytrail said:\n{}",
                missing.iter().map(|line| line.escape_ascii().to_string()).collect::<String>(),
                self.server.as_ref().unwrap().said()
            );
            missing.is_empty().then_some(())
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
        let file = fs::File::open(name).unwrap();
        // The last frame may be only half there; what comes before it counts.
        let _ = zstd::Decoder::new(file).and_then(|mut frames| frames.read_to_end(&mut bytes));
    }
    bytes
}
