//! Whatever rotations, restarts and a lagging ledger do, every line comes once.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::bench::Bench;

#[derive(Clone, Copy, Debug)]
enum Action {
    Line,
    Torn,
    Rename,
    Copytruncate,
    Compress,
    Restart,
    Lag,
    Commit,
    Wait,
    Poll,
}

fn actions(copytruncate: bool) -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => Just(Action::Line),
        1 => Just(Action::Torn),
        2 => Just(Action::Rename),
        2 => Just(if copytruncate { Action::Copytruncate } else { Action::Rename }),
        1 => Just(Action::Compress),
        1 => Just(Action::Restart),
        1 => Just(Action::Lag),
        1 => Just(Action::Commit),
        2 => Just(Action::Wait),
        5 => Just(Action::Poll),
    ];
    proptest::collection::vec(action, 1..40)
}

/// Plays the actions, lets everything settle, and returns how often each whole line came.
fn play(pattern: &str, actions: &[Action]) -> BTreeMap<Vec<u8>, usize> {
    let mut bench = Bench::new(&[pattern]);
    let mut wrote = 0;
    let mut torn = false;
    let mut lines = BTreeMap::new();
    bench.play("server audit.log");
    for &action in actions {
        match action {
            Action::Line => {
                // The server glues its next line to a torn one.
                bench.play(&format!("serve line-{wrote};"));
                if !torn {
                    lines.insert(format!("line-{wrote}\n").into_bytes(), 0);
                }
                torn = false;
                wrote += 1;
            }
            Action::Torn => {
                bench.play(&format!("serve torn-{wrote}-"));
                torn = true;
            }
            Action::Rename => {
                shift(&bench);
                fs::rename(bench.path("audit.log"), bench.path("audit.log.1")).expect("renaming");
                bench.play("server audit.log");
                torn = false;
            }
            Action::Copytruncate => {
                shift(&bench);
                bench.play("copy audit.log audit.log.1");
                bench.play("cut audit.log 0");
                torn = false;
            }
            Action::Compress => {
                if bench.path("audit.log.2").exists() {
                    bench.play("gzip audit.log.2 audit.log.2.gz");
                    bench.play("remove audit.log.2");
                }
            }
            Action::Restart => drop(bench.play("restart")),
            Action::Lag => drop(bench.play("lag")),
            Action::Commit => drop(bench.play("commit")),
            Action::Wait => drop(bench.play("wait")),
            Action::Poll => drop(bench.poll()),
        }
    }
    bench.play("commit");
    for _ in 0..8 {
        bench.poll();
        bench.play("wait");
    }
    for leaf in bench.model.leaves() {
        if let Some(count) = lines.get_mut(&leaf) {
            *count += 1;
        }
    }
    lines
}

/// `audit.log.1` becomes `audit.log.2` and so on.
fn shift(bench: &Bench) {
    for number in (1..50).rev() {
        for ending in ["", ".gz"] {
            let (from, to) = (
                format!("audit.log.{number}{ending}"),
                format!("audit.log.{}{ending}", number + 1),
            );
            if bench.path(&from).exists() {
                fs::rename(bench.path(&from), bench.path(&to)).expect("renaming");
            }
        }
    }
}

/// Each look found the empty compressed files anew and waited for them: the file that the server writes to was
/// not read as long as something went on in its folder.
#[test]
fn empty_compressed_siblings_hold_nothing_up() {
    use Action::{Compress, Line, Poll, Rename, Wait};
    let actions =
        [Line, Poll, Rename, Rename, Rename, Compress, Poll, Rename, Compress, Line, Wait];
    for (line, count) in play("audit.log", &actions) {
        assert_eq!(count, 1, "{}", line.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_comes_once_under_a_glob(actions in actions(true)) {
        for (line, count) in play("audit.log*", &actions) {
            prop_assert_eq!(count, 1, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn every_line_comes_once_by_one_name(actions in actions(false)) {
        // What was rotated away before the first look is not asked for.
        let actions: Vec<Action> = [Action::Line, Action::Poll].into_iter().chain(actions).collect();
        for (line, count) in play("audit.log", &actions) {
            prop_assert_eq!(count, 1, "{}", line.escape_ascii());
        }
    }
}
