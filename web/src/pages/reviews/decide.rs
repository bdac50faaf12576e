//! `POST /reviews/{name}/decide` and `/close`: what people decide becomes lines of the ledger.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use ingest::own::{Fact, Held};
use jiff::Timestamp;
use query::campaigns::{Decision, REASON_CHARS_MAX, REASON_CHARS_MIN};

use super::campaign::{Asked, named};
use super::{asked_for, href, signed_in, to_page};
use crate::app::App;
use crate::door::{May, Review, fields};
use crate::error::PageError;
use crate::link::address;

/// Writes a decision down.
pub(crate) async fn decide(
    reader: May<Review>,
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, decision, reason] = fields(&body, ["token", "decision", "reason"])?;
    reader.check_form(Some(&token))?;
    signed_in(&reader)?;
    let decision = Decision::parse(&decision).ok_or_else(|| asked_for("choose what you decide"))?;
    let ids: Vec<String> = form_urlencoded::parse(&body)
        .filter(|(of, _)| of == "item")
        .map(|(_, id)| id.into_owned())
        .collect();
    let (by, from) = (reader.by(), reader.address().to_owned());
    let page = address(&href(&name), [("show", &*asked.show)]);
    let writer = app.clone();
    let leaves = app
        .ask(&reader, move |trail| {
            let campaigns = trail.campaigns()?;
            let campaign = named(&campaigns, &name)?;
            let found = campaign.entitlements(&trail.view())?;
            let items: Vec<Held> = found
                .rows
                .iter()
                .filter(|row| ids.contains(&row.id()))
                .map(|row| row.held.clone())
                .collect();
            if items.len() != ids.len() {
                return Err(asked_for(
                    "some of these rows are not in the review any more: look at it again",
                ));
            }
            let checked = campaign.check(&found, &items, &by, decision, &reason);
            checked.map_err(|refused| asked_for(&refused.to_string()))?;
            let leaves = trail.ledger().size();
            writer.write_down(Fact::CampaignDecided {
                by,
                address: from,
                campaign: name,
                items,
                decision: decision.as_str().to_owned(),
                reason: reason.trim().to_owned(),
            })?;
            Ok(leaves)
        })
        .await?;
    app.settled(leaves).await;
    Ok(to_page(&page))
}

/// Ends a review.
pub(crate) async fn close(
    reader: May<Review>,
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, reason] = fields(&body, ["token", "reason"])?;
    reader.check_form(Some(&token))?;
    signed_in(&reader)?;
    let (by, from) = (reader.by(), reader.address().to_owned());
    let page = href(&name);
    let writer = app.clone();
    let leaves = app
        .ask(&reader, move |trail| {
            let campaigns = trail.campaigns()?;
            let campaign = named(&campaigns, &name)?;
            if campaign.closed.is_some() {
                return Err(asked_for("this review is closed"));
            }
            let length = reason.trim().chars().count();
            if !(REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&length) {
                return Err(asked_for(&format!(
                    "say why it ends so, in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters"
                )));
            }
            let found = campaign.entitlements(&trail.view())?;
            let undecided = campaign.undecided(&found, Timestamp::MAX);
            let leaves = trail.ledger().size();
            writer.write_down(Fact::CampaignClosed {
                by,
                address: from,
                campaign: name,
                undecided,
                reason: reason.trim().to_owned(),
            })?;
            Ok(leaves)
        })
        .await?;
    app.settled(leaves).await;
    Ok(to_page(&page))
}
