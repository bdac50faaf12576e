//! `syslog`: a message by RFC 5424, the event in structured data; and the same around any other format.

use super::facts::{Facts, Severity};
use super::{Options, lines};
use crate::format::Format;
use crate::outgoing::Outgoing;
use crate::totals::ControlTotal;

/// Facility 13, log audit.
const FACILITY: u8 = 13;

/// The most bytes of one parameter.
const VALUE_MAX: usize = 2 << 10;

/// Returns the message: header, structured data, and a sentence for people.
pub(super) fn encode(item: &Outgoing, options: &Options) -> Vec<u8> {
    let facts = Facts::of(item);
    let mut message = header(&facts);
    let element = |name: &str| format!("{name}@{}", options.enterprise_number);
    push_element(&mut message, &element("event"), &about(&facts));
    push_element(&mut message, &element("identity"), &identity(&facts));
    push_element(&mut message, &element("proof"), &proof(&facts));
    message.push(' ');
    push_plain(&mut message, &facts.sentence());
    message.into_bytes()
}

/// Returns an event in another format as the text of a message by RFC 5424, with its uid and place in structured data. What
/// is such a message already stays as it is.
pub(super) fn wrap(format: Format, item: &Outgoing, options: &Options) -> Vec<u8> {
    let body = super::encode(format, item, options);
    if format == Format::Syslog {
        return body;
    }
    let facts = Facts::of(item);
    let mut message = header(&facts);
    let event = facts.event;
    let parameters = [
        ("uid", event.uid.to_string()),
        ("seq", event.issued.0.to_string()),
        ("format", format.as_str().to_owned()),
        ("version", super::VERSION.to_owned()),
    ];
    push_element(&mut message, &format!("event@{}", options.enterprise_number), &parameters);
    message.push(' ');
    let mut message = message.into_bytes();
    message.extend(body);
    message
}

/// Returns a control event, which says these things, without a text for people. Informational: nobody has to look.
pub(super) fn control(
    total: &ControlTotal,
    kind: &str,
    enterprise_number: u32,
    said: &[(&str, String)],
) -> String {
    let (priority, time) = (FACILITY * 8 + 6, timestamp(total.hour_unix_ns));
    let mut message = format!("<{priority}>1 {time} - keytrail - {} ", name(kind, 32));
    let mut parameters = vec![("uid", total.uid().to_string())];
    parameters.extend(said.iter().cloned());
    push_element(&mut message, &format!("control@{enterprise_number}"), &parameters);
    message
}

fn header(facts: &Facts<'_>) -> String {
    let severity = match facts.severity() {
        Severity::Normal => 5,
        Severity::Denied => 4,
        Severity::High => 1,
    };
    format!(
        "<{}>1 {} {} keytrail - {} ",
        FACILITY * 8 + severity,
        timestamp(facts.time_unix_ns()),
        name(&facts.event.node, 255),
        name(&facts.event.action, 32),
    )
}

/// The header takes microseconds; what the server wrote stands in the structured data.
fn timestamp(unix_ns: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(unix_ns.div_euclid(1000))
        .expect("64 bits of nanoseconds are a time");
    format!("{time:.6}")
}

/// Printable ASCII without spaces, at most so long; `-` if there is none.
fn name(text: &str, characters_max: usize) -> String {
    let shown = |character: char| if character.is_ascii_graphic() { character } else { '_' };
    let name: String = text.chars().take(characters_max).map(shown).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

fn about(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let event = facts.event;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("uid", event.uid.to_string()),
        ("seq", event.issued.0.to_string()),
        ("time", event.time.as_ref().map(|time| time.text.clone()).unwrap_or_default()),
        ("requestId", text(&event.request_id)),
        ("cluster", event.cluster.clone()),
        ("namespace", event.namespace.clone().unwrap_or_else(|| "root".to_owned())),
        ("action", event.action.clone()),
        ("operation", text(&event.operation)),
        ("path", text(&event.path)),
        ("mount", text(&event.mount)),
        ("mountType", text(&event.mount_type)),
        ("decision", event.decision.to_string()),
        ("reason", event.reason.to_string()),
        ("outcome", event.outcome.to_string()),
        ("error", facts.error_line().unwrap_or_default()),
        ("src", text(&event.remote_address)),
        ("spt", event.remote_port.map(|port| port.to_string()).unwrap_or_default()),
        ("lease", text(&event.lease_id)),
        ("flags", event.flags.iter().map(|flag| flag.as_str()).collect::<Vec<_>>().join(",")),
    ]
}

fn identity(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let event = facts.event;
    let identity = &event.identity;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("user", facts.user().to_owned()),
        ("kind", identity.kind.to_string()),
        ("entityId", text(&identity.entity_id)),
        ("authMount", text(&identity.mount)),
        ("authMethod", text(&identity.method)),
        ("role", text(&identity.role)),
        ("accessor", text(&identity.accessor)),
        ("policies", event.policies.join(",")),
        ("granting", event.granting.join(",")),
    ]
}

fn proof(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let event = facts.event;
    let leaves: Vec<String> = event.leaves.iter().map(|leaf| leaf.to_string()).collect();
    vec![
        ("origin", event.origin.clone()),
        ("source", event.source.to_string()),
        ("leaves", leaves.join(",")),
        ("sha256", lines::sha256_of_all(facts.item)),
        ("supersedes", lines::supersedes(event).map(|uid| uid.to_string()).unwrap_or_default()),
        ("version", super::VERSION.to_owned()),
    ]
}

/// An element of structured data; what is empty is left out.
fn push_element(message: &mut String, id: &str, parameters: &[(&str, String)]) {
    message.push('[');
    message.push_str(id);
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        message.push(' ');
        message.push_str(name);
        message.push_str("=\"");
        push_value(message, lines::cut(value, VALUE_MAX));
        message.push('"');
    }
    message.push(']');
}

/// RFC 5424 6.3.3: `"`, `\` and `]` are escaped. A control character would break the message up at receivers that
/// read lines, so a space stands for it.
fn push_value(message: &mut String, value: &str) {
    for character in value.chars() {
        if matches!(character, '"' | '\\' | ']') {
            message.push('\\');
        }
        message.push(if character.is_control() { ' ' } else { character });
    }
}

fn push_plain(message: &mut String, text: &str) {
    message
        .extend(text.chars().map(|character| if character.is_control() { ' ' } else { character }));
}
