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

/// For whoever looks into a failure: `KEYTRAIL_SEQUENCE="rename line settle" cargo test --test tests given_by_hand`.
#[test]
fn a_sequence_given_by_hand_holds() {
    if let Ok(sequence) = std::env::var("KEYTRAIL_SEQUENCE") {
        holds(&sequence);
    }
}
