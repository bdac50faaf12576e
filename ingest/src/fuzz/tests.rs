//! The bodies over real input, and over random changes of it with fixed seeds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use super::mutate::{Random, mutated};
use super::*;
use crate::ledger::fuzz::{seeds, text_seeds};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let bytes = fs::read(&path).unwrap();
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
    text
}

/// Real lines of every kind, torn ones too.
fn lines() -> Vec<Vec<u8>> {
    let files = [
        "samples/openbao-2.7.2-recorded/raw.ndjson",
        "samples/openbao-2.7.2-recorded/hashed.ndjson",
        "samples/openbao-2.7.2-recorded/elide_clear_accessor.ndjson",
        "samples/hashicorp-vault-audit-analysis/sample.ndjson",
        "samples/datadog-integrations-core/audit_2019.ndjson",
        "openbao-2.7.2/crash/torn-by-kill9.audit.jsonl",
        "openbao-2.7.2/crash/truncated-mid-line-then-restart.jsonl",
        "openbao-2.7.2/diskfull/audit-after-room.jsonl.gz",
        "openbao-2.7.2/ha/node-2.audit.jsonl.gz",
    ];
    files
        .iter()
        .flat_map(|name| {
            let text = fixture(name);
            text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
}

/// Runs a body over the corpus and so many changes of it; a failure names its seed.
fn hold(corpus: &[Vec<u8>], rounds: u64, body: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    corpus.iter().for_each(|input| body(input));
    for seed in 0..rounds {
        let input = mutated(corpus, &mut Random::new(seed));
        let held = std::panic::catch_unwind(|| body(&input));
        assert!(held.is_ok(), "seed {seed}: {}", input.escape_ascii());
    }
}

#[test]
fn any_line_is_read_one_way_and_no_byte_of_it_is_lost() {
    hold(&lines(), 4000, line);
}

#[test]
fn any_batch_header_that_is_read_is_written_the_same() {
    hold(&seeds().headers, 20_000, header);
}

#[test]
fn any_segment_is_read_to_its_end_or_its_fault() {
    hold(&seeds().segments, 3000, segment);
}

#[test]
fn any_note_key_and_proof_is_read_back_as_it_was_written() {
    hold(&text_seeds(), 20_000, signed_text);
}

#[test]
fn any_end_of_a_segment_is_recovered_or_named_and_nothing_signed_is_lost() {
    let scratch = tempfile::tempdir().unwrap();
    hold(&seeds().ends, 150, |input| recovery(scratch.path(), input));
}
