//! Control totals: what a sink says of its own deliveries, to be held against what is there at the receiver.
//!
//! A control event says: *of the events of this hour, so many were delivered, with places from the first to the last*. They add up: later events of
//! the same hour are in a further control event. Which time an event is of, is what each format gives as its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::event::{Issued, Uid};
use ingest::source::LeafIndex;
use sha2::{Digest, Sha256};

use crate::batch::{BatchSaid, Item, uids_sha256};
use crate::encode::control;
use crate::encoding::Encoding;

mod journal;

pub(crate) use self::journal::{Journal, What};

/// Nanoseconds of an hour.
pub const HOUR: i64 = 3_600_000_000_000;
/// The uids of control events begin with these bytes, and those of events, which are hashes, do not: whoever has a list of
/// uids can tell them apart.
const PREFIX: [u8; 8] = *b"control\0";

/// What was delivered of an hour's events since the last control event of that hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlTotal {
    /// The sink.
    pub sink: String,
    /// The sink's run: another one begins when the sink begins anew, and then everything is delivered again. Of several runs
    /// the one that says the most is right.
    pub run: String,
    /// When the hour begins, in nanoseconds since 1970.
    pub hour_unix_ns: i64,
    /// The events; of none the places are those of the refused ones.
    pub said: BatchSaid,
    /// Events of these places that the receiver refused. One that it takes later is then in another control event too.
    pub refused: u64,
}

/// Tells whether this is the uid of a control event.
pub fn is_control(uid: Uid) -> bool {
    uid.0.starts_with(&PREFIX)
}

impl ControlTotal {
    /// Returns the uid under which it goes out: the same whenever it is sent.
    pub fn uid(&self) -> Uid {
        let ControlTotal { sink, run, hour_unix_ns, said, refused } = self;
        let BatchSaid { first, last, events, uids_sha256 } = said;
        let mut hash = Sha256::new();
        hash.update(format!(
            "{sink}\n{run}\n{hour_unix_ns}\n{first:?}\n{last:?}\n{events}\n{refused}\n{uids_sha256}"
        ));
        let hash: [u8; 32] = hash.finalize().into();
        let mut uid = [0; 16];
        uid[..8].copy_from_slice(&PREFIX);
        uid[8..].copy_from_slice(&hash[..8]);
        Uid(uid)
    }

    /// Returns it as it is sent.
    pub(crate) fn item(&self, encoding: &Encoding) -> Item {
        let (bytes, beside) = control::encode(self, encoding);
        Item {
            uid: self.uid(),
            issued: Issued(LeafIndex(self.said.last.0), self.said.last.1),
            time_unix_ns: Some(self.hour_unix_ns),
            bytes: Arc::from(bytes),
            beside,
        }
    }
}

/// An event that was delivered or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) uid: Uid,
    pub(crate) time_unix_ns: i64,
    pub(crate) place: (u64, u32),
    pub(crate) what: What,
}

impl Counted {
    pub(crate) fn of(item: &Item, what: What) -> Counted {
        Counted {
            uid: item.uid,
            time_unix_ns: item.time_unix_ns.unwrap_or(0),
            place: (item.issued.0.0, item.issued.1),
            what,
        }
    }
}

/// Adds up what was counted, by hour, the earliest first.
pub(crate) fn by_hour(sink: &str, run: &str, counted: &[Counted]) -> Vec<ControlTotal> {
    let mut hours: BTreeMap<i64, Vec<&Counted>> = BTreeMap::new();
    for one in counted {
        hours.entry(one.time_unix_ns.div_euclid(HOUR)).or_default().push(one);
    }
    let total = |(hour, of_hour): (i64, Vec<&Counted>)| {
        let places = || of_hour.iter().map(|one| one.place);
        let delivered: Vec<Uid> =
            of_hour.iter().filter(|one| one.what != What::Refused).map(|one| one.uid).collect();
        ControlTotal {
            sink: sink.to_owned(),
            run: run.to_owned(),
            hour_unix_ns: hour * HOUR,
            said: BatchSaid {
                first: places().min().unwrap_or_default(),
                last: places().max().unwrap_or_default(),
                events: delivered.len() as u64,
                uids_sha256: uids_sha256(delivered.iter().copied()),
            },
            refused: (of_hour.len() - delivered.len()) as u64,
        }
    };
    hours.into_iter().map(total).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Returns one that says something of everything.
    pub(crate) fn total() -> ControlTotal {
        let counted = |number: u8, what| Counted {
            uid: Uid([number; 16]),
            time_unix_ns: 1_795_600_000_000_000_000 + i64::from(number),
            place: (u64::from(number) + 100, 0),
            what,
        };
        let all =
            [counted(2, What::Delivered), counted(1, What::Delivered), counted(3, What::Refused)];
        by_hour("soc", "5f0c2a91", &all).remove(0)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::total;
    use super::*;

    #[test]
    fn hours_add_up_apart_and_each_has_a_name_of_its_own() {
        let counted = |number: u8, time_unix_ns, what| Counted {
            uid: Uid([number; 16]),
            time_unix_ns,
            place: (number.into(), 0),
            what,
        };
        let all = [
            counted(5, HOUR, What::Delivered),
            counted(3, HOUR - 1, What::Delivered),
            counted(4, -1, What::Refused),
            counted(2, 2 * HOUR - 1, What::AfterRefusal),
        ];
        let totals = by_hour("soc", "r", &all);
        let said: Vec<_> = totals
            .iter()
            .map(|it| (it.hour_unix_ns, it.said.first, it.said.last, it.said.events, it.refused))
            .collect();
        assert_eq!(
            said,
            [
                (-HOUR, (4, 0), (4, 0), 0, 1),
                (0, (3, 0), (3, 0), 1, 0),
                (HOUR, (2, 0), (5, 0), 2, 0)
            ]
        );
        assert_eq!(totals[2].said.uids_sha256, uids_sha256([Uid([2; 16]), Uid([5; 16])]));
        let uids: std::collections::BTreeSet<Uid> = totals.iter().map(ControlTotal::uid).collect();
        assert_eq!(uids.len(), 3);
        assert!(uids.iter().all(|uid| is_control(*uid)) && !is_control(Uid([7; 16])));
        assert_eq!(total().uid(), total().uid());
    }
}
