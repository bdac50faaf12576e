//! Was it allowed, why, and what came of it: the decision table, one row after the other.
//!
//! Two axes, since a policy's decision is not an operation's result: a read of nothing is allowed.
//! **The first fitting row wins.** Texts are compared as a whole or by their end, never by what they
//! contain, for clients choose the paths within.

use super::error_text::items;
use super::lines::Lines;
use super::login::Login;
use crate::coverage::HEARTBEAT_PREFIX;
use crate::decode::{AuditEntry, DataFacts, Keys, Kind};
use crate::event::{Decision, Outcome, Reason};
use crate::pairing::State;

/// What an event's lines say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict(pub(super) Decision, pub(super) Reason, pub(super) Outcome);

/// Decides.
pub(super) fn decide(lines: &Lines<'_>, login: Option<Login<'_>>) -> Verdict {
    use Decision::{Allowed, Denied, Unknown};

    if is_system(lines) {
        return Verdict(Unknown, Reason::System, Outcome::System);
    }
    if was_handed_on(lines, login) {
        return Verdict(Unknown, Reason::Forwarded, Outcome::Forwarded);
    }
    if is_seal_or_step_down(lines) {
        return Verdict(Unknown, Reason::NotRecorded, Outcome::Unknown);
    }
    if has_error(lines, |item| {
        item.ends_with("rate limit quota exceeded") || item.ends_with("lease count quota exceeded")
    }) {
        return Verdict(Denied, Reason::Quota, Outcome::Throttled);
    }
    if has_error(lines, |item| item.ends_with("wrapping token is not valid or does not exist")) {
        return Verdict(Denied, Reason::Wrapping, Outcome::Refused);
    }
    if was_refused_by_policy(lines, login) {
        return Verdict(Denied, Reason::Policy, Outcome::Refused);
    }
    if was_refused_for_its_token(lines, login) {
        return Verdict(Denied, Reason::Token, Outcome::Refused);
    }
    // What cannot be read must not be taken for a line that says nothing against the request.
    if lines.entries().any(|entry| entry.is_broken) {
        return Verdict(Unknown, Reason::NotRecorded, Outcome::Unknown);
    }
    let Some(response) = lines.response.as_deref() else { return without_response(lines, login) };
    if login.is_some() {
        return of_login(lines, response);
    }
    let outcome = outcome(lines, response);
    if is_root(lines) {
        return Verdict(Allowed, Reason::Root, outcome);
    }
    // Before Vault 1.11 no line names granting policies: a token with policies that was not refused was granted.
    let has_policies = lines.auth().is_some_and(|auth| !auth.policies.is_empty());
    if lines.granting().next().is_some() || (!lines.has_policy_results() && has_policies) {
        return Verdict(Allowed, Reason::Policy, outcome);
    }
    // An error before any policy was asked is nobody's permission, but on paths that ask none.
    if !lines.has_policy_results() && response.error.is_some() && !needs_no_token(lines) {
        return Verdict(Unknown, Reason::NotRecorded, outcome);
    }
    Verdict(Allowed, Reason::Open, outcome)
}

/// Plugins' own lines, keytrail's heartbeats, and the probe that a device writes when it is enabled. A
/// client's request to `sys/audit/test`, which enables a device of that name, has an address.
fn is_system(lines: &Lines<'_>) -> bool {
    if lines.entries().any(|entry| matches!(entry.kind, Kind::Plugin { .. })) || is_heartbeat(lines)
    {
        return true;
    }
    let Some(request) = lines.request.as_deref() else { return false };
    lines.response.is_none()
        && request.request.path.as_deref() == Some("sys/audit/test")
        && request.request.remote_address.is_none()
        && request.request.client_token.is_none()
        && request.error.is_none()
        && request.auth.as_ref().is_none_or(|auth| {
            auth.client_token.is_none() && auth.policy_results.is_none() && auth.policies.is_empty()
        })
}

/// A read without a token of a path that no server has. Whoever mounts an engine there and reads from it
/// has a token, or is told something else than a refusal.
fn is_heartbeat(lines: &Lines<'_>) -> bool {
    let is_refused = |item: &str| is_denial(item) || item == PLEASE_FORWARD;
    lines.path().is_some_and(|path| path.starts_with(HEARTBEAT_PREFIX))
        && lines.operation() == Some("read")
        && has_error(lines, is_refused)
        && lines.entries().all(|entry| {
            entry.request.client_token.is_none()
                && entry
                    .auth
                    .as_ref()
                    .is_none_or(|auth| auth.client_token.is_none() && auth.policies.is_empty())
        })
}

