//! Normalise: what the lines of one request mean, in our words.
//!
//! [`event`] is total, pure, and knows no I/O: the same lines and the same [`Rules`] give the same
//! [`AuditEvent`], for ever. What depends on history (salt epochs, names that other lines teach) is applied when
//! reading and stays null here.
//!
//! An event holds no value of `data` but hashes and key names, and no token or accessor in clear.

mod action;
mod decision;
mod error_text;
mod identity;
mod learned;
mod lines;
mod login;
mod redact;
mod rules;

pub use redact::redact_line;
pub use rules::Rules;

use std::collections::BTreeMap;

use crate::decode::{
    AuditEntry, Auth, DataFacts, Decoded, HMACS_MAX, KEYS_MAX, decode, looks_hashed, parse_time,
};
use crate::event::{AuditEvent, Decision, Flag, Issued, IssuedToken, Reason, Uid};
use crate::pairing::State;
use crate::source::{LeafIndex, SourceId};
use action::{Action, Target};
use decision::Verdict;
use identity::{LIST_MAX, hash, text};
use lines::Lines;
use login::Login;

/// The action of the line that an audit device writes when it is enabled, to try itself.
pub const PROBE: &str = "audit.probe";

/// What an event is made from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Who wrote the lines.
    pub source: &'a SourceId,
    /// The ledger: `keytrail/<cluster>`.
    pub origin: &'a str,
    /// The request line.
    pub request: Option<(LeafIndex, &'a [u8])>,
    /// The response line.
    pub response: Option<(LeafIndex, &'a [u8])>,
    /// How pairing came to issue it.
    pub state: State,
    /// The leaf that issued it.
    pub issued: Issued,
}

/// An event, and what its lines teach about others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The event.
    pub event: AuditEvent,
    /// Hashes whose text is shown.
    pub learned: Vec<Learned>,
}

/// A hash whose text one event shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Learned {
    /// `hmac-sha256:…`
    pub hash: String,
    /// What was hashed.
    pub text: String,
}

/// Makes the event of these lines.
pub fn event(parts: &Parts<'_>, rules: &Rules) -> Normalised {
    let entries = [parts.request, parts.response].map(|line| entry(line?.1));
    event_of_entries(parts, entries, rules)
}

/// Returns the entry of a line, if it holds one.
pub fn entry(line: &[u8]) -> Option<Box<AuditEntry<'_>>> {
    match decode(line) {
        Decoded::Entry(entry) => Some(entry),
        Decoded::Undecodable(_) => None,
    }
}

/// Makes the same event for one who has read the lines already: `entries` are what [`entry`] says of the request and
/// the response.
pub fn event_of_entries<'a>(
    parts: &Parts<'a>,
    entries: [Option<Box<AuditEntry<'a>>>; 2],
    rules: &Rules,
) -> Normalised {
    let [request, response] = entries;
    let lines = Lines::of(request, response, parts.state);
    let login = login::login(&lines);
    let verdict = decision::decide(&lines, login);
    let Verdict(decision, reason, outcome) = verdict;
    let has_logged_in = login.is_some() && reason == Reason::Login && decision == Decision::Allowed;
    let identity = identity::identity(&lines, parts.source, login, verdict);
    let action = action(&lines, login, verdict, rules);
    let time = lines.entries().find_map(|entry| entry.time.as_deref()).and_then(parse_time);
    let completed =
        lines.response.as_ref().and_then(|entry| entry.time.as_deref()).and_then(parse_time);
    let latency_us = match (&lines.request, &time, &completed) {
        (Some(_), Some(time), Some(completed)) => {
            completed.unix_ns.checked_sub(time.unix_ns).map(|ns| ns / 1000)
        }
        _ => None,
    };
    let who = if has_logged_in { lines.given().or_else(|| lines.auth()) } else { lines.auth() };
    let (remote_address, remote_port) = remote(&lines);
    let request_id = lines.first(|entry| entry.request.id.as_deref()).map(text);
    let learned = learned::learned(&lines, has_logged_in);
    let event = AuditEvent {
        uid: uid(parts, request_id.as_deref()),
        leaves: [parts.request, parts.response]
            .into_iter()
            .flatten()
            .map(|(leaf, _)| leaf)
            .collect(),
        issued: parts.issued,
        origin: parts.origin.to_owned(),
        time,
        completed,
        latency_us,
        cluster: parts.source.cluster.clone(),
        node: parts.source.node.clone(),
        device: parts.source.device.clone(),
        source: parts.source.clone(),
        namespace: lines.namespace().map(text),
        operation: lines.operation().map(text),
        path: lines.path().map(text),
        mount: lines.mount().map(text),
        mount_type: lines.mount_type().map(text),
        decision,
        reason,
        outcome,
        error: error(&lines),
        flags: flags(&lines, verdict, &action, rules),
        policies: who
            .map(|auth| auth.policies.iter().take(LIST_MAX).map(|policy| text(policy)).collect())
            .unwrap_or_default(),
        granting: lines.granting().take(LIST_MAX).map(text).collect(),
        remote_address,
        remote_port,
        issued_token: issued_token(&lines, has_logged_in, &action),
        lease_id: lease_id(&lines, &action),
        wrap_ttl_s: wrap_ttl(&lines),
        hmacs: hmacs(&lines),
        salt: None,
        headers: headers(&lines),
        data_keys: data_keys(&lines),
        server_version: server_version(&lines).map(text),
        rules: rules.version().to_owned(),
        request_id,
        identity,
        action: action.word,
        object: action.object.as_deref().map(text),
    };
    Normalised { event, learned }
}

