//! Life lines of tokens and leases (a Gantt chart): issued, renewed, and how it ended as far as the log tells.
//!
//! An end that was seen is a stop, one that is inferred from a time to live is a broken line with no stop, and what is
//! open runs out of the picture as an arrow: the three are never mistaken for each other.

use std::ops::Range;

use super::{brief, unit};
use crate::text::{Text, counted};
use crate::zone::Zone;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 1_150.0;
/// Room for an arrow.
const ARROW: f64 = 10.0;
const ROW: f64 = 24.0;
const BAR: f64 = 10.0;
const NAME_CHARS: usize = 26;
/// The least width of a bar.
const BAR_MIN: f64 = 2.0;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Termination {
    /// A line of the log says so: when, and the word for it, such as `revoked`.
    Seen(i64, String),
    /// It had a time to live, and no line says that it was renewed or revoked.
    Inferred(i64),
    /// Nothing tells of an end.
    Open,
}

/// A token or a lease. Times are nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) name: String,
    /// How far it lies below what it belongs to: a lease below its token.
    pub(crate) depth: usize,
    pub(crate) href: Option<String>,
    pub(crate) issued: i64,
    pub(crate) renewed: Vec<i64>,
    pub(crate) end: Termination,
}

/// A drawing, finished but for its markup.
#[derive(Debug)]
pub(crate) struct Lifelines {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) summary: String,
    pub(crate) linked: bool,
    pub(crate) rows: Vec<LifeRow>,
    /// The ends of the time shown, and where they stand.
    pub(crate) axis_x: String,
    pub(crate) axis_y: String,
    pub(crate) zone: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// One life line.
#[derive(Debug)]
pub(crate) struct LifeRow {
    pub(crate) name: Text,
    pub(crate) name_x: String,
    /// The middle of the row.
    pub(crate) y: String,
    pub(crate) bar_x: String,
    pub(crate) bar_y: String,
    pub(crate) bar_width: String,
    pub(crate) bar_height: String,
    /// `life` or `life inferred`.
    pub(crate) class: &'static str,
    /// Strokes at renewals, and the stop of an end that was seen.
    pub(crate) renewals: String,
    pub(crate) stop: Option<String>,
    /// The head of what is open or goes on beyond the picture.
    pub(crate) arrow: Option<String>,
    pub(crate) title: Text,
    pub(crate) href: Option<String>,
    pub(crate) issued: String,
    pub(crate) renewed: String,
    pub(crate) end: Text,
}

/// Draws lives within a time.
pub(crate) fn lifelines(lives: &[Life], shown: Range<i64>, zone: &Zone) -> Lifelines {
    let right = WIDTH - ARROW;
    let length = shown.end.saturating_sub(shown.start).max(1) as f64;
    let x = |time: i64| {
        let share = time.saturating_sub(shown.start) as f64 / length;
        LEFT + share.clamp(0.0, 1.0) * (right - LEFT)
    };
    let rows = lives.iter().enumerate().map(|(at, life)| {
        let middle = (at as f64 + 0.5) * ROW;
        let (end, words) = match &life.end {
            Termination::Seen(end, word) => {
                (Some(*end), format!("{word} {}", zone.to_the_second(*end)))
            }
            Termination::Inferred(end) => {
                (Some(*end), format!("end inferred {}", zone.to_the_second(*end)))
            }
            Termination::Open => (None, "no end seen".to_owned()),
        };
        let goes_on = end.is_none_or(|end| end > shown.end);
        let bar_x = x(life.issued);
        let bar_end = end.map_or(right, x).max(bar_x + BAR_MIN);
        let (top, bottom) = (unit(middle - BAR / 2.0), unit(middle + BAR / 2.0));
        let renewals = life.renewed.iter().filter(|time| shown.contains(time));
        let renewals = renewals.map(|time| format!("M{} {top}V{bottom}", unit(x(*time))));
        let stop = match life.end {
            Termination::Seen(..) if !goes_on => {
                let (above, below) = (unit(middle - BAR * 0.8), unit(middle + BAR * 0.8));
                Some(format!("M{} {above}V{below}", unit(bar_end)))
            }
            _ => None,
        };
        let arrow = format!(
            "M{} {top}L{} {}L{} {bottom}Z",
            unit(right),
            unit(right + ARROW - 1.0),
            unit(middle),
            unit(right)
        );
        let renewed = counted(life.renewed.len() as u64, "time", "times");
        let title = format!(
            "{}: issued {}, renewed {renewed}, {words}",
            life.name,
            zone.to_the_second(life.issued)
        );
        LifeRow {
            name: brief(&life.name, NAME_CHARS),
            name_x: unit(life.depth.min(4) as f64 * 12.0),
            y: unit(middle),
            bar_x: unit(bar_x),
            bar_y: top.clone(),
            bar_width: unit(bar_end - bar_x),
            bar_height: unit(BAR),
            class: match life.end {
                Termination::Inferred(_) => "life inferred",
                Termination::Seen(..) | Termination::Open => "life",
            },
            renewals: renewals.collect(),
            stop,
            arrow: goes_on.then_some(arrow),
            title: Text::new(&title),
            href: life.href.clone(),
            issued: zone.to_the_second(life.issued),
            renewed,
            end: Text::new(&words),
        }
    });
    Lifelines {
        width: unit(WIDTH),
        height: unit((lives.len() + 1) as f64 * ROW),
        axis_x: unit(LEFT),
        axis_y: unit((lives.len() as f64 + 0.6) * ROW),
        summary: summary(lives),
        linked: lives.iter().any(|life| life.href.is_some()),
        rows: rows.collect(),
        zone: zone.name().to_owned(),
        from: zone.to_the_second(shown.start),
        to: zone.to_the_second(shown.end),
    }
}

