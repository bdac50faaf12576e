//! Reports over scenarios of a real server (fixtures/controls), held against what was done to it, counted by hand.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ingest::pipeline::import;
use ingest::source::SourceId;
use ingest::tail::Input;
use jiff::Timestamp;

use super::catalogue::Catalogue;
use super::document::Document;
use super::*;
use crate::filter::Filter;
use crate::period::Period;
use crate::question::Question;
use crate::registers::Registers;
use crate::search::search;
use crate::table::{Cell, Table};
use crate::trail::Trail;

/// A scenario: its log in a data folder, and its registers.
struct Scene {
    _folder: tempfile::TempDir,
    trail: Trail,
    registers: Registers,
}

impl Scene {
    fn of(names: &[&str]) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/controls");
        let mut log = Vec::new();
        for name in names {
            let packed = std::fs::read(fixtures.join(name).join("audit.jsonl.gz"));
            let packed = packed.expect("a fixture");
            let mut unpacked = MultiGzDecoder::new(&*packed).take(1 << 24);
            unpacked.read_to_end(&mut log).expect("gzip");
        }
        Scene::of_log(folder, &log, &fixtures.join(names[0]).join("context"))
    }

    fn of_log(folder: tempfile::TempDir, log: &[u8], context: &Path) -> Scene {
        let file = folder.path().join("audit.log");
        std::fs::write(&file, log).expect("written");
        let data = folder.path().join("data");
        let source = SourceId::new("c", "n", "file").expect("a source");
        import(&data, &source, &[Input::File(file)], false, &|_| {}).expect("imported");
        let registers = Registers::read(context, now()).expect("registers");
        Scene { trail: Trail::open(&data).expect("a trail"), _folder: folder, registers }
    }

    fn asked(&self, name: &str, period: Period, scope: &str) -> Result<Document, ReportError> {
        let asking = Asking {
            catalogue: &Catalogue::built_in(),
            registers: &self.registers,
            filter: &Filter::parse(scope, now()).expect("a filter"),
            period: &period,
            at: None,
            by: "os:alice",
            now: now(),
        };
        make(&self.trail, name, &asking)
    }

    /// Makes a report of the whole log, and holds what must be true of every report.
    fn report(&self, name: &str) -> Document {
        let report = self.asked(name, everything(), "").expect("a report");
        self.check(&report);
        report
    }

    /// Every equation holds, every row has its cells, and every filter can be read.
    fn check(&self, report: &Document) {
        for equation in &report.heading.tie_out {
            assert!(equation.holds(), "{}", equation.sentence());
        }
        for section in &report.sections {
            let of = format!("{} {}", report.heading.report, section.id);
            for row in &section.table.rows {
                assert_eq!(row.len(), section.table.columns.len(), "{of}");
            }
            for filter in texts(&section.table, "filter").into_iter().flatten() {
                assert!(Filter::parse(&filter, now()).is_ok(), "{of}: {filter}");
            }
        }
    }

    /// How many events a filter opens.
    fn opens(&self, filter: &str) -> u64 {
        let filter = Filter::parse(filter, now()).expect("a filter");
        let question = Question { filter, ..Question::everything() };
        search(&self.trail, &question, 1, None).expect("an answer").matched
    }

    /// Each row of a section has as many events as its filter opens.
    fn opens_each(&self, report: &Document, section: &str, count: &str) {
        let table = table(report, section);
        let filters = texts(table, "filter");
        assert!(!filters.is_empty(), "{section}: the test needs rows");
        for (filter, count) in filters.iter().zip(numbers(table, count)) {
            let filter = filter.as_ref().expect("a filter");
            assert_eq!(self.opens(filter), count.expect("a number"), "{section}: {filter}");
        }
    }
}

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().expect("a time")
}

fn everything() -> Period {
    Period::new(None, None, None, None, now()).expect("a period")
}

fn between(from: &str, to: &str) -> Period {
    Period::new(None, Some(from), Some(to), None, now()).expect("a period")
}

fn table<'a>(report: &'a Document, section: &str) -> &'a Table {
    &report.section(Some(section)).unwrap_or_else(|| panic!("no section {section}")).table
}

fn words(report: &Document, section: &str) -> String {
    report.section(Some(section)).unwrap_or_else(|| panic!("no section {section}")).words.join("\n")
}

fn column<'a>(table: &'a Table, name: &str) -> Vec<&'a Cell> {
    let at = table.columns.iter().position(|column| column.name == name);
    let at = at.unwrap_or_else(|| panic!("no column {name}"));
    table.rows.iter().map(|row| &row[at]).collect()
}