/// 128 bits of SHA-256 over cluster, node, request id and lateness; without an id, over the raw line.
fn uid(parts: &Parts<'_>, request_id: Option<&str>) -> Uid {
    let SourceId { cluster, node, .. } = parts.source;
    let lines = || [parts.request, parts.response].into_iter().flatten().map(|(_, line)| line);
    match request_id {
        Some(id) => Uid::of_request(cluster, node, id, parts.state == State::Late),
        None => Uid::of_lines(cluster, node, lines().map(<[u8]>::trim_ascii_end)),
    }
}

fn action(lines: &Lines<'_>, login: Option<Login<'_>>, verdict: Verdict, rules: &Rules) -> Action {
    if verdict.1 == Reason::System {
        let is_probe = lines.path() == Some("sys/audit/test");
        let word = if is_probe { PROBE } else { "plugin.line" };
        return Action { word: word.to_owned(), object: None, is_privileged: false };
    }
    if login.is_some() {
        let user = login.and_then(|login| login.user).map(str::to_owned);
        return Action { word: "auth.login".to_owned(), object: user, is_privileged: false };
    }
    let target = Target {
        path: lines.path().unwrap_or(""),
        within_mount: lines.within_mount(),
        mount_type: lines.mount_type(),
    };
    rules.actions.of(target, lines.operation())
}

fn error(lines: &Lines<'_>) -> Option<String> {
    let response = lines.response.as_ref().and_then(|entry| entry.error.as_deref());
    let error = response.or_else(|| lines.request.as_ref()?.error.as_deref())?;
    Some(error_text::shown(error, lines.mount_type() == Some("database")))
}

fn flags(lines: &Lines<'_>, verdict: Verdict, action: &Action, rules: &Rules) -> Vec<Flag> {
    let Verdict(_, reason, _) = verdict;
    let is_wrapped = wrap_ttl(lines).is_some();
    let is_batch = lines
        .auth()
        .or_else(|| lines.given())
        .is_some_and(|auth| auth.token_type.as_deref() == Some("batch"));
    let has_no_token = lines.token_sent().is_none() && reason != Reason::System;
    let is_unauthenticated = matches!(reason, Reason::Open | Reason::Login) || has_no_token;
    let clear = [&lines.asked, &lines.answered]
        .into_iter()
        .any(|data| data.clear_strings.iter().any(|key| !rules.is_clear_key(key)));
    let has_odd = lines.entries().any(|entry| entry.is_broken || !entry.odd_fields.is_empty())
        || lines.asked.odd
        || lines.answered.odd;
    let has_clear_token =
        lines.entries().any(|entry| entry.tokens().any(|token| !looks_hashed(token)));
    [
        (Flag::Wrapped, is_wrapped),
        (Flag::Batch, is_batch),
        (Flag::Unauthenticated, is_unauthenticated),
        (Flag::Privileged, action.is_privileged),
        (Flag::Late, lines.state == State::Late),
        (Flag::NoRequest, lines.state == State::ResponseOnly),
        (Flag::OddField, has_odd),
        (Flag::ClearText, clear || has_clear_token),
    ]
    .into_iter()
    .filter_map(|(flag, is_set)| is_set.then_some(flag))
    .collect()
}

