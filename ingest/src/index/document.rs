//! An event as a document. What a many-valued key holds is said here once, for the index and for
//! whoever reads a filter over the stream.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tantivy::schema::Field;

use super::class;
use super::documents::Documents;
use super::schema::Fields;
use super::summary::Gist;
use super::values::Values;
use crate::event::{AuditEvent, Flag, IdentityKind, Reason, Uid};
use crate::pairing::State;
use crate::source::{LeafIndex, SourceId};

/// The longest value in bytes that stands in the index as it is. A request may carry a path of a megabyte,
/// which the engine would drop without a word; see [`value`].
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// Between the halves of `learned` and `learned_text`.
pub const HALF: char = '\u{1f}';

/// What `doc` says of an event.
pub const EVENT: &str = "event";
/// What `doc` says of a leaf, or a torn piece of one, that holds no entry.
pub const UNDECODABLE: &str = "undecodable";

/// What `doc` says of one of our own lines that tells of missing bytes.
pub const GAP: &str = "gap";
/// What `doc` says of a record of coverage: JSON in `error`, see [`crate::coverage::Record`].
pub const COVERAGE: &str = "coverage";
/// What `doc` says of every document that is no event.
pub const NO_EVENTS: [&str; 3] = [UNDECODABLE, GAP, COVERAGE];

/// Fills the document of an event, without what history learns from it.
pub(super) fn document(
    fields: &Fields,
    documents: &Arc<Documents>,
    event: &AuditEvent,
    state: State,
) -> Values {
    let gist = Gist {
        time: event.time.as_ref().map(|time| time.unix_ns),
        issued_leaf: event.issued.0.0,
        class: class::of(event),
    };
    let mut document = Filling { document: documents.empty(gist), fields };
    document.place(event, state);
    document.who(event);
    document.what(event);
    document.result(event);
    document.document
}

/// Fills the document of a leaf that is no event: `doc` says what it is. It is one in a thousand; so that the columns that
/// each event has are without gaps, it has a value there as well, which nothing asks for: no word, zero, its leaf, and the
/// time of its `neighbour`, since a column of times takes more room the further they are apart.
pub(super) fn remark(
    fields: &Fields,
    documents: &Arc<Documents>,
    doc: &'static str,
    source: Option<&SourceId>,
    leaf: LeafIndex,
    why: &str,
    neighbour: Option<i64>,
) -> Values {
    let gist = Gist { time: None, issued_leaf: leaf.0, class: class::NONE };
    let mut document = Filling { document: documents.empty(gist), fields };
    document.text(fields.doc, Some(doc));
    document.no_words([fields.state]);
    document.signed(fields.time, neighbour);
    document.signed(fields.completed, neighbour);
    document.signed(fields.latency_us, Some(0));
    document.document.number(fields.issued_leaf, gist.issued_leaf);
    document.document.number(fields.issued_ordinal, 0);
    document.document.number(fields.leaf_request, leaf.0);
    document.document.number(fields.leaf_response, leaf.0);
    document.no_words([fields.request]);
    if let Some(source) = source {
        document.source(source);
    }
    document.no_words([fields.kind, fields.ip]);
    document.document.address(fields.ip_addr, std::net::Ipv6Addr::UNSPECIFIED);
    document.document.number(fields.port, 0);
    document.no_words([fields.op, fields.action, fields.path, fields.mount, fields.engine]);
    document.no_words([fields.decision, fields.reason, fields.outcome]);
    document.text(fields.error, Some(why));
    document.document
}

/// Returns a value as the index holds it: itself, or if it is too long its beginning and the SHA-256 of
/// the whole, so that two long values are never counted as one.
pub fn value(text: &str) -> Cow<'_, str> {
    if text.len() <= VALUE_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let beginning = &text[..text.floor_char_boundary(VALUE_BYTES_MAX - 80)];
    let mut short = format!("{beginning}…sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        short.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(short)
}

