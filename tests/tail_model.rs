//! Random sequences of what happens to a followed file, run against the program and a small model.
//!
//! The model knows which bytes stood where, which of them could be read, and which were destroyed. The
//! ledger, read by `docs/read_ledger.py`, must have each content byte for byte, no line twice, and nothing
//! that was never written; what is missing must have been destroyed, and a gap or an open joint must say so.
//!
//! Symlinks are switched, keytrail's clock jumps (libfaketime), its right to open a file is taken away (as root, by
//! `setpriv`), and the volume of its data folder is filled (as root, a tmpfs): where this machine does not allow that,
//! sequences are played without it.
//!
//! `KEYTRAIL_SEQUENCES=N` runs N other sequences, `KEYTRAIL_SEED=S` one, `KEYTRAIL_NOSHRINK=1` leaves a
//! failure as it is. Hundreds more run in the process, over files and a ledger in memory: `ingest/src/tail/tests/random.rs`.

mod action;
mod ledgers;
mod mishaps;
mod play;
mod regressions;
mod surroundings;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use action::Action;
use ledgers::Ledger;
use play::{Played, play};

use crate::util::{missing_tool, python};

/// Sequences in the ordinary test run.
const SEQUENCES: u64 = 300;
/// Sequences at once: most of their time is waiting.
const AT_ONCE: usize = 16;
/// Sequences whose ledgers one Python reads: its start costs more than a ledger.
const TOGETHER: u64 = 8;
const ACTIONS_MAX: u64 = 26;

#[test]
fn the_ledger_equals_the_model() {
    if missing_tool(&python(), "the ledgers are read by docs/read_ledger.py") {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match (number("KEYTRAIL_SEED"), number("KEYTRAIL_SEQUENCES")) {
        (Some(seed), _) => seed..seed + 1,
        // Another start each time a long run is made.
        (None, Some(sequences)) => {
            let first = u64::from(std::process::id()) << 32;
            first..first + sequences
        }
        (None, None) => 0..SEQUENCES,
    };
    let (next, wrong) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(TOGETHER, Ordering::Relaxed);
                    if first >= seeds.end || wrong.lock().unwrap().len() > 4 {
                        return;
                    }
                    let some = first..(first + TOGETHER).min(seeds.end);
                    let cases: Vec<_> =
                        some.clone().map(|seed| (seed % 2 == 1, sequence(seed))).collect();
                    for (seed, result) in some.zip(check_all(&cases)) {
                        if let Err(reason) = result {
                            wrong.lock().unwrap().push((seed, reason));
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    for (index, (seed, reason)) in wrong.iter().enumerate() {
        let glob = seed % 2 == 1;
        eprintln!("seed {seed}, glob {glob}: {}\n    {reason}", text(&sequence(*seed)));
        if index == 0 && std::env::var_os("KEYTRAIL_NOSHRINK").is_none() {
            let (short, reason) = shrink(glob, sequence(*seed), reason.clone());
            eprintln!("shorter, glob {glob}: {}\n    {reason}", text(&short));
        }
    }
    assert!(wrong.is_empty(), "{} sequences are wrong; each is printed above", wrong.len());
}

/// Returns the sequence of a seed: always the same.
fn sequence(seed: u64) -> Vec<Action> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    // splitmix64
    let mut random = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let length = 4 + random() % (ACTIONS_MAX - 3);
    (0..length).map(|_| Action::pick(random())).collect()
}

fn text(actions: &[Action]) -> String {
    actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Plays a sequence and says what is wrong with the ledger, if anything is.
fn check(glob: bool, actions: &[Action]) -> Result<(), String> {
    check_all(&[(glob, actions.to_owned())]).remove(0)
}

/// Plays sequences one after the other, and says of each what is wrong with the ledger, if anything is.
fn check_all(cases: &[(bool, Vec<Action>)]) -> Vec<Result<(), String>> {
    let played: Vec<Result<Played, String>> = cases
        .iter()
        .map(|(glob, actions)| {
            catch_unwind(AssertUnwindSafe(|| play(*glob, actions))).map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.unwrap_or_else(|| "the sequence panicked".to_owned())
            })
        })
        .collect();
    let data: Vec<&Path> = played.iter().flatten().map(Played::data).collect();
    let mut ledgers = Ledger::read_all(&data).into_iter();
    let mut compare =
        |played: &Played| ledgers.next().expect("one of each")?.compare(&played.world);
    played
        .iter()
        .map(|played| played.as_ref().map_err(String::clone).and_then(&mut compare))
        .collect()
}

/// Leaves out actions as long as the sequence stays wrong.
fn shrink(glob: bool, mut actions: Vec<Action>, mut reason: String) -> (Vec<Action>, String) {
    let mut index = actions.len();
    // Each try takes a second or two; a failure need not be the shortest there is.
    for _ in 0..40 {
        let Some(before) = index.checked_sub(1) else { break };
        index = before;
        let mut shorter = actions.clone();
        shorter.remove(index);
        if let Err(other) = check(glob, &shorter) {
            (actions, reason) = (shorter, other);
        }
    }
    (actions, reason)
}
