//! Sealing while files are followed: in the background, and never in the way.

use std::time::Duration;

use crate::ledger::Sealer;
use crate::room::Room;
use crate::tail::StopSignal;

/// How often to look for a segment that is over.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A sealed segment stands beside the old one until it takes its place.
const ROOM_BYTES: u64 = 64 << 20;

/// Seals what can be sealed until the signal is given. A segment that cannot be is told of and left as it is:
/// nothing depends on it but room, and a damaged one is for `keytrail verify`.
pub(super) fn seal(sealer: &Sealer, room: &Room, stop: &StopSignal) {
    while !stop.is_stopped() {
        if room.refuses(ROOM_BYTES).is_none() {
            match sealer.seal_next() {
                Ok(Some(sealed)) => {
                    tracing::debug!(
                        "sealed the segment of leaf {}: {} bytes, {} before",
                        sealed.first_leaf,
                        sealed.bytes,
                        sealed.bytes_before
                    );
                    continue;
                }
                Ok(None) => {}
                Err(error) if error.is_full() => {
                    tracing::warn!("sealing waits for room: {error}");
                }
                Err(error) => {
                    tracing::error!("sealing stops: {error}");
                    return;
                }
            }
        }
        stop.wait_for_stop(LOOK_EVERY);
    }
}
