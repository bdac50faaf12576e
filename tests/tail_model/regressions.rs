//! Sequences that were once wrong, by what they are about.

use super::check;
use crate::util::{missing_tool, python};

#[track_caller]
fn holds(sequence: &str) {
    if missing_tool(&python(), "the ledgers are read by docs/read_ledger.py") {
        return;
    }
    let actions: Vec<_> = sequence.split_whitespace().map(|word| word.parse().unwrap()).collect();
    for glob in [false, true] {
        if let Err(reason) = check(glob, &actions) {
            panic!("glob {glob}: {reason}");
        }
    }
}

#[test]
fn what_is_written_to_a_renamed_file_late_is_read() {
    holds("rename line settle reopen line settle line");
}

#[test]
fn a_look_in_the_middle_of_a_rotation_forgets_no_file() {
    holds(
        "rename truncate swap kill rewrite line reopen start line compress copytruncate line delete start line copytruncate",
    );
    holds(
        "older-copy rotate delete swap rotate kill start kill compress swap reopen expire start line rotate line rewrite line part",
    );
}

#[test]
fn an_unknown_rotated_file_is_read_though_no_known_one_is_left() {
    holds("older-copy line expire line rotate line");
}

#[test]
fn a_kill_after_the_first_new_line_hides_no_loss() {
    holds(
        "line line rewrite rotate folder-away kill folder-back rotate part part rotate line line start copytruncate swap rename copytruncate line kill settle",
    );
}

/// For whoever looks into a failure: `KEYTRAIL_SEQUENCE="rename line settle" cargo test --test tests given_by_hand`.
#[test]
fn a_sequence_given_by_hand_holds() {
    if let Ok(sequence) = std::env::var("KEYTRAIL_SEQUENCE") {
        holds(&sequence);
    }
}
