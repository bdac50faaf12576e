//! Rotation by rename, by copy and by deletion, with and without a glob over the siblings.

use super::bench::{Bench, check};

#[test]
fn the_old_file_is_read_until_it_is_replaced_and_quiet() {
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
rename audit.log audit.log.1
serve b;
poll
    1 rotated audit.log -> ? at 2
    1 2 b;
    caught up
wait
poll
append audit.log x;
serve c;torn
poll
    1 4 c;
    2 opened audit.log new
    2 0 x;
    caught up
serve d;tail
poll
    1 6 tornd;
    caught up
wait
poll
    1 12 tail end
    1 finished
    continuity proven, audit.log: rotated
    caught up
serve lost;
append audit.log y;
poll
    3 opened audit.log parts from 0 at 12
    3 12 taillost;
    2 2 y;
    caught up
",
    );
}

#[test]
fn a_deleted_file_is_read_until_it_is_replaced_and_quiet() {
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
remove audit.log
serve b;
poll
    1 deleted audit.log at 2
    1 2 b;
    caught up
wait
serve c;
poll
    1 4 c;
    caught up
append audit.log x;
poll
    2 opened audit.log new
    2 0 x;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
",
    );
}

#[test]
fn with_a_glob_a_renamed_file_stays_the_same() {
    check(
        "
audit.log*
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
rename audit.log audit.log.1
append audit.log x;
serve b;
poll
    1 rotated audit.log -> audit.log.1 at 2
    1 2 b;
    2 opened audit.log new
    2 0 x;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log.1: rotated
serve late;
poll
    3 opened audit.log.1 known 0 to 4
    3 4 late;
    caught up
gzip audit.log.1 audit.log.1.gz
remove audit.log.1
wait
poll
    3 deleted audit.log.1 at 9
    4 opened audit.log.1.gz known 0 to 9
    4 finished
    caught up
wait
poll
    3 finished
",
    );
}

#[test]
fn copytruncate_loses_nothing_if_the_copy_is_followed() {
    check(
        "
audit.log*
append audit.log a;b;
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
append audit.log c;
copy audit.log audit.log.1
cut audit.log 0
poll
    continuity not proven, audit.log: cut after it had been copied to audit.log.1 (copytruncate)
    1 finished
    2 opened audit.log.1 known 0 to 4
    2 4 c;
    caught up
append audit.log x;
poll
    3 opened audit.log new
    3 0 x;
    caught up
wait
poll
    2 finished
",
    );
}

#[test]
fn the_copy_that_copytruncate_made_is_read_though_no_pattern_matches_it() {
    check(
        "
audit.log
append audit.log a;b;
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
append audit.log c;
copy audit.log audit.log.1
cut audit.log 0
append audit.log x;
poll
    2 opened audit.log.1 known 0 to 4
    continuity not proven, audit.log: cut after it had been copied to audit.log.1 (copytruncate)
    1 finished
    2 4 c;
    3 opened audit.log new
    3 0 x;
    caught up
",
    );
}

#[test]
fn at_the_first_start_only_what_the_pattern_matches_is_read_oldest_first() {
    check(
        "
audit.log
append audit.log.1 a;
append audit.log b;
poll
    1 opened audit.log new
    1 0 b;
    caught up
",
    );
    check(
        "
audit.log*
append audit.log c;
append audit.log.1 b;
append audit.log.2 a;
poll
    1 opened audit.log.2 new
    1 0 a;
    2 opened audit.log.1 new
    2 0 b;
    3 opened audit.log new
    3 0 c;
    caught up
",
    );
}

#[test]
fn what_was_rotated_away_while_nobody_looked_is_read() {
    check(
        "
audit.log
append audit.log.4 before;
age audit.log.4
append audit.log a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
append audit.log b;
rename audit.log audit.log.3
append plain c;
gzip plain audit.log.2.gz
append audit.log.1 d;
append audit.log e;
restart
wait
poll
    2 opened audit.log.3 known 0 to 2
    continuity proven, audit.log: after the start
    2 2 b;
    3 opened audit.log.2.gz new
    3 0 c;
    3 finished
    4 opened audit.log.1 new
    4 0 d;
    5 opened audit.log new
    5 0 e;
    caught up
wait
poll
    2 finished
    4 finished
",
    );
}

#[test]
fn two_rotations_between_two_looks_lose_nothing() {
    check(
        "
audit.log
append audit.log a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
append audit.log b;
rename audit.log audit.log.2
append audit.log.1 c;
append audit.log d;
poll
    1 rotated audit.log -> ? at 2
    1 2 b;
    2 opened audit.log.1 new
    2 0 c;
    3 opened audit.log new
    3 0 d;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
    2 finished
",
    );
}

#[test]
fn a_copy_in_the_making_gives_nothing() {
    check(
        "
audit.log*
append audit.log a;bb;c;
poll
    1 opened audit.log new
    1 0 a;bb;c;
    caught up
append audit.log.1 a;b
poll
    2 opened audit.log.1 known 0 to 2
    caught up
append audit.log.1 b;c;
poll
cut audit.log 0
append audit.log.1 d;
poll
    continuity not proven, audit.log: cut after it had been copied to audit.log.1 (copytruncate)
    1 finished
    2 finished
    3 opened audit.log.1 known 0 to 7
    3 7 d;
    caught up
wait
poll
    3 finished
",
    );
}

#[test]
fn copytruncate_without_the_copy_is_a_gap() {
    check(
        "
audit.log
append audit.log a;b;
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
append audit.log c;
rewrite audit.log x;
poll
    truncated audit.log after 4, size 2, lost at least 0
    1 finished
    2 opened audit.log new
    2 0 x;
    caught up
append audit.log.1 other;
cut audit.log 0
poll
    3 opened audit.log.1 new
    3 0 other;
    truncated audit.log after 2, size 0, lost at least 0
    2 finished
    caught up
append audit.log part
poll
cut audit.log 0
poll
    truncated audit.log after 0, size 0, lost at least 4
",
    );
}

