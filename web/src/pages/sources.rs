//! `GET /sources`: is anything missing, and since when?

use askama::Template;
use axum::extract::State;
use query::coverage::{Arrival, Source};

use crate::app::{App, Seen};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link::Link;
use crate::page::Rendered;
use crate::pages::overview::coverage::{coverage, shell};
use crate::shell::Shell;
use crate::text::{Text, capital, counted, grouped};
use crate::zone::Zone;

/// Days that are shown of a source, the newest.
const DAYS_SHOWN: usize = 31;

/// How complete the trail is, source by source.
#[derive(Template)]
#[template(path = "sources.html")]
pub(crate) struct SourcesPage {
    shell: Shell,
    sentence: Text,
    grade: &'static str,
    nodes: Vec<Text>,
    sources: Vec<SourceCard>,
}

struct SourceCard {
    link: Link,
    grade: &'static str,
    why: Vec<Text>,
    facts: Vec<(&'static str, Link)>,
    incidents: Vec<Incident>,
    days: Vec<DayRow>,
}

struct Incident {
    until: String,
    text: Text,
}

struct DayRow {
    day: String,
    lines: String,
    followed: String,
    arrival: String,
}

/// The page.
pub(crate) async fn sources(
    reader: May<Look>,
    State(app): State<App>,
) -> Result<Rendered<SourcesPage>, PageError> {
    app.ask(&reader, page).await
}

fn page(trail: &Seen) -> Result<Rendered<SourcesPage>, PageError> {
    let coverage = coverage(&trail.view())?;
    let lacking = coverage.nodes_without_source.iter();
    Ok(Rendered::ok(SourcesPage {
        shell: shell(trail, "Sources"),
        sentence: Text::whole(&capital(&coverage.sentence())),
        grade: coverage.grade.words(),
        nodes: lacking.map(|node| Text::new(node)).collect(),
        sources: coverage.sources.iter().map(|source| card(source, trail.zone())).collect(),
    }))
}

fn card(source: &Source, zone: &Zone) -> SourceCard {
    let mut why: Vec<Text> = source.why.iter().map(|why| Text::new(why)).collect();
    if source.more_why > 0 {
        why.push(Text::new(&format!("and {} more", grouped(source.more_why))));
    }
    let own = |filter: &str, count: String| {
        let of = crate::link::term("source", &source.source);
        let q = of.map(|term| format!("{term} {filter}"));
        Link {
            text: Text::new(&count),
            href: q.map(|q| {
                crate::link::Question { q, all: true, ..Default::default() }.href("/explore")
            }),
        }
    };
    let plain = |text: String| Link::none(&text);
    let mut facts = vec![
        ("Reader", plain(if source.followed { "followed" } else { "not followed" }.to_owned())),
        (
            "Lines",
            plain(format!(
                "{}, of which {} were taken in as they were written",
                grouped(source.lines),
                grouped(source.live_lines)
            )),
        ),
        ("Bytes", plain(grouped(source.bytes))),
        ("Undecodable", plain(counted(source.undecodable, "line", "lines"))),
        ("Pending", own("is:pending", counted(source.pending, "request", "requests"))),
        (
            "Gaps",
            plain(match source.gap_bytes {
                0 => grouped(source.gaps),
                bytes => format!("{}, of at least {} bytes", grouped(source.gaps), grouped(bytes)),
            }),
        ),
        ("First entry", plain(source.first.clone().unwrap_or_else(|| "none".to_owned()))),
        ("Last entry", plain(source.last.clone().unwrap_or_else(|| "none".to_owned()))),
    ];
    if let Some(arrival) = &source.newest_hour {
        facts.push(("Delay, newest hour", plain(delay(arrival))));
    }
    if let Some(since) = &source.heartbeat_missing_since {
        facts.push(("Heartbeat missing since", plain(since.clone())));
    }
    for proven in &source.proven {
        facts.push(("Proven", plain(format!("{} to {}", proven.from, proven.to))));
    }
    let day = |day: &query::coverage::Day| DayRow {
        day: day.day.clone(),
        lines: grouped(day.lines),
        followed: grouped(day.live_lines),
        arrival: day.arrival.as_ref().map_or_else(|| "–".to_owned(), delay),
    };
    let days = source.days.iter().rev().take(DAYS_SHOWN).map(day);
    SourceCard {
        link: Link::of("source", &source.source),
        grade: source.grade.words(),
        why,
        facts,
        incidents: source
            .incidents
            .iter()
            .map(|missing| Incident {
                until: zone.to_the_second(missing.to_unix_ns),
                text: Text::new(&missing.text),
            })
            .collect(),
        days: days.collect(),
    }
}

fn delay(arrival: &Arrival) -> String {
    format!("median {} ms, at most {} ms", grouped(arrival.median_ms), arrival.max_ms)
}
