//! All charts on one page, with an attacker's names: `target/tmp/charts.html`, to be looked at in a browser.

use std::path::Path;

use askama::Template;
use jiff::tz::TimeZone;

use super::lifelines::{Life, Lifelines, Termination, lifelines};
use super::{
    Bucket, Chart, CoverageDay, CoverageStrip, DayState, Flow, HeatMap, Matrix, Pair, Reached,
    Sankey, Sparkline, Who, coverage_strip, heat_map, histogram, matrix, sankey, sparkline,
};
use crate::time::{DAY, HOUR, MINUTE};

/// What an attacker may call himself.
const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' \u{202e}gpj";
/// 2026-11-23T00:00:00Z, a Monday.
const MONDAY: i64 = 1_795_392_000 * 1_000_000_000;

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"{% import "charts.html" as charts %}<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Charts</title><style>{% include "keytrail.css" %}</style></head>
<body>{% include "icons.html" %}<main>
<section class="card"><h2>Histogram</h2>{% call charts::legend(chart.outside) %}{% endcall %}{% call charts::histogram(chart) %}{% endcall %}</section>
<div class="cols">
<section class="card"><h2>Heat map</h2>{% call charts::heat_map(heat, "heat") %}{% endcall %}</section>
<section class="card"><h2>Sankey</h2>{% call charts::sankey(flows, "flows") %}{% endcall %}</section>
</div>
<section class="card"><h2>Matrix</h2>{% call charts::matrix(matrix, "matrix") %}{% endcall %}</section>
<section class="card"><h2>Life lines</h2>{% call charts::lifelines(lives, "lives") %}{% endcall %}</section>
<section class="card"><h2>Sparklines</h2>{% for spark in sparks %}<p>a row {% call charts::sparkline(spark) %}{% endcall %}</p>{% endfor %}</section>
<section class="card"><h2>Coverage</h2>{% call charts::cover_legend() %}{% endcall %}{% call charts::coverage_strip(strip, "strip") %}{% endcall %}</section>
</main></body></html>"##
)]
struct Gallery {
    chart: Chart,
    heat: HeatMap,
    flows: Sankey,
    matrix: Matrix,
    lives: Lifelines,
    sparks: Vec<Sparkline>,
    strip: CoverageStrip,
}

/// Numbers that look drawn by lot and are the same each time.
fn lot(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40
}

