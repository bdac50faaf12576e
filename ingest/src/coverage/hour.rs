//! What came in of one hour of one source, and how late.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// An hour.
pub const HOUR_NS: i64 = 3_600_000_000_000;

/// What one reader brought of one hour of one source. Several of the same hour add up, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Whole hours since 1970 by the entries' own time; none for lines without one.
    pub hour: Option<i64>,
    /// A tail brought it; else an import.
    pub live: bool,
    /// Lines.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that hold no entry.
    pub undecodable: u64,
    /// The least time of an entry, in nanoseconds since 1970.
    pub first: Option<i64>,
    /// The greatest.
    pub last: Option<i64>,
    /// Request lines with an id.
    pub requests: u64,
    /// Sum of the ids' hashes, overflow dropped: two devices with the same sum have the same requests,
    /// whatever their order.
    pub request_ids: u64,
    /// From an entry's time to its arrival.
    pub delays: Delays,
}

/// Arrival less entry time, as a histogram whose steps are a quarter of an octave (19 %).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    /// Lines by step: see [`Delays::upper_ms`].
    #[serde(deserialize_with = "steps")]
    steps: BTreeMap<u8, u64>,
    /// The least, in nanoseconds; below zero when the server's clock is ahead of ours.
    pub min_ns: i64,
    /// The greatest, in nanoseconds.
    pub max_ns: i64,
}

/// Reads the steps, which JSON has as texts: within a record, whose kind is told by a field of it, serde does not
/// turn them into numbers by itself.
fn steps<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u8, u64>, D::Error> {
    let texts = BTreeMap::<String, u64>::deserialize(from)?;
    let step = |(text, lines): (String, u64)| Ok((text.parse()?, lines));
    let steps: Result<_, std::num::ParseIntError> = texts.into_iter().map(step).collect();
    steps.map_err(serde::de::Error::custom)
}

impl Default for Delays {
    fn default() -> Delays {
        Delays { steps: BTreeMap::new(), min_ns: i64::MAX, max_ns: i64::MIN }
    }
}

impl Hour {
    /// Returns an hour in which nothing has come in.
    pub fn new(hour: Option<i64>, live: bool) -> Hour {
        Hour { hour, live, ..Hour::default() }
    }

    pub(super) fn add(&mut self, bytes: u64, is_entry: bool, time: Option<i64>, arrived: i64) {
        self.lines += 1;
        self.bytes += bytes;
        self.undecodable += u64::from(!is_entry);
        if let Some(time) = time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
            self.delays.add(arrived.saturating_sub(time));
        }
    }

    pub(super) fn add_request(&mut self, id: &str) {
        self.requests += 1;
        self.request_ids = self.request_ids.wrapping_add(hash(id));
    }

    /// Adds what another part of the same hour, or another hour, has, but for its delays, which take longer than all else.
    pub fn add_counts(&mut self, other: &Hour) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.undecodable += other.undecodable;
        self.requests += other.requests;
        self.request_ids = self.request_ids.wrapping_add(other.request_ids);
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
    }
}

impl Delays {
    fn add(&mut self, delay_ns: i64) {
        *self.steps.entry(step(delay_ns)).or_insert(0) += 1;
        self.min_ns = self.min_ns.min(delay_ns);
        self.max_ns = self.max_ns.max(delay_ns);
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Delays) {
        for (&step, &lines) in &other.steps {
            *self.steps.entry(step).or_insert(0) += lines;
        }
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Returns the median in milliseconds, rounded up to its step's end (at most 19 % more); none without lines.
    pub fn median_ms(&self) -> Option<u64> {
        let lines: u64 = self.steps.values().sum();
        let mut before = 0;
        for (&step, &of_step) in &self.steps {
            before += of_step;
            if before * 2 >= lines {
                return Some(Delays::upper_ms(step));
            }
        }
        None
    }

    /// Returns the greatest delay that a step holds, in milliseconds.
    fn upper_ms(step: u8) -> u64 {
        if step == 0 { 0 } else { 2f64.powf(f64::from(step) / 4.0).ceil() as u64 }
    }
}

/// FNV-1a, then mixed: ids are the server's own random numbers, and nobody chooses them.
fn hash(id: &str) -> u64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// 0 for less than a millisecond, then a quarter of an octave each.
fn step(delay_ns: i64) -> u8 {
    if delay_ns < 1_000_000 {
        return 0;
    }
    let ms = delay_ns as f64 / 1e6;
    // 2^63 ns are 43 octaves of milliseconds: 173 steps.
    (ms.log2() * 4.0).floor() as u8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_delays_is_right_within_a_step() {
        let mut delays = Delays::default();
        assert_eq!(delays.median_ms(), None);
        for delay in [0, 200_000_000, 210_000_000, 3_600_000_000_000, -5_000_000_000] {
            delays.add(delay);
        }
        let median = delays.median_ms().expect("five lines");
        assert!((200..=238).contains(&median), "{median}");
        assert_eq!((delays.min_ns, delays.max_ns), (-5_000_000_000, 3_600_000_000_000));
        let mut longest = Delays::default();
        longest.add(i64::MAX);
        assert!(longest.median_ms().is_some_and(|median| median >= 9_223_372_036_854));
    }
}
