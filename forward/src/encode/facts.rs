//! What several encoders say of an event: who, of what kind the request was, how grave it is.

use std::net::IpAddr;

use ingest::decode::AuditEntry;
use ingest::event::{AuditEvent, Decision, IdentityKind, Outcome, Reason, Time};
use ingest::normalise;

use crate::outgoing::Outgoing;

/// An event with its lines read.
pub(super) struct Facts<'a> {
    pub(super) event: &'a AuditEvent,
    pub(super) item: &'a Outgoing,
    request: Option<Box<AuditEntry<'a>>>,
    response: Option<Box<AuditEntry<'a>>>,
}

/// What was done to something, in the four words that SIEMs have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Read,
    Update,
    Delete,
    Other,
}

/// What it was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// A login.
    Login,
    /// A token was made, renewed, revoked.
    Token,
    /// Policies, entities, groups, users, roles, second factors.
    Identity,
    /// The server, its mounts, its audit devices, its seal, an engine's own settings.
    Configuration,
    /// Secrets, credentials, keys, certificates.
    Secret,
}

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Normal,
    /// Denied.
    Denied,
    /// The root token, or what takes the server's protection away.
    High,
}

/// What wrote the lines.
pub(super) struct Product<'a> {
    pub(super) vendor: &'static str,
    pub(super) name: &'static str,
    pub(super) version: Option<&'a str>,
}

/// A Kubernetes service account behind a login.
pub(super) struct ServiceAccount<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: Option<&'a str>,
}

/// Actions that are grave whoever does them.
const HIGH: &[&str] = &[
    "audit.disable",
    "raft.restore",
    "raw.delete",
    "raw.read",
    "raw.write",
    "rekey",
    "root.generate",
    "seal.request",
];

/// Nouns of actions upon who may do what.
const IDENTITY: &[&str] =
    &["entity", "group", "identitytoken", "mfa", "passwordpolicy", "policy", "secretid", "user"];

/// Nouns of actions upon what the server keeps for its clients.
const SECRET: &[&str] =
    &["cred", "cubbyhole", "lease", "pki", "secret", "ssh", "tools", "totp", "transit", "wrap"];

impl<'a> Facts<'a> {
    pub(super) fn of(item: &'a Outgoing) -> Facts<'a> {
        let read = |line: &'a Option<ingest::ledger::StoredLine>| {
            line.as_ref().and_then(|line| normalise::entry(&line.bytes))
        };
        Facts {
            event: &item.event,
            item,
            request: read(&item.request),
            response: read(&item.response),
        }
    }

    /// When: the event's time, else when its line came to us.
    pub(super) fn time_unix_ns(&self) -> i64 {
        time_unix_ns(self.item)
    }

    /// When the line that issued the event came to us, in nanoseconds since 1970.
    pub(super) fn arrived_unix_ns(&self) -> i64 {
        arrived_unix_ns(self.item)
    }

