//! A row of a list of events: read from the index's columns, without touching the ledger.

use std::cmp::Reverse;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use ingest::event::{Issued, Uid};
use ingest::index::{ColumnList, OwnUids, uid_of_request};
use ingest::source::LeafIndex;
use serde::Serialize;
use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader};

use crate::column::FirstValues;
use crate::period::rfc3339;
use crate::scan::{Place, Places};
use crate::texts::Texts;

/// Declares the columns of words once: `row's name = index's name`.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $column:ident,)+) => {
        /// An event as a row shows it. Words are `None` where the event has none.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
        pub struct EventRow {
            /// The event, for ever.
            pub uid: Uid,
            /// RFC 3339 in UTC, trailing zeros of the fraction cut.
            pub time: Option<String>,
            /// The same in nanoseconds since 1970.
            #[serde(skip)]
            pub time_unix_ns: Option<i64>,
            /// Time of the response line.
            pub completed: Option<String>,
            /// Between the two lines, in microseconds.
            pub latency_us: Option<i64>,
            $($(#[$doc])* pub $name: Option<String>,)+
            /// The client's port.
            pub port: Option<u64>,
            /// Granting policies.
            pub policy: Vec<String>,
            /// What `is:` matches.
            pub flags: Vec<String>,
            /// Who a refused token belonged to, from other lines.
            pub former_name: Option<String>,
            /// The request line.
            pub request_leaf: Option<LeafIndex>,
            /// The response line.
            pub response_leaf: Option<LeafIndex>,
            /// The leaf that issued it.
            pub issued: Issued,
        }

        pub(crate) struct Columns {
            places: Places,
            own_uids: OwnUids,
            completed: Option<Column<i64>>,
            latency_us: Option<Column<i64>>,
            leaf_request: Option<Column<u64>>,
            leaf_response: Option<Column<u64>>,
            port: Option<Column<u64>>,
            policy: Mutex<Texts>,
            is: Mutex<Texts>,
            $($name: Mutex<Texts>,)+
        }

        /// What columns hold of some documents, column by column.
        #[derive(Default)]
        pub(crate) struct Cells {
            places: Vec<Place>,
            own_uids: Vec<Option<Uid>>,
            completed: Vec<Option<i64>>,
            latency_us: Vec<Option<i64>>,
            leaf_request: Vec<Option<u64>>,
            leaf_response: Vec<Option<u64>>,
            port: Vec<Option<u64>>,
            policy: Vec<Vec<String>>,
            is: Vec<Vec<String>>,
            $($name: Vec<Option<String>>,)+
        }

        impl Columns {
            pub(crate) fn open(
                segment: &SegmentReader,
                places: Places,
            ) -> tantivy::Result<Columns> {
                let columns = ColumnList::read_for_few(segment)?;
                let texts = |name| tantivy::Result::Ok(Mutex::new(Texts::of(columns.words(name)?)));
                Ok(Columns {
                    places,
                    own_uids: OwnUids::open(&columns)?,
                    completed: columns.numbers("completed")?,
                    latency_us: columns.numbers("latency_us")?,
                    leaf_request: columns.numbers("leaf_request")?,
                    leaf_response: columns.numbers("leaf_response")?,
                    port: columns.numbers("port")?,
                    policy: texts("policy")?,
                    is: texts("is")?,
                    $($name: texts(stringify!($column))?,)+
                })
            }

            /// Returns what reads each column, of documents that ascend. They can be read in any order and at the same time.
            pub(crate) fn readings<'a>(
                &'a self,
                documents: &'a [DocId],
                into: &'a mut Cells,
            ) -> Vec<Reading<'a>> {
                let place = |document| self.places.of(document);
                let own_uid = |document| self.own_uids.of(document);
                vec![
                    reading(&mut into.places, move || Ok(each(documents, place))),
                    reading(&mut into.own_uids, move || Ok(each(documents, own_uid))),
                    reading(&mut into.completed, || Ok(first(&self.completed, documents))),
                    reading(&mut into.latency_us, || Ok(first(&self.latency_us, documents))),
                    reading(&mut into.leaf_request, || Ok(first(&self.leaf_request, documents))),
                    reading(&mut into.leaf_response, || Ok(first(&self.leaf_response, documents))),
                    reading(&mut into.port, || Ok(first(&self.port, documents))),
                    reading(&mut into.policy, || locked(&self.policy).all_of_each(documents)),
                    reading(&mut into.is, || locked(&self.is).all_of_each(documents)),
                    $(reading(&mut into.$name, || locked(&self.$name).first_of_each(documents)),)+
                ]
            }
        }

        impl Cells {
            /// Takes the row of one of the documents out, once all columns are read.
            pub(crate) fn row(&mut self, at: usize) -> EventRow {
                let (place, own_uid) = (self.places[at], self.own_uids[at]);
                let mut row = EventRow {
                    uid: own_uid.unwrap_or(Uid::of_halves(0, 0)),
                    time: place.time.map(rfc3339),
                    time_unix_ns: place.time,
                    completed: self.completed[at].map(rfc3339),
                    latency_us: self.latency_us[at],
                    $($name: self.$name[at].take(),)+
                    port: self.port[at],
                    policy: mem::take(&mut self.policy[at]),
                    flags: mem::take(&mut self.is[at]),
                    former_name: None,
                    request_leaf: self.leaf_request[at].map(LeafIndex),
                    response_leaf: self.leaf_response[at].map(LeafIndex),
                    issued: Issued(LeafIndex(place.leaf), place.ordinal),
                };
                if own_uid.is_none() {
                    row.uid = row.uid_of_request();
                }
                row
            }
        }
    };
}

