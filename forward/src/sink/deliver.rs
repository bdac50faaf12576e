//! A batch, until the receiver has taken or refused each of its events.

use std::time::Duration;

use ingest::event::Issued;
use jiff::Timestamp;

use super::work::{Halt, Work};
use crate::backoff::Backoff;
use crate::batch::{Batch, Item};
use crate::folder::{DEAD_MAX, DeadLetter, Delivery, DeliveryState, InFlight, Unnamed};
use crate::totals;
use crate::transport::{Answer, Transport};

/// How long a try may go on when keytrail ends.
const GRACE: Duration = Duration::from_secs(5);

impl Work {
    /// Sends events for as long as it takes, and then moves the cursor. One by one those are found that the receiver
    /// refuses.
    pub(super) fn deliver(
        &mut self,
        transport: &mut Transport,
        items: Vec<Item>,
        moves_to: Option<Issued>,
    ) -> Result<(), Halt> {
        let mut parts = vec![(items, 0)];
        let mut backoff = Backoff::new(self.config.retry_max);
        while let Some((items, tried)) = parts.pop() {
            let mut batch = Batch::new(&self.config.name, items);
            batch.previous.clone_from(&self.state.last_batch);
            let attempts = tried + 1;
            self.in_flight(&batch, attempts, DeliveryState::Sent)?;
            let answer = self.send(transport, &batch)?;
            match answer {
                Answer::Taken(state) => {
                    self.has_no_problem();
                    backoff = Backoff::new(self.config.retry_max);
                    self.taken(&batch, attempts, state)?;
                }
                // Which they are is not known, so they cannot be kept; to send all again would double the others.
                Answer::Partial { refused, why, .. } => {
                    self.has_no_problem();
                    backoff = Backoff::new(self.config.retry_max);
                    self.partly_taken(&batch, attempts, refused, &why)?;
                }
                Answer::Each { state, refused, later, why, after } => {
                    let is_later = !later.is_empty();
                    let part = self.each(batch, attempts, state, &refused, &later)?;
                    parts.extend(part);
                    if is_later {
                        self.later(&mut backoff, &why, after)?;
                    }
                }
                Answer::Rejected(why) | Answer::TooLarge(why) if batch.items.len() == 1 => {
                    self.refused(&batch.items[0], &why)?;
                }
                Answer::Rejected(_) | Answer::TooLarge(_) => {
                    let mut first = batch.items;
                    let second = first.split_off(first.len() / 2);
                    parts.extend([(second, 0), (first, 0)]);
                }
                Answer::Later { why, after, maybe_taken } => {
                    if maybe_taken {
                        self.in_flight(&batch, attempts, DeliveryState::Unknown)?;
                    }
                    parts.push((batch.items, attempts));
                    self.later(&mut backoff, &why, after)?;
                }
                Answer::Stop(why) => return Err(Halt::Stopped(why)),
            }
        }
        match moves_to {
            Some(upto) => self.moves_to(upto),
            None => {
                self.state.in_flight = None;
                self.dirty = true;
            }
        }
        Ok(())
    }

    /// Writes down what is about to be tried.
    fn in_flight(
        &mut self,
        batch: &Batch,
        attempts: u64,
        state: DeliveryState,
    ) -> Result<(), Halt> {
        if totals::is_control(batch.items[0].uid) {
            // What they are made of is on disk until they are taken.
            return Ok(());
        }
        let (id, said) = (batch.id.clone(), batch.said.clone());
        self.state.in_flight = Some(InFlight { id, said, attempts, state });
        self.save()
    }

    /// Tries once. When keytrail ends meanwhile, the answer has a few seconds to come.
    fn send(&mut self, transport: &mut Transport, batch: &Batch) -> Result<Answer, Halt> {
        if *self.stop.borrow() {
            return Err(Halt::Asked);
        }
        let stop = &mut self.stop;
        let answer = self.handle.block_on(async move {
            let sending = transport.send(batch);
            tokio::pin!(sending);
            tokio::select! {
                answer = &mut sending => Some(answer),
                _ = stop.changed() => tokio::time::timeout(GRACE, sending).await.ok(),
            }
        });
        answer.ok_or(Halt::Asked)
    }

    /// Waits before the next try; meanwhile the index's files are let go of.
    fn later(
        &mut self,
        backoff: &mut Backoff,
        why: &str,
        after: Option<Duration>,
    ) -> Result<(), Halt> {
        self.failed += 1;
        self.state.behind_since.get_or_insert_with(Timestamp::now);
        self.has_problem(why);
        // Whoever looks at the sink sees why it waits.
        self.save()?;
        self.reading.let_go();
        let mut left = backoff.next(after);
        while !left.is_zero() {
            let pause = left.min(Duration::from_secs(5));
            left -= pause;
            if !self.wait(pause) {
                return Err(Halt::Asked);
            }
            // What waits grows meanwhile.
            if self.reading.trail().refresh().is_ok() {
                self.count();
            }
        }
        Ok(())
    }