    /// The noun of our word: `secret` of `secret.read`.
    pub(super) fn noun(&self) -> &'a str {
        self.event.action.split('.').next().unwrap_or_default()
    }

    pub(super) fn verb(&self) -> Verb {
        let ours = self.event.action.split_once('.').map_or("", |(_, verb)| verb);
        match ours {
            "delete" | "destroy" | "purge" | "disable" | "alias_delete" | "revoke"
            | "revoke_prefix" | "revoke_force" | "revoke_ca" | "ca_delete" | "keydelete"
            | "peer_remove" => Verb::Delete,
            "read" | "list" | "lookup" => Verb::Read,
            "enable" | "issue" | "keycreate" => Verb::Create,
            _ => match self.event.operation.as_deref() {
                Some("create") => Verb::Create,
                Some("read" | "list" | "scan" | "help" | "header") => Verb::Read,
                Some("update" | "patch") => Verb::Update,
                Some("delete" | "revoke") => Verb::Delete,
                _ => Verb::Other,
            },
        }
    }

    pub(super) fn area(&self) -> Area {
        match self.noun() {
            "auth" => Area::Login,
            "token" => Area::Token,
            // Of an auth method; an engine's roles say what it hands out.
            "role" if self.path().starts_with("auth/") => Area::Identity,
            noun if IDENTITY.contains(&noun) => Area::Identity,
            noun if SECRET.contains(&noun) => Area::Secret,
            "other" if !self.path().starts_with("sys/") => Area::Secret,
            _ => Area::Configuration,
        }
    }

    pub(super) fn severity(&self) -> Severity {
        match self.event.reason {
            _ if HIGH.contains(&&*self.event.action) => Severity::High,
            _ if self.event.identity.kind == IdentityKind::Root => Severity::High,
            _ if self.event.decision == Decision::Denied => Severity::Denied,
            _ => Severity::Normal,
        }
    }

    pub(super) fn path(&self) -> &'a str {
        self.event.path.as_deref().unwrap_or_default()
    }

    /// Known from the mount's version alone.
    pub(super) fn product(&self) -> Product<'a> {
        let version = self.event.server_version.as_deref();
        let (vendor, name) = match version {
            Some(version) if version.contains("bao") => ("OpenBao", "OpenBao"),
            Some(version) if version.contains("vault") => ("HashiCorp", "Vault"),
            _ => ("keytrail", "secrets server"),
        };
        Product { vendor, name, version }
    }

    /// The client's address, if it is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.event.remote_address.as_deref()?.parse().ok()
    }

    /// Who to name: the identity, else who a failed login said it was, else whose the refused token was, else what kind
    /// of identity it is.
    pub(super) fn user(&self) -> &'a str {
        let identity = &self.event.identity;
        let named = [&identity.name, &identity.claimed, &identity.former_name];
        named.into_iter().flatten().next().map_or(identity.kind.as_str(), String::as_str)
    }

    /// What the Kubernetes auth method put on the token.
    pub(super) fn service_account(&self) -> Option<ServiceAccount<'a>> {
        let said = |key: &str| {
            let said = self.event.identity.metadata.get(key).map(String::as_str);
            said.filter(|text| !text.is_empty())
        };
        Some(ServiceAccount {
            namespace: said("service_account_namespace")?,
            name: said("service_account_name")?,
            uid: said("service_account_uid"),
        })
    }

    /// The mount's own id.
    pub(super) fn mount_accessor(&self) -> Option<&str> {
        let mut entries = self.response.iter().chain(&self.request);
        entries
            .find_map(|entry| entry.request.mount_accessor.as_deref())
            .filter(|accessor| !accessor.is_empty())
    }

    /// The node of the cluster that handed the request on.
    pub(super) fn forwarded_from(&self) -> Option<&str> {
        let mut entries = self.request.iter().chain(&self.response);
        entries.find_map(|entry| entry.forwarded_from.as_deref()).filter(|from| !from.is_empty())
    }

    /// Success, failure, or not known: of the request, not of the decision.
    pub(super) fn succeeded(&self) -> Option<bool> {
        match self.event.outcome {
            Outcome::Success => Some(true),
            Outcome::NotFound
            | Outcome::ClientError
            | Outcome::ServerError
            | Outcome::Refused
            | Outcome::Throttled => Some(false),
            Outcome::Forwarded | Outcome::System | Outcome::Unknown => None,
        }
    }

    /// The error on one line, cut after so many characters.
    pub(super) fn error_line(&self) -> Option<String> {
        const CHARACTERS_MAX: usize = 1000;
        let words = self.event.error.as_deref()?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(words.chars().take(CHARACTERS_MAX).collect()).filter(|line: &String| !line.is_empty())
    }

    /// One sentence: who did what to what, and what came of it.
    pub(super) fn sentence(&self) -> String {
        let AuditEvent { action, decision, reason, outcome, .. } = self.event;
        let path = match self.path() {
            "" => String::new(),
            path => format!(" on {path}"),
        };
        let why = match reason {
            Reason::Unanswered | Reason::Pending => format!("{decision} ({reason})"),
            _ => format!("{decision} ({reason}), {outcome}"),
        };
        format!("{} {action}{path}: {why}", self.user())
    }
}

/// When: the event's time, that of its answer, else when its line came to us; in nanoseconds since 1970.
pub(crate) fn time_unix_ns(item: &Outgoing) -> i64 {
    let known = item.event.time.as_ref().or(item.event.completed.as_ref());
    known.map_or_else(|| arrived_unix_ns(item), |time| time.unix_ns)
}

fn arrived_unix_ns(item: &Outgoing) -> i64 {
    let lines = item.request.iter().chain(&item.response);
    lines.map(|line| line.arrived_unix_ns).max().unwrap_or(0)
}

/// Milliseconds since 1970 of a time.
pub(super) fn ms(time: &Time) -> i64 {
    time.unix_ns.div_euclid(1_000_000)
}
