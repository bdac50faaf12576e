//! Rotation by rename, by copy and by deletion, with and without a glob over the siblings.

use super::bench::check;

#[test]
fn the_old_file_is_read_until_it_is_replaced_and_quiet() {
    check(
        "
audit.log
server audit.log
serve a;
poll
rename audit.log audit.log.1
serve b;
poll
wait
poll
append audit.log x;
serve c;torn
poll
serve d;tail
poll
wait
poll
serve lost;
append audit.log y;
poll
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
remove audit.log
serve b;
poll
wait
serve c;
poll
append audit.log x;
poll
wait
poll
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
rename audit.log audit.log.1
append audit.log x;
serve b;
poll
wait
poll
serve late;
poll
gzip audit.log.1 audit.log.1.gz
remove audit.log.1
wait
poll
wait
poll
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
append audit.log c;
copy audit.log audit.log.1
cut audit.log 0
poll
append audit.log x;
poll
wait
poll
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
append audit.log c;
copy audit.log audit.log.1
cut audit.log 0
append audit.log x;
poll
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
",
    );
    check(
        "
audit.log*
append audit.log c;
append audit.log.1 b;
append audit.log.2 a;
poll
",
    );
}

#[test]
fn what_was_rotated_away_while_nobody_looked_is_read() {
    check(
        "
audit.log
append audit.log.4 before;
append audit.log a;
poll
append audit.log b;
rename audit.log audit.log.3
append plain c;
gzip plain audit.log.2.gz
append audit.log.1 d;
append audit.log e;
restart
wait
poll
wait
poll
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
append audit.log b;
rename audit.log audit.log.2
append audit.log.1 c;
append audit.log d;
poll
wait
poll
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
append audit.log.1 a;b
poll
append audit.log.1 b;c;
poll
cut audit.log 0
append audit.log.1 d;
poll
wait
poll
",
    );
}
