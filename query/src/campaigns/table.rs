//! A review of access as a table: who holds what, and what was decided.

use super::{Campaign, Effect, Standing};
use crate::entitlements::{Entitlement, Entitlements};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::history::View;
use crate::period::rfc3339;
use crate::table::{Cell, Column, Kind, Table};

/// Returns a row for each pair. Without a campaign nothing is decided, and the columns are there to be filled in.
///
/// # Errors
/// The index cannot be read.
pub fn access_review(
    view: &View,
    found: &Entitlements,
    campaign: Option<&Campaign>,
) -> Result<Table, QueryError> {
    let columns = [
        ("identity", Kind::Text),
        ("identity_key", Kind::Text),
        ("kind", Kind::Text),
        ("policy", Kind::Text),
        ("privileged", Kind::Text),
        ("held_in", Kind::Number),
        ("granted", Kind::Number),
        ("first", Kind::Time),
        ("last", Kind::Time),
        ("last_used", Kind::Time),
        ("decision", Kind::Text),
        ("decided_by", Kind::Text),
        ("confirmed_by", Kind::Text),
        ("decided_at", Kind::Text),
        ("reason", Kind::Text),
        ("effect", Kind::Text),
        ("filter", Kind::Text),
    ];
    let rows =
        found.rows.iter().map(|row| self::row(view, row, campaign)).collect::<Result<_, _>>()?;
    Ok(Table { columns: columns.map(|(name, kind)| Column::new(name, kind)).into(), rows })
}

fn row(
    view: &View,
    row: &Entitlement,
    campaign: Option<&Campaign>,
) -> Result<Vec<Cell>, QueryError> {
    let word = |text: &str| Cell::text(Some(text));
    let mut cells = vec![
        Cell::text(row.name.clone()),
        word(&row.held.identity),
        Cell::text(row.kind.clone()),
        word(&row.held.policy),
        Cell::text(row.is_privileged.then_some("yes")),
        Cell::count(row.requests),
        Cell::count(row.granted),
        Cell::time(row.first),
        Cell::time(row.last),
        Cell::time(row.last_granted),
    ];
    let standing = campaign.map_or(Standing::Undecided(None), |campaign| campaign.standing(row));
    cells.extend(match standing {
        Standing::Undecided(last) => [
            Cell::Absent,
            Cell::Absent,
            Cell::Absent,
            Cell::Absent,
            Cell::text(last.map(|last| format!("{} says: not mine", last.by))),
        ],
        // A word of one is none yet of a row that takes two.
        Standing::Awaiting(first) => [
            Cell::Absent,
            word(&first.by),
            Cell::Absent,
            Cell::text(Some(first.at.to_string())),
            Cell::text(Some(format!(
                "awaits a second person; the first says {}: {}",
                first.decision.as_str(),
                first.reason
            ))),
        ],
        Standing::Decided(first, second) => [
            word(first.decision.as_str()),
            word(&first.by),
            Cell::text(second.map(|second| second.by.clone())),
            Cell::text(Some(second.unwrap_or(first).at.to_string())),
            word(&first.reason),
        ],
    });
    let effect = match campaign {
        None => Effect::None,
        Some(campaign) => campaign.effect(view, row)?,
    };
    cells.push(match effect {
        Effect::None => Cell::Absent,
        Effect::NotDue => word("not known yet"),
        Effect::NotSeen => word("not seen held since"),
        Effect::StillHeld { requests } => {
            Cell::text(Some(format!("still held a week later in {requests} requests")))
        }
    });
    cells.push(Cell::text(filter(row).map(|filter| filter.to_string())));
    Ok(cells)
}

/// The filter for exactly the events at which the pair was seen.
fn filter(row: &Entitlement) -> Option<Filter> {
    let pair = [
        Filter::exactly("identity", &row.held.identity)?,
        Filter::exactly("held", &row.held.policy)?,
    ];
    let (first, last) = row.first.zip(row.last)?;
    let times = format!("after:{} before:{}", rfc3339(first), rfc3339(last.checked_add(1)?));
    let times = Filter::parse(&times, jiff::Timestamp::UNIX_EPOCH).ok()?;
    Some(Filter::all_of(pair.into_iter().chain([times])))
}