fn texts(table: &Table, name: &str) -> Vec<Option<String>> {
    if !table.columns.iter().any(|column| column.name == name) {
        return Vec::new();
    }
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        Cell::List(texts) => Some(texts.join("+")),
        Cell::Absent => None,
        other => panic!("{name} has {other:?}"),
    };
    column(table, name).into_iter().map(text).collect()
}

fn numbers(table: &Table, name: &str) -> Vec<Option<u64>> {
    let number = |cell: &Cell| match cell {
        Cell::Number(number) => u64::try_from(*number).ok(),
        Cell::Absent => None,
        other => panic!("{name} has {other:?}"),
    };
    column(table, name).into_iter().map(number).collect()
}

fn by(table: &Table, key: &str, number: &str) -> BTreeMap<String, Option<u64>> {
    let keys = texts(table, key).into_iter().map(|key| key.unwrap_or_default());
    keys.zip(numbers(table, number)).collect()
}

#[test]
fn every_name_is_in_the_catalogue_and_the_other_way_round() {
    let catalogue = Catalogue::built_in();
    let listed: Vec<&str> = catalogue.reports.iter().map(|report| report.id.as_str()).collect();
    assert_eq!(listed, NAMES);
    for report in &catalogue.reports {
        assert!(Filter::parse(&report.query, now()).is_ok(), "{}", report.id);
        for control in &report.controls {
            let known = catalogue.controls.iter().any(|known| known.id == *control);
            assert!(known, "{} names {control}", report.id);
        }
    }
}

