//! Reading many parts of the index at a time, once reading turns out to be waiting for the disk.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many threads read at a time. A disk answers many questions in little more than the time of one.
const ABREAST: usize = 8;

/// What takes longer than this waits for the disk: a part that is in memory is read in some tenths of a millisecond, sooner than
/// threads are made.
const SLOW: Duration = Duration::from_millis(2);

/// Does the same with each item and returns what came of each, in the order of the items. They are done one by one until one is slow,
/// and from then on several at a time.
pub(crate) fn abreast<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    abreast_from(items, SLOW, work)
}

fn abreast_from<T: Sync, R: Send>(
    items: &[T],
    slow: Duration,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut done = Vec::with_capacity(items.len());
    for item in items {
        let start = Instant::now();
        done.push(work(item));
        if start.elapsed() > slow {
            break;
        }
    }
    let left = &items[done.len()..];
    let next = AtomicUsize::new(0);
    let take = || {
        let mut taken = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = left.get(at) else { return taken };
            taken.push((at, work(item)));
        }
    };
    let mut taken = thread::scope(|scope| {
        let others: Vec<_> = (1..left.len().min(ABREAST)).map(|_| scope.spawn(take)).collect();
        let mut taken = take();
        for other in others {
            taken.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        taken
    });
    taken.sort_unstable_by_key(|&(at, _)| at);
    done.extend(taken.into_iter().map(|(_, of)| of));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_abreast_is_what_is_done_one_by_one() {
        for count in [0, 1, 2, ABREAST, 5 * ABREAST + 3] {
            let items: Vec<usize> = (0..count).collect();
            let squares: Vec<usize> = items.iter().map(|item| item * item).collect();
            for slow in [Duration::ZERO, Duration::MAX] {
                assert_eq!(abreast_from(&items, slow, |item| item * item), squares);
            }
        }
    }
}
