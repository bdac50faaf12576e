//! Control totals of a sink: each event is counted once, when it is delivered for the first time.
//!
//! What is counted stands in the journal before the cursor moves over it. An event that is sent again is known by its place: everything up to the
//! furthest place of the cursor was counted, and what lies beyond it and was counted stands in the journal. What the receiver
//! had refused and takes later is known by its dead letter.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::work::{Halt, Work};
use crate::batch::Item;
use crate::encoding::Encoding;
use crate::totals::{Counted, HOUR, What};
use crate::transport::Transport;

/// After so many events control totals are sent before the hour is over: the journal is bounded.
const EVENTS_MAX: usize = 100_000;
/// So long after the hour is over they are sent: what comes at its end is in them.
const AFTER_HOUR: Duration = Duration::from_secs(300);

/// Returns the name of a new run.
pub(super) fn run() -> io::Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(query::evidence::hex(&bytes))
}

impl Work {
    /// Sends the control totals that are due. Between two batches of events, so that the state on disk says how far everything was counted.
    pub(super) fn send_totals(&mut self, transport: &mut Transport) -> Result<(), Halt> {
        if self.journal.is_none() {
            return Ok(());
        }
        self.send_closed(transport)?;
        if self.state.in_flight.is_some() || !self.are_due() {
            return Ok(());
        }
        self.save()?;
        if let Some(journal) = &mut self.journal {
            journal.close()?;
        }
        self.totals_due = false;
        self.send_closed(transport)
    }

    fn are_due(&self) -> bool {
        let holds = self.journal.as_ref().and_then(|journal| journal.holds());
        let Some((events, since)) = holds else { return false };
        let hour = i128::from(HOUR);
        let over =
            (since.as_nanosecond().div_euclid(hour) + 1) * hour + AFTER_HOUR.as_nanos() as i128;
        events >= EVENTS_MAX || self.totals_due || Timestamp::now().as_nanosecond() >= over
    }

    fn send_closed(&mut self, transport: &mut Transport) -> Result<(), Halt> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let due = journal.due(&self.config.name)?;
        if due.is_empty() {
            return Ok(());
        }
        let encoding = Encoding::of(&self.config);
        for totals in due.chunks(self.config.batch_events) {
            let items = totals.iter().map(|total| total.item(&encoding)).collect();
            self.deliver(transport, items, None)?;
        }
        match &self.journal {
            Some(journal) => Ok(journal.sent()?),
            None => Ok(()),
        }
    }

    /// Counts events that the receiver took, each once.
    pub(super) fn count_taken(&mut self, items: &[Item]) -> Result<(), Halt> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let dead = if self.dead > 0 { self.folder.dead()? } else { Vec::new() };
        let was_refused = |item: &Item| {
            let uid = item.uid.to_string();
            dead.iter().any(|letter| letter.uid == uid && !letter.taken_before)
        };
        let furthest = self.state.furthest.unwrap_or(self.state.cursor);
        let counted: Vec<Counted> = items
            .iter()
            .filter_map(|item| match journal.has(item.uid) {
                Some(What::Delivered | What::AfterRefusal) => None,
                _ if was_refused(item) => Some(Counted::of(item, What::AfterRefusal)),
                Some(What::Refused) => Some(Counted::of(item, What::AfterRefusal)),
                None if (item.issued.0.0, item.issued.1) > furthest => {
                    Some(Counted::of(item, What::Delivered))
                }
                None => None,
            })
            .collect();
        Ok(journal.add(&counted)?)
    }

    /// Counts an event that the receiver refused; tells whether it had taken it before.
    pub(super) fn count_refused(&mut self, item: &Item) -> Result<bool, Halt> {
        let uid = item.uid.to_string();
        if let Some(letter) = self.folder.dead()?.into_iter().find(|letter| letter.uid == uid) {
            return Ok(letter.taken_before);
        }
        let furthest = self.state.furthest.unwrap_or(self.state.cursor);
        let is_new = (item.issued.0.0, item.issued.1) > furthest;
        match &mut self.journal {
            Some(journal) => match journal.has(item.uid) {
                None if is_new => {
                    journal.add(&[Counted::of(item, What::Refused)])?;
                    Ok(false)
                }
                Some(What::Refused) => Ok(false),
                _ => Ok(true),
            },
            None => Ok(!is_new),
        }
    }

    /// Notes that everything up to a place is counted.
    pub(super) fn counted_up_to(&mut self, cursor: (u64, u32)) {
        let furthest = self.state.furthest.unwrap_or(cursor).max(cursor);
        self.state.furthest = Some(furthest);
        if let Some(journal) = &mut self.journal {
            journal.moved_to(furthest);
        }
    }

    /// Begins another run, since everything is sent anew. What was delivered of the other ledger and not yet totalled is no event of this one.
    pub(super) fn totals_begin(&mut self) -> Result<(), Halt> {
        self.state.run = run()?;
        self.state.furthest = Some((0, 0));
        if let Some(journal) = &mut self.journal {
            journal.begin(&self.state.run)?;
        }
        Ok(())
    }
}