/// A standby that left it to the active node, which writes its own lines under another id.
fn was_handed_on(lines: &Lines<'_>, login: Option<Login<'_>>) -> bool {
    let is_handed_on = |item: &str| {
        [READ_ONLY, PLEASE_FORWARD].iter().any(|text| {
            item.strip_suffix(text).is_some_and(|head| head.is_empty() || head.ends_with(": "))
        })
    };
    let by_text = lines
        .entries()
        .filter_map(|entry| entry.error.as_deref())
        .any(|error| items(error).all(is_handed_on));
    let by_login = login.is_some()
        && lines.given().is_none()
        && lines
            .response
            .as_ref()
            .is_some_and(|response| response.error.as_deref() == Some("invalid request"));
    by_text || by_login
}

const READ_ONLY: &str = "cannot write to readonly storage";
const PLEASE_FORWARD: &str = "please forward to the active node";

/// Their line is written before the token is checked, and no other follows.
fn is_seal_or_step_down(lines: &Lines<'_>) -> bool {
    matches!(lines.path(), Some("sys/seal" | "sys/step-down"))
        && lines.response.is_none()
        && !lines.has_policy_results()
        && lines.entries().all(|entry| entry.error.is_none())
}

/// `policy_results.allowed` is false; or, where no line has policy results, a token that has policies was
/// told "permission denied". The same answer after a grant is the engine's refusal, which HTTP shows as 403 too.
fn was_refused_by_policy(lines: &Lines<'_>, login: Option<Login<'_>>) -> bool {
    if lines.allowed() == Some(false) {
        return true;
    }
    let has_policies = lines.auth().is_some_and(|auth| !auth.policies.is_empty());
    // A token whose last use ran out at this request leaves a response alone, without policy results.
    let ran_out = lines.request.is_none() && !lines.has_policy_results();
    login.is_none() && has_policies && !ran_out && has_error(lines, is_denial)
}

/// No token, or one that is unknown, expired, revoked or used up. A login fails by its own rules, unless
/// the request itself was turned away: then there is no such auth mount.
fn was_refused_for_its_token(lines: &Lines<'_>, login: Option<Login<'_>>) -> bool {
    let at_the_door = lines
        .request
        .as_ref()
        .and_then(|request| request.error.as_deref())
        .is_some_and(|error| items(error).any(is_denial));
    !lines.has_policy_results() && has_error(lines, is_denial) && (login.is_none() || at_the_door)
}

fn is_denial(item: &str) -> bool {
    matches!(item, "permission denied" | "bad token" | "invalid token")
}

fn has_error(lines: &Lines<'_>, fits: impl Fn(&str) -> bool) -> bool {
    lines.entries().filter_map(|entry| entry.error.as_deref()).any(|error| items(error).any(&fits))
}

/// The request line alone: it says what was asked, and at most that a policy would grant it.
fn without_response(lines: &Lines<'_>, login: Option<Login<'_>>) -> Verdict {
    let reason = if lines.state == State::Pending { Reason::Pending } else { Reason::Unanswered };
    let decision = if login.is_none() && lines.granting().next().is_some() {
        Decision::Allowed
    } else {
        Decision::Unknown
    };
    Verdict(decision, reason, Outcome::Unknown)
}

fn of_login(lines: &Lines<'_>, response: &AuditEntry<'_>) -> Verdict {
    let error = response.error.as_deref();
    // A back end that could not be asked has not refused anybody.
    if error.is_some_and(|error| !lines.answered.has_error && items(error).any(is_fault)) {
        return Verdict(Decision::Unknown, Reason::Login, Outcome::ServerError);
    }
    let is_wrapped = response.response.wrap_info.is_some();
    match (error, lines.given()) {
        (None, Some(given)) if given.client_token.is_none() && given.policies.is_empty() => {
            // A second factor is asked for, so nobody has logged in yet.
            Verdict(Decision::Unknown, Reason::Login, Outcome::Unknown)
        }
        (None, given) if given.is_some() || is_wrapped => {
            Verdict(Decision::Allowed, Reason::Login, Outcome::Success)
        }
        _ => Verdict(Decision::Denied, Reason::Login, Outcome::Refused),
    }
}

