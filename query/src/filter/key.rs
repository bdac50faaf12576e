//! The keys of the grammar: what each takes, and the field of the index that answers it.

use ingest::event::{Decision, Flag, IdentityKind, Outcome, Reason};
use ingest::index::schema::Fields;
use tantivy::schema::Field;

use super::error::nearest;

/// What stands after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Any text or glob.
    Text,
    /// A name with a slash at its end, which may be left out: `mount:secret` is `mount:secret/`.
    Slashed,
    /// The same; of a name without another slash `auth/` may be left out as well.
    AuthMount,
    /// The server's words; they are its own to add to, so an unknown one is refused only if it looks
    /// like a typo.
    Operation,
    /// One of our words, or a glob over them.
    Word,
    /// One of our words.
    WordOnly,
    /// An address or a network.
    Network,
    /// A header's name, or `name=value`.
    Header,
    /// A time; `on` takes a period.
    Time,
    /// A length of time, with comparisons and ranges.
    Seconds,
}

/// Declares the keys once: `name key takes field column-or-not`.
macro_rules! keys {
    ($($key:ident $name:literal $takes:ident $field:ident $count:ident,)+) => {
        /// A key of the grammar.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Key { $($key,)+ }

        impl Key {
            pub(super) const ALL: &'static [Key] = &[$(Key::$key,)+];

            pub(super) fn name(self) -> &'static str {
                match self { $(Key::$key => $name,)+ }
            }

            pub(super) fn takes(self) -> Takes {
                match self { $(Key::$key => Takes::$takes,)+ }
            }

            /// The field whose terms (or numbers) the key names.
            pub(super) fn field(self, fields: &Fields) -> Field {
                match self { $(Key::$key => fields.$field,)+ }
            }

            /// How the field can be counted by.
            pub(super) fn count(self) -> Count {
                match self { $(Key::$key => Count::$count,)+ }
            }
        }
    };
}

/// Whether and how events are counted by a key's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// A column with at most one value an event.
    One,
    /// A column with several.
    Many,
    /// No column of words.
    No,
}

keys! {
    Identity "identity" Text identity One,
    Entity "entity" Text entity One,
    Kind "kind" Word kind One,
    Role "role" Text role One,
    Method "method" Text method One,
    Auth "auth" AuthMount auth One,
    Held "held" Text held Many,
    Policy "policy" Text policy Many,
    Op "op" Operation op One,
    Action "action" Text action One,
    Path "path" Text path One,
    Object "object" Text object One,
    Mount "mount" Slashed mount One,
    Engine "engine" Text engine One,
    Ns "ns" Slashed ns One,
    Decision "decision" Word decision One,
    Reason "reason" Word reason One,
    Outcome "outcome" Word outcome One,
    Error "error" Text error One,
    Ip "ip" Network ip One,
    Accessor "accessor" Text accessor One,
    Token "token" Text token One,
    Lease "lease" Text lease One,
    LeasePrefix "lease_prefix" Text lease_prefix One,
    Request "request" Text request One,
    Hash "hash" Text hash No,
    Header "header" Header header Many,
    Source "source" Text source One,
    Cluster "cluster" Text cluster One,
    Node "node" Text node One,
    Device "device" Text device One,
    After "after" Time time No,
    Before "before" Time time No,
    On "on" Time time No,
    Ttl "ttl" Seconds ttl No,
    TokenAge "token_age" Seconds token_age No,
    Data "data_key" Text data_key Many,
    Is "is" WordOnly is Many,
    Has "has" WordOnly has Many,
}

/// What the server calls operations, as far as we know.
pub(super) const OPERATIONS: &[&str] = &[
    "create",
    "read",
    "update",
    "patch",
    "delete",
    "list",
    "scan",
    "help",
    "header",
    "revoke",
    "renew",
    "rollback",
    "alias-lookahead",
    "resolve-role",
    "write",
];

/// What `op:write` stands for.
pub(super) const WRITES: &[&str] = &["create", "update", "patch", "delete"];

/// Words after `is:` and keys that come with the controls.
pub(super) const NOT_YET: &[&str] = &["first-seen", "off-hours"];

impl Key {
    pub(super) fn parse(name: &str) -> Option<Key> {
        Key::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Tells whether each of its values is that of few events.
    pub(super) fn is_rare(self) -> bool {
        matches!(self, Key::Accessor | Key::Hash | Key::Lease | Key::Request | Key::Token)
    }

    /// Returns the key that was probably meant: a word that other tools use, or a typo of ours.
    pub(super) fn meant(name: &str) -> Option<&'static str> {
        Some(match name.to_lowercase().as_str() {
            "user" | "username" | "name" | "who" | "actor" => "identity",
            "operation" | "verb" => "op",
            "address" | "remote_address" | "addr" | "cidr" => "ip",
            "namespace" => "ns",
            "status" | "allowed" | "result" => "decision",
            "from" | "since" => "after",
            "to" | "until" => "before",
            "policies" | "granting" => "policy",
            "flag" => "is",
            "hmac" | "hmac-sha256" => "hash",
            _ => return nearest(name, Key::ALL.iter().map(|key| key.name())),
        })
    }

    /// Returns the field whose terms are the key's values; `None` of a key that takes times, numbers
    /// or random ids.
    pub(super) fn terms(self, fields: &Fields) -> Option<Field> {
        match self {
            // Nobody remembers the beginning of a random id.
            Key::Request => None,
            Key::After | Key::Before | Key::On | Key::Ttl | Key::TokenAge => None,
            key => Some(key.field(fields)),
        }
    }

    /// Returns our words for this key; of a key that takes any text, none.
    pub(super) fn words(self) -> Vec<&'static str> {
        match self {
            Key::Kind => IdentityKind::ALL.iter().map(|word| word.as_str()).collect(),
            Key::Decision => Decision::ALL.iter().map(|word| word.as_str()).collect(),
            Key::Reason => Reason::ALL.iter().map(|word| word.as_str()).collect(),
            Key::Outcome => Outcome::ALL.iter().map(|word| word.as_str()).collect(),
            Key::Is => ["root", "forwarded", "system", "pending", "unanswered", "no_twin"]
                .into_iter()
                .chain(Flag::ALL.iter().map(|flag| flag.as_str()))
                .collect(),
            Key::Has => vec!["error", "lease", "wrap"],
            _ => Vec::new(),
        }
    }
}
