//! `cef`: ArcSight's Common Event Format, one line of text. Keys that its dictionary lacks begin with `ad.`.

use std::fmt::Write;
use std::net::IpAddr;

use super::facts::{Facts, Severity, ms};
use super::lines;
use crate::outgoing::Outgoing;
use crate::totals::ControlTotal;

/// The most bytes of one value: receivers cut longer ones in the middle of an escape.
const VALUE_MAX: usize = 1023;

pub(super) fn encode(item: &Outgoing) -> Vec<u8> {
    let facts = Facts::of(item);
    let product = facts.product();
    let severity = match facts.severity() {
        Severity::Normal => "3",
        Severity::Denied => "5",
        Severity::High => "8",
    };
    let name = format!("{} {}", facts.event.action, facts.event.decision);
    let header = [
        product.vendor,
        product.name,
        product.version.unwrap_or("unknown"),
        &facts.event.action,
        &name,
        severity,
    ];
    let mut line = String::from("CEF:0");
    for field in header {
        line.push('|');
        push_escaped(&mut line, field, '|');
    }
    line.push('|');
    let mut extension = Extension { line, is_first: true };
    extend(&facts, &mut extension);
    extension.line.into_bytes()
}

/// Returns a control event, which says these things.
pub(super) fn control(total: &ControlTotal, kind: &str, said: &[(&str, String)]) -> Vec<u8> {
    let mut line = String::from("CEF:0");
    for field in ["keytrail", "keytrail", super::VERSION, kind, "control total", "0"] {
        line.push('|');
        push_escaped(&mut line, field, '|');
    }
    line.push('|');
    let mut extension = Extension { line, is_first: true };
    extension.push_number("rt", total.hour_unix_ns.div_euclid(1_000_000));
    extension.push("externalId", &total.uid().to_string());
    for (name, value) in said {
        extension.push(&format!("ad.{name}"), value);
    }
    extension.line.into_bytes()
}

/// The pairs after the header.
struct Extension {
    line: String,
    is_first: bool,
}

impl Extension {
    fn push(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !self.is_first {
            self.line.push(' ');
        }
        self.is_first = false;
        self.line.push_str(key);
        self.line.push('=');
        push_escaped(&mut self.line, lines::cut(value, VALUE_MAX), '=');
    }

    fn push_number(&mut self, key: &str, value: i64) {
        self.push(key, &value.to_string());
    }

    /// A custom field, whose label says what it is.
    fn push_labelled(&mut self, key: &str, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(&format!("{key}Label"), label);
            self.push(key, value);
        }
    }
}

fn extend(facts: &Facts<'_>, extension: &mut Extension) {
    let event = facts.event;
    let identity = &event.identity;
    extension.push_number("rt", facts.time_unix_ns().div_euclid(1_000_000));
    if let Some(completed) = &event.completed {
        extension.push_number("end", ms(completed));
    }
    extension.push("externalId", &event.uid.to_string());
    extension.push("cn1Label", "seq");
    extension.push("cn1", &event.issued.0.to_string());
    extension.push("act", event.operation.as_deref().unwrap_or_default());
    extension.push("outcome", event.outcome.as_str());
    extension.push("cat", event.decision.as_str());
    extension.push("reason", event.reason.as_str());
    extension.push("msg", &facts.error_line().unwrap_or_default());
    extension.push("request", facts.path());
    extension.push("suser", facts.user());
    extension.push("suid", identity.entity_id.as_deref().unwrap_or_default());
    match facts.ip() {
        Some(IpAddr::V4(ip)) => extension.push("src", &ip.to_string()),
        // `src` takes no other kind.
        Some(IpAddr::V6(ip)) => {
            extension.push_labelled("c6a2", "Source IPv6 Address", Some(&ip.to_string()));
        }
        None => extension.push("shost", event.remote_address.as_deref().unwrap_or_default()),
    }
    if let Some(port) = event.remote_port {
        extension.push_number("spt", port.into());
    }
    extension.push("dvchost", &event.node);
    extension.push("dhost", &event.node);
    extension.push_labelled("cs1", "requestId", event.request_id.as_deref());
    extension.push_labelled("cs2", "namespace", Some(event.namespace.as_deref().unwrap_or("root")));
    extension.push_labelled("cs3", "tokenAccessor", identity.accessor.as_deref());
    let mount = identity.mount.as_deref().or(identity.method.as_deref());
    extension.push_labelled("cs4", "authMount", mount);
    let account = facts.service_account();
    let account = account.map(|account| format!("{}/{}", account.namespace, account.name));
    extension.push_labelled("cs5", "serviceAccount", account.as_deref());
    extension.push_labelled("cs6", "mount", event.mount.as_deref());
    extension.push("ad.cluster", &event.cluster);
    extension.push("ad.kind", identity.kind.as_str());
    extension.push("ad.policies", &event.policies.join(","));
    extension.push("ad.granting", &event.granting.join(","));
    extension.push("ad.lease", event.lease_id.as_deref().unwrap_or_default());
    if event.wrap_ttl_s.is_some() {
        extension.push("ad.wrapped", "true");
    }
    let flags: Vec<&str> = event.flags.iter().map(|flag| flag.as_str()).collect();
    extension.push("ad.flags", &flags.join(","));
    if let Some(uid) = lines::supersedes(event) {
        extension.push("ad.supersedes", &uid.to_string());
    }
    extension.push("ad.keytrail", super::VERSION);
    extension.push("ad.sha256", &lines::sha256_of_all(facts.item));
}

/// Escapes by CEF's rules: the backslash, and what ends a field of the header or a key. Line ends stand as `\n` in values
/// and as a space in the header; other control characters as a space.
fn push_escaped(line: &mut String, text: &str, special: char) {
    for character in text.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            _ if character == special => {
                let _ = write!(line, "\\{character}");
            }
            '\n' if special == '=' => line.push_str("\\n"),
            '\r' if special == '=' => line.push_str("\\r"),
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                line.push(' ')
            }
            _ => line.push(character),
        }
    }
}
