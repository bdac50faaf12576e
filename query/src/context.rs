//! What happened before and after an event: its neighbours in the one order of answers that have something in common
//! with it.

use std::collections::BinaryHeap;

use ingest::event::Uid;
use serde::Serialize;

use crate::error::QueryError;
use crate::filter::{CountField, Filter};
use crate::full;
use crate::history::View;
use crate::question::Question;
use crate::row::EventRow;
use crate::rows::Rows;
use crate::scan::{Address, Place};
use crate::search::newest;
use crate::select::Selection;
use crate::texts::Texts;

/// The most events before and after.
pub const CONTEXT_MAX: usize = 1_000;

/// An event between its neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Context {
    /// The event.
    pub event: EventRow,
    /// By what they are alike, such as `token`.
    pub field: &'static str,
    /// What they have in common; absent if the event has no such value, and then it has no neighbours.
    pub value: Option<String>,
    /// The nearest events before it, the nearest first.
    pub before: Vec<EventRow>,
    /// The nearest events after it, the nearest first.
    pub after: Vec<EventRow>,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
}

/// Returns the nearest events before and after an event, at most `limit` each, that have the same value in a field:
/// token, path, ip, identity or another one. Nothing is left out: what answers leave out as a rule is part of
/// what happened. `None` if there is no such event.
///
/// # Errors
/// The index cannot be read; `limit` is cut to [`CONTEXT_MAX`].
pub fn context(
    view: &View,
    uid: Uid,
    field: CountField,
    limit: usize,
) -> Result<Option<Context>, QueryError> {
    let Some(address) = full::find(view, uid)? else { return Ok(None) };
    let mut rows = Rows::new(view);
    let event = rows.row(address)?;
    let segment = view.searcher().segment_reader(address.segment);
    let place = view.part(address.segment)?.places(segment)?.of(address.document);
    let value = first_value(view, address, field)?;
    let mut context = Context {
        event,
        field: field.name,
        value: value.clone(),
        before: Vec::new(),
        after: Vec::new(),
        leaf: view.leaf(),
    };
    let Some(value) = value else { return Ok(Some(context)) };
    let limit = limit.min(CONTEXT_MAX);
    let filter = Filter::exactly(field.name, &value).expect("a field is a key");
    let question = Question { filter, all: true, ..Question::everything() };
    let selection = Selection::new(view, &question)?;
    let addresses = |events: Vec<(Place, Address)>| -> Vec<Address> {
        events.into_iter().map(|(_, address)| address).collect()
    };
    context.before = rows.rows(&addresses(newest(&selection, limit, Some(place))?.events))?;
    context.after = rows.rows(&addresses(next(&selection, limit, place)?))?;
    Ok(Some(context))
}

/// Finds the events that come next after a place, the nearest first.
fn next(
    selection: &Selection<'_>,
    limit: usize,
    from: Place,
) -> Result<Vec<(Place, Address)>, QueryError> {
    // The latest is on top, to be thrown out first.
    let mut heap = BinaryHeap::new();
    for part in selection.parts()? {
        part.blocks(|documents| {
            let places = part.places()?;
            for &document in documents {
                let place = places.of(document);
                if place > from {
                    heap.push((place, Address { segment: part.number, document }));
                    if heap.len() > limit {
                        heap.pop();
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(heap.into_sorted_vec())
}

fn first_value(
    view: &View,
    address: Address,
    field: CountField,
) -> Result<Option<String>, QueryError> {
    let schema = view.searcher().schema();
    if !schema.get_field_entry(field.field).is_fast() {
        return Err(QueryError::NoColumn(field.name));
    }
    let segment = view.searcher().segment_reader(address.segment);
    let mut texts = Texts::open(segment, schema.get_field_name(field.field))?;
    let text = texts.first(address.document).map_err(tantivy::TantivyError::from)?;
    Ok(text.map(|text| text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on, view_of};

    #[test]
    fn neighbours_are_alike_and_in_order() {
        let mut events: Vec<_> = (1..=9).map(|number| on(number, "a", f64::from(number))).collect();
        events[3].identity.token = Some("hmac-sha256:other".to_owned());
        events[4].time = events[5].time.clone();
        events[8].identity.token = None;
        let view = view_of(&events, 4);
        let field = CountField::parse("token", view.fields()).expect("a field");
        let around = |number: u8, limit| {
            let context = context(&view, Uid([number; 16]), field, limit).expect("a context");
            let context = context.expect("an event");
            let numbers =
                |rows: &[EventRow]| rows.iter().map(|row| row.uid.0[0]).collect::<Vec<_>>();
            (numbers(&context.before), numbers(&context.after))
        };
        assert_eq!(around(6, 2), (vec![5, 3], vec![7, 8]));
        assert_eq!(around(5, 9), (vec![3, 2, 1], vec![6, 7, 8]));
        assert_eq!(around(4, 9), (vec![], vec![]));
        assert_eq!(around(9, 9), (vec![], vec![]));
        assert!(context(&view, Uid([77; 16]), field, 2).expect("an answer").is_none());
    }
}
