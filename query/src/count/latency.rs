//! How long responses took: exact percentiles by nearest rank.

use serde::Serialize;

/// Latencies of a group's events, in microseconds. A percentile is the least latency that at least so many per cent
/// of them do not exceed (nearest rank), so it is one that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Latency {
    /// How many events have one: those with a request and a response line that tell the time.
    pub events: u64,
    /// 50 per cent take no longer.
    pub p50: i64,
    /// 90 per cent.
    pub p90: i64,
    /// 95 per cent.
    pub p95: i64,
    /// 99 per cent.
    pub p99: i64,
    /// The longest.
    pub max: i64,
}

impl Latency {
    /// Returns the percentiles of latencies in ascending order, of which there is at least one.
    fn of(sorted: &[(u32, i64)]) -> Latency {
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted[rank - 1].1
        };
        Latency {
            events: sorted.len() as u64,
            p50: rank(50),
            p90: rank(90),
            p95: rank(95),
            p99: rank(99),
            max: rank(100),
        }
    }
}

/// Returns each group that has latencies, with its percentiles.
pub(super) fn of_groups(latencies: &[(u32, i64)]) -> Vec<(u32, Latency)> {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let groups = sorted.chunk_by(|(one, _), (other, _)| one == other);
    groups.map(|group| (group[0].0, Latency::of(group))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut latencies: Vec<(u32, i64)> = (1..=200).rev().map(|latency| (7, latency)).collect();
        latencies.extend([(3, -5), (9, 20), (9, 10), (9, 30)]);
        let of = |events, [p50, p90, p95, p99, max]: [i64; 5]| Latency {
            events,
            p50,
            p90,
            p95,
            p99,
            max,
        };
        assert_eq!(
            of_groups(&latencies),
            [
                (3, of(1, [-5; 5])),
                (7, of(200, [100, 180, 190, 198, 200])),
                (9, of(3, [20, 30, 30, 30, 30])),
            ]
        );
    }
}
