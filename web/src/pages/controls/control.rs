//! `GET /controls/{id}`: one control, what it found, and what reviewers say of it.

use askama::Template;
use axum::extract::{Path, Query, State};
use query::controls::{Control, Exception, Finding};
use query::dispositions::{Excepted, Review, Standing, State as Decided};
use query::report::catalogue::Catalogue;

use super::{Asked, Choice, class};
use crate::app::{App, Seen};
use crate::door::{Controls, May, Right};
use crate::error::PageError;
use crate::link::{self, Link};
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::shell::Shell;
use crate::text::{Text, capital, counted, grouped};
use crate::time::typed;
use crate::zone::Zone;

/// Exceptions of a page.
const ROWS: usize = 50;

/// One control.
#[derive(Template)]
#[template(path = "control.html")]
pub(crate) struct ControlPage {
    shell: Shell,
    id: String,
    title: Text,
    question: Text,
    why: Text,
    remedy: Text,
    false_positives: Text,
    class: &'static str,
    verdict: Text,
    period: Text,
    at: String,
    periods: Vec<Choice>,
    facts: Vec<(&'static str, Text)>,
    rules: Vec<RuleRow>,
    params: Vec<ParamRow>,
    missing: Vec<Text>,
    notes: Vec<Text>,
    requirements: Vec<RequirementRow>,
    total: String,
    exceptions: Vec<ExceptionRow>,
    next: Option<String>,
    first: Option<String>,
    may_review: bool,
    /// Nobody is signed in, so nobody can be named as a reviewer.
    is_open: bool,
    states: Vec<(&'static str, String)>,
    /// What the form's address has to name, so that the same control is asked.
    query: String,
    all: String,
}

struct RuleRow {
    id: Text,
    words: Text,
    /// What it looks at; none of a rule that needs no filter.
    query: Option<Link>,
    registers: String,
    events: String,
}

struct ParamRow {
    name: Text,
    value: Text,
    default: Text,
    strictest: Text,
    is_weakened: bool,
}

struct RequirementRow {
    framework: Text,
    id: Text,
    words: Text,
    checked: bool,
}

struct ExceptionRow {
    hash: String,
    words: Text,
    severity: &'static str,
    rule: Text,
    subject: Vec<(Text, Text)>,
    first: String,
    last: String,
    events: Link,
    standing: Text,
    is_open: bool,
    /// It takes two.
    is_grave: bool,
    history: Vec<ReviewRow>,
    /// What was before whoever reviews this.
    seen: (i64, i64),
    count: u64,
}

struct ReviewRow {
    at: String,
    by: Text,
    state: String,
    reason: Text,
    ticket: Option<Text>,
    expires: Option<String>,
    leaf: String,
}

/// The page.
pub(crate) async fn control(
    reader: May<Controls>,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ControlPage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &id, &asked)).await
}

fn page(trail: &Seen, id: &str, asked: &Asked) -> Result<Rendered<ControlPage>, PageError> {
    let now = jiff::Timestamp::now();
    let meant = asked.meant(now).map_err(PageError::Question)?;
    let catalogue = &meant.catalogue;
    let known = catalogue.controls.iter().find(|control| control.id == id);
    let Some(control) = known else { return Err(PageError::NotFound { what: "control" }) };
    let evaluation = meant.evaluated(trail, std::slice::from_ref(&control.id))?;
    let Some(finding) = evaluation.findings.first() else {
        return Err(PageError::NotFound { what: "control" });
    };
    let own = format!("/controls/{id}");
    let skip = usize::try_from(asked.skip).unwrap_or(usize::MAX);
    let dispositions = trail.dispositions()?;
    let ends = link::Question {
        from: meant.period.from.map(typed).unwrap_or_default(),
        to: meant.period.to.map(typed).unwrap_or_default(),
        ..link::Question::default()
    };
    let row = |exception: &Exception| {
        let standing = dispositions.standing(Excepted::of(exception), now);
        exception_row(exception, standing, dispositions.of(&exception.hash), &ends, trail.zone())
    };
    let shown: Vec<ExceptionRow> =
        finding.exceptions.iter().skip(skip).take(ROWS).map(row).collect();
    let past = skip.saturating_add(shown.len());
    let page_at = |skip: usize| {
        let page = asked.href(&own);
        let sign = if page.contains('?') { '&' } else { '?' };
        if skip == 0 { page } else { format!("{page}{sign}skip={skip}") }
    };
    let reader = trail.reader();
    Ok(Rendered::ok(ControlPage {
        shell: shell(trail, "Controls"),
        title: Text::new(&control.title),
        question: Text::whole(&control.question),
        why: Text::whole(&control.why),
        remedy: Text::whole(&control.remedy),
        false_positives: Text::whole(&control.false_positives),
        class: class(&finding.verdict),
        verdict: Text::whole(&finding.verdict.to_string()),
        period: Text::new(&evaluation.period),
        at: format!("answered at leaf {}", grouped(evaluation.leaf)),
        periods: asked.periods(&own, now),
        facts: facts(control, finding, trail.zone()),
        rules: rules(control, finding, &ends),
        params: params(control, finding),
        missing: finding.missing.iter().map(|text| Text::whole(&capital(text))).collect(),
        notes: finding.notes.iter().map(|text| Text::whole(&capital(text))).collect(),
        requirements: requirements(catalogue, &control.id),
        total: counted(finding.exceptions.len() as u64, "exception", "exceptions"),
        exceptions: shown,
        next: (past < finding.exceptions.len()).then(|| page_at(past)),
        first: (skip > 0).then(|| page_at(0)),
        may_review: reader.has_forms() && reader.may(Right::Review),
        is_open: reader.role().is_none(),
        states: states(control).map(|word| (word, crate::verdict::words(word))).collect(),
        query: asked.href("").to_owned(),
        all: asked.href("/controls"),
        id: control.id.clone(),
    }))
}

