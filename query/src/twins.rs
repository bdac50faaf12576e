//! Twins: the event that another node of the cluster made of a forwarded one.
//!
//! A standby that hands a request on writes it down, and the active node writes it down again under an id
//! of its own; nothing in the lines links the two. They are linked by what both tell of the client: cluster,
//! namespace, path, address, port, and the token's hash if the standby wrote one. The active node's event is
//! at most two seconds later. One to one, nearest in time first; equal distances go by the events' places,
//! so the links do not depend on the order in which lines came in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ingest::event::{Flag, Reason, Uid};
use ingest::index::Uids;
use ingest::index::document::NO_EVENTS;
use ingest::index::schema::Fields;
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};
use tantivy::schema::Field;
use tantivy::{DocId, TantivyError, Term};

use crate::error::QueryError;
use crate::history::View;
use crate::question::exact;
use crate::scan::{Place, Places, Scan};
use crate::texts::Texts;

/// How much later the other node's event may be.
const LATER_MAX_NS: i64 = 2_000_000_000;

/// How many of the nearest events are weighed for each forwarded one. A client that sends more than that
/// in two seconds, on one connection and path, gets what is left in the order of time.
const NEAREST_MAX: usize = 32;

/// The links of one commit of the index.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    twin_of: BTreeMap<Uid, Uid>,
    without: BTreeSet<Uid>,
}

/// What an event and its twin have in common: cluster, namespace, path, address, port.
type Common = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>, Option<Arc<str>>, Option<u64>);

/// An event as far as it matters here.
#[derive(Clone, Debug)]
struct Candidate {
    uid: Uid,
    place: Place,
    time: i64,
    node: Arc<str>,
    token: Option<Arc<str>>,
}

impl Twins {
    /// Links all forwarded events of a commit. Costs nothing worth mention where there are none; else a pass
    /// over the events of the addresses from which requests were forwarded.
    pub(crate) fn find(view: &View) -> Result<Twins, QueryError> {
        let fields = view.fields();
        let mut twins = Twins::default();
        let forwarded = BooleanQuery::new(vec![
            (Occur::Must, exact(fields.reason, Reason::Forwarded.as_str())),
            (Occur::MustNot, exact(fields.is, Flag::Copy.as_str())),
        ]);
        let mut groups: HashMap<Common, Vec<Candidate>> = HashMap::new();
        read(view, &forwarded, &mut |common, event| {
            // Without a time there is no nearness.
            match event {
                Ok(event) => groups.entry(common).or_default().push(event),
                Err(uid) => drop(twins.without.insert(uid)),
            }
        })?;
        if groups.is_empty() {
            return Ok(twins);
        }
        let mut answers: HashMap<Common, Vec<Candidate>> = HashMap::new();
        let addresses: HashSet<Option<Arc<str>>> =
            groups.keys().map(|common| common.3.clone()).collect();
        read(view, &*candidates(fields, &addresses), &mut |common, event| {
            if let Ok(event) = event
                && groups.contains_key(&common)
            {
                answers.entry(common).or_default().push(event);
            }
        })?;
        for (common, mut forwarded) in groups {
            let mut answers = answers.remove(&common).unwrap_or_default();
            forwarded.sort_unstable_by_key(|event| event.place);
            answers.sort_unstable_by_key(|event| event.place);
            twins.link(&forwarded, &answers);
        }
        Ok(twins)
    }

    /// Returns the links of those forwarded events that a bound view has.
    pub(crate) fn of_view(&self, view: &View) -> Result<Twins, QueryError> {
        let mut seen = BTreeSet::new();
        if !self.twin_of.is_empty() || !self.without.is_empty() {
            let forwarded = exact(view.fields().reason, Reason::Forwarded.as_str());
            read(view, &*forwarded, &mut |_, event| {
                seen.insert(event.map_or_else(|uid| uid, |event| event.uid));
            })?;
        }
        let twin_of = self.twin_of.iter().filter(|(forwarded, _)| seen.contains(forwarded));
        Ok(Twins {
            twin_of: twin_of.map(|(forwarded, twin)| (*forwarded, *twin)).collect(),
            without: self.without.intersection(&seen).copied().collect(),
        })
    }

    pub(crate) fn twin(&self, forwarded: Uid) -> Option<Uid> {
        self.twin_of.get(&forwarded).copied()
    }

    pub(crate) fn without(&self) -> &BTreeSet<Uid> {
        &self.without
    }

    /// Links the events of one group; both lists in the order of their places.
    fn link(&mut self, forwarded: &[Candidate], answers: &[Candidate]) {
        let mut pairs = Vec::new();
        for (number, event) in forwarded.iter().enumerate() {
            for (other, answer) in fitting(event, answers).take(NEAREST_MAX) {
                pairs.push((answer.time - event.time, event.place, answer.place, number, other));
            }
        }
        pairs.sort_unstable();
        let (mut linked, mut free) = (HashMap::new(), Free::new(answers.len()));
        for (_, _, _, number, other) in pairs {
            if !linked.contains_key(&number) && free.take(other) {
                linked.insert(number, other);
            }
        }
        for (number, event) in forwarded.iter().enumerate() {
            match linked.remove(&number).or_else(|| free.take_fitting(event, answers)) {
                Some(other) => drop(self.twin_of.insert(event.uid, answers[other].uid)),
                None => drop(self.without.insert(event.uid)),
            }
        }
    }
}