/// Returns what `identity:` matches: key, name, names, entity; each once.
pub fn identities(event: &AuditEvent) -> Vec<&str> {
    let identity = &event.identity;
    let one = [&identity.key, &identity.name, &identity.entity_id].into_iter().flatten();
    unique(one.chain(&identity.names).map(String::as_str))
}

/// Returns every hash in the event, token and accessor included, but for headers; each once.
pub fn hashes(event: &AuditEvent) -> Vec<&str> {
    let identity = &event.identity;
    let own = [&identity.token, &identity.accessor].into_iter().flatten().map(String::as_str);
    unique(own.chain(other_hashes(event)))
}

/// Returns the hashes in the event but for its token and accessor, which have fields of their own.
fn other_hashes(event: &AuditEvent) -> Vec<&str> {
    let identity = &event.identity;
    let issued =
        event.issued_token.iter().flat_map(|issued| [&issued.token, &issued.accessor]).flatten();
    let own = [identity.token.as_deref(), identity.accessor.as_deref()];
    let mut others = unique(issued.chain(event.hmacs.values()).map(String::as_str));
    others.retain(|hash| !own.contains(&Some(hash)));
    others
}

/// Returns the key of a request id as [`value`] gives it; another id may have the same, once in 2^64: who looks one
/// up compares the column. Ids are random, but come from outside: a hash keeps them apart whatever they are.
pub(super) fn request_key(id: &str) -> u64 {
    let hash = Sha256::digest(id.as_bytes());
    hash.iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
}

/// Returns the uid that an event has if it is that of its request: then [`super::Uids`] makes it of what else the
/// document holds, since two columns of random bytes would be a tenth of the index.
fn uid_of_request(event: &AuditEvent, state: State) -> Option<Uid> {
    let (id, late) = (event.request_id.as_deref()?, state == State::Late);
    // What is made of the document is made of the id as it stands there.
    if matches!(value(id), Cow::Owned(_)) {
        return None;
    }
    let uid = Uid::of_request(&event.source.cluster, &event.source.node, id, late);
    let is_copy = event.flags.contains(&Flag::Copy);
    Some(if is_copy { uid.of_copy(&event.source.device) } else { uid })
}

/// Returns what `is:` matches: the flags, and what kind and reason say.
pub fn is_words(event: &AuditEvent) -> Vec<&'static str> {
    let by_reason = match event.reason {
        Reason::Forwarded | Reason::System | Reason::Pending | Reason::Unanswered => {
            Some(event.reason.as_str())
        }
        Reason::Policy
        | Reason::Root
        | Reason::Login
        | Reason::Token
        | Reason::Open
        | Reason::Quota
        | Reason::Wrapping
        | Reason::NotRecorded => None,
    };
    let root = (event.identity.kind == IdentityKind::Root).then_some("root");
    unique(event.flags.iter().map(|flag| flag.as_str()).chain(root).chain(by_reason))
}

/// Returns what `has:` matches.
pub fn has_words(event: &AuditEvent) -> Vec<&'static str> {
    let has = [
        event.error.is_some().then_some("error"),
        event.lease_id.is_some().then_some("lease"),
        event.wrap_ttl_s.is_some().then_some("wrap"),
    ];
    has.into_iter().flatten().collect()
}

/// Returns what `header:` matches: each name, and each `name=value`.
pub fn headers(event: &AuditEvent) -> Vec<String> {
    let mut all = Vec::new();
    for (name, values) in &event.headers {
        all.push(name.clone());
        all.extend(values.iter().map(|value| format!("{name}={value}")));
    }
    all
}

/// Returns a lease's id without its last part: `database/creds/my-app`.
pub fn lease_prefix(lease: &str) -> Option<&str> {
    lease.rsplit_once('/').map(|(prefix, _)| prefix)
}

