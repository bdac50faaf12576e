//! What stands in a ledger, read without keytrail, and whether it is what the model says.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::world::World;
use crate::util::{json_lines, python};

/// A header's flags: the last line is the end of a finished file, and has no `\n`; there is a parent.
const UNTERMINATED: u64 = 2;
const HAS_PARENT: u64 = 4;

/// The lines and own lines of a ledger.
pub(super) struct Ledger {
    batches: Vec<Value>,
    own: Vec<Value>,
}

impl Ledger {
    /// Reads ledgers by `docs/read_ledger.py`, which checks every hash and the root; says of each what is wrong.
    pub(super) fn read_all(data: &[&Path]) -> Vec<Result<Ledger, String>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = python();
        // Nothing is to be written beside the scripts.
        command
            .arg("-B")
            .arg(folder.join("tests/tail_model/dump_ledgers.py"))
            .arg(folder.join("docs"));
        let output = command.args(data).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let dumps = json_lines(str::from_utf8(&output.stdout).unwrap());
        let mut read: Vec<_> = dumps.into_iter().map(Ledger::of).collect();
        // It reads one after the other, and ends at one that it does not understand.
        read.resize_with(data.len(), || Err(said.to_string()));
        read
    }

    fn of(dump: Value) -> Result<Ledger, String> {
        if let Some(wrong) = dump["wrong"].as_str() {
            return Err(wrong.to_owned());
        }
        let own = json_lines(dump["own"].as_str().unwrap());
        Ok(Ledger { batches: dump["batches"].as_array().unwrap().clone(), own })
    }

    /// Compares the ledger with the model; says the first thing that is wrong.
    pub(super) fn compare(&self, world: &World) -> Result<(), String> {
        let generations = self.generations()?;
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        for (generation, bytes) in &generations {
            if !world.contents.iter().any(|content| content.bytes.starts_with(bytes)) {
                return Err(format!("no file began as generation {generation}: {}", show(bytes)));
            }
        }
        for content in &world.contents {
            let must = &content.bytes[..content.must];
            if !generations.values().any(|bytes| bytes.starts_with(must)) {
                return Err(format!("not in the ledger as one content: {}", show(must)));
            }
        }
        let lines = self.lines_once()?;
        self.losses_are_told(world, &lines)
    }

    /// Returns each content as far as it is in the ledger, what it shares with its parent included.
    fn generations(&self) -> Result<HashMap<u64, Vec<u8>>, String> {
        let mut generations: HashMap<u64, Vec<u8>> = HashMap::new();
        for batch in &self.batches {
            let field = |name: &str| batch[name].as_u64().unwrap();
            let (generation, flags) = (field("generation"), field("flags"));
            let offset = usize::try_from(field("offset")).unwrap();
            if !generations.contains_key(&generation) {
                let shared = match flags & HAS_PARENT {
                    0 => Vec::new(),
                    _ => generations[&field("parent")][..offset].to_vec(),
                };
                generations.insert(generation, shared);
            }
            let content = generations.get_mut(&generation).unwrap();
            if content.len() != offset {
                return Err(format!(
                    "generation {generation} goes on at {offset}, and ends at {}",
                    content.len()
                ));
            }
            for line in leaves(batch) {
                content.extend(line);
            }
        }
        Ok(generations)
    }

    /// Returns all leaves; an error if one is there twice. The end of a finished file that was gone on with
    /// later is a leaf without `\n`, marked as such, and no line.
    fn lines_once(&self) -> Result<HashSet<Vec<u8>>, String> {
        let mut once = HashSet::new();
        for batch in &self.batches {
            let all: Vec<Vec<u8>> = leaves(batch).collect();
            let marked = batch["flags"].as_u64().unwrap() & UNTERMINATED != 0;
            for (index, line) in all.iter().enumerate() {
                let torn = !line.ends_with(b"\n");
                if torn != (marked && index + 1 == all.len()) {
                    return Err(format!(
                        "a line without end is not marked: {}",
                        line.escape_ascii()
                    ));
                }
                if !once.insert(line.clone()) {
                    return Err(format!("twice in the ledger: {}", line.escape_ascii()));
                }
            }
        }
        Ok(once)
    }

    /// What is missing must have been destroyed, and be told where that can be seen.
    fn losses_are_told(&self, world: &World, lines: &HashSet<Vec<u8>>) -> Result<(), String> {
        let fact = |name: &str| {
            self.own.iter().filter(move |line| line["type"] == name).collect::<Vec<_>>()
        };
        let open_joints = fact("continuity").iter().filter(|line| line["proven"] == false).count();
        let gaps = fact("gap");
        let lost = |content: &usize| {
            let bytes = &world.contents[*content].bytes;
            let mut whole =
                bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
            whole.find(|&line| !lines.contains(line)).map(|line| line.escape_ascii().to_string())
        };
        if let Some(line) = world.losses.to_tell.iter().find_map(lost)
            && gaps.is_empty()
            && open_joints == 0
        {
            return Err(format!("lost in silence: {line}"));
        }
        let recorded: Vec<u8> = lines.iter().flatten().copied().collect();
        let is_missing = |piece: &&Vec<u8>| {
            let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
            !recorded.windows(piece.len()).any(|window| window == piece)
        };
        let missing: usize = world.pieces.iter().filter(is_missing).map(Vec::len).sum();
        let least: u64 = gaps.iter().filter_map(|gap| gap["at_least"].as_u64()).sum();
        if least > missing as u64 {
            return Err(format!("at least {least} bytes are told to be lost, and {missing} are"));
        }
        Ok(())
    }
}

fn leaves(batch: &Value) -> impl Iterator<Item = Vec<u8>> {
    let lines = batch["lines"].as_array().unwrap().iter();
    lines.map(|line| {
        line.as_str().unwrap().chars().map(|byte| u8::try_from(byte).unwrap()).collect()
    })
}
