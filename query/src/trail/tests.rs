//! A trail whose older part retention removed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use ingest::indexer::Indexer;
use ingest::ledger::{Ledger, LedgerReader, NewBatch, Stream, VerifyOptions, verify};
use ingest::normalise::Rules;
use ingest::pipeline::{self, index_dir};
use ingest::retention::{apply, release_holds, remove, set_hold, told, tombstone};
use ingest::source::{Lines, Reader, SourceId};
use ingest::tail::Input;

use super::Trail;
use crate::controls::{Asking, Given, evaluate};
use crate::filter::Filter;
use crate::full;
use crate::period::Period;
use crate::question::Question;
use crate::registers::Registers;
use crate::report;
use crate::report::access::{AccessReport, By, access};
use crate::report::catalogue::Catalogue;

const DAY_NS: i64 = 86_400_000_000_000;
const SOURCE: &str = "c/n/file";

struct Kept {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Kept {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A real log in small segments, a batch a day, the last one now.
    fn new() -> Kept {
        Kept::of(&[(SOURCE, "openbao-2.7.2/ha/node-1.audit.jsonl.gz")])
    }

    /// Real logs of several sources, batch by batch in turn; each source is three batches later than the one
    /// before.
    fn of(recorded: &[(&str, &str)]) -> Kept {
        let kept = tempfile::tempdir().expect("a folder");
        let file = kept.path().join("audit.log");
        let mut logs = Vec::new();
        for (_, recorded) in recorded {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
            let bytes = std::fs::read(fixtures.join(recorded)).expect("a fixture");
            let mut log = Vec::new();
            match recorded.ends_with(".gz") {
                true => drop(MultiGzDecoder::new(&bytes[..]).read_to_end(&mut log).expect("gzip")),
                false => log = bytes,
            }
            logs.push(log);
        }
        std::fs::write(&file, &logs[0]).expect("written");
        let kept = Kept { folder: kept, file };
        let mut ledger = Ledger::open_with(&kept.data(), "c", 2_000).expect("a ledger");
        let mut batches = Vec::new();
        for (which, log) in logs.iter().enumerate() {
            let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
            // Odd, so that requests and their responses come into different batches.
            let of_log = lines.chunks(7).enumerate();
            batches.extend(of_log.map(|(day, lines)| (day + 3 * which, which, lines.concat())));
        }
        batches.sort_by_key(|(day, which, _)| (*day, *which));
        let last = batches.last().expect("a batch").0 as i64;
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("a time");
        let mut places = vec![(None, 0); logs.len()];
        for (day, which, batch) in &batches {
            let mut lines = Lines::default();
            batch.split_inclusive(|&byte| byte == b'\n').for_each(|line| lines.push(line));
            let (generation, offset) = &mut places[*which];
            let appended = ledger.append(&NewBatch {
                stream: Stream::Lines,
                source: recorded[*which].0,
                generation: *generation,
                parent: None,
                offset: *offset,
                reader: Reader::Live,
                arrived_unix_ns: now - (last - *day as i64) * DAY_NS,
                continued: false,
                unterminated: false,
                lines: &lines,
            });
            *generation = Some(appended.expect("appended").generation);
            *offset += batch.len() as u64;
        }
        ledger.checkpoint().expect("signed");
        drop(ledger);
        kept.index();
        kept
    }

    fn ledger(&self) -> Ledger {
        Ledger::open_with(&self.data(), "c", 2_000).expect("a ledger")
    }

    fn index(&self) {
        let reader = LedgerReader::open(&self.data()).expect("a ledger");
        let mut indexer =
            Indexer::open(&index_dir(&self.data()), reader, Rules::builtin()).expect("an index");
        indexer.catch_up(&mut |_| true).expect("indexed");
        indexer.commit().expect("committed");
        indexer.finish().expect("merged");
    }

    /// Every event as JSON, as `search --all --format json` gives it.
    fn events(&self) -> String {
        let trail = Trail::open(&self.data()).expect("a trail");
        let question = Question { all: true, ..Question::everything() };
        let mut text = String::new();
        full::events(&trail, &question, 0, None, &mut |event| {
            text += &serde_json::to_string(&event).expect("JSON");
            text.push('\n');
            Ok::<(), crate::error::QueryError>(())
        })
        .expect("every event can be read");
        text
    }

