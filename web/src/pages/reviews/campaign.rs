//! `GET /reviews/{name}?show=&skip=`: one review of access, row by row; `.csv` has all of them.

use std::collections::BTreeMap;

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use ingest::own::Fact;
use jiff::Timestamp;
use query::campaigns::{Campaign, Decided, Decision, Effect, Standing, access_review};
use query::entitlements::{Entitlement, Entitlements};
use query::filter::Filter;
use query::subjects::Of;
use query::table::Form;
use serde::Deserialize;

use super::{href, nanoseconds, standing};
use crate::app::{App, Seen};
use crate::door::{Controls, ExportControls, May, Right};
use crate::error::PageError;
use crate::export::file;
use crate::link::{Link, Question, address};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::subject;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};
use crate::verdict::words;
use crate::zone::Zone;

/// Rows of a page.
const ROWS: usize = 100;

/// One review.
#[derive(Template)]
#[template(path = "campaign.html")]
pub(crate) struct CampaignPage {
    shell: Shell,
    name: Text,
    action: String,
    standing: Text,
    is_late: bool,
    facts: Vec<(&'static str, Text)>,
    /// What the rows are not what they were when it was opened.
    problem: Option<Text>,
    choices: Vec<Choice>,
    total: String,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    csv: String,
    may_decide: bool,
    /// Nobody is signed in, so nobody can be named as a reviewer.
    is_open: bool,
    decisions: Vec<(&'static str, String)>,
    undecided: u64,
}

struct Choice {
    name: String,
    href: String,
    current: bool,
}

struct Row {
    id: String,
    identity: Link,
    kind: Text,
    policy: Text,
    is_privileged: bool,
    requests: Link,
    granted: String,
    last_granted: String,
    standing: Text,
    is_open: bool,
    effect: Option<(bool, Text)>,
    history: Vec<Said>,
}

struct Said {
    at: String,
    by: Text,
    decision: String,
    reason: Text,
    leaf: String,
}

/// The parameters, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// Which rows: `undecided`, `unused`, `privileged`, or a decision.
    pub(super) show: String,
    pub(super) skip: usize,
}

/// The page.
pub(crate) async fn campaign(
    reader: May<Controls>,
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<CampaignPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &name, &asked)).await
}

/// Every row as CSV.
pub(crate) async fn campaign_csv(
    reader: May<ExportControls>,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let fact = Fact::Exported {
        by: reader.by(),
        address: reader.address().to_owned(),
        what: format!("review of access {name}"),
        filter: String::new(),
        from: None,
        to: None,
    };
    app.record(&reader, fact).await?;
    let csv = app.ask(&reader, move |trail| {
        let campaigns = trail.campaigns()?;
        let campaign = named(&campaigns, &name)?;
        let view = trail.view();
        let found = campaign.entitlements(&view)?;
        let mut bytes = Vec::new();
        access_review(&view, &found, Some(campaign))?.write(Form::Csv, &mut bytes)?;
        Ok(bytes)
    });
    let csv = csv.await?;
    Ok(file("keytrail-review.csv", "text/csv; charset=utf-8; header=present", Body::from(csv)))
}

/// Finds the review of this name.
pub(super) fn named<'a>(
    campaigns: &'a query::campaigns::Campaigns,
    name: &str,
) -> Result<&'a Campaign, PageError> {
    campaigns.named(name).ok_or(PageError::NotFound { what: "review" })
}

fn page(trail: &Seen, name: &str, asked: &Asked) -> Result<Rendered<CampaignPage>, PageError> {
    let campaigns = trail.campaigns()?;
    let campaign = named(&campaigns, name)?;
    let view = trail.view();
    let found = campaign.entitlements(&view)?;
    let undecided = campaign.undecided(&found, Timestamp::MAX);
    let (standing, is_late) = standing(campaign, undecided, Timestamp::now());
    let own = href(name);
    let at = |show: &str, skip: usize| {
        let skip = if skip == 0 { String::new() } else { skip.to_string() };
        address(&own, [("show", show), ("skip", &*skip)])
    };
    let kept: Vec<&Entitlement> =
        found.rows.iter().filter(|row| is_shown(campaign, row, &asked.show)).collect();
    let shown = kept.iter().skip(asked.skip).take(ROWS);
    let rows = shown
        .map(|row| Ok(self::row(campaign, row, campaign.effect(&view, row)?, trail.zone())))
        .collect::<Result<Vec<_>, PageError>>()?;
    let past = asked.skip.saturating_add(rows.len());
    let reader = trail.reader();
    let is_listed =
        campaign.reviewers.is_empty() || campaign.reviewers.contains(&trail.reader().by());
    Ok(Rendered::ok(CampaignPage {
        shell: shell(trail, "Reviews"),
        name: Text::new(name),
        action: own.clone(),
        standing: Text::new(&standing),
        is_late,
        facts: facts(campaign, &found, trail.zone()),
        problem: (found.sha256() != campaign.items_sha256).then(|| {
            Text::whole(
                "The rows are not those with which the review was opened: other rules, or retention, have changed what the log tells. Decisions stand for the pairs that are still there.",
            )
        }),
        choices: choices(campaign, &found, &asked.show, &|show| at(show, 0)),
        total: counted(kept.len() as u64, "row", "rows"),
        next: (past < kept.len()).then(|| at(&asked.show, past)),
        first: (asked.skip > 0).then(|| at(&asked.show, 0)),
        csv: format!("{own}/rows.csv"),
        may_decide: reader.has_forms()
            && reader.may(Right::Review)
            && is_listed
            && campaign.closed.is_none(),
        is_open: reader.role().is_none(),
        decisions: Decision::ALL
            .map(|decision| (decision.as_str(), words(decision.as_str())))
            .into(),
        undecided,
        rows,
    }))
}