/// Returns the age of the token at the request, in whole seconds, rounded down.
pub fn token_age_s(event: &AuditEvent) -> Option<i64> {
    let (time, issued) = (event.time.as_ref()?, event.identity.token_issued.as_ref()?);
    let age_ns = i128::from(time.unix_ns) - i128::from(issued.unix_ns);
    i64::try_from(age_ns.div_euclid(1_000_000_000)).ok()
}

/// Returns what free words are looked for in: path, names, policies and error.
pub fn texts(event: &AuditEvent) -> Vec<&str> {
    let identity = &event.identity;
    let one = [&event.path, &identity.name, &event.error].into_iter().flatten();
    let many = identity.names.iter().chain(&event.policies);
    unique(one.chain(many).map(String::as_str))
}

/// Returns the request's and the response's leaf.
pub fn request_and_response(event: &AuditEvent) -> (Option<LeafIndex>, Option<LeafIndex>) {
    match event.leaves[..] {
        [] => (None, None),
        [response] if event.flags.contains(&Flag::NoRequest) || event.completed.is_some() => {
            (None, Some(response))
        }
        [request] => (Some(request), None),
        [request, response, ..] => (Some(request), Some(response)),
    }
}

/// Returns the word of a state.
pub fn state_word(state: State) -> &'static str {
    match state {
        State::Answered => "answered",
        State::Pending => "pending",
        State::Unanswered => "unanswered",
        State::Late => "late",
        State::ResponseOnly => "response_only",
        State::Alone => "alone",
    }
}

/// Returns the state of a word that [`state_word`] gave.
pub fn state_of(word: &str) -> Option<State> {
    let all = [
        State::Answered,
        State::Pending,
        State::Unanswered,
        State::Late,
        State::ResponseOnly,
        State::Alone,
    ];
    all.into_iter().find(|&state| state_word(state) == word)
}

/// The first of each, in order. Lists are short, but an attacker may make one long: then a set tells.
fn unique<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    for text in all.filter(|text| !text.is_empty()) {
        let is_new = match found.len() {
            0..SHORT => !found.contains(&text),
            SHORT => {
                seen.extend(found.iter().copied());
                seen.insert(text)
            }
            _ => seen.insert(text),
        };
        if is_new {
            found.push(text);
        }
    }
    found
}

/// So many texts are compared one by one.
const SHORT: usize = 32;

struct Filling<'a> {
    document: Values,
    fields: &'a Fields,
}

