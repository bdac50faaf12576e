//! The coverage strip: a source's last days, and what may be said of each.
//!
//! Four states, told apart by shape: filled is proven, half filled is not proven, a gap is crossed, and no data is
//! hatched. Green would lie: a day without a known gap is not a proven one.

use super::unit;
use crate::text::counted;

const CELL: f64 = 8.0;
const GAP: f64 = 1.5;
const HEIGHT: f64 = 16.0;

/// What may be said of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayState {
    /// Heartbeats or the server's counters agree over all of it.
    Proven,
    /// Lines came, no gap is known, and nothing proves that there was none.
    NotProven,
    /// Something is or may be missing.
    Gap,
    /// No line is of this day.
    NoData,
}

impl DayState {
    fn class(self) -> &'static str {
        match self {
            DayState::Proven => "cover-proven",
            DayState::NotProven => "cover-open",
            DayState::Gap => "cover-gap",
            DayState::NoData => "none",
        }
    }

    fn words(self) -> &'static str {
        match self {
            DayState::Proven => "proven",
            DayState::NotProven => "not proven",
            DayState::Gap => "gap",
            DayState::NoData => "no data",
        }
    }
}

/// A day of a source.
#[derive(Clone, Debug)]
pub(crate) struct CoverageDay {
    /// `2026-11-24`.
    pub(crate) day: String,
    pub(crate) state: DayState,
    pub(crate) lines: u64,
    /// The events of the day, if it has any.
    pub(crate) href: Option<String>,
}

/// A drawing, finished but for its markup.
#[derive(Debug)]
pub(crate) struct CoverageStrip {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) summary: String,
    pub(crate) linked: bool,
    pub(crate) cells: Vec<DayCell>,
    /// The same as runs of days, for a table.
    pub(crate) runs: Vec<Run>,
}

/// A day's mark.
#[derive(Debug)]
pub(crate) struct DayCell {
    pub(crate) x: String,
    pub(crate) width: String,
    /// From the top: half of the height is left free of what is not proven.
    pub(crate) y: String,
    pub(crate) height: String,
    /// The stroke through a gap.
    pub(crate) cross: Option<String>,
    pub(crate) class: &'static str,
    pub(crate) title: String,
    pub(crate) href: Option<String>,
}

/// Days after each other of which the same is said.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) days: String,
    pub(crate) words: &'static str,
    pub(crate) lines: u64,
}

/// Draws days, the oldest first.
pub(crate) fn coverage_strip(days: &[CoverageDay]) -> CoverageStrip {
    let cells = days.iter().enumerate().map(|(at, day)| {
        let x = at as f64 * CELL;
        let half = if day.state == DayState::NotProven { HEIGHT / 2.0 } else { 0.0 };
        let cross = format!("M{} {}L{} 0", unit(x), unit(HEIGHT), unit(x + CELL - GAP));
        DayCell {
            x: unit(x),
            width: unit(CELL - GAP),
            y: unit(half),
            height: unit(HEIGHT - half),
            cross: (day.state == DayState::Gap).then_some(cross),
            class: day.state.class(),
            title: format!(
                "{}: {}, {}",
                day.day,
                day.state.words(),
                counted(day.lines, "line", "lines")
            ),
            href: day.href.clone(),
        }
    });
    CoverageStrip {
        width: unit(days.len() as f64 * CELL),
        height: unit(HEIGHT),
        summary: summary(days),
        linked: days.iter().any(|day| day.href.is_some()),
        cells: cells.collect(),
        runs: runs(days),
    }
}

fn summary(days: &[CoverageDay]) -> String {
    let of = |state: DayState| days.iter().filter(|day| day.state == state).count() as u64;
    let said: Vec<String> =
        [DayState::Proven, DayState::NotProven, DayState::Gap, DayState::NoData]
            .into_iter()
            .filter(|state| of(*state) > 0)
            .map(|state| match state {
                DayState::Gap => format!("{} with a gap", of(state)),
                state => format!("{} {}", of(state), state.words()),
            })
            .collect();
    match days {
        [] => "No days.".to_owned(),
        [first, ..] => format!(
            "{} since {}: {}.",
            counted(days.len() as u64, "day", "days"),
            first.day,
            said.join(", ")
        ),
    }
}

fn runs(days: &[CoverageDay]) -> Vec<Run> {
    let same = |a: &CoverageDay, b: &CoverageDay| a.state == b.state;
    let run = |days: &[CoverageDay]| Run {
        days: match days {
            [one] => one.day.clone(),
            _ => format!("{} to {}", days[0].day, days[days.len() - 1].day),
        },
        words: days[0].state.words(),
        lines: days.iter().map(|day| day.lines).sum(),
    };
    days.chunk_by(same).map(run).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn days(states: &[DayState]) -> Vec<CoverageDay> {
        let day = |(at, state): (usize, &DayState)| CoverageDay {
            day: format!("2026-11-{:02}", at + 1),
            state: *state,
            lines: if *state == DayState::NoData { 0 } else { 10 },
            href: (*state != DayState::NoData).then(|| format!("/explore?day={}", at + 1)),
        };
        states.iter().enumerate().map(day).collect()
    }

    #[test]
    fn geometry_of_each_state() {
        use DayState::{Gap, NoData, NotProven, Proven};
        let drawn = coverage_strip(&days(&[NoData, Proven, Proven, NotProven, Gap]));
        let cells: Vec<String> = drawn
            .cells
            .iter()
            .map(|of| {
                format!(
                    "{} {}+{} {} {:?} | {}",
                    of.x, of.y, of.height, of.class, of.cross, of.title
                )
            })
            .collect();
        insta::assert_snapshot!(cells.join("\n"), @r#"
            0 0+16 none None | 2026-11-01: no data, 0 lines
            8 0+16 cover-proven None | 2026-11-02: proven, 10 lines
            16 0+16 cover-proven None | 2026-11-03: proven, 10 lines
            24 8+8 cover-open None | 2026-11-04: not proven, 10 lines
            32 0+16 cover-gap Some("M32 16L38.5 0") | 2026-11-05: gap, 10 lines
        "#);
        insta::assert_snapshot!(drawn.summary, @"5 days since 2026-11-01: 2 proven, 1 not proven, 1 with a gap, 1 no data.");
        insta::assert_debug_snapshot!(drawn.runs, @r#"
            [
                Run {
                    days: "2026-11-01",
                    words: "no data",
                    lines: 0,
                },
                Run {
                    days: "2026-11-02 to 2026-11-03",
                    words: "proven",
                    lines: 20,
                },
                Run {
                    days: "2026-11-04",
                    words: "not proven",
                    lines: 10,
                },
                Run {
                    days: "2026-11-05",
                    words: "gap",
                    lines: 10,
                },
            ]
        "#);
        assert_eq!(coverage_strip(&[]).summary, "No days.");
    }

    proptest! {
        #[test]
        fn runs_have_all_lines(states in prop::collection::vec(0..4_usize, 0..28)) {
            let all = [DayState::Proven, DayState::NotProven, DayState::Gap, DayState::NoData];
            let states: Vec<DayState> = states.into_iter().map(|at| all[at]).collect();
            let days = days(&states);
            let drawn = coverage_strip(&days);
            let lines: u64 = drawn.runs.iter().map(|run| run.lines).sum();
            prop_assert_eq!(lines, days.iter().map(|day| day.lines).sum::<u64>());
            prop_assert_eq!(drawn.cells.len(), days.len());
        }
    }
}