fn facts(campaign: &Campaign, found: &Entitlements, zone: &Zone) -> Vec<(&'static str, Text)> {
    let time = |time: Timestamp| zone.to_the_second(nanoseconds(time));
    let end = |at: Option<Timestamp>, none: &str| at.map_or_else(|| none.to_owned(), time);
    let mut facts = vec![
        ("Opened", format!("{} by {}", time(campaign.opened), campaign.by)),
        ("Due", time(campaign.due)),
        (
            "Reviewers",
            match &campaign.reviewers[..] {
                [] => "every reviewer".to_owned(),
                names => names.join(", "),
            },
        ),
        (
            "Of the events",
            format!(
                "from {} to {}, as of leaf {}",
                end(campaign.from, "the first"),
                end(campaign.to, "the last"),
                grouped(campaign.at)
            ),
        ),
        (
            "Scope",
            match &*campaign.scope {
                "" => "everything".to_owned(),
                scope => scope.to_owned(),
            },
        ),
        (
            "Looked at",
            format!(
                "{}, of which {} of nobody who could be named",
                counted(found.events, "event", "events"),
                grouped(found.without_identity)
            ),
        ),
        ("SHA-256 of the rows", campaign.items_sha256.clone()),
    ];
    if let Some(closed) = &campaign.closed {
        let words = format!("{} by {}: {}", time(closed.at), closed.by, closed.reason);
        facts.push(("Closed", words));
    }
    facts.into_iter().map(|(name, text)| (name, Text::whole(&text))).collect()
}

fn is_shown(campaign: &Campaign, row: &Entitlement, show: &str) -> bool {
    match show {
        "" => true,
        "privileged" => row.is_privileged,
        "unused" => row.granted == 0,
        "undecided" => !matches!(campaign.standing(row), Standing::Decided(..)),
        word => {
            matches!(campaign.standing(row), Standing::Decided(decided, _) if decided.decision.as_str() == word)
        }
    }
}

fn choices(
    campaign: &Campaign,
    found: &Entitlements,
    current: &str,
    href: &dyn Fn(&str) -> String,
) -> Vec<Choice> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let all = ["", "undecided", "privileged", "unused", "keep", "revoke", "modify"];
    for row in &found.rows {
        for show in all.into_iter().filter(|show| is_shown(campaign, row, show)) {
            *counts.entry(show).or_default() += 1;
        }
    }
    let choice = |show: &'static str| Choice {
        name: format!(
            "{} {}",
            if show.is_empty() { "all" } else { show },
            grouped(counts.get(show).copied().unwrap_or(0))
        ),
        href: href(show),
        current: show == current,
    };
    all.map(choice).into()
}

fn row(campaign: &Campaign, row: &Entitlement, effect: Effect, zone: &Zone) -> Row {
    let standing = campaign.standing(row);
    let said = |decided: &Decided| words(decided.decision.as_str());
    let text = match standing {
        Standing::Undecided(None) => "undecided".to_owned(),
        Standing::Undecided(Some(last)) => format!("undecided: not for {} to decide", last.by),
        Standing::Awaiting(first) => {
            format!("{} says {}; a second person has to say the same", first.by, said(first))
        }
        Standing::Decided(first, None) => format!("{}, says {}", said(first), first.by),
        Standing::Decided(first, Some(second)) => {
            format!("{}, say {} and {}", said(first), first.by, second.by)
        }
    };
    let typed = |time: Option<Timestamp>| {
        time.map(|time| crate::time::typed(nanoseconds(time))).unwrap_or_default()
    };
    let ends =
        Question { from: typed(campaign.from), to: typed(campaign.to), ..Question::default() };
    let identity = Filter::exactly("identity", &row.held.identity);
    let held = Filter::exactly("held", &row.held.policy);
    let filter = Filter::all_of(identity.into_iter().chain(held)).to_string();
    let asked = ends.with_typed(&filter);
    Row {
        id: row.id(),
        identity: Link {
            text: Text::new(row.name.as_deref().unwrap_or(&row.held.identity)),
            href: subject::address(Of::Identities, &row.held.identity),
        },
        kind: Text::new(row.kind.as_deref().unwrap_or_default()),
        policy: Text::new(&row.held.policy),
        is_privileged: row.is_privileged,
        requests: Link {
            text: Text::new(&grouped(row.requests)),
            href: asked.map(|asked| asked.href("/explore")),
        },
        granted: grouped(row.granted),
        last_granted: row
            .last_granted
            .map_or_else(|| "never".to_owned(), |at| zone.to_the_minute(at)),
        standing: Text::whole(&text),
        is_open: !matches!(standing, Standing::Decided(..)),
        effect: match effect {
            Effect::None => None,
            Effect::NotDue => {
                Some((false, Text::new("not known yet: a week has not gone by in the log")))
            }
            Effect::NotSeen => Some((false, Text::new("not seen held since"))),
            Effect::StillHeld { requests } => Some((
                true,
                Text::new(&format!(
                    "still held a week later, in {}",
                    counted(requests, "request", "requests")
                )),
            )),
        },
        history: campaign
            .said(&row.held)
            .iter()
            .rev()
            .map(|one| Said {
                at: zone.to_the_second(nanoseconds(one.at)),
                by: Text::new(&one.by),
                decision: match one.at_once {
                    1 => said(one),
                    many => format!("{}, with {} others at once", said(one), grouped(many - 1)),
                },
                reason: Text::whole(&one.reason),
                leaf: grouped(one.leaf),
            })
            .collect(),
    }
}