/// Which answers no forwarded event has yet. Taken ones are jumped over, so that a flood of requests over
/// one connection does not make linking quadratic.
struct Free {
    /// The answer itself if it is free, else one after it that may be.
    next: Vec<usize>,
}

impl Free {
    fn new(answers: usize) -> Free {
        Free { next: (0..=answers).collect() }
    }

    /// Takes an answer; false if it was taken.
    fn take(&mut self, answer: usize) -> bool {
        let free = self.next[answer] == answer;
        if free {
            self.next[answer] = answer + 1;
        }
        free
    }

    /// Takes the first of the free answers that fits; looks at no more than [`NEAREST_MAX`].
    fn take_fitting(&mut self, event: &Candidate, answers: &[Candidate]) -> Option<usize> {
        let mut start = answers.partition_point(|answer| answer.time < event.time);
        for _ in 0..NEAREST_MAX {
            let answer = self.from(start);
            if !answers.get(answer).is_some_and(|answer| event.is_near(answer)) {
                return None;
            }
            if event.may_be(&answers[answer]) {
                self.take(answer);
                return Some(answer);
            }
            start = answer + 1;
        }
        None
    }

    /// The first free answer from here on; one past the last if there is none.
    fn from(&mut self, start: usize) -> usize {
        let mut free = start;
        while self.next[free] != free {
            free = self.next[free];
        }
        let mut passed = start;
        while passed != free {
            passed = std::mem::replace(&mut self.next[passed], free);
        }
        free
    }
}

impl Candidate {
    /// Tells whether an answer that is not earlier is not too late.
    fn is_near(&self, answer: &Candidate) -> bool {
        answer.time <= self.time.saturating_add(LATER_MAX_NS)
    }

    /// Tells whether an answer near in time may be the twin of this forwarded event.
    fn may_be(&self, answer: &Candidate) -> bool {
        answer.node != self.node && (self.token.is_none() || self.token == answer.token)
    }
}

/// Returns the answers that may be the event's twin, nearest first.
fn fitting<'a>(
    event: &'a Candidate,
    answers: &'a [Candidate],
) -> impl Iterator<Item = (usize, &'a Candidate)> {
    let first = answers.partition_point(|answer| answer.time < event.time);
    answers
        .iter()
        .enumerate()
        .skip(first)
        .take_while(|(_, answer)| event.is_near(answer))
        .filter(|(_, answer)| event.may_be(answer))
}

/// The events that may be twins: neither forwarded nor system, from one of the addresses.
fn candidates(fields: &Fields, addresses: &HashSet<Option<Arc<str>>>) -> Box<dyn Query> {
    let none = |field: Field, word: &str| (Occur::MustNot, exact(field, word));
    let from: Box<dyn Query> = match addresses.contains(&None) {
        true => Box::new(AllQuery),
        false => {
            let terms =
                addresses.iter().flatten().map(|text| Term::from_field_text(fields.ip, text));
            Box::new(tantivy::query::TermSetQuery::new(terms))
        }
    };
    let mut clauses = vec![
        (Occur::Must, from),
        none(fields.reason, Reason::Forwarded.as_str()),
        none(fields.reason, Reason::System.as_str()),
        none(fields.is, Flag::Copy.as_str()),
    ];
    clauses.extend(NO_EVENTS.map(|doc| none(fields.doc, doc)));
    Box::new(BooleanQuery::new(clauses))
}

/// Reads the events of a query; of one without a time, the uid alone.
fn read(
    view: &View,
    query: &dyn Query,
    each: &mut dyn FnMut(Common, Result<Candidate, Uid>),
) -> Result<(), QueryError> {
    for in_segment in Scan::new(view, query)?.segments() {
        let mut documents: Vec<DocId> = Vec::new();
        in_segment.each(|document| documents.push(document))?;
        if documents.is_empty() {
            continue;
        }
        let columns = in_segment.segment.fast_fields();
        let places = Places::open(in_segment.segment)?;
        let text = |name| Texts::open(in_segment.segment, name);
        let (mut cluster, mut ns, mut path) = (text("cluster")?, text("ns")?, text("path")?);
        let (mut ip, mut node, mut token) = (text("ip")?, text("node")?, text("token")?);
        let uids = Uids::open(in_segment.segment)?;
        let port = columns.column_opt::<u64>("port")?;
        for document in documents {
            let read = |texts: &mut Texts| texts.first(document).map_err(TantivyError::from);
            let common = (
                read(&mut cluster)?.unwrap_or_default(),
                read(&mut ns)?,
                read(&mut path)?,
                read(&mut ip)?,
                port.as_ref().and_then(|column| column.first(document)),
            );
            let node = read(&mut node)?.unwrap_or_default();
            let token = read(&mut token)?;
            let uid = uids.of(document).map_err(TantivyError::from)?;
            let place = places.of(document);
            let event = place.time.map(|time| Candidate { uid, place, time, node, token });
            each(common, event.ok_or(uid));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
