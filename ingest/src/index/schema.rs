//! What an event's document holds: the keys that filters name and the columns that a row shows.
//!
//! There is no stored document: rows are read from fast fields, whole events from the ledger.
//! Strings are whole terms (never tokenised) but for `text`. Several values stand side by side in a
//! field marked "many". A field without a value is absent, never "": only a document that is no event has that, see
//! [`super::document`].
//!
//! Fields stand in the order in which a document is filled: the engine sorts the values of each document by
//! field, and has nothing to do where they are in order.

use tantivy::schema::{
    FAST, Field, IndexRecordOption, IpAddrOptions, NumericOptions, Schema, TextFieldIndexing,
    TextOptions,
};

/// Declares the fields once: the struct, its construction and the schema.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $make:expr,)+) => {
        /// The fields of the index, by name.
        #[derive(Clone, Copy, Debug)]
        pub struct Fields { $($(#[$doc])* pub $name: Field,)+ }

        impl Fields {
            /// Returns the schema and its fields.
            pub fn schema() -> (Schema, Fields) {
                let mut builder = Schema::builder();
                let fields = Fields { $($name: $make(&mut builder, stringify!($name)),)+ };
                (builder.build(), fields)
            }
        }
    };
}

type Builder = tantivy::schema::SchemaBuilder;

fn term(builder: &mut Builder, name: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic);
    builder.add_text_field(
        name,
        TextOptions::default().set_indexing_options(indexing.set_fieldnorms(false)).set_fast("raw"),
    )
}

fn term_only(builder: &mut Builder, name: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic);
    builder.add_text_field(
        name,
        TextOptions::default().set_indexing_options(indexing.set_fieldnorms(false)),
    )
}

/// What rows show and counts group by, and no filter names.
fn column(builder: &mut Builder, name: &str) -> Field {
    builder.add_text_field(name, TextOptions::default().set_fast("raw"))
}

fn words(builder: &mut Builder, name: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("default")
        .set_index_option(IndexRecordOption::WithFreqsAndPositions)
        .set_fieldnorms(false);
    builder.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

/// Numbers are columns only: a range is answered from the column, and a dictionary of nearly unique numbers
/// would be a good part of the index.
fn signed(builder: &mut Builder, name: &str) -> Field {
    builder.add_i64_field(name, NumericOptions::from(FAST))
}

fn number(builder: &mut Builder, name: &str) -> Field {
    builder.add_u64_field(name, NumericOptions::from(FAST))
}

fn address(builder: &mut Builder, name: &str) -> Field {
    builder.add_ip_addr_field(name, IpAddrOptions::from(FAST))
}

fields! {
    /// `event`, or `undecodable` for a leaf (or a torn piece of one) that holds no entry.
    doc: term_only,
    /// The uid's halves, of an event whose uid is not that of its request. An event is looked up by its segment's keys, see
    /// [`super::KeyQuery`].
    own_uid_high: number,
    /// See there.
    own_uid_low: number,
    /// How pairing closed the event: answered, pending, unanswered, late, response_only, alone. Not told
    /// by the reason: a request refused by a policy says `policy` while it still waits for its response.
    state: term,
    /// Nanoseconds since 1970; absent if no line had a readable time.
    time: signed,
    /// Time of the response line, in nanoseconds.
    completed: signed,
    /// Response time less request time, in microseconds.
    latency_us: signed,
    /// The leaf that issued the event.
    issued_leaf: number,
    /// Which of that leaf's events this is.
    issued_ordinal: number,
    /// The request line; of what is no event, its leaf.
    leaf_request: number,
    /// The response line; of what is no event, its leaf.
    leaf_response: number,
    /// Request id. It is looked up as uids are.
    request: column,
    /// cluster/node/device.
    source: term,
    /// Cluster.
    cluster: term,
    /// Node.
    node: term,
    /// Audit device.
    device: term,
    /// The identity's key.
    identity_key: column,
    /// The name to show.
    identity_name: column,
    /// Many: key, names, entity; what `identity:` matches. Not a column: key, name and entity are.
    identity: term_only,
    /// The server's entity.
    entity: term,
    /// human, workload …
    kind: term,
    /// The login role.
    role: term,
    /// Hash of `request.role`, the role that a login named; `role:` finds it by its learned text.
    role_hash: term_only,
    /// The auth method's type.
    method: term,
    /// The auth method's mount.
    auth: term,
    /// As written by the server.
    display_name: column,
    /// Who a failed login said it was.
    claimed: column,
    /// Accessor hash.
    accessor: term,
    /// Token hash. Who a refused token belonged to is told by the other events with it: a set applied when reading.
    token: term,
    /// Lifetime given to the token, in seconds.
    ttl: number,
    /// Age of the token at the request, in seconds.
    token_age: signed,
    /// Many: policies held.
    held: term,
    /// Many: granting policies.
    policy: term,
    /// The client's address as written.
    ip: term,
    /// The same as a number, IPv4 mapped into IPv6, for CIDR.
    ip_addr: address,
    /// The client's port.
    port: number,
    /// The server's operation.
    op: term,
    /// Our word.
    action: term,
    /// Relative to the namespace.
    path: term,
    /// Within the mount.
    object: term,
    /// The mount.
    mount: term,
    /// The mount's type.
    engine: term,
    /// The namespace; absent for the root.
    ns: term,
    /// Lease id.
    lease: term,
    /// Lease id without its last part.
    lease_prefix: term,
    /// Hash of the lease's id in a request whose lines do not tell the id itself: most revocations.
    lease_hash: column,
    /// Many: the hashes in the event but for its own token and accessor. Not a column: nobody counts by it.
    hash: term_only,
    /// Many: `name` and `name=value` of audited headers.
    header: term,
    /// Many: keys of request and response data.
    data_key: term,
    /// allowed, denied, unknown.
    decision: term,
    /// Why.
    reason: term,
    /// What came of it.
    outcome: term,
    /// The server's error text.
    error: term,
    /// Many: flags; also `root`, `forwarded`, `system`, `pending`, `unanswered`.
    is: term,
    /// Many: error, lease, wrap.
    has: term,
    /// Path, names, policies and error, as words with positions.
    text: words,
    /// Many: `hash\u{1f}text`, a hash whose text one line shows; a set applied when reading.
    learned: term_only,
    /// Many: the same turned round, `text\u{1f}hash`, so that both ways are one look-up.
    learned_text: term_only,
}
