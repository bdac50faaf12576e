//! Events on their way together.

use std::sync::Arc;

use ingest::event::{Issued, Uid};
use query::evidence::hex;
use query::table::Cell;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An encoded event.
#[derive(Clone, Debug)]
pub struct Item {
    /// Under which name it goes out.
    pub uid: Uid,
    /// Its place in the order of events.
    pub issued: Issued,
    /// Its time as formats give it, in nanoseconds since 1970: the request's, else its answer's, else when its line arrived.
    pub time_unix_ns: Option<i64>,
    /// What is sent, without a newline at the end.
    pub bytes: Arc<[u8]>,
    /// What the transport knows of it beside.
    pub beside: Beside,
}

/// What a transport has to know of an event that its bytes do not tell without being taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// OTLP's resource that a log record is of, encoded.
    Resource(Arc<[u8]>),
    /// Its cells in the columns of a list of events, see [`query::listing`].
    Row(Arc<[Cell]>),
}

/// Events that are sent in one try. Never empty.
#[derive(Clone, Debug)]
pub struct Batch {
    /// In the order in which they were issued.
    pub items: Vec<Item>,
    /// The same for each try, after a restart too, as long as its events are the same.
    pub id: String,
    /// What is said of it on disk.
    pub said: BatchSaid,
    /// The name of the batch that the receiver took before it.
    pub previous: Option<String>,
}

/// What identifies a batch, and what can be compared with a receiver's own list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSaid {
    /// The place of its first event: leaf, ordinal.
    pub first: (u64, u32),
    /// The place of its last one.
    pub last: (u64, u32),
    /// How many events it has.
    pub events: u64,
    /// SHA-256 over its uids, sorted, each 32 hexadecimal digits and a newline; in hexadecimal digits.
    pub uids_sha256: String,
}

impl Batch {
    /// Makes a batch of a sink's events, of which there is at least one.
    pub fn new(sink: &str, items: Vec<Item>) -> Batch {
        let place =
            |item: Option<&Item>| item.map_or((0, 0), |item| (item.issued.0.0, item.issued.1));
        let said = BatchSaid {
            first: place(items.first()),
            last: place(items.last()),
            events: items.len() as u64,
            uids_sha256: uids_sha256(items.iter().map(|item| item.uid)),
        };
        let mut hash = Sha256::new();
        hash.update(format!("{sink}\n{:?}\n{:?}\n{}", said.first, said.last, said.uids_sha256));
        let id = format!("keytrail_{}", &hex(&hash.finalize())[..32]);
        Batch { items, id, said, previous: None }
    }

    /// Returns how many bytes its events have.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.bytes.len()).sum()
    }
}

/// Returns SHA-256 over uids, sorted, each as 32 hexadecimal digits and a newline: what `sort -u | sha256sum` says of a list.
pub fn uids_sha256(uids: impl IntoIterator<Item = Uid>) -> String {
    let mut uids: Vec<Uid> = uids.into_iter().collect();
    uids.sort_unstable();
    uids.dedup();
    let mut hash = Sha256::new();
    for uid in uids {
        hash.update(format!("{uid}\n"));
    }
    hex(&hash.finalize())
}

#[cfg(test)]
pub(crate) mod testing {
    use ingest::source::LeafIndex;

    use super::*;

    /// Returns an event of this number, a second later for each.
    pub(crate) fn item(number: u8) -> Item {
        Item {
            uid: Uid([number; 16]),
            issued: Issued(LeafIndex(number.into()), 0),
            time_unix_ns: Some(1_000_000_000 * i64::from(number)),
            bytes: Arc::from(format!("{{\"n\":{number}}}").into_bytes()),
            beside: Beside::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::item;
    use super::*;

    #[test]
    fn a_batch_is_known_again_by_its_events() {
        let batch = Batch::new("soc", vec![item(1), item(2)]);
        assert_eq!(batch.id, Batch::new("soc", vec![item(1), item(2)]).id);
        assert_ne!(batch.id, Batch::new("soc", vec![item(1)]).id);
        assert_ne!(batch.id, Batch::new("other", vec![item(1), item(2)]).id);
        assert_eq!((batch.said.first, batch.said.last, batch.bytes()), ((1, 0), (2, 0), 14));
    }

    #[test]
    fn the_sum_is_that_of_sorted_lines() {
        // printf '%032x\n%032x\n' 1 2 | sha256sum
        let uid = |number: u64| Uid::of_halves(0, number);
        let expected = "d293186969772f624bcf3cfab138c955ddc0c46b241ee5a48567992032612602";
        let sums = [vec![uid(1), uid(2)], vec![uid(2), uid(1), uid(2)]].map(uids_sha256);
        assert_eq!(sums[0], sums[1]);
        assert_eq!(sums[0], expected);
    }
}
