//! Waiting for room on the disk, instead of ending.

use std::time::Duration;

use super::{RecordError, Recorder};
use crate::own::{Fact, OwnLine};
use crate::room::Room;
use crate::tail::StopSignal;

/// How often to look whether there is room.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How a recorder waits for room.
#[derive(Clone, Debug)]
pub struct Patience {
    /// The volume.
    pub room: Room,
    /// Ends a wait.
    pub stop: StopSignal,
}

impl Patience {
    /// Writes nothing until there is room, then what is not durable yet, and an own line about the pause. Tells
    /// whether to go on: not if the process is to stop. Then what was not durable is read again next time.
    pub(super) fn wait(
        &self,
        recorder: &mut Recorder<'_>,
        why: &str,
        durable: &dyn Fn(u64),
    ) -> Result<bool, RecordError> {
        self.room.set_paused(why);
        tracing::error!(
            "recording stops for want of room: {why}. Nothing is lost as long as the audit files stay"
        );
        // What is written already may as well count, if the disk lets it.
        if recorder.flush().is_ok()
            && let Ok(size) = recorder.checkpoint()
        {
            durable(size);
        }
        let mut told = false;
        loop {
            self.stop.wait_for_stop(LOOK_EVERY);
            if self.stop.is_stopped() {
                return Ok(false);
            }
            if self.room.refuses(recorder.unflushed_bytes()).is_some() {
                continue;
            }
            let pause = self.room.space().ok().and_then(|space| space.paused);
            if let Some(pause) = pause.filter(|_| !told) {
                let fact = Fact::Paused { since: pause.since, why: pause.why };
                recorder.keep_own(&OwnLine::now(fact));
                told = true;
            }
            match recorder.append_again() {
                Ok(()) => break,
                Err(RecordError::Ledger(error)) if error.is_full() => {}
                Err(error) => return Err(error),
            }
        }
        self.room.set_writing();
        tracing::warn!("there is room again: recording goes on");
        Ok(true)
    }
}
