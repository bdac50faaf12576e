//! Events of recorded and made-up lines, for tests.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use ingest::decode::{Kind, Peeked, peek};
use ingest::event::Issued;
use ingest::ledger::StoredLine;
use ingest::normalise::{self, Parts, Rules};
use ingest::pairing::State;
use ingest::source::{Generation, LeafIndex, Reader, SourceId};

use crate::outgoing::Outgoing;

/// Every log below `fixtures/` of a device that hashes, and made-up ones.
pub(crate) fn recordings() -> Vec<String> {
    let root = fixtures();
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let is_log = name.contains(".jsonl") || name.ends_with(".ndjson");
            match path.is_dir() {
                true => folders.push(path),
                false if is_log && !name.contains("raw") && !name.contains("truth") => {
                    found.push(name)
                }
                false => {}
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "{found:?}");
    found
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Returns the events of a recording below `fixtures/`, in the order of their requests.
pub(crate) fn events(name: &str) -> Vec<Outgoing> {
    let bytes =
        std::fs::read(fixtures().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut text = Vec::new();
    match name.ends_with(".gz") {
        true => MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap(),
        false => (&bytes[..]).read_to_end(&mut text).unwrap(),
    };
    of_lines(text.split_inclusive(|&byte| byte == b'\n'))
}

/// Returns the events of lines: requests with their responses, and what stands alone. A request without a response
/// is unanswered. The leaf is the line's number.
pub(crate) fn of_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<Outgoing> {
    let mut pairs: BTreeMap<(usize, usize), [Option<StoredLine>; 2]> = BTreeMap::new();
    let mut places: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (number, bytes) in lines.into_iter().enumerate() {
        let Peeked::Entry(found) = peek(bytes) else { continue };
        let is_response = matches!(found.kind, Kind::Response | Kind::Plugin { response: true });
        let alone = (number, number);
        let place = match &found.request_id {
            Some(id) => *places.entry(id.to_string()).or_insert(alone),
            None => alone,
        };
        pairs.entry(place).or_default()[usize::from(is_response)] =
            Some(stored(number as u64, bytes));
    }
    pairs
        .into_values()
        .map(|[request, response]| {
            let state = match (&request, &response) {
                (Some(_), Some(_)) => State::Answered,
                (Some(_), None) => State::Unanswered,
                (None, _) => State::ResponseOnly,
            };
            outgoing(request, response, state)
        })
        .collect()
}

/// Returns the event of these lines.
pub(crate) fn outgoing(
    request: Option<StoredLine>,
    response: Option<StoredLine>,
    state: State,
) -> Outgoing {
    let last = response.as_ref().or(request.as_ref()).expect("a line");
    let event = normalise::event(
        &Parts {
            source: &SourceId::new("prod", "bao-0", "file").unwrap(),
            origin: "keytrail/prod",
            request: request.as_ref().map(|line| (line.leaf, &line.bytes[..])),
            response: response.as_ref().map(|line| (line.leaf, &line.bytes[..])),
            state,
            issued: Issued(last.leaf, 0),
        },
        Rules::builtin(),
    )
    .event;
    Outgoing { event, request, response }
}

/// Returns a line as the ledger has it.
pub(crate) fn stored(leaf: u64, bytes: &[u8]) -> StoredLine {
    StoredLine {
        leaf: LeafIndex(leaf),
        source: "prod/bao-0/file".into(),
        generation: Generation(0),
        offset: 0,
        reader: Reader::Import,
        arrived_unix_ns: 1_795_600_000_123_456_789,
        bytes: bytes.to_vec(),
    }
}
