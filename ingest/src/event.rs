//! AuditEvent: what happened, in our words. One request to the secrets server is one event.
//!
//! The JSON form of [`AuditEvent`] is the product's public one (API, CLI, webhook); field order is
//! kept. Absent is null, never "".

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

use utoipa::ToSchema;

use crate::source::{LeafIndex, SourceId};

mod described;

/// A time as the server wrote it.
///
/// The text keeps the digits (0 to 9 of the fraction, trailing zeros cut); the number orders, since
/// texts with cut zeros sort wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// RFC 3339 in UTC.
    pub text: String,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub unix_ns: i64,
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Identifies an event over re-ingests and in every sink: 128 bits of SHA-256 over cluster, node,
/// request id and lateness, or over the raw line where there is no request id; of a copy, see
/// [`Uid::of_copy`]. Shown as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub [u8; 16]);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads 32 hex digits.
impl FromStr for Uid {
    type Err = ();

    fn from_str(text: &str) -> Result<Uid, ()> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        Ok(Uid(u128::from_str_radix(text, 16).map_err(|_| ())?.to_be_bytes()))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Uid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Declares a closed set of words of ours: the enum, its text form, and the reading of that text.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every word, in the order in which people read them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// Returns the word.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<$name, ()> {
                match text { $($word => Ok($name::$variant),)+ _ => Err(()) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                described::word(&[$($word,)+])
            }
        }

        impl ToSchema for $name {}
    };
}

words! {
    /// Was it allowed? Apart from what came of it, which is the [`Outcome`].
    Decision {
        /// The server let the request pass.
        Allowed = "allowed",
        /// The server refused it.
        Denied = "denied",
        /// The log does not tell.
        Unknown = "unknown",
    }
}

words! {
    /// Why the decision is what it is.
    Reason {
        /// A policy granted or refused it.
        Policy = "policy",
        /// The root token, which no policy checks.
        Root = "root",
        /// A login, or the refusal of one.
        Login = "login",
        /// Refused: missing, unknown, expired or revoked token.
        Token = "token",
        /// An unauthenticated path: help, unwrap.
        Open = "open",
        /// Refused: rate or lease quota.
        Quota = "quota",
        /// Refused: burnt or foreign wrapping token.
        Wrapping = "wrapping",
        /// No response line within ten minutes of the source's time.
        Unanswered = "unanswered",
        /// No response line yet.
        Pending = "pending",
        /// Seal and step-down, whose fate the log does not tell.
        NotRecorded = "not_recorded",
        /// A standby handed it on; the active node's own event tells the decision. Left out of counts.
        Forwarded = "forwarded",
        /// Not a client's doing: an audit device's probe, a plugin's line, a heartbeat. Left out of counts.
        System = "system",
    }
}

words! {
    /// What came of the request.
    Outcome {
        /// Done.
        Success = "success",
        /// Allowed, and nothing was there.
        NotFound = "not_found",
        /// The request was wrong.
        ClientError = "client_error",
        /// The server or a back end failed.
        ServerError = "server_error",
        /// Turned away.
        Refused = "refused",
        /// Turned away by a quota.
        Throttled = "throttled",
        /// Handed on to the active node.
        Forwarded = "forwarded",
        /// Not a client's request.
        System = "system",
        /// The log does not tell.
        Unknown = "unknown",
    }
}

words! {
    /// What an identity is.
    IdentityKind {
        /// A person.
        Human = "human",
        /// A program: a pod, a pipeline.
        Workload = "workload",
        /// The root token.
        Root = "root",
        /// A token that no login method stands behind.
        Token = "token",
        /// Nobody known: a failed login, no token, an unknown token.
        Anonymous = "anonymous",
    }
}

