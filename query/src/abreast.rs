//! Reading many things of the index at a time, once reading turns out to be waiting for the disk.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How many threads read at a time, for all questions together. A disk answers many questions in little more than the time of one.
const READERS: usize = 16;

/// They stay: the first memory of a thread is cleared by the kernel, which takes as long as reading some pages. Absent where the
/// system gives no threads.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().num_threads(READERS);
    pool.thread_name(|number| format!("reader-{number}")).build().ok()
});

/// Who had more than so many blocks of 512 bytes brought from the disk, some pages of 4 KiB, waits for it: what is in memory is read
/// sooner than others take over.
const WAITED_BLOCKS: i64 = 4 * 8;

/// How often the kernel is asked, which takes as long as reading a column of some rows.
const ASKED_EVERY: Duration = Duration::from_micros(100);

/// Does the same with each item and returns what came of each, in the order of the items. They are done one by one until that
/// had something brought from the disk, and from then on several at a time; within work that goes on abreast already, one by one.
pub(crate) fn abreast<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    abreast_once(items, waits(), work)
}

/// Returns what tells, from now on, whether this thread waited for the disk.
fn waits() -> impl FnMut() -> bool {
    let (before, mut asked) = (brought(), Instant::now());
    move || {
        let is_due = asked.elapsed() > ASKED_EVERY;
        if is_due {
            asked = Instant::now();
        }
        is_due && brought() - before > WAITED_BLOCKS
    }
}

fn abreast_once<T: Send, R: Send>(
    items: Vec<T>,
    mut waits: impl FnMut() -> bool,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut done = Vec::with_capacity(items.len());
    let mut items = items.into_iter();
    // A reader that waits for readers would take up other work meanwhile, and so meet locks that it holds.
    let is_reader = rayon::current_thread_index().is_some();
    while let Some(item) = items.next() {
        done.push(work(item));
        if items.len() > 1
            && !is_reader
            && waits()
            && let Some(pool) = &*POOL
        {
            let left: Vec<T> = items.collect();
            let read = || left.into_par_iter().with_max_len(1).map(&work).collect::<Vec<R>>();
            done.extend(pool.install(read));
            break;
        }
    }
    done
}

/// Returns how many blocks of 512 bytes were brought from the disk for this thread; zero where the kernel does not count them.
fn brought() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.block_reads())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_done_abreast_is_what_is_done_one_by_one() {
        for count in [0, 1, 2, READERS, 5 * READERS + 3] {
            let items: Vec<usize> = (0..count).collect();
            let squares: Vec<usize> = items.iter().map(|item| item * item).collect();
            for waits in [true, false] {
                assert_eq!(abreast_once(items.clone(), || waits, |item| item * item), squares);
            }
        }
    }

    #[test]
    fn who_waits_has_others_read_and_who_does_not_reads_alone() {
        let readers = |waits: bool| {
            let all = Barrier::new(READERS);
            let work = |number| {
                // Each of them waits until all others read too.
                if waits && number > 0 {
                    all.wait();
                }
                thread::current().id()
            };
            let mut by = abreast_once((0..=READERS).collect(), || waits, work);
            assert_eq!(by[0], thread::current().id());
            by.sort_unstable_by_key(|id| format!("{id:?}"));
            by.dedup();
            by.len()
        };
        assert_eq!((readers(false), readers(true)), (1, 1 + READERS));
    }

    #[test]
    fn a_reader_waits_for_no_other_reader() {
        let same = |_| {
            let here = thread::current().id();
            abreast_once(vec![1, 2, 3, 4], || true, |_| thread::current().id() == here)
        };
        let within = abreast_once(vec![1; 8], || true, same);
        // The first of them is none.
        assert_eq!(within[1..], vec![vec![true; 4]; 7]);
    }
}