/// Nothing in the log: no report says that all is well.
#[test]
fn an_empty_log_has_no_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::of_log(folder, b"", Path::new("/nowhere/at/all"));
    for name in NAMES {
        let report = scene.asked(name, everything(), "").expect("a report");
        scene.check(&report);
        assert_eq!(report.heading.completeness.grade, "incomplete", "{name}");
        for verdict in report
            .section(Some("controls"))
            .iter()
            .flat_map(|section| texts(&section.table, "verdict"))
        {
            assert_eq!(verdict.as_deref(), Some("no data"), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let scene = Scene::of(&["ent-07"]);
    let error =
        |name, scope| scene.asked(name, everything(), scope).expect_err("refused").to_string();
    assert!(
        error("nonsense", "").starts_with("there is no report \"nonsense\": there are access, ")
    );
    for name in ["detections", "log-assurance", "auditor-access"] {
        assert!(error(name, "op:read").contains("takes no scope"), "{name}");
    }
    let bounds =
        std::sync::Arc::new(crate::bounds::Bounds::new(Filter::everything(), Some(0), None));
    let trail = scene.trail.bound_to(Some(bounds));
    let bound = Scene { trail, ..scene };
    for name in NAMES.into_iter().filter(|name| *name != "access") {
        let error = bound.asked(name, everything(), "").expect_err("refused").to_string();
        assert!(error.contains("this reader is bound to from 1970"), "{name}: {error}");
    }
    let access = bound.asked("access", everything(), "").expect("the access report can be bound");
    assert!(access.heading.notes[0].starts_with("only from 1970"), "{:?}", access.heading.notes);
}

/// root-01: nine requests with four root tokens. 127.0.3.3 is wholly within its window, 127.0.3.2 goes on after its end, 127.0.3.1
/// has none, and that of 127.0.3.4 was approved by who asked for it.
#[test]
fn root_tokens_within_and_outside_of_windows() {
    let scene = Scene::of(&["root-01"]);
    let report = scene.report("privileged");
    let tokens = table(&report, "root-tokens");
    let within = by(tokens, "addresses", "in_break_glass_window");
    let outside = by(tokens, "addresses", "outside_any_window");
    let expected =
        [("127.0.3.1", 0, 3), ("127.0.3.2", 1, 2), ("127.0.3.3", 2, 0), ("127.0.3.4", 0, 1)];
    for (address, in_window, out) in expected {
        assert_eq!((within[address], outside[address]), (Some(in_window), Some(out)), "{address}");
    }
    assert_eq!(within.len(), 4);
    scene.opens_each(&report, "root-tokens", "requests");
    scene.opens_each(&report, "use", "requests");
    scene.opens_each(&report, "exceptions", "events");
    // The administrator who is no root and read a secret is not among them: that is no privileged action.
    assert_eq!(report.heading.counted, 9);
    assert_eq!(by(table(&report, "controls"), "control", "exceptions")["KT-ROOT-01"], Some(3));
}

#[test]
fn without_a_register_of_windows_nothing_is_within_one() {
    let scene = Scene::of(&["root-01"]);
    let scene = Scene { registers: Registers::absent(), ..scene };
    let report = scene.report("privileged");
    let tokens = table(&report, "root-tokens");
    assert!(numbers(tokens, "in_break_glass_window").iter().all(Option::is_none));
    assert!(
        words(&report, "root-tokens")
            .contains("no data on break-glass windows: there is no register break_glass")
    );
}

/// ent-01: seven requests to change a policy; one refused, two without a ticket, one of a ticket that was over.
#[test]
fn changes_have_the_tickets_that_cover_them() {
    let scene = Scene::of(&["ent-01"]);
    let report = scene.report("changes");
    let changes = table(&report, "changes");
    let rows: Vec<String> = texts(changes, "actor")
        .into_iter()
        .zip(texts(changes, "path"))
        .zip(texts(changes, "outcome"))
        .zip(texts(changes, "tickets"))
        .map(|(((actor, path), outcome), tickets)| {
            let path = path.expect("a path");
            let policy = path.rsplit('/').next().expect("a name").to_owned();
            [actor, Some(policy), outcome, tickets].map(Option::unwrap_or_default).join(" ")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "terraform ent01-planned success CHG-10",
            "alice ent01-by-hand success CHG-11",
            "terraform ent01-flip success CHG-12",
            "terraform ent01-flip success CHG-12",
            "bob ent01-planned refused ",
            "terraform ent01-unasked success ",
            "terraform ent01-late success ",
        ]
    );
    let tickets = by(table(&report, "tickets"), "ticket", "changes");
    assert_eq!(tickets["CHG-12"], Some(2));
    assert_eq!(tickets["CHG-13"], Some(0), "a ticket that nothing was done under");
    scene.opens_each(&report, "kinds", "requests");
    for filter in texts(changes, "filter") {
        assert_eq!(scene.opens(&filter.expect("a filter")), 1);
    }
}

/// ent-07: `gone` left 25 hours before and is let in three times, once refused; `going` left 23 hours before.
#[test]
fn a_leaver_who_is_still_there() {
    let scene = Scene::of(&["ent-07"]);
    let report = scene.report("joiners-leavers");
    let leavers = table(&report, "leavers");
    assert_eq!(by(leavers, "leaver", "hours_after_leaving")["gone"], Some(25));
    assert_eq!(by(leavers, "leaver", "access_after_leaving")["gone"], Some(3));
    assert_eq!(by(leavers, "leaver", "requests_after_leaving")["gone"], Some(4));
    assert_eq!(by(leavers, "leaver", "hours_after_leaving")["going"], Some(23));
    scene.opens_each(&report, "leavers", "requests_after_leaving");
    scene.opens_each(&report, "joiners", "requests");
    let empty = Scene { registers: Registers::absent(), ..scene };
    let report = empty.report("joiners-leavers");
    assert!(table(&report, "leavers").rows.is_empty());
    assert!(words(&report, "leavers").starts_with("no data: there is no register leavers"));
}

/// lease-01: 63 leases of one role, of which ten were renewed once; all requests with tokens of an hour.
#[test]
fn leases_and_tokens_by_what_became_of_them() {
    let scene = Scene::of(&["lease-01"]);
    let report = scene.report("credentials");
    let leases = table(&report, "leases");
    assert_eq!(by(leases, "path", "issued")["database/creds/orders"], Some(63));
    assert_eq!(by(leases, "path", "renewed")["database/creds/orders"], Some(10));
    let ended = ["revoked", "ended_otherwise", "in_force", "end_unknown"];
    let ended = ended.map(|name| by(leases, "path", name)["database/creds/orders"].unwrap_or(0));
    assert_eq!(ended.iter().sum::<u64>(), 63);
    scene.opens_each(&report, "leases", "issued");
    scene.opens_each(&report, "tokens", "requests");
    assert_eq!(numbers(table(&report, "tokens"), "tokens"), [Some(5)]);
}

/// tok-01 has tokens of many lifetimes, with and without one: each request is in one row.
#[test]
fn each_request_is_in_one_row_of_tokens() {
    let scene = Scene::of(&["tok-01"]);
    let report = scene.report("credentials");
    let tokens = table(&report, "tokens");
    assert!(tokens.rows.len() > 3, "the test needs several lifetimes: {:?}", tokens.rows);
    let requests: u64 = numbers(tokens, "requests").into_iter().flatten().sum();
    assert_eq!(requests, report.heading.counted);
    scene.opens_each(&report, "tokens", "requests");
}

#[test]
fn detections_name_every_control_and_its_exceptions() {
    let scene = Scene::of(&["auth-01"]);
    let report = scene.report("detections");
    let controls = table(&report, "controls");
    assert_eq!(controls.rows.len(), Catalogue::built_in().controls.len());
    let found: u64 = numbers(controls, "exceptions").into_iter().flatten().sum();
    assert_eq!(found, table(&report, "exceptions").rows.len() as u64);
    assert!(by(controls, "control", "exceptions")["KT-AUTH-01"] > Some(0));
    assert!(
        texts(table(&report, "exceptions"), "state")
            .iter()
            .all(|state| state.as_deref() == Some("open"))
    );
}

#[test]
fn the_log_is_told_as_it_came() {
    let scene = Scene::of(&["auth-01"]);
    let report = scene.report("log-assurance");
    let sources = table(&report, "sources");
    assert_eq!(numbers(sources, "lines_imported"), numbers(sources, "lines"));
    assert_eq!(numbers(sources, "lines_followed"), [Some(0)], "import is never called live");
    assert_eq!(texts(table(&report, "history"), "line"), [Some("imported".to_owned())]);
    let equations = texts(table(&report, "tie-out"), "holds");
    assert!(equations.len() > 8 && equations.iter().all(|holds| holds.as_deref() == Some("yes")));
    assert!(words(&report, "sources").contains("not declared"));
}

/// A period is [from, to): the same events fall into neighbouring periods once, and first-seen identities too.
#[test]
fn neighbouring_periods_share_nothing() {
    let scene = Scene::of(&["ent-07"]);
    let cut = "2026-11-29T05:23:04.704374077Z";
    let parts = [between("2026-11-29", cut), between(cut, "2026-11-30")];
    let parts = parts.map(|part| scene.asked("joiners-leavers", part, "").expect("a report"));
    parts.iter().for_each(|part| scene.check(part));
    let whole = scene.report("joiners-leavers");
    let counted: u64 = parts.iter().map(|part| part.heading.counted).sum();
    assert_eq!(counted, whole.heading.counted);
    let joiners = |of: &Document| texts(table(of, "joiners"), "identity").len();
    assert_eq!(parts.iter().map(joiners).sum::<usize>(), joiners(&whole));
    // Of the second part the first is the time before, and it is not as long: nothing is known of movers.
    assert!(
        words(&parts[1], "movers")
            .starts_with("no data: the log does not have the whole period before")
    );
    assert!(words(&parts[1], "joiners").contains("first request in the whole log"));
    assert!(!words(&parts[1], "joiners").contains("no data"));
}

/// ent-04: four identities with two policies each; `ent04-half` never used `ent04-own`, and of `ent04-refused` its second policy
/// granted nothing. Counted by hand from the lines of requests.
#[test]
fn a_policy_that_granted_nothing_is_seen_and_nothing_is_decided() {
    let scene = Scene::of(&["ent-04"]);
    let report = scene.report("access-review");
    let rows = table(&report, "entitlements");
    let text = |row: &[Cell], at: usize| match &row[at] {
        Cell::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let number = |row: &[Cell], at: usize| match row[at] {
        Cell::Number(number) => number,
        ref other => panic!("{other:?}"),
    };
    let mut found: Vec<(String, String, i64, i64)> = rows
        .rows
        .iter()
        .map(|row| (text(row, 0), text(row, 3), number(row, 5), number(row, 6)))
        .filter(|(name, ..)| name.starts_with("ent04-"))
        .collect();
    found.sort();
    let expected = [
        ("ent04-doubled", "ent04-open", 2, 2),
        ("ent04-doubled", "ent04-open-too", 2, 2),
        ("ent04-half", "ent04-open", 2, 2),
        ("ent04-half", "ent04-own", 2, 0),
        ("ent04-refused", "ent04-never", 3, 0),
        ("ent04-refused", "ent04-open", 3, 2),
        ("ent04-whole", "ent04-open", 3, 2),
        ("ent04-whole", "ent04-own", 3, 1),
    ];
    let expected = expected
        .map(|(name, policy, held, granted)| (name.to_owned(), policy.to_owned(), held, granted));
    assert_eq!(found, expected);
    scene.opens_each(&report, "entitlements", "held_in");
    assert!(rows.rows.iter().all(|row| row[10] == Cell::Absent));
    assert!(words(&report, "reviews").contains("no data: no review of access was opened"));
    assert!(table(&report, "decisions").rows.is_empty());
}