words! {
    /// A property of an event that a reader may ask for by `is:`.
    Flag {
        /// Response wrapping was asked for.
        Wrapped = "wrapped",
        /// The token is a batch token.
        Batch = "batch",
        /// No token was needed or given.
        Unauthenticated = "unauthenticated",
        /// An administrative or root-protected path.
        Privileged = "privileged",
        /// The response came after its request had been closed as unanswered. Left out of counts.
        Late = "late",
        /// Another audit device of the node recorded the same request, and that event counts. Left out of counts.
        Copy = "copy",
        /// The node has several audit devices, and those that go before this one lack the request.
        OnlyOn = "only_on",
        /// The request line is not in the ledger.
        NoRequest = "no_request",
        /// A field had a type that no known server writes, and was passed over.
        OddField = "odd_field",
        /// A string stands in clear where the server hashes (log_raw, or a fault of the server).
        ClearText = "clear_text",
    }
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identity {
    /// The same for everything one identity does; null for a failed login and a refused token.
    pub key: Option<String>,
    /// The name to show: from metadata where a login method wrote it, else the display name.
    pub name: Option<String>,
    /// Every name this event gives it: shown name, display name, user name, entity.
    pub names: Vec<String>,
    /// What it is.
    pub kind: IdentityKind,
    /// The auth method's type: kubernetes, approle, userpass, token …
    pub method: Option<String>,
    /// The auth method's mount, `auth/kubernetes/`, namespace included as the server writes it.
    pub mount: Option<String>,
    /// The server's entity.
    pub entity_id: Option<String>,
    /// The login role.
    pub role: Option<String>,
    /// As written by the server; never parsed.
    pub display_name: Option<String>,
    /// What the auth method put on the token; in clear in the log.
    pub metadata: BTreeMap<String, String>,
    /// Hash of the token's accessor.
    pub accessor: Option<String>,
    /// Hash of the token.
    pub token: Option<String>,
    /// service, batch, default (no token) …
    pub token_type: Option<String>,
    /// When the token was made.
    pub token_issued: Option<Time>,
    /// Lifetime given at creation, in seconds.
    pub token_ttl_s: Option<u64>,
    /// Who a refused token belonged to, from earlier lines; filled in when reading.
    pub former_name: Option<String>,
    /// Who a failed login said it was; never proven.
    pub claimed: Option<String>,
}

/// A token that the request gave out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssuedToken {
    /// Hash of the token.
    pub token: Option<String>,
    /// Hash of its accessor.
    pub accessor: Option<String>,
    /// Its policies.
    pub policies: Vec<String>,
    /// Its lifetime in seconds.
    pub ttl_s: Option<u64>,
}

/// Which leaf's arrival issued an event, and which of the events issued by it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Issued(pub LeafIndex, pub u32);

/// One request to the secrets server, in our words. A pure function of its leaves and the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditEvent {
    /// Who this event is, for ever.
    pub uid: Uid,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// Its lines: request, then response; one of them may be missing.
    pub leaves: Vec<LeafIndex>,
    /// The leaf that issued it.
    pub issued: Issued,
    /// The ledger: `keytrail/<cluster>`.
    pub origin: String,
    /// Time of the request line, else of the response line; null if neither is readable.
    pub time: Option<Time>,
    /// Time of the response line.
    pub completed: Option<Time>,
    /// Between the two, in microseconds, the server's audit included.
    pub latency_us: Option<i64>,
    /// The cluster.
    pub cluster: String,
    /// The node that wrote the lines.
    pub node: String,
    /// The audit device.
    pub device: String,
    /// `cluster/node/device`.
    pub source: SourceId,
    /// Path of the namespace with its slash; null for the root namespace.
    pub namespace: Option<String>,
    /// Who.
    pub identity: Identity,
    /// The server's word: read, update …
    pub operation: Option<String>,
    /// Our word: `secret.read`, `auth.login` …
    pub action: String,
    /// What, relative to the namespace.
    pub path: Option<String>,
    /// The mount, namespace included as the server writes it.
    pub mount: Option<String>,
    /// The engine's type: kv, database, system …
    pub mount_type: Option<String>,
    /// The thing within the mount: a secret's name, a role, a policy.
    pub object: Option<String>,
    /// Was it allowed?
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// What came of it.
    pub outcome: Outcome,
    /// The server's error text, redacted where it could hold a secret.
    pub error: Option<String>,
    /// What may be asked for by `is:`.
    pub flags: Vec<Flag>,
    /// Every policy that the token holds.
    pub policies: Vec<String>,
    /// Those that granted this request.
    pub granting: Vec<String>,
    /// The client's address as the server saw it.
    pub remote_address: Option<String>,
    /// The client's port.
    pub remote_port: Option<u16>,
    /// What a login or token creation gave out.
    pub issued_token: Option<IssuedToken>,
    /// The lease, in clear in the log.
    pub lease_id: Option<String>,
    /// Response wrapping asked for, in seconds.
    pub wrap_ttl_s: Option<u64>,
    /// Hashes outside token and accessor, by field: `request.role`, `response.username`.
    pub hmacs: BTreeMap<String, String>,
    /// The salt under which the hashes were made: `cluster/device/epoch`; filled in when reading.
    pub salt: Option<String>,
    /// Audited request headers that stand in clear or as hashes.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The keys of the request's and response's data, in clear in the log: `request.data.password`.
    pub data_keys: Vec<String>,
    /// The server's product and version, from the mount's version.
    pub server_version: Option<String>,
    /// The rules that made this event, as a short hash.
    pub rules: String,
}

