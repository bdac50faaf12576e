//! Counts as shades: six steps of one hue, nothing drawn as an outline only.
//!
//! The bounds grow with the square of the step, since a few cells have most of the requests; the legend tells them.

use crate::text::grouped;

const STEPS: u64 = 6;

/// The shades of counts up to a largest one.
pub(super) struct Scale {
    /// The largest count of each shade, ascending; the last shade is always the darkest.
    bounds: Vec<u64>,
}

/// A shade and the counts that it stands for.
#[derive(Debug)]
pub(crate) struct Shade {
    pub(crate) class: String,
    pub(crate) words: String,
}

impl Scale {
    pub(super) fn up_to(most: u64) -> Scale {
        let part = |step: u64| {
            let bound = u128::from(most) * u128::from(step * step) / u128::from(STEPS * STEPS);
            u64::try_from(bound).unwrap_or(u64::MAX).max(1)
        };
        let mut bounds: Vec<u64> = (1..=STEPS).map(part).collect();
        bounds.dedup();
        Scale { bounds }
    }

    /// Returns the class of a count; of nothing it is `shade-0`.
    pub(super) fn class(&self, count: u64) -> String {
        if count == 0 {
            return "shade-0".to_owned();
        }
        let last = self.bounds.len() - 1;
        let at = self.bounds.partition_point(|&bound| bound < count).min(last);
        self.at(at)
    }

    fn at(&self, at: usize) -> String {
        format!("shade-{}", STEPS as usize - (self.bounds.len() - 1 - at))
    }

    /// Returns the shades, the lightest first.
    pub(super) fn legend(&self) -> Vec<Shade> {
        let mut least = 1;
        let shade = |(at, &bound): (usize, &u64)| {
            let words = if least == bound {
                grouped(bound)
            } else {
                format!("{}–{}", grouped(least), grouped(bound))
            };
            least = bound.saturating_add(1);
            Shade { class: self.at(at), words }
        };
        self.bounds.iter().enumerate().map(shade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(most: u64) -> Vec<String> {
        Scale::up_to(most)
            .legend()
            .into_iter()
            .map(|of| format!("{} {}", of.class, of.words))
            .collect()
    }

    #[test]
    fn the_largest_is_the_darkest_and_nothing_has_no_shade() {
        assert_eq!(words(1), ["shade-6 1"]);
        assert_eq!(words(3), ["shade-4 1", "shade-5 2", "shade-6 3"]);
        assert_eq!(
            words(3600),
            [
                "shade-1 1–100",
                "shade-2 101–400",
                "shade-3 401–900",
                "shade-4 901–1,600",
                "shade-5 1,601–2,500",
                "shade-6 2,501–3,600"
            ]
        );
        let scale = Scale::up_to(3600);
        assert_eq!(
            [0, 1, 100, 101, 3600].map(|of| scale.class(of)),
            ["shade-0", "shade-1", "shade-1", "shade-2", "shade-6"]
        );
        assert_eq!(Scale::up_to(0).class(0), "shade-0");
    }
}
