//! What commands ask of a sink that another process may be running: it looks into `asked.json` between two batches.

use std::collections::BTreeSet;
use std::io;

use ingest::kept_file;
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, read_json};

/// Events that may wait to be sent again.
pub const AGAIN_MAX: usize = 1_000_000;

/// What a sink is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// To go on after this place, leaf and ordinal, whatever it has sent: the cursor is set back.
    pub replay_after: Option<(u64, u32)>,
    /// To send the events of these places again; the cursor stays.
    pub again: BTreeSet<(u64, u32)>,
    /// To forget of events up to this place that some were refused without a name: the receiver was found to lack none.
    #[serde(default)]
    pub complete_upto: Option<(u64, u32)>,
}

impl Folder {
    /// Asks the sink for something, beside what it was asked before.
    ///
    /// # Errors
    /// The folder is not there, or cannot be written; more waits than may.
    pub fn ask(&self, more: Asked) -> io::Result<()> {
        let _lock = kept_file::lock(&self.file("asked.lock"))?;
        let mut asked = self.asked()?;
        asked.replay_after = match (asked.replay_after, more.replay_after) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        asked.again.extend(more.again);
        asked.complete_upto = asked.complete_upto.max(more.complete_upto);
        if asked.again.len() > AGAIN_MAX {
            return Err(io::Error::other(format!(
                "more than {AGAIN_MAX} events would wait to be sent again: use a replay"
            )));
        }
        kept_file::replace(&self.file("asked.json"), &asked)
    }

    /// Returns what the sink is asked.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn asked(&self) -> io::Result<Asked> {
        Ok(read_json(&self.file("asked.json"))?.unwrap_or_default())
    }

    /// Takes away what was done; what was asked meanwhile stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn done(&self, done: &Asked) -> io::Result<()> {
        let _lock = kept_file::lock(&self.file("asked.lock"))?;
        let mut asked = self.asked()?;
        if asked.replay_after == done.replay_after {
            asked.replay_after = None;
        }
        if asked.complete_upto == done.complete_upto {
            asked.complete_upto = None;
        }
        asked.again.retain(|place| !done.again.contains(place));
        kept_file::replace(&self.file("asked.json"), &asked)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_asked_adds_up_until_it_is_done() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path(), "soc");
        folder.make().unwrap();
        let again = |places: &[u64]| Asked {
            again: places.iter().map(|leaf| (*leaf, 0)).collect(),
            ..Asked::default()
        };
        folder.ask(again(&[1, 2])).unwrap();
        let replay = |leaf| Asked { replay_after: Some((leaf, 0)), ..Asked::default() };
        folder.ask(replay(9)).unwrap();
        folder.ask(replay(5)).unwrap();
        folder.ask(replay(7)).unwrap();
        let asked = folder.asked().unwrap();
        assert_eq!(asked, Asked { replay_after: Some((5, 0)), ..again(&[1, 2]) });
        folder.ask(again(&[3])).unwrap();
        folder.done(&asked).unwrap();
        assert_eq!(folder.asked().unwrap(), again(&[3]));
    }
}