/// How an event stands to those that other audit devices of its node made of the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts: it is of the node's first device, or of the only one.
    First,
    /// It counts: the devices that go before lack the request.
    OnlyOn,
    /// Another device's event counts.
    Copy,
}

impl Standing {
    /// Reads it off the words of `is:`.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Standing {
        let said = |word: &str| match word.parse() {
            Ok(Flag::Copy) => Some(Standing::Copy),
            Ok(Flag::OnlyOn) => Some(Standing::OnlyOn),
            _ => None,
        };
        words.into_iter().find_map(said).unwrap_or(Standing::First)
    }
}

impl Uid {
    /// Returns the uid of the event of a request with an id; if it is late, of its response alone.
    pub fn of_request(cluster: &str, node: &str, request_id: &str, is_late: bool) -> Uid {
        let late = if is_late { "late" } else { "" };
        Uid::of_parts([cluster, node, "id", request_id, late].map(str::as_bytes))
    }

    /// Returns the uid of the event of lines without a request id.
    pub fn of_lines<'a>(
        cluster: &'a str,
        node: &'a str,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Uid {
        Uid::of_parts([cluster, node, "line"].map(str::as_bytes).into_iter().chain(lines))
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Uid {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Uid::of_hash(&hash.finalize().into())
    }

    fn of_hash(hash: &[u8; 32]) -> Uid {
        let (first, _) = hash.split_at(16);
        Uid(first.try_into().expect("half of 32 bytes"))
    }

    /// Returns the uid of two halves, each of eight bytes as a number, big endian.
    pub fn of_halves(high: u64, low: u64) -> Uid {
        Uid((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// Returns both halves, as [`Uid::of_halves`] takes them.
    pub fn halves(self) -> (u64, u64) {
        let number = u128::from_be_bytes(self.0);
        ((number >> 64) as u64, number as u64)
    }

    /// Returns the uid under which the whole of a request goes out whose response had been an event alone, before its
    /// request line came: whoever has the half must not take the whole for the same.
    pub fn of_whole(self) -> Uid {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update("/whole");
        Uid::of_hash(&hash.finalize().into())
    }

    /// Returns the uid of the copy that another device has of this event: the event that counts keeps its own,
    /// whichever device it is of.
    pub fn of_copy(self, device: &str) -> Uid {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(device);
        Uid::of_hash(&hash.finalize().into())
    }
}

impl AuditEvent {
    /// Says how this event, fresh from its lines, stands to those of other devices.
    pub fn stand(&mut self, standing: Standing) {
        match standing {
            Standing::First => {}
            Standing::OnlyOn => self.flags.push(Flag::OnlyOn),
            Standing::Copy => {
                self.flags.push(Flag::Copy);
                self.uid = self.uid.of_copy(&self.device);
            }
        }
    }

    /// Tells whether counts leave this event out unless asked, and under which word.
    pub fn left_out(&self) -> Option<&'static str> {
        self.reason.left_out(|flag| self.flags.contains(&flag))
    }
}

impl Reason {
    /// Tells whether counts leave an event with this reason and these flags out unless asked, and under which word.
    pub fn left_out(self, has: impl Fn(Flag) -> bool) -> Option<&'static str> {
        match self {
            _ if has(Flag::Copy) => Some(Flag::Copy.as_str()),
            _ if has(Flag::Late) => Some(Flag::Late.as_str()),
            Reason::Forwarded | Reason::System => Some(self.as_str()),
            Reason::Policy
            | Reason::Root
            | Reason::Login
            | Reason::Token
            | Reason::Open
            | Reason::Quota
            | Reason::Wrapping
            | Reason::Unanswered
            | Reason::Pending
            | Reason::NotRecorded => None,
        }
    }
}