/// KMIP lines put `ip:port` into the address.
fn remote(lines: &Lines<'_>) -> (Option<String>, Option<u16>) {
    let address = lines.first(|entry| entry.request.remote_address.as_deref());
    let port = lines
        .entries()
        .find_map(|entry| entry.request.remote_port)
        .and_then(|port| u16::try_from(port).ok());
    match address.map(str::parse::<std::net::SocketAddr>) {
        Some(Ok(both)) => (Some(both.ip().to_string()), port.or(Some(both.port()))),
        _ => (address.map(text), port),
    }
}

fn issued_token(lines: &Lines<'_>, has_logged_in: bool, action: &Action) -> Option<IssuedToken> {
    if !has_logged_in && action.word != "token.create" {
        return None;
    }
    let given: &Auth<'_> = lines.given()?;
    Some(IssuedToken {
        token: given.client_token.as_deref().and_then(hash),
        accessor: given.accessor.as_deref().and_then(hash),
        policies: given.policies.iter().take(LIST_MAX).map(|policy| text(policy)).collect(),
        ttl_s: given.token_ttl.and_then(|ttl| u64::try_from(ttl).ok()).filter(|&ttl| ttl > 0),
    })
}

/// The lease that the answer names; of renewals and revocations that name it in the path, that.
fn lease_id(lines: &Lines<'_>, action: &Action) -> Option<String> {
    let secret = lines.response.as_ref().and_then(|entry| entry.response.secret.as_ref());
    match secret.and_then(|secret| secret.lease_id.as_deref()) {
        Some(id) => Some(text(id)),
        None if matches!(action.word.as_str(), "lease.renew" | "lease.revoke") => {
            action.object.as_deref().map(text)
        }
        None => None,
    }
}

fn wrap_ttl(lines: &Lines<'_>) -> Option<u64> {
    let asked = lines.entries().find_map(|entry| entry.request.wrap_ttl);
    let given = || lines.response.as_ref()?.response.wrap_info.as_ref()?.ttl;
    asked.or_else(given).and_then(|ttl| u64::try_from(ttl).ok()).filter(|&ttl| ttl > 0)
}

fn hmacs(lines: &Lines<'_>) -> BTreeMap<String, String> {
    fn of(side: &str, data: &DataFacts<'_>) -> impl Iterator<Item = (String, String)> {
        data.hmacs.iter().map(move |(path, hash)| ([side, path].concat(), hash.to_string()))
    }
    let data = of("request.", &lines.asked).chain(of("response.", &lines.answered));
    let mut hmacs: BTreeMap<String, String> = data.take(HMACS_MAX).collect();
    if let Some(wrap) = lines.response.as_ref().and_then(|entry| entry.response.wrap_info.as_ref())
    {
        let hashes = [
            ("token", &wrap.token),
            ("accessor", &wrap.accessor),
            ("wrapped_accessor", &wrap.wrapped_accessor),
        ];
        for (name, value) in hashes {
            if let Some(value) = value.as_deref().and_then(hash) {
                hmacs.insert(format!("response.wrap_info.{name}"), value);
            }
        }
    }
    hmacs
}

/// Headers whose values are credentials stand as hashes or not at all.
fn headers(lines: &Lines<'_>) -> BTreeMap<String, Vec<String>> {
    let headers =
        lines.entries().map(|entry| &entry.request.headers).max_by_key(|headers| headers.len());
    let shown =
        |name: &str, value: &str| !redact::is_credential_header(name) || looks_hashed(value);
    headers
        .into_iter()
        .flatten()
        .take(64)
        .map(|(name, values)| {
            (
                text(name),
                values
                    .iter()
                    .filter(|value| shown(name, value))
                    .take(16)
                    .map(|value| text(value))
                    .collect(),
            )
        })
        .collect()
}

fn data_keys(lines: &Lines<'_>) -> Vec<String> {
    let asked = lines.asked.keys.iter().map(|key| ["request.data.", key].concat());
    let answered = lines.answered.keys.iter().map(|key| ["response.data.", key].concat());
    asked.chain(answered).take(KEYS_MAX).collect()
}

/// The mount's version names product and version. Other plugins than the built-in ones name their own.
fn server_version<'s>(lines: &'s Lines<'_>) -> Option<&'s str> {
    let request = lines.first(|entry| entry.request.mount_running_version.as_deref());
    request.or_else(|| lines.first(|entry| entry.response.mount_running_plugin_version.as_deref()))
}

#[cfg(test)]
mod tests;
