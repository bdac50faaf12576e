//! Which events a sink sends of those that its filter keeps.

use std::collections::BTreeSet;

use ingest::event::{Flag, Reason, Uid};
use query::error::QueryError;
use query::filter::Filter;
use query::history::View;
use query::row::EventRow;
use query::walk::first_of_request;

/// What becomes of an event.
pub(crate) enum Choice {
    /// It is sent, as this row tells it: another device's may count by now.
    Send(Box<EventRow>),
    /// It is sent unless another node's event of it is there.
    Forwarded(Box<EventRow>),
    /// It is not sent: counts leave it out, or the request was met before.
    Skip,
}

/// Decides about an event that the filter keeps. `shared` are the nodes of which several devices are recorded.
pub(crate) fn choose(
    view: &View,
    filter: &Filter,
    shared: &BTreeSet<String>,
    row: &EventRow,
) -> Result<Choice, QueryError> {
    let is_shared = row.node.as_ref().is_some_and(|node| shared.contains(node));
    let row = match is_shared && !filter.asks_for(Flag::Copy.as_str()) {
        false => row.clone(),
        true => match first_of_request(view, filter, row)? {
            Some(row) => row,
            None => return Ok(Choice::Skip),
        },
    };
    let reason = row.reason.as_deref().and_then(|reason| reason.parse::<Reason>().ok());
    Ok(match reason {
        Some(reason @ (Reason::System | Reason::Forwarded)) if filter.asks_for(reason.as_str()) => {
            Choice::Send(Box::new(row))
        }
        Some(Reason::System) => Choice::Skip,
        Some(Reason::Forwarded) => Choice::Forwarded(Box::new(row)),
        _ => Choice::Send(Box::new(row)),
    })
}

/// Returns under which uid an event goes out.
pub(crate) fn uid_of(row: &EventRow) -> Uid {
    match (row.request_leaf, row.response_leaf) {
        (Some(request), Some(response)) if request > response => row.uid.of_whole(),
        _ => row.uid,
    }
}