fn gallery() -> Gallery {
    let step = |at: i64| u64::try_from(at).expect("not below nothing");
    let bucket = |at: u64| Bucket {
        from: format!("2026-11-23 {at:02}:00"),
        tick: format!("{at:02}:00"),
        href: "/explore".to_owned(),
        outside: at < 4,
        allowed: if at < 4 { 0 } else { lot(at) % 900 },
        denied: if at > 4 && lot(at + 99).is_multiple_of(4) { lot(at) % 70 } else { 0 },
        unknown: if at < 4 { 0 } else { lot(at) % 7 },
    };
    let hours: Vec<(i64, u64)> = (0..130_i64)
        .filter(|at| (7..19).contains(&(at % 24)) || lot(step(*at)).is_multiple_of(5))
        .map(|at| (MONDAY + at * HOUR, lot(step(at)) % 1_000))
        .collect();
    let names = ["ci-runner", "svc-payments", "my-app/my-app", "alice", HOSTILE, "etl", "backup"];
    let small = |at: u64| usize::try_from(at).expect("small");
    let who =
        |(at, name): (usize, &&str)| Who { key: Some(format!("k/{at}")), name: (*name).to_owned() };
    let path = |path: usize| match path {
        13 => HOSTILE.to_owned(),
        path => format!("secret/data/team-{path}/service/config"),
    };
    let pair = |at: u64| Pair {
        who: small(lot(at) % 7),
        path: small(lot(at + 7) % 14),
        count: lot(at) % 400 + 1,
        denied: u64::from(lot(at + 3).is_multiple_of(6)),
    };
    let reached = Reached {
        whos: names.iter().enumerate().map(who).collect(),
        paths: (0..14).map(path).collect(),
        pairs: (0..120).filter(|at| lot(*at).is_multiple_of(3)).map(pair).collect(),
    };
    let flow = |group: &str, mount: &str, decision: &str, count| {
        let [group, mount, decision] = [group, mount, decision].map(str::to_owned);
        Flow { group, mount, decision, count }
    };
    let life = |name: &str, depth, from: i64, renewed: &[i64], end| Life {
        name: name.to_owned(),
        depth,
        href: Some("/explore".to_owned()),
        issued: MONDAY + from * MINUTE,
        renewed: renewed.iter().map(|at| MONDAY + at * MINUTE).collect(),
        end,
    };
    let at = |minute: i64| MONDAY + minute * MINUTE;
    let state = |day: u64| match day {
        0..11 => DayState::NoData,
        11..40 => DayState::NotProven,
        47 | 71 => DayState::Gap,
        _ => DayState::Proven,
    };
    let days: Vec<CoverageDay> = (0..90)
        .map(|day| CoverageDay {
            day: format!("day {day}"),
            state: state(day),
            lines: if state(day) == DayState::NoData { 0 } else { lot(day) % 9_000 },
            href: (day >= 11).then(|| "/explore".to_owned()),
        })
        .collect();
    Gallery {
        chart: histogram(&(0..60).map(bucket).collect::<Vec<_>>(), "1 hour"),
        heat: heat_map(&hours, HOUR, MONDAY..MONDAY + 5 * DAY + 10 * HOUR, &TimeZone::UTC, |_| {
            "/explore".to_owned()
        }),
        flows: sankey(
            &[
                flow("workload", "secret/", "allowed", 6_200),
                flow("workload", "database/", "allowed", 1_100),
                flow("workload", "auth/kubernetes/", "allowed", 2_400),
                flow("workload", "secret/", "denied", 310),
                flow("human", "secret/", "allowed", 420),
                flow("human", "sys/", "denied", 64),
                flow("human", "pki/", "unknown", 12),
                flow("root", "sys/", "allowed", 9),
                flow(HOSTILE, HOSTILE, "denied", 200),
            ],
            |_, _, _| Some("/explore".to_owned()),
        ),
        matrix: matrix(&reached, 12, |_, _| Some("/explore".to_owned())),
        lives: lifelines(
            &[
                life("token my-app/my-app", 0, 5, &[30, 60, 90], Termination::Open),
                life(
                    "database/creds/app/7c1",
                    1,
                    12,
                    &[40],
                    Termination::Seen(at(75), "revoked".into()),
                ),
                life("database/creds/app/9e0", 1, 62, &[], Termination::Inferred(at(122))),
                life(HOSTILE, 0, -20, &[50], Termination::Inferred(at(170))),
                life("wrapping token", 0, 100, &[], Termination::Seen(at(100) + 1, "used".into())),
            ],
            MONDAY..at(150),
            &crate::zone::Zone::default(),
        ),
        sparks: vec![
            sparkline(&(0..60).map(|at| Some(lot(at) % 50)).collect::<Vec<_>>(), "1 hour"),
            sparkline(
                &(0..60).map(|at| (at > 20).then_some(lot(at) % 3)).collect::<Vec<_>>(),
                "1 day",
            ),
            sparkline(&[None, Some(0), Some(0), Some(1)], "1 day"),
        ],
        strip: coverage_strip(&days),
    }
}

#[test]
fn all_charts_are_drawn_inert_and_without_styles() {
    let page = gallery().render().expect("a page");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("charts.html"), &page).expect("a file");
    let (_, body) = page.split_once("<body>").expect("a body");
    // What an attacker wrote is text; a number that is none would be drawn nowhere.
    for forbidden in ["<script", " style=", "\u{202e}", "onload='x'", "NaN", "\"inf"] {
        assert!(!body.contains(forbidden), "{forbidden:?} is in the page");
    }
    // What a mark says is said to a screen reader too.
    for link in body.split("<a ").skip(1) {
        let (tag, rest) = link.split_once('>').expect("a tag ends");
        let (inside, _) = rest.split_once("</a>").expect("a link ends");
        let is_named = tag.contains("aria-label=\"") || inside.contains("<text");
        assert!(
            is_named || !inside.contains('<') || inside.starts_with("<bdi>"),
            "{tag}: {inside}"
        );
    }
    let groups = body.matches("role=\"group\"").count();
    let (pictures, ids) =
        (body.matches("role=\"img\"").count(), body.matches("aria-labelledby").count());
    assert_eq!((groups, pictures, ids), (6, 3, 5));
}
