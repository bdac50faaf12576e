//! A control event in each format: what a sink says of its own deliveries. Nobody's access: no field in which formats tell of
//! one is there.

use query::period::rfc3339;
use serde_json::{Value, json};

use super::{VERSION, Wrap, cef, json, otlp, syslog};
use crate::batch::Beside;
use crate::encoding::Encoding;
use crate::format::Format;
use crate::totals::{ControlTotal, HOUR};

/// What it is, in formats that have a place for it.
const TYPE: &str = "keytrail.control_total";

/// Returns its bytes, without a newline, and what its transport has to know beside them.
pub(crate) fn encode(total: &ControlTotal, encoding: &Encoding) -> (Vec<u8>, Beside) {
    let body = match encoding.format {
        Format::Event | Format::Raw => json::bytes(event(total)),
        Format::Ocsf => json::bytes(ocsf(total)),
        Format::Ecs => json::bytes(ecs(total)),
        Format::Splunk => json::bytes(splunk(total)),
        Format::Cef => cef::control(total, TYPE, &parameters(total)),
        Format::Syslog => sentence(total).into_bytes(),
    };
    match encoding.wrap {
        Wrap::LogRecord => {
            let body = String::from_utf8_lossy(&body).into_owned();
            otlp::control(total, TYPE, &parameters(total), body)
        }
        wrap if wrap == Wrap::Syslog || encoding.format == Format::Syslog => {
            let number = encoding.options.enterprise_number;
            let mut message = syslog::control(total, TYPE, number, &parameters(total)).into_bytes();
            message.push(b' ');
            message.extend(body);
            (message, Beside::Nothing)
        }
        _ => (body, Beside::Nothing),
    }
}

/// One sentence for people.
fn sentence(total: &ControlTotal) -> String {
    let (hour, events) = (rfc3339(total.hour_unix_ns), total.said.events);
    format!("sink {} has delivered {events} events of the hour from {hour} on", total.sink)
}

/// What it says, by the names that all formats have.
fn about(total: &ControlTotal) -> Value {
    json!({
        "sink": total.sink,
        "run": total.run,
        "hour": rfc3339(total.hour_unix_ns),
        "first": total.said.first,
        "last": total.said.last,
        "events": total.said.events,
        "refused": total.refused,
        "uids_sha256": total.said.uids_sha256,
    })
}

/// The same as names and texts.
fn parameters(total: &ControlTotal) -> Vec<(&'static str, String)> {
    let place = |(leaf, ordinal): (u64, u32)| format!("{leaf},{ordinal}");
    vec![
        ("sink", total.sink.clone()),
        ("run", total.run.clone()),
        ("hour", rfc3339(total.hour_unix_ns)),
        ("first", place(total.said.first)),
        ("last", place(total.said.last)),
        ("events", total.said.events.to_string()),
        ("refused", total.refused.to_string()),
        ("sha256", total.said.uids_sha256.clone()),
        ("version", VERSION.to_owned()),
    ]
}

fn event(total: &ControlTotal) -> Value {
    let mut sent = about(total);
    sent["type"] = json!(TYPE);
    sent["uid"] = json!(total.uid());
    sent["time"] = json!(rfc3339(total.hour_unix_ns));
    sent["keytrail_version"] = json!(VERSION);
    sent
}

fn splunk(total: &ControlTotal) -> Value {
    let mut sent = json!({
        "time": rfc3339(total.hour_unix_ns),
        "type": TYPE,
        "event_id": total.uid(),
        "vendor_product": "keytrail",
        "keytrail_version": VERSION,
    });
    if let (Some(sent), Value::Object(about)) = (sent.as_object_mut(), about(total)) {
        sent.extend(about.into_iter().map(|(name, value)| (format!("control_{name}"), value)));
    }
    sent
}

fn ecs(total: &ControlTotal) -> Value {
    json!({
        "@timestamp": rfc3339(total.hour_unix_ns),
        "ecs": {"version": super::ecs::VERSION},
        "message": sentence(total),
        "event": {
            "kind": "metric",
            "action": "control-total",
            "id": total.uid(),
            "start": rfc3339(total.hour_unix_ns),
            "end": rfc3339(total.hour_unix_ns.saturating_add(HOUR)),
            "module": "keytrail",
            "dataset": "keytrail.control",
            "provider": "keytrail",
        },
        "observer": {"product": "keytrail", "type": "audit", "vendor": "keytrail", "version": VERSION},
        "keytrail": {"control": about(total)},
    })
}

/// Event Log Activity, Export: the log was handed on.
fn ocsf(total: &ControlTotal) -> Value {
    let ms = |unix_ns: i64| unix_ns.div_euclid(1_000_000);
    json!({
        "class_uid": 1008,
        "class_name": "Event Log Activity",
        "category_uid": 1,
        "category_name": "System Activity",
        "activity_id": 3,
        "activity_name": "Export",
        "type_uid": 100_803,
        "type_name": "Event Log Activity: Export",
        "time": ms(total.hour_unix_ns),
        "start_time": ms(total.hour_unix_ns),
        "end_time": ms(total.hour_unix_ns.saturating_add(HOUR)),
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 1,
        "status": "Success",
        "message": sentence(total),
        "log_name": total.sink,
        "log_provider": "keytrail",
        "metadata": {
            "version": super::ocsf::VERSION,
            "product": {"name": "keytrail", "vendor_name": "keytrail", "version": VERSION},
            "uid": total.uid(),
            "event_code": TYPE,
        },
        "unmapped": {"control": about(total), "keytrail_version": VERSION},
    })
}