#[test]
fn a_copy_without_what_was_read_last_is_none() {
    check(
        "
audit.log
append audit.log a;b;
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
append audit.log c;torn
copy audit.log audit.log.1
append audit.log tail;
poll
    2 opened audit.log.1 known 0 to 4
    1 4 c;torntail;
cut audit.log 0
append audit.log.1 !
poll
    truncated audit.log after 15, size 0, lost at least 0
    1 finished
    caught up
",
    );
}

#[test]
fn a_renamed_file_is_watched_for_a_day_and_a_deleted_one_for_a_minute() {
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
rename audit.log audit.log.1
append audit.log b;
poll
    1 rotated audit.log -> ? at 2
    2 opened audit.log new
    2 0 b;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
wait
serve late;
poll
    3 opened audit.log known 0 to 2
    3 2 late;
    caught up
wait
wait
wait
poll
    3 finished
serve later;
poll
    4 opened audit.log known 0 to 7
    4 7 later;
    caught up
",
    );
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
remove audit.log
append audit.log b;
poll
    1 deleted audit.log at 2
    2 opened audit.log new
    2 0 b;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
serve late;
poll
    3 opened audit.log known 0 to 2
    3 2 late;
    caught up
wait
poll
",
    );
}

#[test]
fn a_file_that_grew_after_it_had_been_rotated_twice_is_found_after_a_stop() {
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
rename audit.log audit.log.1
append audit.log b;
poll
    1 rotated audit.log -> ? at 2
    2 opened audit.log new
    2 0 b;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
rename audit.log.1 audit.log.2
rename audit.log audit.log.1
append audit.log c;
serve late;
restart
poll
    3 opened audit.log.2 known 0 to 2
    continuity proven, audit.log: after the start
    3 2 late;
    4 opened audit.log new
    4 0 c;
    caught up
",
    );
}

#[test]
fn a_known_file_that_went_away_during_a_stop_leaves_the_joint_open() {
    check(
        "
audit.log
append audit.log a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
restart
remove audit.log
append audit.log.2 b;
append audit.log.1 c;
append audit.log d;
poll
    continuity not proven, audit.log: after the start
    2 opened audit.log.2 new
    2 0 b;
    3 opened audit.log.1 new
    3 0 c;
    4 opened audit.log new
    4 0 d;
    caught up
",
    );
    check(
        "
audit.log
append audit.log a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
rename audit.log audit.log.3
append audit.log.1 c;
append audit.log d;
restart
poll
    continuity not proven, audit.log: after the start
    2 opened audit.log.1 new
    2 0 c;
    3 opened audit.log new
    3 0 d;
    caught up
wait
poll
    2 finished
",
    );
}

#[test]
fn an_older_copy_put_in_place_gives_nothing_twice() {
    check(
        "
audit.log
append audit.log a;b;c;
poll
    1 opened audit.log new
    1 0 a;b;c;
    caught up
append older a;b;
rename older audit.log
poll
    1 deleted audit.log at 6
    2 opened audit.log known 0 to 4
    caught up
append audit.log x;
poll
    2 finished
    3 opened audit.log parts from 0 at 4
    3 4 x;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
",
    );
}

#[test]
fn a_partial_line_waits_for_hours() {
    check(
        "
audit.log
append audit.log a;half
poll
    1 opened audit.log new
    1 0 a;
    caught up
wait
wait
wait
poll
restart
poll
    2 opened audit.log known 0 to 2
    continuity proven, audit.log: after the start
    caught up
wait
poll
append audit.log whole;
poll
    2 2 halfwhole;
    caught up
",
    );
}

#[test]
fn a_file_that_had_been_still_for_a_day_is_watched_after_its_rotation_too() {
    check(
        "
audit.log
server audit.log
serve a;
age audit.log
poll
    1 opened audit.log new
    1 0 a;
    caught up
wait
poll
rename audit.log audit.log.1
append audit.log x;
poll
    1 rotated audit.log -> ? at 2
    2 opened audit.log new
    2 0 x;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
wait
poll
serve late;
poll
    3 opened audit.log known 0 to 2
    3 2 late;
    caught up
",
    );
}

#[test]
fn a_hundred_rotations_while_nobody_looks_lose_nothing() {
    let mut bench = Bench::new(&["audit.log"]);
    bench.play("append audit.log line-100;");
    bench.poll();
    bench.play("rename audit.log audit.log.100");
    for number in (0..100).rev() {
        let name = if number == 0 { "audit.log".to_owned() } else { format!("audit.log.{number}") };
        bench.play(&format!("append {name} line-{number};"));
    }
    bench.play("restart");
    bench.play("wait");
    bench.poll();
    let wanted: Vec<Vec<u8>> =
        (0..=100).rev().map(|number| format!("line-{number}\n").into_bytes()).collect();
    assert_eq!(bench.model.leaves(), wanted, "the oldest first");
}

#[test]
fn a_rotated_file_that_cannot_be_read_is_not_finished() {
    check(
        "
audit.log
server audit.log
serve a;
poll
    1 opened audit.log new
    1 0 a;
    caught up
serve b;
fail audit.log 2
rename audit.log audit.log.1
append audit.log x;
poll
    1 rotated audit.log -> ? at 2
    2 opened audit.log new
    2 0 x;
    unreadable audit.log: Input/output error (os error 5)
wait
poll
mend audit.log.1
poll
    1 2 b;
    1 finished
    continuity proven, audit.log: rotated
    readable audit.log
    caught up
wait
poll
",
    );
}
