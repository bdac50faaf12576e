//! What can happen to a followed file, and to keytrail.

use std::fmt;
use std::str::FromStr;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The server writes a whole line.
    Line,
    /// The server writes the start of a line.
    Part,
    /// The file becomes `.1`, older ones move on, and the server opens a new file.
    Rotate,
    /// The file becomes `.1`, and the server writes on to it.
    Rename,
    /// The server opens its file anew, as after SIGHUP.
    Reopen,
    /// The file is copied to `.1` and cut to nothing.
    Copytruncate,
    /// The file is cut to nothing.
    Truncate,
    /// The file is written anew, in place.
    Rewrite,
    /// The file is removed while the server holds it open.
    Delete,
    /// The oldest rotated file is removed.
    Expire,
    /// A new file is renamed over the file.
    Swap,
    /// The first half of the file, as a backup has it, is put in its place.
    OlderCopy,
    /// The youngest plain rotated file is compressed.
    Compress,
    /// The path becomes a symlink to another, empty file; the server writes on to the one before.
    Switch,
    /// The symlink is switched back to the file before; the server writes on to the one it has.
    SwitchBack,
    /// keytrail may not open the file any more.
    Forbid,
    /// keytrail may open all files again.
    Allow,
    /// A file bears the time of another year.
    Stamp,
    /// keytrail's clock jumps, back or forth.
    Clock,
    /// The volume of the data folder is filled to the last byte.
    Fill,
    /// There is room again.
    Room,
    /// The folder is moved away, and something else may come back.
    FolderAway,
    /// The folder is moved back.
    FolderBack,
    /// `kill -9`.
    Kill,
    /// SIGTERM.
    Stop,
    /// keytrail starts, if it does not run.
    Start,
    /// Nothing more happens until keytrail has all there is to read.
    Settle,
}

use Action::*;

/// Each action, its name, and how often it comes, of all together.
const ALL: [(Action, &str, u32); 27] = [
    (Line, "line", 22),
    (Part, "part", 5),
    (Rotate, "rotate", 9),
    (Rename, "rename", 4),
    (Reopen, "reopen", 5),
    (Copytruncate, "copytruncate", 5),
    (Truncate, "truncate", 2),
    (Rewrite, "rewrite", 2),
    (Delete, "delete", 3),
    (Expire, "expire", 2),
    (Swap, "swap", 3),
    (OlderCopy, "older-copy", 2),
    (Compress, "compress", 6),
    (Switch, "switch", 3),
    (SwitchBack, "switch-back", 2),
    (Forbid, "forbid", 3),
    (Allow, "allow", 3),
    (Stamp, "stamp", 3),
    (Clock, "clock", 3),
    (Fill, "fill", 2),
    (Room, "room", 3),
    (FolderAway, "folder-away", 2),
    (FolderBack, "folder-back", 4),
    (Kill, "kill", 6),
    (Stop, "stop", 3),
    (Start, "start", 8),
    (Settle, "settle", 6),
];

impl Action {
    /// Returns an action for a random number.
    pub(super) fn pick(random: u64) -> Action {
        let all: u32 = ALL.iter().map(|(_, _, weight)| weight).sum();
        let mut left = (random % u64::from(all)) as u32;
        for (action, _, weight) in ALL {
            if left < weight {
                return action;
            }
            left -= weight;
        }
        unreachable!("the rest is less than the sum of the weights")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, _) = ALL.iter().find(|(action, _, _)| action == self).unwrap();
        f.write_str(name)
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Action, String> {
        let found = ALL.iter().find(|(_, name, _)| *name == text);
        found.map(|&(action, _, _)| action).ok_or_else(|| format!("no action {text:?}"))
    }
}