    fn is_intact(&self) -> bool {
        let removed = told(&LedgerReader::open(&self.data()).expect("a ledger")).expect("told");
        let options = VerifyOptions { removed: removed.removed, ..VerifyOptions::default() };
        verify(&self.data(), &options, &mut |_, _| {}).expect("verified").intact
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// Removes more and more, and rebuilds each time: the answers are the same, wherever the boundary falls. Returns
/// how many events there were that were not there as such before a part of their lines went.
fn removed_step_by_step(kept: &Kept, steps: impl Iterator<Item = u64>) -> usize {
    let all = kept.events();
    let whole = all.lines().count();
    let mut least = 0;
    let mut changed = 0;
    for keep in steps {
        let removed = apply(&mut kept.ledger(), days(keep), None).expect("removed");
        if removed.is_empty() {
            continue;
        }
        kept.index();
        let trail = Trail::open(&kept.data()).expect("a trail");
        let retention = trail.view().retention().clone();
        assert!(retention.least_leaf > least);
        least = retention.least_leaf;
        assert!(retention.sentence().expect("a horizon").contains(&format!("leaf {least}")));
        let before = kept.events();
        for event in before.lines() {
            let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
            let leaves = event["leaves"].as_array().expect("leaves");
            assert!(leaves.iter().all(|leaf| leaf.as_u64() >= Some(least)), "{event}");
        }
        changed += before.lines().filter(|event| !all.contains(*event)).count();
        pipeline::rebuild(&kept.data(), &|_| ()).expect("rebuilt");
        assert!(kept.events() == before, "keep {keep} days: a rebuild says something else");
        assert!(kept.is_intact());
    }
    assert!(least > 0 && kept.events().lines().count() < whole);
    changed
}

#[test]
fn an_index_made_anew_has_the_same_events() {
    let alone = removed_step_by_step(&Kept::new(), (1..60).rev().step_by(4));
    assert!(alone > 0, "no boundary fell between a request and its response");
}

/// As of any leaf, with and without lines that retention removed, what the ledger says of its lines is what the index made
/// of them.
#[test]
fn a_report_ties_out_as_of_every_leaf() {
    let file = |device| format!("samples/openbao-2.7.2-recorded/{device}.ndjson");
    let kept = Kept::of(&[
        ("c/n/hashed", &file("hashed")),
        ("c/n/second", &file("elide_clear_accessor")),
        (SOURCE, "openbao-2.7.2/ha/node-1.audit.jsonl.gz"),
    ]);
    let (mut waited, mut removed) = (0, 0);
    for keep in [None, Some(30), Some(5)] {
        if let Some(keep) = keep {
            assert!(!apply(&mut kept.ledger(), days(keep), None).expect("removed").is_empty());
            kept.index();
        }
        let trail = Trail::open(&kept.data()).expect("a trail");
        let leaves = trail.view().leaf();
        for at in (1..leaves).step_by(13).map(Some).chain([None]) {
            let report = report_as_of(&trail, at);
            for equation in &report.heading.tie_out {
                assert!(equation.holds(), "as of {at:?}: {}", equation.sentence());
            }
            let number = |words: &str| {
                let right = report.heading.tie_out.iter().flat_map(|equation| &equation.right);
                right.filter(|(of, _)| of == words).map(|(_, number)| number).sum::<u64>()
            };
            waited += number("without a response so far");
            removed += number("removed by retention");
            let says_of_now = report
                .heading
                .completeness
                .sentences
                .iter()
                .any(|sentence| sentence.contains(&format!("is of now, leaf {leaves}")));
            assert_eq!(says_of_now, at.is_some());
        }
    }
    assert!(waited > 0 && removed > 0, "the test needs waiting requests and removed lines");
}

fn report_as_of(trail: &Trail, at: Option<u64>) -> AccessReport {
    let now = jiff::Timestamp::now();
    let asking = report::Asking {
        catalogue: &Catalogue::built_in(),
        registers: &Registers::absent(),
        filter: &Filter::everything(),
        period: &Period::new(None, None, Some("2100"), None, now).expect("a period"),
        at,
        by: "os:alice",
        now,
    };
    access(trail, &asking, By::Decision).expect("a report")
}

/// A request of which the first device's lines are gone counts as another device has it.
#[test]
fn a_copy_counts_once_its_original_is_removed() {
    let file = |device| format!("samples/openbao-2.7.2-recorded/{device}.ndjson");
    let kept = Kept::of(&[
        ("c/n/hashed", &file("hashed")),
        ("c/n/second", &file("elide_clear_accessor")),
        ("c/n/third", &file("raw")),
    ]);
    let counting =
        |kept: &Kept| kept.events().lines().filter(|event| !event.contains("\"copy\"")).count();
    let whole = counting(&kept);
    let changed = removed_step_by_step(&kept, (1..20).rev());
    assert!(changed > 0, "no boundary fell between the devices");
    assert!(counting(&kept) < whole);
    assert!(kept.events().contains("\"only_on\""));
}

/// A file is known again though its lines are gone.
#[test]
fn a_removed_file_is_not_imported_again() {
    let kept = Kept::new();
    assert!(!apply(&mut kept.ledger(), days(2), None).expect("removed").is_empty());
    let source: SourceId = SOURCE.parse().expect("a source");
    let inputs = [Input::File(kept.file.clone())];
    let imported =
        pipeline::import(&kept.data(), &source, &inputs, false, &|_| ()).expect("imported");
    assert_eq!(imported.recorded.lines, 0);
}

/// After the tombstone each step can be done again.
#[test]
fn what_a_crash_left_is_finished() {
    let kept = Kept::new();
    let reader = LedgerReader::open(&kept.data()).expect("a ledger");
    let segments = ingest::retention::due(&reader, &Default::default(), days(3)).expect("due");
    let fact = tombstone(&segments, days(3)).expect("something is due");
    let ingest::own::Fact::Retained { removed, .. } = &fact else { panic!("{fact:?}") };
    assert_eq!(removed.len(), segments.len());
    ingest::custody::append(&mut kept.ledger(), fact).expect("appended");
    kept.index();
    let before = kept.events();
    let reader = LedgerReader::open(&kept.data()).expect("a ledger");
    let told = told(&reader).expect("told");
    assert!(kept.is_intact(), "lines that a tombstone names may still be there");
    assert!(reader.empty_segment(segments[0].first_leaf).expect("emptied"));
    assert!(kept.is_intact());
    assert_eq!(remove(&reader, &told).expect("removed"), segments.len() - 1);
    assert_eq!(remove(&reader, &told).expect("removed"), 0);
    assert!(kept.is_intact());
    assert_eq!(kept.events(), before);
}

/// While a hold stands, nothing goes.
#[test]
fn a_legal_hold_keeps_everything() {
    let kept = Kept::new();
    set_hold(&mut kept.ledger(), "case 7").expect("set");
    set_hold(&mut kept.ledger(), "case 8").expect("set");
    assert!(apply(&mut kept.ledger(), days(1), None).expect("asked").is_empty());
    assert_eq!(release_holds(&mut kept.ledger(), Some("case 7")).expect("released"), ["case 7"]);
    assert!(apply(&mut kept.ledger(), days(1), None).expect("asked").is_empty());
    kept.index();
    let view = Trail::open(&kept.data()).expect("a trail").view();
    assert_eq!(view.retention().holds.len(), 1);
    assert_eq!(view.retention().holds[0].reason, "case 8");
    assert_eq!(release_holds(&mut kept.ledger(), None).expect("released"), ["case 8"]);
    assert!(!apply(&mut kept.ledger(), days(1), None).expect("removed").is_empty());
}

/// Of a period that retention has cut into, no control says that nothing was found.
#[test]
fn a_period_that_retention_has_cut_is_no_data() {
    let kept = Kept::new();
    let verdict = |from: Option<i64>| {
        let trail = Trail::open(&kept.data()).expect("a trail");
        let zone = jiff::tz::TimeZone::UTC;
        let asking = Asking {
            catalogue: &Catalogue::built_in(),
            registers: &Registers::absent(),
            period: &Period { from, to: None, zone, label: "a while".to_owned() },
            at: None,
            params: &Given::new(),
            only: &["KT-SEC-05".to_owned()],
            now: jiff::Timestamp::now(),
        };
        let finding = evaluate(&trail, &asking).expect("evaluated").findings.remove(0);
        (finding.verdict.to_string(), finding.missing.concat())
    };
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("a time");
    let twenty_days_ago = Some(now - 20 * DAY_NS);
    assert_eq!(verdict(twenty_days_ago), ("no exceptions found".to_owned(), String::new()));
    assert!(!apply(&mut kept.ledger(), days(10), None).expect("removed").is_empty());
    kept.index();
    // Of what is left something can be said.
    assert_eq!(verdict(None).0, "no exceptions found");
    let (verdict, missing) = verdict(twenty_days_ago);
    assert_eq!(verdict, "no data");
    assert!(missing.starts_with("retention removed lines that arrived up to "), "{missing}");
}
