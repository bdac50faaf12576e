//! Every field of the event that is there, each value leading to all events that share it.

use ingest::event::AuditEvent;
use query::full::FullEvent;

use crate::link::{Link, Question, term};
use crate::text::{Text, grouped};

/// Facts of one kind.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) facts: Vec<Fact>,
}

/// One field of the event.
pub(crate) struct Fact {
    pub(crate) name: Text,
    pub(crate) values: Vec<Value>,
}

/// One value of a field.
pub(crate) struct Value {
    /// Leads to the events that have it, of those that were asked for.
    pub(crate) link: Link,
    /// Leads to those that have it not.
    pub(crate) out: Option<String>,
    pub(crate) code: bool,
    pub(crate) tags: Vec<Text>,
}

impl Value {
    /// A value that a filter key asks for, within what was asked.
    fn of(asked: &Question, key: &str, value: &str) -> Value {
        let with = asked.with(key, value);
        let without = term(key, value).and_then(|term| asked.with_typed(&format!("-{term}")));
        Value {
            link: Link { text: Text::new(value), href: with.map(|with| with.href("/explore")) },
            out: without.map(|without| without.href("/explore")),
            code: false,
            tags: Vec::new(),
        }
    }

    /// A value that no key asks for.
    fn none(value: &str) -> Value {
        Value { link: Link::none(value), out: None, code: false, tags: Vec::new() }
    }
}

/// The most values of one field that the page shows; the rest are counted.
const VALUES_MAX: usize = 100;

/// What stands in the log as a hash.
const HASH: &str = "hash";
/// What other lines tell, applied when reading.
const LEARNED: &str = "from other lines";

/// Returns the facts of an event; its values narrow the question that found it.
pub(crate) fn groups(full: &FullEvent, asked: &Question) -> Vec<Group> {
    let event = &full.event;
    let groups = [
        Group { title: "Who", facts: who(full, asked) },
        Group { title: "What", facts: what(event, asked) },
        Group { title: "Decision", facts: decision(event, asked) },
        Group { title: "When and where", facts: place(event, asked) },
        Group { title: "Token and lease", facts: token(full, asked) },
        Group { title: "Hashes and keys", facts: hashes(full, asked) },
        Group { title: "Record", facts: record(event, asked) },
    ];
    groups.into_iter().filter(|group| !group.facts.is_empty()).collect()
}

/// Gathers the facts of a group, leaving out what is absent.
struct Facts<'a> {
    asked: &'a Question,
    facts: Vec<Fact>,
}

impl<'q> Facts<'q> {
    fn new(asked: &'q Question) -> Facts<'q> {
        Facts { asked, facts: Vec::new() }
    }

    /// A value that a filter key asks for.
    fn asked(&mut self, name: &str, key: &str, value: Option<&str>) {
        self.each_asked(name, key, value);
    }

    fn each_asked<'a>(&mut self, name: &str, key: &str, values: impl IntoIterator<Item = &'a str>) {
        let asked = self.asked;
        self.values(name, values.into_iter().map(|value| Value::of(asked, key, value)));
    }

    /// A value that no key asks for.
    fn plain(&mut self, name: &str, value: Option<&str>) {
        self.values(name, value.map(Value::none));
    }

    /// A hash, and the texts that other lines show for it.
    fn hash(&mut self, name: &str, key: &str, hash: Option<&str>, full: &FullEvent) {
        let asked = self.asked;
        self.values(name, hash.map(|hash| hashed(asked, key, hash, full)));
    }

    fn values(&mut self, name: &str, values: impl IntoIterator<Item = Value>) {
        let mut values: Vec<Value> = values.into_iter().collect();
        if values.len() > VALUES_MAX {
            let more = format!("and {} more", grouped((values.len() - VALUES_MAX) as u64));
            values.truncate(VALUES_MAX);
            values.push(Value::none(&more));
        }
        if !values.is_empty() {
            self.facts.push(Fact { name: Text::new(name), values });
        }
    }
}

fn hashed(asked: &Question, key: &str, hash: &str, full: &FullEvent) -> Value {
    if !hash.starts_with("hmac-sha256:") {
        return Value { code: true, ..Value::of(asked, key, hash) };
    }
    let mut tags = vec![Text::new(HASH)];
    for text in full.learned.get(hash).into_iter().flatten() {
        tags.push(Text::new(&format!("{LEARNED}: {text}")));
    }
    Value { code: true, tags, ..Value::of(asked, key, hash) }
}

fn who(full: &FullEvent, asked: &Question) -> Vec<Fact> {
    let identity = &full.event.identity;
    let mut facts = Facts::new(asked);
    facts.asked("Identity", "identity", identity.name.as_deref());
    let other_names = identity.names.iter().filter(|name| Some(*name) != identity.name.as_ref());
    facts.each_asked("Also called", "identity", other_names.map(String::as_str));
    facts.values(
        "Formerly",
        identity.former_name.as_deref().map(|name| Value {
            tags: vec![Text::new(LEARNED)],
            ..Value::of(asked, "identity", name)
        }),
    );
    facts.values(
        "Claimed",
        identity
            .claimed
            .as_deref()
            .map(|name| Value { tags: vec![Text::new("not proven")], ..Value::none(name) }),
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
    facts.facts
}

fn what(event: &AuditEvent, asked: &Question) -> Vec<Fact> {
    let mut facts = Facts::new(asked);
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
    facts.facts
}

/// Tells whether the grammar knows the flag under `is:`.
fn is_asked_for(flag: &str) -> bool {
    query::filter::Filter::parse(&format!("is:{flag}"), jiff::Timestamp::now()).is_ok()
}

fn decision(event: &AuditEvent, asked: &Question) -> Vec<Fact> {
    let mut facts = Facts::new(asked);
    facts.asked("Decision", "decision", Some(event.decision.as_str()));
    facts.asked("Reason", "reason", Some(event.reason.as_str()));
    facts.asked("Outcome", "outcome", Some(event.outcome.as_str()));
    facts.each_asked("Granted by", "policy", event.granting.iter().map(String::as_str));
    facts.each_asked("Policies held", "held", event.policies.iter().map(String::as_str));
    facts.asked("Error", "error", event.error.as_deref());
    facts.facts
}

fn place(event: &AuditEvent, asked: &Question) -> Vec<Fact> {
    let mut facts = Facts::new(asked);
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
        facts.values(&format!("header: {name}"), values.iter().map(|value| Value::none(value)));
    }
    facts.facts
}

fn microseconds(us: i64) -> String {
    format!("{}.{:03} ms", us / 1000, us.unsigned_abs() % 1000)
}

fn token(full: &FullEvent, asked: &Question) -> Vec<Fact> {
    let event = &full.event;
    let identity = &event.identity;
    let seconds = |seconds: u64| format!("{} s", grouped(seconds));
    let mut facts = Facts::new(asked);
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
    facts.facts
}

fn hashes(full: &FullEvent, asked: &Question) -> Vec<Fact> {
    let event = &full.event;
    let mut facts = Facts::new(asked);
    for (name, hash) in &event.hmacs {
        facts.hash(name, "hash", Some(hash), full);
    }
    facts.values(
        "Salt",
        event
            .salt
            .as_deref()
            .map(|salt| Value { tags: vec![Text::new(LEARNED)], ..Value::none(salt) }),
    );
    facts.each_asked("Keys of data", "data_key", event.data_keys.iter().map(String::as_str));
    facts.facts
}

fn record(event: &AuditEvent, asked: &Question) -> Vec<Fact> {
    let mut facts = Facts::new(asked);
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
    facts.facts
}
