//! Charts: pure functions from plain data to finished numbers that a template draws (`charts.html`).
//!
//! A mark that counts something is a link to the question that gives its number, where the grammar can ask it; the same
//! numbers stand beneath as a table. A colour never stands alone: what was denied has a ring, a place or a word too.
//! What is not known is hatched, and never drawn as nothing. Sums of marks and rests equal the sum of what was given,
//! which tests of each chart hold.

mod coverage_strip;
#[cfg(test)]
mod gallery;
mod heat_map;
mod histogram;
mod lifelines;
mod matrix;
mod sankey;
mod scale;
mod sparkline;

pub(crate) use self::coverage_strip::{CoverageDay, CoverageStrip, DayState, coverage_strip};
pub(crate) use self::heat_map::{HeatMap, heat_map, heat_step};
pub(crate) use self::histogram::{Bucket, Chart, histogram};
pub(crate) use self::lifelines::{Life, Lifelines, Termination, lifelines};
pub(crate) use self::matrix::{Matrix, Pair, Reached, Who, matrix};
pub(crate) use self::sankey::{Flow, Sankey, sankey};
pub(crate) use self::sparkline::{Sparkline, sparkline};

use crate::text::Text;

/// Returns a part of a whole in thousandths, for a gauge: at least 4 if it is not nothing.
pub(crate) fn share(part: u64, whole: u64) -> u64 {
    match (part, whole) {
        (0, _) | (_, 0) => 0,
        (part, whole) => {
            let thousandths = u128::from(part.min(whole)) * 1000 / u128::from(whole);
            u64::try_from(thousandths).expect("at most 1000").max(4)
        }
    }
}

/// Returns a length in the drawing's units, to a tenth.
fn unit(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Returns a value as it fits beside a mark: its end is what tells paths apart, so it is cut in the middle.
fn brief(value: &str, chars_max: usize) -> Text {
    // What is written in place of invisible letters takes room too.
    let chars: Vec<char> = Text::new(value).to_string().chars().collect();
    if chars.len() <= chars_max {
        return Text::new(value);
    }
    let kept = chars_max.saturating_sub(1);
    let head: String = chars[..kept / 2].iter().collect();
    let tail: String = chars[chars.len() - (kept - kept / 2)..].iter().collect();
    Text::new(&format!("{head}…{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_shows_what_is_not_nothing() {
        assert_eq!(
            [share(0, 9), share(1, 1_000_000), share(1, 2), share(9, 9), share(9, 0)],
            [0, 4, 500, 1000, 0]
        );
    }

    #[test]
    fn a_long_value_keeps_both_ends() {
        assert_eq!(brief("secret/data/app", 15).to_string(), "secret/data/app");
        assert_eq!(brief("secret/data/team/app", 9).to_string(), "secr…/app");
        assert_eq!(brief("\u{202e}x", 9).to_string(), "\\u{202e}x");
        assert_eq!(brief("a\u{202e}\u{202e}", 9).to_string(), "a\\u{…02e}");
    }
}
