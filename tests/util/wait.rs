//! Waiting for a state, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// How long a state may take on a slow machine before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until `look` gives something, and returns it with the time it took.
///
/// # Panics
/// After `deadline`, with `what` was waited for.
pub(crate) fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, start.elapsed());
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        // Only lets the program have the processor; nothing is asserted about how long it takes.
        thread::sleep(Duration::from_millis(10));
    }
}
