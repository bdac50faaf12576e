//! A log record by OpenTelemetry's data model, whose body is the event in any format. Names of attributes are those of
//! the semantic conventions where these have one; what they have none for stands below `keytrail.`.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::facts::{Facts, Severity};
use super::{Options, encode, lines};
use crate::batch::Beside;
use crate::format::Format;
use crate::outgoing::Outgoing;
use crate::totals::ControlTotal;

/// All records have the same attributes, so they are events of one name.
const EVENT_NAME: &str = "keytrail.audit_event";

/// Returns the record, encoded, and beside it the resource: the server's node that wrote the lines.
pub(super) fn wrap(format: Format, item: &Outgoing, options: &Options) -> (Vec<u8>, Beside) {
    let facts = Facts::of(item);
    let body = String::from_utf8_lossy(&encode(format, item, options)).into_owned();
    let record = record(&facts, format, body).encode_to_vec();
    let resource = resource(&facts, options).encode_to_vec();
    (record, Beside::Resource(Arc::from(resource)))
}

/// The record of a control total, and beside it the resource, which is keytrail: it speaks of itself.
pub(super) fn control(
    total: &ControlTotal,
    event_name: &str,
    parameters: &[(&str, String)],
    body: String,
) -> (Vec<u8>, Beside) {
    let mut all = Attributes::default();
    all.text("log.record.uid", Some(total.uid()));
    for (name, value) in parameters {
        all.text(&format!("keytrail.control.{name}"), Some(value));
    }
    let record = LogRecord {
        time_unix_nano: u64::try_from(total.hour_unix_ns).unwrap_or(0),
        severity_number: SeverityNumber::Info.into(),
        severity_text: "informational".to_owned(),
        event_name: event_name.to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: all.0,
        ..LogRecord::default()
    };
    let mut of_us = Attributes::default();
    of_us.text("service.name", Some("keytrail"));
    of_us.text("service.instance.id", Some(&total.sink));
    let resource = Resource { attributes: of_us.0, ..Resource::default() };
    (record.encode_to_vec(), Beside::Resource(Arc::from(resource.encode_to_vec())))
}

fn record(facts: &Facts<'_>, format: Format, body: String) -> LogRecord {
    let time = facts.event.time.as_ref().or(facts.event.completed.as_ref());
    // OpenTelemetry's own mapping of syslog's notice, warning and alert.
    let (severity, word) = match facts.severity() {
        Severity::Normal => (SeverityNumber::Info2, "notice"),
        Severity::Denied => (SeverityNumber::Warn, "warning"),
        Severity::High => (SeverityNumber::Error3, "alert"),
    };
    LogRecord {
        // 0 is "unknown" there.
        time_unix_nano: time.map_or(0, |time| u64::try_from(time.unix_ns).unwrap_or(0)),
        observed_time_unix_nano: u64::try_from(facts.arrived_unix_ns()).unwrap_or(0),
        severity_number: severity.into(),
        severity_text: word.to_owned(),
        event_name: EVENT_NAME.to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: attributes(facts, format),
        ..LogRecord::default()
    }
}

fn resource(facts: &Facts<'_>, options: &Options) -> Resource {
    let mut all = Attributes::default();
    all.text("service.name", Some(&*options.service_name));
    all.text("service.namespace", Some(&facts.event.cluster));
    all.text("service.instance.id", Some(&facts.event.node));
    Resource { attributes: all.0, ..Resource::default() }
}

fn attributes(facts: &Facts<'_>, format: Format) -> Vec<KeyValue> {
    let event = facts.event;
    let identity = &event.identity;
    let account = facts.service_account();
    let mut all = Attributes::default();
    all.text("log.record.uid", Some(event.uid));
    all.text("user.name", Some(facts.user()));
    all.text("user.id", identity.entity_id.as_ref());
    all.text("client.address", event.remote_address.as_ref());
    all.number("client.port", event.remote_port.map(i64::from));
    all.text("k8s.namespace.name", account.as_ref().map(|account| account.namespace));
    all.text("error.type", (facts.succeeded() == Some(false)).then_some(event.outcome));

    all.text("keytrail.format", Some(format));
    all.number("keytrail.seq", i64::try_from(event.issued.0.0).ok());
    all.text("keytrail.request_id", event.request_id.as_ref());
    all.text("keytrail.action", Some(&event.action));
    all.text("keytrail.operation", event.operation.as_ref());
    all.text("keytrail.path", event.path.as_ref());
    all.text("keytrail.mount.path", event.mount.as_ref());
    all.text("keytrail.mount.type", event.mount_type.as_ref());
    all.text("keytrail.namespace.path", Some(event.namespace.as_deref().unwrap_or("root")));
    all.text("keytrail.decision", Some(event.decision));
    all.text("keytrail.reason", Some(event.reason));
    all.text("keytrail.outcome", Some(event.outcome));
    all.text("keytrail.error", facts.error_line());
    all.texts("keytrail.flags", &event.flags);
    all.text("keytrail.identity.kind", Some(identity.kind));
    all.text("keytrail.identity.key", identity.key.as_ref());
    all.text("keytrail.identity.role", identity.role.as_ref());
    all.text("keytrail.service_account", account.map(|account| account.name));
    all.text("keytrail.auth.method", identity.method.as_ref());
    all.text("keytrail.auth.mount", identity.mount.as_ref());
    all.text("keytrail.token.accessor", identity.accessor.as_ref());
    all.texts("keytrail.policies", &event.policies);
    all.texts("keytrail.granting", &event.granting);
    all.text("keytrail.lease_id", event.lease_id.as_ref());
    all.number("keytrail.latency_us", event.latency_us);
    all.text("keytrail.server_version", event.server_version.as_ref());
    all.text("keytrail.origin", Some(&event.origin));
    all.text("keytrail.source", Some(&event.source));
    let leaves = event.leaves.iter().filter_map(|leaf| i64::try_from(leaf.0).ok());
    all.list("keytrail.leaves", leaves.map(Value::IntValue));
    all.texts("keytrail.line_sha256", lines::of(facts.item).map(lines::sha256));
    all.text("keytrail.supersedes", lines::supersedes(event));
    all.0
}

/// Attributes by name. What is absent or empty is left out.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, key: &str, text: Option<impl ToString>) {
        let text = text.map(|text| text.to_string()).filter(|text| !text.is_empty());
        self.push(key, text.map(Value::StringValue));
    }

    fn number(&mut self, key: &str, number: Option<i64>) {
        self.push(key, number.map(Value::IntValue));
    }

    fn texts(&mut self, key: &str, texts: impl IntoIterator<Item = impl ToString>) {
        self.list(key, texts.into_iter().map(|text| Value::StringValue(text.to_string())));
    }

    fn list(&mut self, key: &str, values: impl Iterator<Item = Value>) {
        let values: Vec<AnyValue> = values.map(|value| AnyValue { value: Some(value) }).collect();
        let list = (!values.is_empty()).then_some(Value::ArrayValue(ArrayValue { values }));
        self.push(key, list);
    }

    fn push(&mut self, key: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }
}
