//! R04: who holds which policy and used it, with room for a decision, and what people decided in reviews of access.

use jiff::Timestamp;

use super::ReportError;
use super::document::{Bars, Document, Section};
use super::findings::Findings;
use super::making::{Making, Summed};
use crate::campaigns::{Campaign, Campaigns, access_review};
use crate::entitlements::Entitlements;
use crate::table::{Cell, Column, Kind, Table};

/// Makes the report.
pub(super) fn access_review_report(making: &Making<'_>) -> Result<Document, ReportError> {
    let found = Entitlements::of(&making.view, &making.question(""))?;
    let mut campaigns = Campaigns::default();
    campaigns.read_on(making.trail)?;
    let campaigns = campaigns.as_of(making.leaf());
    let within: Vec<&Campaign> =
        campaigns.all().iter().filter(|one| making.has_time(nanoseconds(one.opened))).collect();
    let mut sections = vec![
        entitlements(making, &found)?,
        held_reviews(making, &within)?,
        decisions(making, &within)?,
    ];
    sections.extend(Findings::of(making)?.sections());
    let named = found.events - found.without_identity;
    let summed = Summed {
        tally: making.tally("")?,
        rows: vec![
            ("of identities that can be named", named),
            ("of nobody that the log names", found.without_identity),
        ],
    };
    let notes = vec![
        "rights that nobody came with are in no log: an identity that never logged in, and a policy that no token had, are not listed".to_owned(),
        "the policy default, which every token has, is not listed".to_owned(),
    ];
    making.document(summed, Vec::new(), notes, sections)
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Who holds what, to be decided.
fn entitlements(making: &Making<'_>, found: &Entitlements) -> Result<Section, ReportError> {
    let table = access_review(&making.view, found, None)?;
    let words = vec![
        "A row is an identity and a policy that stood on one of its tokens in the period: in how many requests it was held, how many of them it granted, and when it last did. A policy that granted none was not used. Privileged is the policy root, and what granted something that only administrators do.".to_owned(),
        "decision, decided_by and reason are there to be filled in; what was decided with keytrail stands below.".to_owned(),
    ];
    let mut section = Section::new("entitlements", "Who holds what", words, table);
    let used = found.rows.iter().filter(|row| row.granted > 0).count() as u64;
    let bars = [("used", used), ("not used", found.rows.len() as u64 - used)];
    section.chart = Bars::of(
        "pairs of identity and policy",
        bars.map(|(name, number)| (name.to_owned(), number)),
    );
    Ok(section)
}

/// Reviews that were opened in the period.
fn held_reviews(making: &Making<'_>, campaigns: &[&Campaign]) -> Result<Section, ReportError> {
    let columns = [
        ("review", Kind::Text),
        ("opened", Kind::Time),
        ("opened_by", Kind::Text),
        ("due", Kind::Time),
        ("scope", Kind::Text),
        ("as_of_leaf", Kind::Number),
        ("rows", Kind::Number),
        ("undecided_when_due", Kind::Number),
        ("undecided", Kind::Number),
        ("closed", Kind::Time),
        ("rows_as_opened", Kind::Text),
    ];
    let mut rows = Vec::new();
    for campaign in campaigns {
        let found = campaign.entitlements(&making.view)?;
        let is_same = found.sha256() == campaign.items_sha256;
        rows.push(vec![
            Cell::Text(campaign.name.clone()),
            Cell::Time(nanoseconds(campaign.opened)),
            Cell::Text(campaign.by.clone()),
            Cell::Time(nanoseconds(campaign.due)),
            Cell::Text(campaign.scope.clone()),
            Cell::count(campaign.at),
            Cell::count(found.rows.len() as u64),
            Cell::count(campaign.undecided(&found, campaign.due)),
            Cell::count(campaign.undecided(&found, Timestamp::MAX)),
            Cell::time(campaign.closed.as_ref().map(|closed| nanoseconds(closed.at))),
            Cell::text(Some(if is_same { "yes" } else { "no" })),
        ]);
    }
    let words = match rows.is_empty() {
        true => "no data: no review of access was opened with keytrail in the period",
        false => {
            "Reviews of access opened in the period. undecided_when_due counts what was decided later, too."
        }
    };
    let table = Table { columns: named(&columns), rows };
    Ok(Section::new("reviews", "Reviews of access", vec![words.to_owned()], table))
}

/// Every row of those reviews with what was decided.
fn decisions(making: &Making<'_>, campaigns: &[&Campaign]) -> Result<Section, ReportError> {
    let mut table = access_review(&making.view, &Entitlements::default(), None)?;
    table.columns.insert(0, Column::new("review", Kind::Text));
    for campaign in campaigns {
        let found = campaign.entitlements(&making.view)?;
        let of_one = access_review(&making.view, &found, Some(campaign))?;
        table.rows.extend(of_one.rows.into_iter().map(|mut row| {
            row.insert(0, Cell::Text(campaign.name.clone()));
            row
        }));
    }
    let words = match table.rows.is_empty() {
        true => "no data: no review of access was opened with keytrail in the period",
        false => {
            "Rows of each review as of the leaf at which it was opened; a row without a decision is not decided. The effect is what the log shows more than a week after the decision."
        }
    };
    Ok(Section::new("decisions", "What was decided", vec![words.to_owned()], table))
}

fn named(columns: &[(&'static str, Kind)]) -> Vec<Column> {
    columns.iter().map(|(name, kind)| Column::new(name, *kind)).collect()
}
