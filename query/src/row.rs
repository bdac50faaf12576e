//! A row of a list of events: read from the index's columns, without touching the ledger.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use ingest::event::{Issued, Reason, Uid};
use ingest::index::{ColumnList, OwnUids, uid_of_request};
use ingest::source::LeafIndex;
use serde::Serialize;
use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader};

use crate::abreast::abreast;
use crate::error::QueryError;
use crate::history::View;
use crate::period::rfc3339;
use crate::scan::{Address, Place, Places};
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
            policy: Texts,
            is: Texts,
            $($name: Texts,)+
        }

        impl Columns {
            pub(crate) fn open(
                segment: &SegmentReader,
                places: Places,
            ) -> tantivy::Result<Columns> {
                let columns = ColumnList::read_for_few(segment)?;
                let texts = |name| tantivy::Result::Ok(Texts::of(columns.words(name)?));
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

            /// Reads the rows of documents, whose texts are looked up together.
            fn rows(&mut self, documents: &[DocId]) -> std::io::Result<Vec<EventRow>> {
                let mut texts = [&mut self.policy, &mut self.is, $(&mut self.$name,)+];
                texts.iter_mut().try_for_each(|texts| texts.learn(documents))?;
                let rows = documents.iter().map(|&document| self.row(document)).collect();
                let texts = [&mut self.policy, &mut self.is, $(&mut self.$name,)+];
                texts.into_iter().for_each(Texts::forget);
                rows
            }

            fn row(&mut self, document: DocId) -> std::io::Result<EventRow> {
                let place = self.places.of(document);
                let completed = first(&self.completed, document);
                let own_uid = self.own_uids.of(document);
                let mut row = EventRow {
                    uid: own_uid.unwrap_or(Uid::of_halves(0, 0)),
                    time: place.time.map(rfc3339),
                    time_unix_ns: place.time,
                    completed: completed.map(rfc3339),
                    latency_us: first(&self.latency_us, document),
                    $($name: self.$name.first(document)?.map(|text| text.to_string()),)+
                    port: first(&self.port, document),
                    policy: strings(self.policy.all(document)?),
                    flags: strings(self.is.all(document)?),
                    former_name: None,
                    request_leaf: first(&self.leaf_request, document).map(LeafIndex),
                    response_leaf: first(&self.leaf_response, document).map(LeafIndex),
                    issued: Issued(LeafIndex(place.leaf), place.ordinal),
                };
                if own_uid.is_none() {
                    row.uid = row.uid_of_request();
                }
                Ok(row)
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

fn strings(texts: Vec<Arc<str>>) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

fn first<T>(column: &Option<Column<T>>, document: DocId) -> Option<T>
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    column.as_ref()?.first(document)
}

/// The newest so many documents are prepared: some 1.5 bytes of memory each.
const PREPARED_MOST: u64 = 32_000_000;

/// Opens what rows are read with, in the newest parts of the index, several at a time, so that nobody's first page waits for
/// it: some 35 columns a part, of each the place of every 512 values.
///
/// # Errors
/// The index cannot be read.
pub fn prepare(view: &View) -> Result<(), QueryError> {
    view.read_parts()?;
    let segments = view.searcher().segment_readers();
    let mut newest = Vec::with_capacity(segments.len());
    for (number, segment) in (0..).zip(segments) {
        newest.push((Reverse(view.part(number)?.times), number, u64::from(segment.max_doc())));
    }
    newest.sort_unstable();
    let mut documents = 0;
    let is_left = |(.., of_part): &(_, u32, u64)| {
        documents += of_part;
        documents <= PREPARED_MOST
    };
    let parts: Vec<u32> = newest.into_iter().take_while(is_left).map(|(_, part, _)| part).collect();
    let open = |&number: &u32| {
        view.turn().check()?;
        let segment = view.searcher().segment_reader(number);
        view.part(number)?.with_columns(segment, |_| Ok(()))
    };
    abreast(&parts, open).into_iter().collect()
}

/// Reads rows. A segment's columns stay open for as long as views have it, since rows of one page lie scattered
/// over segments, and opening 35 columns costs more than reading a row.
pub(crate) struct Rows<'a> {
    view: &'a View,
    /// By token. A client whose token was revoked tries it again and again.
    former_names: HashMap<String, Option<String>>,
}

/// Tokens whose former holder is remembered.
const FORMER_NAMES_MAX: usize = 1_024;

/// So many rows are a page at most, for which a part's columns are read here and there. More of them are read on and on, and by
/// one thread: that takes time and not the disk.
const PAGE_MOST: usize = 1_024;

impl<'a> Rows<'a> {
    pub(crate) fn new(view: &'a View) -> Rows<'a> {
        Rows { view, former_names: HashMap::new() }
    }

    /// Reads one row.
    pub(crate) fn row(&mut self, address: Address) -> Result<EventRow, QueryError> {
        Ok(self.rows(&[address])?.pop().expect("a row for each address"))
    }

    /// Reads rows, in the order of their addresses.
    pub(crate) fn rows(&mut self, addresses: &[Address]) -> Result<Vec<EventRow>, QueryError> {
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_unstable_by_key(|&at| addresses[at]);
        let mut rows: Vec<Option<EventRow>> = Vec::new();
        rows.resize_with(addresses.len(), || None);
        let by_part: Vec<&[usize]> = order
            .chunk_by(|&one, &other| addresses[one].segment == addresses[other].segment)
            .collect();
        let is_page = addresses.len() <= PAGE_MOST;
        let read = |of_part: &&[usize]| {
            let documents: Vec<DocId> = of_part.iter().map(|&at| addresses[at].document).collect();
            self.of_part(addresses[of_part[0]].segment, &documents, is_page)
        };
        let read =
            if is_page { abreast(&by_part, read) } else { by_part.iter().map(read).collect() };
        for (of_part, read) in by_part.iter().zip(read) {
            for (&at, row) in of_part.iter().zip(read?) {
                rows[at] = Some(row);
            }
        }
        let mut rows: Vec<EventRow> = rows.into_iter().flatten().collect();
        for row in &mut rows {
            if row.reason.as_deref() == Some(Reason::Token.as_str())
                && let Some(token) = &row.token
            {
                row.former_name = self.former_name(token)?;
            }
        }
        Ok(rows)
    }

    /// Reads the rows of a part's documents, in their order.
    fn of_part(
        &self,
        number: u32,
        documents: &[DocId],
        is_page: bool,
    ) -> Result<Vec<EventRow>, QueryError> {
        self.view.turn().check()?;
        let segment = self.view.searcher().segment_reader(number);
        let part = self.view.part(number)?;
        if !is_page {
            part.ask_for_columns(segment);
        }
        part.with_columns(segment, |columns| {
            Ok(columns.rows(documents).map_err(tantivy::TantivyError::from)?)
        })
    }

    fn former_name(&mut self, token: &str) -> Result<Option<String>, QueryError> {
        if let Some(name) = self.former_names.get(token) {
            return Ok(name.clone());
        }
        let name = self.view.former_name(token)?;
        if self.former_names.len() == FORMER_NAMES_MAX {
            self.former_names.clear();
        }
        self.former_names.insert(token.to_owned(), name.clone());
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on, view_of};
    use crate::turn::Turn;

    #[test]
    fn a_prepared_view_has_every_part_open() {
        let events: Vec<_> = (1..=6).map(|number| on(number, "a", number.into())).collect();
        let view = view_of(&events, 2);
        let parts = view.searcher().segment_readers().len();
        let open = |view: &View| {
            let part = |number| view.part(number).expect("a part").clone();
            let is_open = |number| part(number).columns.lock().expect("nobody panicked").is_some();
            (0..).take(parts).filter(|&number| is_open(number)).count()
        };
        let late = view.within(Turn::default());
        late.turn().cancel();
        assert!(matches!(prepare(&late), Err(QueryError::Cancelled)));
        assert_eq!((open(&view), parts > 1), (0, true));
        prepare(&view).expect("prepared");
        assert_eq!(open(&view), parts);
        // What the next commit leaves as it is, is prepared for it too.
        assert_eq!(open(&view.next(view.snapshot().clone())), parts);
    }
}
