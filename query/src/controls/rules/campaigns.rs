//! Reviews of access: held often enough, decided in time, and carried out.

use jiff::Timestamp;

use crate::campaigns::{Campaigns, Standing};
use crate::controls::control::Rule;
use crate::controls::draft::{Draft, Outcome};
use crate::controls::field::Field;
use crate::controls::hits::{Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;

/// Reads the campaigns as they stood at the leaf that is asked for; without any there is nothing to say.
fn campaigns(run: &Run<'_>) -> Result<Result<Campaigns, Outcome>, QueryError> {
    let mut campaigns = Campaigns::default();
    campaigns.read_on(run.trail)?;
    let campaigns = campaigns.as_of(run.at.unwrap_or(u64::MAX));
    Ok(match campaigns.all() {
        [] => Err(Outcome::lacking("there are no reviews of access".to_owned())),
        _ => Ok(campaigns),
    })
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Whether one was opened within the window before the period's end.
pub(super) fn held(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let campaigns = match campaigns(run)? {
        Ok(campaigns) => campaigns,
        Err(lacking) => return Ok(lacking),
    };
    let mut outcome = Outcome { events: campaigns.all().len() as u64, ..Outcome::default() };
    let window = run.length(rule.window.as_deref().unwrap_or("$window"));
    let mut before =
        campaigns.all().iter().rev().filter(|one| nanoseconds(one.opened) < run.span.to);
    let Some(last) = before.next() else {
        outcome.missing.push("no review of access was opened before the period's end".to_owned());
        return Ok(outcome);
    };
    if nanoseconds(last.opened) < run.span.to.saturating_sub(window) {
        let mut draft =
            Draft { apart: vec![("campaign", last.name.clone())], count: 1, ..Draft::default() };
        draft.said.insert("campaign", last.name.clone());
        draft.said.insert("opened", last.opened.to_string());
        outcome.drafts.push(draft);
    }
    Ok(outcome)
}

/// Those that were due within the period, and not decided by then.
pub(super) fn late(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let campaigns = match campaigns(run)? {
        Ok(campaigns) => campaigns,
        Err(lacking) => return Ok(lacking),
    };
    let mut outcome = Outcome::default();
    for campaign in campaigns.all().iter().filter(|one| run.span.has(nanoseconds(one.due))) {
        let entitlements = campaign.entitlements(run.view)?;
        outcome.events += entitlements.rows.len() as u64;
        let left = campaign.undecided(&entitlements, campaign.due);
        if left > 0 {
            let mut draft = Draft {
                apart: vec![("campaign", campaign.name.clone())],
                count: left,
                span: Some((nanoseconds(campaign.opened), nanoseconds(campaign.due))),
                ..Draft::default()
            };
            for (name, text) in [
                ("campaign", campaign.name.clone()),
                ("due", campaign.due.to_string()),
                ("left", left.to_string()),
                ("items", entitlements.rows.len().to_string()),
            ] {
                draft.said.insert(name, text);
            }
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

/// What they took away, and is held within the period all the same.
pub(super) fn effect(run: &Run<'_>) -> Result<Outcome, QueryError> {
    let campaigns = match campaigns(run)? {
        Ok(campaigns) => campaigns,
        Err(lacking) => return Ok(lacking),
    };
    let mut outcome = Outcome::default();
    for campaign in campaigns.all() {
        for row in &campaign.entitlements(run.view)?.rows {
            let Some((from, filter)) = campaign.to_be_gone(row) else { continue };
            let Standing::Decided(decided, _) = campaign.standing(row) else { continue };
            let span = Span { from: from.max(run.span.from), to: run.span.to };
            if span.from >= span.to {
                continue;
            }
            outcome.events += 1;
            let mut draft = Draft {
                subject: vec![(Field::Identity, Some(row.held.identity.clone()))],
                apart: vec![
                    ("campaign", campaign.name.clone()),
                    ("policy", row.held.policy.clone()),
                ],
                filter: Some(filter.clone()),
                ..Draft::default()
            };
            draft.said.insert("decision", decided.decision.as_str().to_owned());
            draft.said.insert("decided", decided.at.to_string());
            scan(run, &filter, span, &[], &mut Words::default(), &mut |hit, _| {
                draft.add(hit);
                Ok(())
            })?;
            if draft.count > 0 {
                outcome.drafts.push(draft);
            }
        }
    }
    Ok(outcome)
}
