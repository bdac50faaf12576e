//! `POST /controls/{id}/review`: what a reviewer says of an exception becomes a line of the ledger.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::own::Fact;
use jiff::Timestamp;
use query::controls::Exception;
use query::dispositions::{Review, State as Decided};
use query::row::EventRow;

use super::Asked;
use super::control::states;
use crate::app::{App, Seen};
use crate::door::{May, Review as MayReview, fields};
use crate::error::PageError;
use crate::time::end_of_day;
use crate::verdict::words;

/// The fields of the form.
const FIELDS: [&str; 9] =
    ["token", "exception", "from", "to", "events", "state", "reason", "ticket", "expires"];

/// Writes a review down.
pub(crate) async fn review(
    reader: May<MayReview>,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Result<Response, PageError> {
    let [token, exception, from, to, events, state, reason, ticket, expires] =
        fields(&body, FIELDS)?;
    reader.check_form(Some(&token))?;
    // A person may have several tokens, and two reviewers are two people.
    if !reader.has_forms() {
        return Err(PageError::Question(
            "a review names who decided, and nobody is signed in: `keytrail user add` adds users, and a token is none"
                .to_owned(),
        ));
    }
    let question = |what: &str| PageError::Question(what.to_owned());
    let number = |text: &str| text.parse::<i64>().map_err(|_| question("the form is not whole"));
    let seen = (number(&from)?, number(&to)?);
    let events = u64::try_from(number(&events)?).map_err(|_| question("the form is not whole"))?;
    let state = Decided::parse(&state).ok_or_else(|| question("choose what you say of it"))?;
    let expires = match expires.trim() {
        "" => None,
        day => Some(end_of_day(day).map_err(PageError::Question)?),
    };
    let review = Review {
        leaf: 0,
        at: Timestamp::now(),
        by: reader.by(),
        state,
        reason: reason.trim().to_owned(),
        ticket: Some(ticket.trim().to_owned()).filter(|ticket| !ticket.is_empty()),
        expires,
        seen,
        events,
    };
    let address = reader.address().to_owned();
    let back = asked.href(&format!("/controls/{id}"));
    let writer = app.clone();
    let settled = app
        .ask(&reader, move |trail| {
            let found = found(trail, &id, &asked, &exception, state)?;
            check(trail, &found, &review)?;
            let leaves = trail.ledger().size();
            writer.write_down(Fact::ExceptionReviewed {
                by: review.by,
                address,
                exception: found.hash,
                key: found.key,
                from_unix_ns: seen.0,
                to_unix_ns: seen.1,
                events,
                state: review.state.as_str().to_owned(),
                reason: review.reason,
                ticket: review.ticket,
                expires: review.expires,
            })?;
            Ok(leaves)
        })
        .await?;
    app.settled(settled).await;
    let page = HeaderValue::from_str(&back).unwrap_or(HeaderValue::from_static("/controls"));
    Ok((StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response())
}

/// Finds the exception that is meant among those of the control.
fn found(
    trail: &Seen,
    id: &str,
    asked: &Asked,
    hash: &str,
    state: Decided,
) -> Result<Exception, PageError> {
    let meant = asked.meant(Timestamp::now()).map_err(PageError::Question)?;
    let known = meant.catalogue.controls.iter().find(|control| control.id == id);
    let Some(control) = known else { return Err(PageError::NotFound { what: "control" }) };
    if !states(control).any(|known| known == state.as_str()) {
        return Err(PageError::Question(format!(
            "an exception of {id} is never {}",
            words(state.as_str())
        )));
    }
    let evaluation = meant.evaluated(trail, &[id.to_owned()])?;
    let mut all = evaluation.findings.into_iter().flat_map(|finding| finding.exceptions);
    all.find(|exception| exception.hash == hash).ok_or_else(|| {
        PageError::Question("the control does not raise this exception any more".to_owned())
    })
}

/// Tells whether the review may be written down.
fn check(trail: &Seen, exception: &Exception, review: &Review) -> Result<(), PageError> {
    let within = exception.first.zip(exception.last).is_none_or(|(first, last)| {
        first <= review.seen.0 && review.seen.0 <= review.seen.1 && review.seen.1 <= last
    });
    if !within || review.events > exception.count {
        return Err(PageError::Question(
            "the exception has changed since the page was shown: look at it again".to_owned(),
        ));
    }
    let mut subject: Vec<String> = exception.subject.values().flatten().cloned().collect();
    let view = trail.view();
    for uid in &exception.uids {
        let row = query::full::row_in(&view, *uid)?;
        let names = |row: EventRow| [row.identity, row.display_name, row.claimed];
        subject.extend(row.map(names).into_iter().flatten().flatten());
    }
    let subject: Vec<&str> = subject.iter().map(String::as_str).collect();
    let checked = trail.dispositions()?.check(&exception.hash, review, &subject, review.at);
    checked.map_err(|refused| PageError::Question(refused.to_string()))
}
