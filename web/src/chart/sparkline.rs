//! The sparkline: one row's counts over time, as small as a word.

use super::unit;
use crate::text::{counted, grouped};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 20.0;
/// Room for the stroke above and below.
const EDGE: f64 = 1.5;

/// A drawing, finished but for its markup.
#[derive(Debug, PartialEq)]
pub(crate) struct Sparkline {
    pub(crate) width: String,
    pub(crate) height: String,
    /// What it shows, in a sentence: there is no other text to it.
    pub(crate) label: String,
    /// The line, in parts where nothing is known between.
    pub(crate) line: String,
    /// What is below the line.
    pub(crate) area: String,
    /// Left edges and widths of what is not known.
    pub(crate) unknown: Vec<(String, String)>,
}

/// Draws counts of steps of equal length, the oldest first; nothing where nothing is known. `step` is a step's length
/// in words.
pub(crate) fn sparkline(counts: &[Option<u64>], step: &str) -> Sparkline {
    let most = counts.iter().flatten().copied().max().unwrap_or(0);
    let column = WIDTH / counts.len().max(1) as f64;
    let height = |count: u64| {
        let share = if most == 0 { 0.0 } else { count as f64 / most as f64 };
        HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE)
    };
    let (mut line, mut area, mut unknown) = (String::new(), String::new(), Vec::new());
    let mut at = 0;
    while at < counts.len() {
        let known = counts[at].is_some();
        let length = counts[at..].iter().take_while(|count| count.is_some() == known).count();
        let x = |place: usize| unit(place as f64 * column);
        if known {
            // A step is as wide as it is long: one of a single step is seen too.
            let mut part = format!("M{} {}", x(at), unit(height(counts[at].unwrap_or(0))));
            for (place, count) in counts.iter().enumerate().skip(at).take(length) {
                let y = unit(height(count.unwrap_or(0)));
                part += &format!("V{y}H{}", x(place + 1));
            }
            area += &format!("{part}V{}H{}Z", unit(HEIGHT), x(at));
            line += &part;
        } else {
            unknown.push((x(at), unit(length as f64 * column)));
        }
        at += length;
    }
    let total: u64 = counts.iter().flatten().sum();
    let missing = counts.iter().filter(|count| count.is_none()).count();
    let mut label = format!(
        "{} in {} of {step}, at most {} in one",
        counted(total, "request", "requests"),
        counted(counts.len() as u64, "step", "steps"),
        grouped(most)
    );
    if missing > 0 {
        label += &format!("; nothing is known of {}", grouped(missing as u64));
    }
    Sparkline { width: unit(WIDTH), height: unit(HEIGHT), label, line, area, unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_with_a_stretch_that_is_not_known() {
        insta::assert_debug_snapshot!(
            sparkline(&[Some(0), Some(4), None, None, Some(2)], "1 hour"),
            @r#"
                Sparkline {
                    width: "120",
                    height: "20",
                    label: "6 requests in 5 steps of 1 hour, at most 4 in one; nothing is known of 2",
                    line: "M0 18.5V18.5H24V1.5H48M96 10V10H120",
                    area: "M0 18.5V18.5H24V1.5H48V20H0ZM96 10V10H120V20H96Z",
                    unknown: [
                        (
                            "48",
                            "48",
                        ),
                    ],
                }
            "#
        );
    }

    #[test]
    fn nothing_is_a_line_at_the_foot() {
        let drawn = sparkline(&[Some(0), Some(0)], "1 day");
        assert_eq!(drawn.line, "M0 18.5V18.5H60V18.5H120");
        assert_eq!(sparkline(&[], "1 day").line, "");
        assert_eq!(sparkline(&[None], "1 day").unknown, [("0".to_owned(), "120".to_owned())]);
    }
}
