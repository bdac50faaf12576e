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

#[test]
fn an_unknown_rotated_file_beside_a_known_younger_one_is_read() {
    holds(
        "stop part settle rewrite allow rewrite part compress stamp kill swap start rewrite rotate line line line line reopen truncate switch stamp stamp line rename",
    );
}

#[test]
fn times_do_not_tell_what_is_new_while_files_are_followed() {
    holds(
        "delete line copytruncate line settle compress delete rewrite start line reopen line rotate line delete rename line line rename room stamp truncate",
    );
}

#[test]
fn nothing_that_was_read_last_is_left_and_times_are_wrong() {
    holds(
        "compress clock switch-back line line line line swap rename rotate folder-back older-copy stop switch-back kill truncate settle forbid part switch line reopen compress part copytruncate line",
    );
    holds(
        "kill rewrite line line line rename start line stamp copytruncate settle kill kill reopen folder-back line switch switch-back line copytruncate swap truncate switch-back start line",
    );
}

#[test]
fn a_full_disk_that_ends_the_indexs_threads_is_waited_for() {
    holds("reopen fill line rewrite switch start start line stamp");
}

#[test]
fn a_file_written_anew_before_its_first_line_was_given_ends_no_thread() {
    holds("start settle line line kill start rewrite room fill allow switch delete forbid");
}

#[test]
fn what_cannot_be_read_for_a_while_is_read_later() {
    holds("forbid line kill start line rotate line allow settle line");
    holds("line forbid copytruncate line rotate settle allow settle switch line switch-back line");
}

/// For whoever looks into a failure: `KEYTRAIL_SEQUENCE="rename line settle" cargo test --test tests given_by_hand`.
#[test]
fn a_sequence_given_by_hand_holds() {
    if let Ok(sequence) = std::env::var("KEYTRAIL_SEQUENCE") {
        holds(&sequence);
    }
}
