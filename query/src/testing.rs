//! Small indexes for tests, and the answers as they would be computed without one.

use ingest::event::{AuditEvent, Issued, Reason, Uid};
use ingest::index::{CommitPayload, EventIndex, IndexWriter};
use ingest::pairing::State;
use ingest::source::{LeafIndex, SourceId};
use proptest::prelude::*;

use crate::filter::tests::events::{ELEVEN_NS, event, example, time};
use crate::filter::{Filter, Sets};
use crate::history::View;
use crate::question::Question;

/// What an event does not hold of its lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taught {
    /// Hashes and texts that they taught.
    pub(crate) learned: Vec<(String, String)>,
    /// That the request line never came.
    pub(crate) is_response: bool,
}

/// Returns the view of an index that holds these events, in segments of `segment` documents.
pub(crate) fn view_of(events: &[AuditEvent], segment: usize) -> View {
    view_taught(
        &events.iter().map(|event| (event.clone(), Taught::default())).collect::<Vec<_>>(),
        segment,
    )
}

pub(crate) fn view_taught(events: &[(AuditEvent, Taught)], segment: usize) -> View {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
    // Beyond every leaf that these events name.
    writer.commit(covering(1_000)).expect("a commit");
    for (number, part) in (1_001..).zip(events.chunks(segment)) {
        for (event, taught) in part {
            let state = match event.reason {
                Reason::Pending => State::Pending,
                _ if taught.is_response => State::ResponseOnly,
                _ => State::Answered,
            };
            writer.add(event, state, &taught.learned, false).expect("added");
        }
        writer.commit(covering(number)).expect("a commit");
    }
    writer.finish().expect("merged");
    // The mapped files outlive their folder.
    View::new(EventIndex::open(folder.path()).expect("an index").snapshot())
}

fn covering(leaves: u64) -> CommitPayload {
    CommitPayload { covered: leaves, ..CommitPayload::nothing("V", "keytrail/prod") }
}

/// Returns an event of this number at so many seconds after eleven o'clock on this node.
pub(crate) fn on(number: u8, node: &str, seconds: f64) -> AuditEvent {
    AuditEvent {
        uid: Uid([number; 16]),
        request_id: Some(format!("request-{number}")),
        issued: Issued(LeafIndex(number.into()), 0),
        time: Some(time(ELEVEN_NS + (seconds * 1e9) as i64)),
        node: node.to_owned(),
        source: SourceId::new("prod", node, "file").expect("a source"),
        flags: Vec::new(),
        ..example()
    }
}

/// Returns events by chance, each with a uid and a place of its own.
pub(crate) fn any_events(count: u8) -> impl Strategy<Value = Vec<AuditEvent>> {
    let events: Vec<_> = (0..count).map(event).collect();
    (0..=events.len(), events, Just(()).prop_perturb(|(), mut random| random.random::<u64>()))
        .prop_map(|(kept, mut events, odd)| {
            events.truncate(kept);
            for (number, event) in (0_u64..).zip(&mut events) {
                // Some are issued by one leaf, and not in the order of time.
                event.issued = Issued(LeafIndex((number / 3 * 7 + odd % 5) % 50), number as u32);
            }
            events
        })
}

/// Returns questions by chance that meet such events.
pub(crate) fn any_question() -> impl Strategy<Value = Question> {
    let filters = [
        "",
        "decision:allowed",
        "-decision:denied",
        "node:a",
        "is:late",
        "reason:forwarded OR reason:policy",
        "path:**a**",
        "is:root",
        "has:error -op:read",
        "outcome:system,success",
        "reason:policy,root,login,open -node:b",
        "(request:request-1,request-2 OR token:hmac-sha256:0) decision:allowed",
    ];
    let bound = proptest::option::of((0..3_000_000_000_i64).prop_map(|ns| ELEVEN_NS + ns));
    let at = proptest::option::of(0..60_u64);
    let filter = proptest::sample::select(filters.to_vec());
    (filter, bound.clone(), bound, any::<bool>(), at).prop_map(|(filter, from, to, all, at)| {
        let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).expect("a filter");
        Question { filter, from, to, all, at }
    })
}

/// Returns the events that fit a question, and of them those that the answer is made of.
pub(crate) fn fitting<'a>(
    question: &Question,
    events: &'a [AuditEvent],
    sets: &dyn Sets,
) -> (Vec<&'a AuditEvent>, Vec<&'a AuditEvent>) {
    let within = |event: &AuditEvent| match &event.time {
        Some(time) => {
            question.from.is_none_or(|from| from <= time.unix_ns)
                && question.to.is_none_or(|to| time.unix_ns < to)
        }
        None => question.from.is_none() && question.to.is_none(),
    };
    let issued = |event: &AuditEvent| match question.at {
        Some(leaf) => event.issued.0.0 < leaf && event.reason != Reason::Pending,
        None => true,
    };
    let fits =
        |event: &AuditEvent| question.filter.matches(event, sets) && within(event) && issued(event);
    let fitting = events.iter().filter(|event| fits(event));
    let fitting: Vec<&AuditEvent> = fitting.collect();
    let asked = |word: &str| question.all || question.filter.asks_for(word);
    let answer =
        fitting.iter().copied().filter(|event| event.left_out().is_none_or(asked)).collect();
    (fitting, answer)
}
