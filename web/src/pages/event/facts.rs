//! Every field of the event that is there, each value leading to all events that share it.

use ingest::event::AuditEvent;
use query::full::FullEvent;

use crate::link::Link;
use crate::text::{Text, grouped};

/// Facts of one kind.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) facts: Vec<Fact>,
}

/// One field of the event.
pub(super) struct Fact {
    pub(super) name: Text,
    pub(super) values: Vec<Value>,
}

/// One value of a field.
pub(super) struct Value {
    pub(super) link: Link,
    pub(super) code: bool,
    pub(super) tags: Vec<Text>,
}

/// The most values of one field that the page shows; the rest are counted.
const VALUES_MAX: usize = 100;

/// What stands in the log as a hash.
const HASH: &str = "hash";
/// What other lines tell, applied when reading.
const LEARNED: &str = "from other lines";

pub(super) fn groups(full: &FullEvent) -> Vec<Group> {
    let event = &full.event;
    let groups = [
        Group { title: "Who", facts: who(full) },
        Group { title: "What", facts: what(event) },
        Group { title: "Decision", facts: decision(event) },
        Group { title: "When and where", facts: place(event) },
        Group { title: "Token and lease", facts: token(full) },
        Group { title: "Hashes and keys", facts: hashes(full) },
        Group { title: "Record", facts: record(event) },
    ];
    groups.into_iter().filter(|group| !group.facts.is_empty()).collect()
}

/// Gathers the facts of a group, leaving out what is absent.
#[derive(Default)]
struct Facts(Vec<Fact>);

impl Facts {
    /// A value that a filter key asks for.
    fn asked(&mut self, name: &str, key: &str, value: Option<&str>) {
        self.each_asked(name, key, value);
    }

    fn each_asked<'a>(&mut self, name: &str, key: &str, values: impl IntoIterator<Item = &'a str>) {
        let value =
            |value: &str| Value { link: Link::of(key, value), code: false, tags: Vec::new() };
        self.values(name, values.into_iter().map(value));
    }

    /// A value that no key asks for.
    fn plain(&mut self, name: &str, value: Option<&str>) {
        self.values(
            name,
            value.map(|value| Value { link: Link::none(value), code: false, tags: Vec::new() }),
        );
    }

    /// A hash, and the texts that other lines show for it.
    fn hash(&mut self, name: &str, key: &str, hash: Option<&str>, full: &FullEvent) {
        self.values(name, hash.map(|hash| hashed(key, hash, full)));
    }

    fn values(&mut self, name: &str, values: impl IntoIterator<Item = Value>) {
        let mut values: Vec<Value> = values.into_iter().collect();
        if values.len() > VALUES_MAX {
            let more = format!("and {} more", grouped((values.len() - VALUES_MAX) as u64));
            values.truncate(VALUES_MAX);
            values.push(Value { link: Link::none(&more), code: false, tags: Vec::new() });
        }
        if !values.is_empty() {
            self.0.push(Fact { name: Text::new(name), values });
        }
    }
}

fn hashed(key: &str, hash: &str, full: &FullEvent) -> Value {
    if !hash.starts_with("hmac-sha256:") {
        return Value { link: Link::of(key, hash), code: true, tags: Vec::new() };
    }
    let mut tags = vec![Text::new(HASH)];
    for text in full.learned.get(hash).into_iter().flatten() {
        tags.push(Text::new(&format!("{LEARNED}: {text}")));
    }
    Value { link: Link::of(key, hash), code: true, tags }
}

fn who(full: &FullEvent) -> Vec<Fact> {
    let identity = &full.event.identity;
    let mut facts = Facts::default();
    facts.asked("Identity", "identity", identity.name.as_deref());
    let other_names = identity.names.iter().filter(|name| Some(*name) != identity.name.as_ref());
    facts.each_asked("Also called", "identity", other_names.map(String::as_str));
    facts.values(
        "Formerly",
        identity.former_name.as_deref().map(|name| Value {
            link: Link::of("identity", name),
            code: false,
            tags: vec![Text::new(LEARNED)],
        }),
    );
    facts.values(
        "Claimed",
        identity.claimed.as_deref().map(|name| Value {
            link: Link::none(name),
            code: false,
            tags: vec![Text::new("not proven")],
        }),
    );
    facts.asked("Kind", "kind", Some(identity.kind.as_str()));
    facts.asked("Auth method", "method", identity.method.as_deref());
    facts.asked("Auth mount", "auth", identity.mount.as_deref());
    facts.asked("Role", "role", identity.role.as_deref());
    facts.asked("Entity", "entity", identity.entity_id.as_deref());
    facts.plain("Display name", identity.display_name.as_deref());
    for (name, value) in &identity.metadata {
        facts.plain(&format!("metadata: {name}"), Some(value));
    }
    facts.asked("Identity's key", "identity", identity.key.as_deref());
    facts.0
}