fn summary(lives: &[Life]) -> String {
    let of =
        |wanted: fn(&Termination) -> bool| lives.iter().filter(|life| wanted(&life.end)).count();
    format!(
        "{}: {} with an end that was seen, {} with one that is inferred, {} without any.",
        counted(lives.len() as u64, "life line", "life lines"),
        of(|end| matches!(end, Termination::Seen(..))),
        of(|end| matches!(end, Termination::Inferred(_))),
        of(|end| matches!(end, Termination::Open))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{HOUR, MINUTE};

    const START: i64 = 1_795_000_000_000_000_000;

    fn life(name: &str, issued: i64, end: Termination) -> Life {
        Life {
            name: name.to_owned(),
            depth: 0,
            href: None,
            issued: START + issued,
            renewed: vec![START + 30 * MINUTE, START + 5 * HOUR],
            end,
        }
    }

    #[test]
    fn three_kinds_of_ends() {
        let drawn = lifelines(
            &[
                life("token", 0, Termination::Seen(START + HOUR, "revoked".into())),
                life("lease", 10 * MINUTE, Termination::Inferred(START + HOUR)),
                life("root", -HOUR, Termination::Open),
                life("long", 0, Termination::Inferred(START + 9 * HOUR)),
            ],
            START..START + 2 * HOUR,
            &Zone::default(),
        );
        let rows: Vec<String> = drawn
            .rows
            .iter()
            .map(|row| {
                format!(
                    "{} [{}] {}+{} renewed {:?} stop {:?} arrow {}",
                    row.title,
                    row.class,
                    row.bar_x,
                    row.bar_width,
                    row.renewals,
                    row.stop,
                    row.arrow.is_some()
                )
            })
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
            token: issued 2026-11-18 11:06:40, renewed 2 times, revoked 2026-11-18 12:06:40 [life] 190+475 renewed "M427.5 7V17" stop Some("M665 4V20") arrow false
            lease: issued 2026-11-18 11:16:40, renewed 2 times, end inferred 2026-11-18 12:06:40 [life inferred] 269.2+395.8 renewed "M427.5 31V41" stop None arrow false
            root: issued 2026-11-18 10:06:40, renewed 2 times, no end seen [life] 190+950 renewed "M427.5 55V65" stop None arrow true
            long: issued 2026-11-18 11:06:40, renewed 2 times, end inferred 2026-11-18 20:06:40 [life inferred] 190+950 renewed "M427.5 79V89" stop None arrow true
        "#);
        insta::assert_snapshot!(drawn.summary, @"4 life lines: 1 with an end that was seen, 2 with one that is inferred, 1 without any.");
    }

    #[test]
    fn a_moment_is_seen_and_lies_within_the_picture() {
        let end = Termination::Seen(START + 1, "used".into());
        let drawn = lifelines(&[life("wrap", 0, end)], START..START + 2 * HOUR, &Zone::default());
        assert_eq!((&*drawn.rows[0].bar_x, &*drawn.rows[0].bar_width), ("190", "2"));
        assert!(lifelines(&[], START..START, &Zone::default()).rows.is_empty());
    }
}
