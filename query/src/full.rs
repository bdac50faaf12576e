//! Whole events: read back from their lines in the ledger, with what history knows of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use ingest::event::{AuditEvent, Flag, Standing, Uid};
use ingest::index::document::{hashes, state_of, value};
use ingest::index::{KeyQuery, Uids};
use ingest::ledger::StoredLine;
use ingest::normalise::{self, Parts};
use ingest::source::{LeafIndex, SourceId};
use tantivy::query::{BooleanQuery, Occur, Query};

use crate::error::QueryError;
use crate::filter::request::RequestQuery;
use crate::history::View;
use crate::page::{Page, PageToken};
use crate::question::{Question, exact};
use crate::row::EventRow;
use crate::rows::Rows;
use crate::scan::{Address, Scan};
use crate::search::walk;
use crate::trail::Trail;

/// An event and everything that stands behind it.
#[derive(Clone, Debug)]
pub struct FullEvent {
    /// The event; salt and former name filled in.
    pub event: AuditEvent,
    /// The request line as the server wrote it, and its place.
    pub request: Option<StoredLine>,
    /// The response line.
    pub response: Option<StoredLine>,
    /// Texts that lines show for hashes of this event.
    pub learned: BTreeMap<String, Vec<String>>,
    /// Of a forwarded event: what another node made of it.
    pub twin: Option<Uid>,
    /// A forwarded event of which no other node has one.
    pub no_twin: bool,
    /// What other audit devices of the node have of the same request, by device: of a copy the event that
    /// counts, of that its copies.
    pub same: Vec<(String, Uid)>,
}

/// Returns the event of this uid; `None` if there is none.
///
/// # Errors
/// The index or the ledger cannot be read, or they do not fit each other.
pub fn event(trail: &Trail, uid: Uid) -> Result<Option<FullEvent>, QueryError> {
    event_in(trail, &trail.view(), uid)
}

/// The same as [`event`], in a view that the caller holds on to.
///
/// # Errors
/// As [`event`].
pub fn event_in(trail: &Trail, view: &View, uid: Uid) -> Result<Option<FullEvent>, QueryError> {
    let Some(address) = find(view, uid)? else { return Ok(None) };
    let row = Rows::new(view).row(address)?;
    let (event, request, response) = read_back(trail, view, &row)?;
    let mut learned = BTreeMap::new();
    for hash in hashes(&event) {
        let texts = view.texts_of(hash)?;
        if !texts.is_empty() {
            learned.insert(hash.to_owned(), texts.into_iter().collect());
        }
    }
    let twin = view.twin(uid)?;
    let no_twin = view.without_twin()?.contains(&uid);
    let same = same(view, &event)?;
    Ok(Some(FullEvent { event, request, response, learned, twin, no_twin, same }))
}

/// Returns the row of this uid; `None` if there is none.
///
/// # Errors
/// The index cannot be read.
pub fn row_in(view: &View, uid: Uid) -> Result<Option<EventRow>, QueryError> {
    find(view, uid)?.map(|address| Rows::new(view).row(address)).transpose()
}

/// Gives the newest whole events one by one, at most `limit` (0: all), those after the page which `after`
/// ended; returns the page without them. Needs little memory however long the answer is.
///
/// # Errors
/// As [`event`] and [`crate::search::search`], and what `each` returns.
pub fn events<E: From<QueryError>>(
    trail: &Trail,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(AuditEvent) -> Result<(), E>,
) -> Result<Page<AuditEvent>, E> {
    events_in(trail, &trail.view(), question, limit, after, each)
}

/// The same as [`events`], in a view that the caller holds on to.
///
/// # Errors
/// As [`events`].
pub fn events_in<E: From<QueryError>>(
    trail: &Trail,
    view: &View,
    question: &Question,
    limit: usize,
    after: Option<&PageToken>,
    each: &mut dyn FnMut(AuditEvent) -> Result<(), E>,
) -> Result<Page<AuditEvent>, E> {
    let mut rows = Rows::new(view);
    let walked = walk(view, question, limit, after, &mut |addresses| {
        rows.rows(addresses)?.iter().try_for_each(|row| {
            view.turn().check()?;
            let (event, _, _) = read_back(trail, view, row)?;
            each(event)
        })
    })?;
    Ok(Page {
        items: Vec::new(),
        next: walked.next,
        matched: walked.tally.matched,
        left_out: walked.tally.left_out(),
        leaf: view.leaf(),
    })
}