fn facts(control: &Control, finding: &Finding, zone: &Zone) -> Vec<(&'static str, Text)> {
    let time = |time: Option<i64>, none: &str| {
        Text::new(&time.map_or_else(|| none.to_owned(), |time| zone.to_the_second(time)))
    };
    vec![
        ("Severity", Text::new(finding.severity.as_str())),
        ("Kind", Text::new(control.kind.as_str())),
        ("Version", Text::new(&finding.version.to_string())),
        ("Looked at from", time(finding.evaluated.from, "nothing")),
        ("Looked at until", time(finding.evaluated.to, "nothing")),
    ]
}

fn rules(control: &Control, finding: &Finding, ends: &link::Question) -> Vec<RuleRow> {
    let row = |rule: &query::controls::Rule| {
        // A parameter stands in it by its name, which no filter has.
        let href = ends.with_typed(&rule.query).filter(|_| !rule.query.contains('$'));
        let query = (!rule.query.is_empty()).then(|| Link {
            text: Text::whole(&rule.query),
            href: href.map(|asked| asked.href("/explore")),
        });
        let registers: Vec<&str> =
            rule.needs.iter().chain(&rule.excused_by).map(String::as_str).collect();
        let events = finding.evaluated.events.get(&rule.id);
        RuleRow {
            id: Text::new(&rule.id),
            words: Text::whole(&rule.words),
            query,
            registers: registers.join(", "),
            events: events.map_or_else(String::new, |count| grouped(*count)),
        }
    };
    control.rules.iter().map(row).collect()
}

fn params(control: &Control, finding: &Finding) -> Vec<ParamRow> {
    let row = |used: &query::controls::ParamUsed| {
        let known = control.params.get(&used.name);
        let text = |value: Option<String>| Text::new(&value.unwrap_or_default());
        ParamRow {
            name: Text::new(&used.name),
            value: Text::new(&used.value),
            default: text(known.map(|param| param.default.text())),
            strictest: text(known.map(|param| param.strictest.text())),
            is_weakened: used.is_weakened,
        }
    };
    finding.params.iter().map(row).collect()
}

fn requirements(catalogue: &Catalogue, control: &str) -> Vec<RequirementRow> {
    let of = |framework: &query::report::catalogue::Framework| {
        let named = catalogue.requirements_of(&framework.id, control);
        let row = |requirement: &query::report::catalogue::Requirement| RequirementRow {
            framework: Text::new(&framework.name),
            id: Text::new(&requirement.id),
            words: Text::whole(&requirement.words),
            checked: requirement.checked,
        };
        named.into_iter().map(row).collect::<Vec<_>>()
    };
    catalogue.frameworks.iter().flat_map(of).collect()
}

fn exception_row(
    exception: &Exception,
    standing: Standing<'_>,
    reviews: &[Review],
    ends: &link::Question,
    zone: &Zone,
) -> ExceptionRow {
    let time =
        |time: Option<i64>| time.map_or_else(|| "no time".to_owned(), |at| zone.to_the_second(at));
    let words = match standing {
        Standing::Open(None) => "open".to_owned(),
        Standing::Open(Some(why)) => format!("open: {why}"),
        Standing::InReview(review) => format!("in review by {}", review.by),
        Standing::Awaiting(review) => format!(
            "{} says {}; a second reviewer has to say the same",
            review.by,
            crate::verdict::words(review.state.as_str())
        ),
        Standing::Decided(review, confirmed) => {
            let confirmed =
                confirmed.map_or(String::new(), |second| format!(", and {}", second.by));
            format!(
                "{}, says {}{confirmed}",
                crate::verdict::words(review.state.as_str()),
                review.by
            )
        }
    };
    let filter = exception.filter.as_deref();
    let asked = filter.and_then(|filter| ends.with_typed(filter));
    ExceptionRow {
        hash: exception.hash.clone(),
        words: Text::whole(&capital(&exception.words)),
        severity: exception.severity.as_str(),
        rule: Text::new(&exception.rule),
        subject: exception
            .subject
            .iter()
            .filter_map(|(name, value)| Some((Text::new(name), Text::new(value.as_ref()?))))
            .collect(),
        first: time(exception.first),
        last: time(exception.last),
        events: Link {
            text: Text::new(&counted(exception.count, "event", "events")),
            href: asked.map(|asked| asked.href("/explore")),
        },
        standing: Text::whole(&words),
        is_open: !standing.is_decided(),
        is_grave: Excepted::of(exception).is_grave,
        history: reviews.iter().rev().map(|review| review_row(review, zone)).collect(),
        seen: exception.first.zip(exception.last).unwrap_or_default(),
        count: exception.count,
    }
}

fn review_row(review: &Review, zone: &Zone) -> ReviewRow {
    let time = |at: jiff::Timestamp| {
        let ns = i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
        zone.to_the_second(ns)
    };
    ReviewRow {
        at: time(review.at),
        by: Text::new(&review.by),
        state: crate::verdict::words(review.state.as_str()),
        reason: Text::whole(&review.reason),
        ticket: review.ticket.as_deref().map(Text::new),
        expires: review.expires.map(time),
        leaf: grouped(review.leaf),
    }
}

/// Returns what a reviewer may say: what the control knows, and what is no end of it.
pub(super) fn states(control: &Control) -> impl Iterator<Item = &'static str> {
    let codes = control.disposition_codes.iter().map(|code| code.as_str());
    let all = [Decided::InReview.as_str()].into_iter().chain(codes);
    all.chain([Decided::Reopened.as_str()])
}