    fn taken(&mut self, batch: &Batch, attempts: u64, state: DeliveryState) -> Result<(), Halt> {
        if totals::is_control(batch.items[0].uid) {
            return Ok(());
        }
        self.count_taken(&batch.items)?;
        self.state.delivered += batch.said.events;
        self.state.last_batch = Some(batch.id.clone());
        if self.dead > 0 {
            let is_here =
                |dead: &DeadLetter| batch.items.iter().any(|item| item.uid.to_string() == dead.uid);
            self.folder.forget_dead(&is_here)?;
            self.dead = self.folder.dead()?.len() as u64;
        }
        self.say(batch, attempts, state, None)
    }

    /// Notes that so many events were refused without a name.
    fn partly_taken(
        &mut self,
        batch: &Batch,
        attempts: u64,
        refused: u64,
        why: &str,
    ) -> Result<(), Halt> {
        if totals::is_control(batch.items[0].uid) {
            return self.refused(&batch.items[0], why);
        }
        // All are counted as delivered: what it lacks is what the control totals of these hours show.
        self.count_taken(&batch.items)?;
        let (name, said) = (&self.config.name, &batch.said);
        let ((first, _), (last, _)) = (said.first, said.last);
        tracing::warn!(
            sink = name,
            "the receiver refused {refused} of {} events, issued by leaves {first} to {last}, without saying which: `keytrail forward reconcile {name} --uids FILE` tells, by its own list; it says {why}",
            said.events
        );
        self.state.delivered += said.events - refused;
        self.state.rejected += refused;
        let earlier = self.state.unnamed.take();
        self.state.unnamed = Some(Unnamed {
            events: earlier.as_ref().map_or(0, |earlier| earlier.events) + refused,
            batches: earlier.as_ref().map_or(0, |earlier| earlier.batches) + 1,
            first: earlier.as_ref().map_or(said.first, |earlier| earlier.first.min(said.first)),
            last: earlier.as_ref().map_or(said.last, |earlier| earlier.last.max(said.last)),
            why: why.to_owned(),
        });
        self.say(batch, attempts, DeliveryState::Partial, Some(refused))
    }

    fn say(
        &self,
        batch: &Batch,
        attempts: u64,
        state: DeliveryState,
        refused: Option<u64>,
    ) -> Result<(), Halt> {
        let (id, said) = (batch.id.clone(), batch.said.clone());
        let delivery = Delivery { at: Timestamp::now(), id, said, attempts, state, refused };
        Ok(self.folder.add_delivery(&delivery)?)
    }

    /// Keeps an event that the receiver does not take.
    fn refused(&mut self, item: &Item, why: &str) -> Result<(), Halt> {
        if totals::is_control(item.uid) {
            let name = &self.config.name;
            tracing::warn!(
                sink = name,
                "a control total was refused, and its hour will seem to have more events than were sent: {why}"
            );
            return Ok(());
        }
        if self.dead as usize >= DEAD_MAX {
            return Err(Halt::Stopped(format!(
                "{DEAD_MAX} events were refused, and no more are kept: look at `keytrail forward status`, mend what the receiver refuses, \
                 then `keytrail forward replay {} --dead`; the last one: {why}",
                self.config.name
            )));
        }
        tracing::warn!(sink = self.config.name, uid = %item.uid, "event {} was refused: {why}", item.uid);
        let taken_before = self.count_refused(item)?;
        self.folder.add_dead(&DeadLetter {
            at: Timestamp::now(),
            uid: item.uid.to_string(),
            issued: (item.issued.0.0, item.issued.1),
            why: why.to_owned(),
            taken_before,
        })?;
        self.dead = self.folder.dead()?.len() as u64;
        self.state.rejected += 1;
        let batch = Batch::new(&self.config.name, vec![item.clone()]);
        self.say(&batch, 1, DeliveryState::Rejected, None)
    }

    /// Takes in an answer that tells of each event; what is to be sent once more is returned.
    fn each(
        &mut self,
        batch: Batch,
        attempts: u64,
        state: DeliveryState,
        refused: &[(usize, String)],
        later: &[usize],
    ) -> Result<Option<(Vec<Item>, u64)>, Halt> {
        for (at, why) in refused {
            self.refused(&batch.items[*at], why)?;
        }
        let is_refused = |at: &usize| refused.iter().any(|(refused, _)| refused == at);
        let again: Vec<Item> = later.iter().map(|at| batch.items[*at].clone()).collect();
        let taken = (0..batch.items.len()).filter(|at| !is_refused(at) && !later.contains(at));
        let taken: Vec<Item> = taken.map(|at| batch.items[at].clone()).collect();
        if !taken.is_empty() {
            self.taken(&Batch::new(&self.config.name, taken), attempts, state)?;
        }
        Ok((!again.is_empty()).then_some((again, attempts)))
    }
}