/// Texts of servers and back ends that failed, as opposed to refused: from Go's network, TLS and context
/// errors and from the server's own.
fn is_fault(item: &str) -> bool {
    const PARTS: &[&str] = &[
        "connection refused",
        "connection reset",
        "connection timed out",
        "context canceled",
        "context deadline exceeded",
        "i/o timeout",
        "network is unreachable",
        "no route to host",
        "no such host",
        "server misbehaving",
        "tls handshake timeout",
        "tls: failed to verify certificate",
        "unexpected eof",
    ];
    const ENDS: &[&str] = &[
        "internal error",
        "unrecoverable error",
        "upstream rate limited",
        "sealed",
        "locked namespace",
        ": eof",
    ];
    let item = item.to_ascii_lowercase();
    PARTS.iter().any(|part| item.contains(part)) || ENDS.iter().any(|end| item.ends_with(end))
}

fn is_root(lines: &Lines<'_>) -> bool {
    lines.auth().is_some_and(|auth| auth.policies.iter().any(|policy| policy == "root"))
        || lines.granting().any(|policy| policy == "root")
}

/// Paths that ask for no token, so that neither policies nor their results stand on their lines.
fn needs_no_token(lines: &Lines<'_>) -> bool {
    const PREFIXES: &[&str] = &[
        "sys/generate-root",
        "sys/rekey",
        "sys/wrapping/",
        "sys/internal/ui/",
        "sys/storage/raft/bootstrap/",
    ];
    lines.operation() == Some("help")
        || lines.path().is_some_and(|path| PREFIXES.iter().any(|prefix| path.starts_with(prefix)))
}

/// What came of a request that was let through.
fn outcome(lines: &Lines<'_>, response: &AuditEntry<'_>) -> Outcome {
    if let Some(error) = response.error.as_deref() {
        return of_error(error, &lines.answered);
    }
    if lines.answered.has_error && !is_secret_with_field_error(lines) {
        return Outcome::ClientError;
    }
    match lines.answered.http_status_code {
        Some(404) => return Outcome::NotFound,
        Some(400..500) => return Outcome::ClientError,
        Some(500..600) => return Outcome::ServerError,
        _ => {}
    }
    let answer = &response.response;
    let is_empty = !lines.answered.present
        && answer.auth.is_none()
        && answer.secret.is_none()
        && answer.wrap_info.is_none()
        && answer.redirect.is_none();
    match lines.operation() {
        Some("read" | "header") if is_empty && !is_streamed(lines) => Outcome::NotFound,
        Some("list" | "scan")
            if answer.wrap_info.is_none()
                && answer.warnings.is_empty()
                && lines.answered.list_keys != Keys::Present =>
        {
            Outcome::NotFound
        }
        _ => Outcome::Success,
    }
}

fn of_error(error: &str, answered: &DataFacts<'_>) -> Outcome {
    let ends = |text: &str| {
        items(error).any(|item| {
            item == text || item.strip_suffix(text).is_some_and(|head| head.ends_with(": "))
        })
    };
    if ends("unsupported path") || ends("functionality on this path has been removed") {
        Outcome::NotFound
    } else if ends("unsupported operation")
        || ends("invalid request")
        || ends("invalid credentials")
    {
        Outcome::ClientError
    } else if ends("locked namespace")
        || ends("upstream rate limited")
        || ends("internal error")
        || ends("unrecoverable error")
    {
        Outcome::ServerError
    } else if answered.has_error {
        // The engine worded a refusal of its own.
        Outcome::ClientError
    } else {
        Outcome::ServerError
    }
}

/// A KV version 1 secret, or a cubbyhole's, may have a field called `error`. Version 2 keeps fields one level down.
fn is_secret_with_field_error(lines: &Lines<'_>) -> bool {
    let reads = lines.operation() == Some("read");
    match lines.mount_type() {
        Some("cubbyhole" | "ns_cubbyhole") => reads,
        Some("kv" | "generic") => {
            let route = lines.within_mount().unwrap_or("");
            let is_version_2 =
                ["data/", "metadata/", "subkeys/"].iter().any(|part| route.starts_with(part));
            reads && (!is_version_2 || lines.answered.keys.len() > 1)
        }
        _ => false,
    }
}

/// Bodies that are streamed leave no data on the response line.
fn is_streamed(lines: &Lines<'_>) -> bool {
    const PREFIXES: &[&str] = &[
        "sys/storage/raft/snapshot",
        "sys/metrics",
        "sys/monitor",
        "sys/pprof",
        "sys/events/subscribe/",
    ];
    lines.path().is_some_and(|path| PREFIXES.iter().any(|prefix| path.starts_with(prefix)))
}
