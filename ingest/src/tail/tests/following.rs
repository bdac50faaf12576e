//! One file that grows, shrinks, vanishes and comes back.

use super::bench::{Bench, check};

#[test]
fn lines_are_given_when_they_are_whole() {
    check(
        "
audit.log
poll
append audit.log
poll
append audit.log a
poll
append audit.log ;b;c
poll
poll
append audit.log ;
poll
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
restart
append audit.log d;
poll
restart
poll
append audit.log e;
poll
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
copy audit.log audit.log.copy
poll
commit
poll
append audit.log c;
append audit.log.copy c;d;
poll
wait
poll
append audit.log d;e;
poll
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
cut audit.log 0
poll
append audit.log c;
poll
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
rewrite audit.log x;y;z;
poll
rewrite audit.log x;y;z;a;
poll
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
cut audit.log 2
poll
append audit.log b;
poll
append audit.log c;d;
poll
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
append two.log a;b;x;
poll
append three.log a;b;
poll
append three.log x;y
poll
append three.log ;
poll
wait
poll
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
append other.log b;
remove audit.log
link other.log audit.log
append real.log c;
poll
wait
poll
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
poll
rename audit.log elsewhere
poll
append audit.log a;
poll
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
poll
rename whole audit.log.2.gz
poll
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