texts! {
    /// The identity's key.
    identity_key = identity_key,
    /// The name to show.
    identity = identity_name,
    /// human, workload …
    kind = kind,
    /// The login role.
    role = role,
    /// The auth method's type.
    method = method,
    /// The auth method's mount.
    auth = auth,
    /// The server's entity.
    entity = entity,
    /// As written by the server.
    display_name = display_name,
    /// Who a failed login said it was.
    claimed = claimed,
    /// The server's operation.
    op = op,
    /// Our word.
    action = action,
    /// Relative to the namespace.
    path = path,
    /// Within the mount.
    object = object,
    /// The namespace; absent for the root.
    ns = ns,
    /// The mount.
    mount = mount,
    /// The mount's type.
    engine = engine,
    /// allowed, denied, unknown.
    decision = decision,
    /// Why.
    reason = reason,
    /// What came of it.
    outcome = outcome,
    /// The server's error text.
    error = error,
    /// The client's address as written.
    ip = ip,
    /// Token hash.
    token = token,
    /// Accessor hash.
    accessor = accessor,
    /// Lease id.
    lease = lease,
    /// The server's id of the request.
    request_id = request,
    /// Cluster.
    cluster = cluster,
    /// The node that wrote the lines.
    node = node,
    /// The audit device.
    device = device,
    /// cluster/node/device.
    source = source,
    /// How pairing closed the event.
    state = state,
}

/// Reads one column of some documents.
pub(crate) type Reading<'a> = Box<dyn FnOnce() -> io::Result<()> + Send + 'a>;

fn reading<'a, T: Send>(
    into: &'a mut Vec<T>,
    read: impl FnOnce() -> io::Result<Vec<T>> + Send + 'a,
) -> Reading<'a> {
    Box::new(move || {
        *into = read()?;
        Ok(())
    })
}

fn each<T>(documents: &[DocId], of: impl Fn(DocId) -> T) -> Vec<T> {
    documents.iter().map(|&document| of(document)).collect()
}

/// Returns the first value of each document.
fn first<T>(column: &Option<Column<T>>, documents: &[DocId]) -> Vec<Option<T>>
where
    T: PartialOrd + Copy + Default + Debug + Send + Sync + 'static,
{
    let Some(column) = column else { return vec![None; documents.len()] };
    let mut values = Vec::new();
    FirstValues::default().read(column, documents, &mut values);
    values
}

fn locked(texts: &Mutex<Texts>) -> MutexGuard<'_, Texts> {
    texts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventRow {
    fn uid_of_request(&self) -> Uid {
        let [cluster, node, device] =
            [&self.cluster, &self.node, &self.device].map(|text| text.as_deref().unwrap_or(""));
        let flags = self.flags.iter().map(String::as_str);
        let (request_id, state) = (self.request_id.as_deref(), self.state.as_deref());
        uid_of_request((cluster, node, device), request_id, state, flags)
    }

    /// Sorts rows in the order of answers.
    pub(crate) fn newest_first(&self) -> impl Ord + use<> {
        Reverse((self.time_unix_ns, self.issued))
    }

    /// Returns where the event stands in the order of answers.
    pub(crate) fn place(&self) -> Place {
        Place { time: self.time_unix_ns, leaf: self.issued.0.0, ordinal: self.issued.1 }
    }
}
