//! One file that grows, shrinks, vanishes and comes back.

use super::bench::{Bench, check};

#[test]
fn lines_are_given_when_they_are_whole() {
    check(
        "
audit.log
poll
    missing audit.log
    caught up
append audit.log
poll
    appeared audit.log
append audit.log a
poll
append audit.log ;b;c
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
poll
append audit.log ;
poll
    1 4 c;
    caught up
",
    );
}

#[test]
fn a_restart_goes_on_where_the_ledger_ends() {
    check(
        "
audit.log
append audit.log a;b;c
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
restart
append audit.log d;
poll
    2 opened audit.log known 0 to 4
    continuity proven, audit.log: after the start
    2 4 cd;
    caught up
restart
poll
    3 opened audit.log known 0 to 7
    continuity proven, audit.log: after the start
    caught up
append audit.log e;
poll
    3 7 e;
    caught up
",
    );
}

#[test]
fn what_the_ledger_has_not_is_read_again_but_never_beside_itself() {
    check(
        "
audit.log*
append audit.log a;b;
lag
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
copy audit.log audit.log.copy
poll
commit
poll
    2 opened audit.log.copy known 0 to 4
append audit.log c;
append audit.log.copy c;d;
poll
    1 4 c;
wait
poll
    2 finished
    3 opened audit.log.copy known 0 to 6
    3 6 d;
    caught up
append audit.log d;e;
poll
    1 finished
    4 opened audit.log known 0 to 8
    4 8 e;
    caught up
wait
poll
",
    );
}

#[test]
fn a_truncated_file_is_another_content() {
    check(
        "
audit.log
append audit.log a;b;part
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
cut audit.log 0
poll
    1 4 part end
    truncated audit.log after 8, size 0, lost at least 0
    1 finished
    caught up
append audit.log c;
poll
    2 opened audit.log new
    2 0 c;
    caught up
",
    );
}

#[test]
fn a_file_written_anew_is_seen_even_if_it_is_longer_than_before() {
    check(
        "
audit.log
append audit.log a;b;
poll
    1 opened audit.log new
    1 0 a;b;
    caught up
rewrite audit.log x;y;z;
poll
    truncated audit.log after 4, size 6, lost at least 0
    1 finished
    2 opened audit.log new
    2 0 x;y;z;
    caught up
rewrite audit.log x;y;z;a;
poll
    2 6 a;
    caught up
",
    );
}

#[test]
fn a_file_cut_and_written_as_it_was_gives_nothing_twice() {
    check(
        "
audit.log
append audit.log a;b;c;
poll
    1 opened audit.log new
    1 0 a;b;c;
    caught up
cut audit.log 2
poll
    truncated audit.log after 6, size 2, lost at least 0
    1 finished
    2 opened audit.log known 0 to 2
    caught up
append audit.log b;
poll
append audit.log c;d;
poll
    2 finished
    3 opened audit.log known 0 to 6
    3 6 d;
    caught up
",
    );
}

#[test]
fn contents_that_start_alike_part() {
    check(
        "
*.log
append one.log a;b;c;
poll
    1 opened one.log new
    1 0 a;b;c;
    caught up
append two.log a;b;x;
poll
    2 opened two.log parts from 0 at 4
    2 4 x;
    caught up
append three.log a;b;
poll
    3 opened three.log known 0 to 4
    caught up
append three.log x;y
poll
append three.log ;
poll
wait
poll
    3 finished
    4 opened three.log known 1 to 6
    4 6 y;
    caught up
",
    );
}

#[test]
fn a_file_is_what_its_link_leads_to() {
    check(
        "
audit.log
append real.log a;
link real.log audit.log
poll
    1 opened audit.log new
    1 0 a;
    caught up
append other.log b;
remove audit.log
link other.log audit.log
append real.log c;
poll
    1 rotated audit.log -> ? at 2
    1 2 c;
    2 opened audit.log new
    2 0 b;
    caught up
wait
poll
    1 finished
    continuity proven, audit.log: rotated
",
    );
}

#[test]
fn what_is_no_file_is_told_once() {
    check(
        "
audit.log
folder audit.log
poll
    unreadable audit.log: this is a folder, not a file
    caught up
poll
rename audit.log elsewhere
poll
    missing audit.log
append audit.log a;
poll
    appeared audit.log
    1 opened audit.log new
    1 0 a;
    caught up
",
    );
}

#[test]
fn a_pipe_in_a_file_s_place_stops_nothing() {
    check(
        "
audit.log
pipe audit.log
poll
    unreadable audit.log: this is not a regular file
    caught up
rename audit.log pipe
append audit.log a;
poll
    1 opened audit.log new
    1 0 a;
    readable audit.log
    caught up
",
    );
}

#[test]
fn a_damaged_compressed_file_is_told_and_read_again_when_it_changes() {
    check(
        "
audit.log*
append plain a;b;c;
gzip plain audit.log.2.gz
copy audit.log.2.gz whole
cut audit.log.2.gz 15
poll
wait
poll
    1 opened audit.log.2.gz new
    1 0 a;b;
    damaged audit.log.2.gz at 4
    1 finished
    caught up
poll
rename whole audit.log.2.gz
poll
    2 opened audit.log.2.gz known 0 to 4
    2 4 c;
    2 finished
    caught up
wait
poll
",
    );
}

#[test]
fn bytes_pass_as_they_are() {
    let mut bench = Bench::new(&["audit.log"]);
    let content = b"\0\xff\xfe{\"a\":\r\n\n\x1b[31m\n";
    std::fs::write(bench.path("audit.log"), content).expect("writing");
    bench.poll();
    assert_eq!(bench.model.contents(), [content.to_vec()]);
}

#[test]
fn a_line_of_100_mib_is_cut_at_64() {
    let mut bench = Bench::new(&["audit.log"]);
    let mut content = vec![b'a'; 100 << 20];
    content.extend_from_slice(b"\nb\n");
    std::fs::write(bench.path("audit.log"), &content).expect("writing");
    let said = bench.poll();
    let shape: Vec<(usize, bool)> =
        said.iter().map(|said| (said.len(), said.ends_with('+'))).collect();
    assert!(
        matches!(shape[1..3], [(first, true), (second, false)] if first > 64 << 20 && second > 36 << 20),
        "{shape:?}"
    );
    assert!(bench.model.contents() == [content]);
    assert_eq!(
        bench.model.leaves().iter().map(Vec::len).collect::<Vec<_>>(),
        [64 << 20, (36 << 20) + 1, 2]
    );
}