impl Filling<'_> {
    fn text(&mut self, field: Field, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.document.text(field, &value(text));
        }
    }

    /// Fills the columns of a document that has nothing to say there.
    fn no_words<const N: usize>(&mut self, fields: [Field; N]) {
        fields.into_iter().for_each(|field| self.document.text(field, ""));
    }

    fn texts<'t>(&mut self, field: Field, texts: impl IntoIterator<Item = &'t str>) {
        for text in unique(texts.into_iter()) {
            self.text(field, Some(text));
        }
    }

    fn signed(&mut self, field: Field, number: Option<i64>) {
        if let Some(number) = number {
            self.document.signed(field, number);
        }
    }

    fn number(&mut self, field: Field, number: Option<u64>) {
        if let Some(number) = number {
            self.document.number(field, number);
        }
    }

    fn source(&mut self, source: &SourceId) {
        let fields = self.fields;
        self.text(fields.source, Some(&source.to_string()));
        self.text(fields.cluster, Some(&source.cluster));
        self.text(fields.node, Some(&source.node));
        self.text(fields.device, Some(&source.device));
    }

    /// Which event, where in the ledger, when, on which source.
    fn place(&mut self, event: &AuditEvent, state: State) {
        let fields = self.fields;
        self.text(fields.doc, Some(EVENT));
        let (high, low) = event.uid.halves();
        self.document.uid_key(high);
        if uid_of_request(event, state) != Some(event.uid) {
            self.document.number(fields.own_uid_high, high);
            self.document.number(fields.own_uid_low, low);
        }
        self.text(fields.state, Some(state_word(state)));
        let Gist { time, issued_leaf, .. } = self.document.gist();
        self.signed(fields.time, time);
        self.signed(fields.completed, event.completed.as_ref().map(|time| time.unix_ns));
        self.signed(fields.latency_us, event.latency_us);
        self.document.number(fields.issued_leaf, issued_leaf);
        self.document.number(fields.issued_ordinal, u64::from(event.issued.1));
        let (request, response) = request_and_response(event);
        self.number(fields.leaf_request, request.map(|leaf| leaf.0));
        self.number(fields.leaf_response, response.map(|leaf| leaf.0));
        if let Some(id) = event.request_id.as_deref().filter(|id| !id.is_empty()) {
            let id = value(id);
            self.document.text(fields.request, &id);
            self.document.request_key(request_key(&id));
        }
        self.source(&event.source);
    }

    fn who(&mut self, event: &AuditEvent) {
        let (fields, identity) = (self.fields, &event.identity);
        self.text(fields.identity_key, identity.key.as_deref());
        self.text(fields.identity_name, identity.name.as_deref());
        self.texts(fields.identity, identities(event));
        self.text(fields.entity, identity.entity_id.as_deref());
        self.text(fields.kind, Some(identity.kind.as_str()));
        self.text(fields.role, identity.role.as_deref());
        self.text(fields.role_hash, event.hmacs.get("request.role").map(String::as_str));
        self.text(fields.method, identity.method.as_deref());
        self.text(fields.auth, identity.mount.as_deref());
        self.text(fields.display_name, identity.display_name.as_deref());
        self.text(fields.claimed, identity.claimed.as_deref());
        self.text(fields.accessor, identity.accessor.as_deref());
        self.text(fields.token, identity.token.as_deref());
        self.number(fields.ttl, identity.token_ttl_s);
        self.signed(fields.token_age, token_age_s(event));
        self.texts(fields.held, event.policies.iter().map(String::as_str));
        self.texts(fields.policy, event.granting.iter().map(String::as_str));
        self.text(fields.ip, event.remote_address.as_deref());
        if let Some(Ok(address)) = event.remote_address.as_ref().map(|text| text.parse()) {
            self.document.address(fields.ip_addr, address_v6(address));
        }
        self.number(fields.port, event.remote_port.map(u64::from));
    }

    fn what(&mut self, event: &AuditEvent) {
        let fields = self.fields;
        self.text(fields.op, event.operation.as_deref());
        self.text(fields.action, Some(&event.action));
        self.text(fields.path, event.path.as_deref());
        self.text(fields.object, event.object.as_deref());
        self.text(fields.mount, event.mount.as_deref());
        self.text(fields.engine, event.mount_type.as_deref());
        self.text(fields.ns, event.namespace.as_deref());
        self.text(fields.lease, event.lease_id.as_deref());
        self.text(fields.lease_prefix, event.lease_id.as_deref().and_then(lease_prefix));
        if event.lease_id.is_none() {
            self.text(fields.lease_hash, event.hmacs.get("request.lease_id").map(String::as_str));
        }
        self.texts(fields.hash, other_hashes(event));
        self.texts(fields.header, headers(event).iter().map(String::as_str));
        self.texts(fields.data_key, event.data_keys.iter().map(String::as_str));
    }

    fn result(&mut self, event: &AuditEvent) {
        let fields = self.fields;
        self.text(fields.decision, Some(event.decision.as_str()));
        self.text(fields.reason, Some(event.reason.as_str()));
        self.text(fields.outcome, Some(event.outcome.as_str()));
        self.text(fields.error, event.error.as_deref());
        self.texts(fields.is, is_words(event));
        self.texts(fields.has, has_words(event));
        for text in texts(event) {
            self.document.text(fields.text, text);
        }
    }
}

/// The address as the index orders it: IPv4 mapped into IPv6.
fn address_v6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}