/// Finds the event that counts where this is a copy, and else its copies.
fn same(view: &View, event: &AuditEvent) -> Result<Vec<(String, Uid)>, QueryError> {
    let mut same = Vec::new();
    // A copy's uid is made from the other one and cannot be turned back, but they share the request's id.
    let Some(request) = &event.request_id else { return Ok(same) };
    let query = BooleanQuery::new(vec![
        (Occur::Must, Box::new(RequestQuery::new(&value(request))) as Box<dyn Query>),
        (Occur::Must, exact(view.fields().node, &event.node)),
    ]);
    let is_copy = event.flags.contains(&Flag::Copy);
    let mut rows = Rows::new(view);
    for in_segment in Scan::new(view, &query)?.segments() {
        let mut found = Vec::new();
        in_segment.each(|document| found.push(Address { segment: in_segment.number, document }))?;
        for row in rows.rows(&found)? {
            let other_is_copy = row.flags.iter().any(|flag| flag == Flag::Copy.as_str());
            if let Some(device) = row.device.filter(|device| *device != event.device)
                && is_copy != other_is_copy
            {
                same.push((device, row.uid));
            }
        }
    }
    same.sort();
    Ok(same)
}

pub(crate) fn find(view: &View, uid: Uid) -> Result<Option<Address>, QueryError> {
    Ok(find_all(view, &HashSet::from([uid]))?.pop())
}

/// Finds many events, as far as there are such. A table of keys is gone through once for all of them.
pub(crate) fn find_all(view: &View, uids: &HashSet<Uid>) -> Result<Vec<Address>, QueryError> {
    let query = KeyQuery::of_uids(uids.iter().copied());
    let mut found = HashMap::new();
    for in_segment in Scan::new(view, &query)?.segments() {
        let segment = in_segment.number;
        let mut documents = Vec::new();
        in_segment.each(|document| documents.push(document))?;
        if documents.is_empty() {
            continue;
        }
        let known = Uids::open(in_segment.segment)?;
        for document in documents {
            // Another event's key may be the same.
            let uid = known.of(document).map_err(tantivy::TantivyError::from)?;
            if uids.contains(&uid) {
                found.insert(uid, Address { segment, document });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// An event, its request line, its response line.
pub type ReadBack = (AuditEvent, Option<StoredLine>, Option<StoredLine>);

/// Makes an event again from its lines, as pairing issued it, and fills in its history.
///
/// # Errors
/// As [`event`].
pub fn read_back(trail: &Trail, view: &View, row: &EventRow) -> Result<ReadBack, QueryError> {
    let broken = |what| QueryError::Broken { uid: row.uid.to_string(), what };
    let source: SourceId = row
        .source
        .as_deref()
        .and_then(|source| source.parse().ok())
        .ok_or_else(|| broken("source"))?;
    let state = row.state.as_deref().and_then(state_of).ok_or_else(|| broken("state"))?;
    let line = |leaf: Option<LeafIndex>| leaf.map(|leaf| trail.ledger().line(leaf)).transpose();
    let (request, response) = (line(row.request_leaf)?, line(row.response_leaf)?);
    let parts = Parts {
        source: &source,
        origin: trail.ledger().origin(),
        request: request.as_ref().map(as_part),
        response: response.as_ref().map(as_part),
        state,
        issued: row.issued,
    };
    let mut event = normalise::event(&parts, trail.rules()).event;
    event.stand(Standing::of_words(row.flags.iter().map(String::as_str)));
    view.fill_in(&mut event)?;
    Ok((event, request, response))
}

fn as_part(line: &StoredLine) -> (LeafIndex, &[u8]) {
    (line.leaf, &line.bytes)
}

#[cfg(test)]
mod tests;