fn what(event: &AuditEvent) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.asked("Action", "action", Some(&event.action));
    facts.asked("Operation", "op", event.operation.as_deref());
    facts.asked("Path", "path", event.path.as_deref());
    facts.asked("Object", "object", event.object.as_deref());
    facts.asked("Mount", "mount", event.mount.as_deref());
    facts.asked("Engine", "engine", event.mount_type.as_deref());
    facts.asked("Namespace", "ns", event.namespace.as_deref());
    facts.each_asked(
        "Is",
        "is",
        event.flags.iter().map(|flag| flag.as_str()).filter(|flag| is_asked_for(flag)),
    );
    facts.0
}

/// Tells whether the grammar knows the flag under `is:`.
fn is_asked_for(flag: &str) -> bool {
    query::filter::Filter::parse(&format!("is:{flag}"), jiff::Timestamp::now()).is_ok()
}

fn decision(event: &AuditEvent) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.asked("Decision", "decision", Some(event.decision.as_str()));
    facts.asked("Reason", "reason", Some(event.reason.as_str()));
    facts.asked("Outcome", "outcome", Some(event.outcome.as_str()));
    facts.each_asked("Granted by", "policy", event.granting.iter().map(String::as_str));
    facts.each_asked("Policies held", "held", event.policies.iter().map(String::as_str));
    facts.asked("Error", "error", event.error.as_deref());
    facts.0
}

fn place(event: &AuditEvent) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.plain("Requested", event.time.as_ref().map(|time| &*time.text));
    facts.plain("Completed", event.completed.as_ref().map(|time| &*time.text));
    facts.plain("Between", event.latency_us.map(microseconds).as_deref());
    facts.asked("Address", "ip", event.remote_address.as_deref());
    facts.plain("Port", event.remote_port.map(|port| port.to_string()).as_deref());
    facts.asked("Cluster", "cluster", Some(&event.cluster));
    facts.asked("Node", "node", Some(&event.node));
    facts.asked("Audit device", "device", Some(&event.device));
    facts.plain("Server", event.server_version.as_deref());
    for (name, values) in &event.headers {
        facts.values(
            &format!("header: {name}"),
            values.iter().map(|value| Value {
                link: Link::none(value),
                code: false,
                tags: Vec::new(),
            }),
        );
    }
    facts.0
}

fn microseconds(us: i64) -> String {
    format!("{}.{:03} ms", us / 1000, us.unsigned_abs() % 1000)
}

fn token(full: &FullEvent) -> Vec<Fact> {
    let event = &full.event;
    let identity = &event.identity;
    let seconds = |seconds: u64| format!("{} s", grouped(seconds));
    let mut facts = Facts::default();
    facts.hash("Token", "token", identity.token.as_deref(), full);
    facts.hash("Accessor", "accessor", identity.accessor.as_deref(), full);
    facts.plain("Token type", identity.token_type.as_deref());
    facts.plain("Token issued", identity.token_issued.as_ref().map(|time| &*time.text));
    facts.plain("Lifetime given", identity.token_ttl_s.map(seconds).as_deref());
    if let Some(issued) = &event.issued_token {
        facts.hash("Gave out token", "hash", issued.token.as_deref(), full);
        facts.hash("with accessor", "hash", issued.accessor.as_deref(), full);
        facts.each_asked("with policies", "held", issued.policies.iter().map(String::as_str));
        facts.plain("for", issued.ttl_s.map(seconds).as_deref());
    }
    facts.asked("Lease", "lease", event.lease_id.as_deref());
    facts.plain("Wrapped for", event.wrap_ttl_s.map(seconds).as_deref());
    facts.0
}

fn hashes(full: &FullEvent) -> Vec<Fact> {
    let event = &full.event;
    let mut facts = Facts::default();
    for (name, hash) in &event.hmacs {
        facts.hash(name, "hash", Some(hash), full);
    }
    facts.values(
        "Salt",
        event.salt.as_deref().map(|salt| Value {
            link: Link::none(salt),
            code: false,
            tags: vec![Text::new(LEARNED)],
        }),
    );
    facts.each_asked("Keys of data", "data_key", event.data_keys.iter().map(String::as_str));
    facts.0
}

fn record(event: &AuditEvent) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.asked("Request id", "request", event.request_id.as_deref());
    facts.asked("Source", "source", Some(&event.source.to_string()));
    let leaves: Vec<String> = event.leaves.iter().map(|leaf| grouped(leaf.0)).collect();
    facts.plain("Leaves", Some(&leaves.join(", ")));
    facts.plain(
        "Issued by",
        Some(&format!("leaf {}, as number {}", grouped(event.issued.0.0), event.issued.1)),
    );
    facts.plain("Ledger", Some(&event.origin));
    facts.plain("Rules", Some(&event.rules));
    facts.0
}
