//! The window that slides, against the definition: every window that begins at an event, looked at whole.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::super::within::{At, Sliding};
use crate::scan::Address;

/// First and last number of an episode's events, and the most that one window of it had.
type Episode = (usize, usize, u64);

fn by_definition(times: &[(i64, u32)], length: i64, at_least: u64, distinct: bool) -> Vec<Episode> {
    let mut windows: Vec<Episode> = Vec::new();
    for &(start, _) in times {
        let within: Vec<usize> = (0..times.len())
            .filter(|&at| start <= times[at].0 && times[at].0 < start + length)
            .collect();
        let values: HashSet<u32> =
            within.iter().map(|&at| times[at].1).filter(|value| *value != 0).collect();
        let reached = if distinct { values.len() } else { within.len() } as u64;
        if reached >= at_least {
            windows.push((within[0], within[within.len() - 1], reached));
        }
    }
    // Windows that share an event are one episode.
    let mut episodes: Vec<Episode> = Vec::new();
    for (first, last, reached) in windows {
        match episodes.last_mut() {
            Some(episode) if first <= episode.1 => {
                episode.1 = episode.1.max(last);
                episode.2 = episode.2.max(reached);
            }
            _ => episodes.push((first, last, reached)),
        }
    }
    episodes
}

fn by_sliding(times: &[(i64, u32)], length: i64, at_least: u64, distinct: bool) -> Vec<Episode> {
    let mut sliding = Sliding::new(length, at_least, distinct);
    for (number, &(time, value)) in times.iter().enumerate() {
        let address = Address { segment: 0, document: number as u32 };
        sliding.add(At { time, leaf: number as u64, address, value });
    }
    let number = |time: i64, last: bool| {
        let mut numbers = (0..times.len()).filter(|&at| times[at].0 == time);
        if last { numbers.next_back() } else { numbers.next() }.expect("an event of the list")
    };
    let told = |episode: super::super::within::Episode| {
        let (first, last) = (number(episode.first, false), number(episode.last, true));
        assert!(episode.reached <= episode.held && episode.held <= episode.last);
        // Events of the instant at which it ends may come after the threshold was held last.
        assert!(episode.events <= (last - first + 1) as u64, "{episode:?}");
        (first, last, episode.most)
    };
    sliding.episodes.into_iter().map(told).collect()
}

proptest! {
    #[test]
    fn sliding_finds_what_the_definition_has(
        times in prop::collection::vec((0..200_i64, 0..4_u32), 0..60),
        length in 1..40_i64,
        at_least in 1..6_u64,
        distinct: bool,
    ) {
        let mut times = times;
        times.sort_unstable();
        let found = by_sliding(&times, length, at_least, distinct);
        let wanted = by_definition(&times, length, at_least, distinct);
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn events_of_different_instants_are_counted_each(
        times in prop::collection::btree_set(0..400_i64, 0..60),
        length in 1..40_i64,
        at_least in 1..6_u64,
    ) {
        let times: BTreeSet<i64> = times;
        let list: Vec<(i64, u32)> = times.into_iter().map(|time| (time, 0)).collect();
        let mut sliding = Sliding::new(length, at_least, false);
        for (number, &(time, value)) in list.iter().enumerate() {
            let address = Address { segment: 0, document: number as u32 };
            sliding.add(At { time, leaf: number as u64, address, value });
        }
        let found: Vec<u64> = sliding.episodes.iter().map(|episode| episode.events).collect();
        let wanted = by_definition(&list, length, at_least, false);
        let wanted: Vec<u64> =
            wanted.into_iter().map(|(first, last, _)| (last - first + 1) as u64).collect();
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn the_threshold_and_the_windows_end_are_exact() {
    let at = |times: &[i64]| -> Vec<(i64, u32)> { times.iter().map(|time| (*time, 0)).collect() };
    // Three within ten: the tenth nanosecond does not belong to the window.
    assert_eq!(by_sliding(&at(&[0, 5, 9]), 10, 3, false), [(0, 2, 3)]);
    assert_eq!(by_sliding(&at(&[0, 5, 10]), 10, 3, false), []);
    // Two bursts that share no event are two episodes.
    assert_eq!(by_sliding(&at(&[0, 1, 2, 11, 12, 13]), 10, 3, false), [(0, 2, 3), (3, 5, 3)]);
    // Two that do are one.
    assert_eq!(by_sliding(&at(&[0, 1, 9, 10, 11]), 10, 3, false), [(0, 4, 3)]);
}
