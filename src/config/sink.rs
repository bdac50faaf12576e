//! `[[sink]]`: where events go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forward::encode::Options;
use forward::format::Format;
use forward::sink::{Begin, SinkConfig};
use forward::transport::TransportConfig;
use forward::transport::file::FileConfig;
use forward::transport::kafka::{KafkaConfig, Mechanism, Sasl};
use forward::transport::opensearch::{OpenSearchConfig, Who};
use forward::transport::splunk_hec::SplunkHecConfig;
use forward::transport::stream::{StreamConfig, TlsConfig};
use forward::transport::webhook::WebhookConfig;
use jiff::Timestamp;
use query::filter::Filter;
use serde::Deserialize;

use super::duration::TypedDuration;

mod object_store;
mod otlp;

/// The wait between two tries grows up to this.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Events and bytes of a batch, and what they may be set to: a batch is held in memory.
const BATCH_EVENTS: usize = 1_000;
const BATCH_EVENTS_MAX: usize = 20_000;
const BATCH_BYTES: usize = 4 << 20;
const BATCH_BYTES_MAX: usize = 64 << 20;
/// An object for each handful of events would be many.
const STORE_EVENTS: usize = 20_000;
const STORE_BYTES: usize = 32 << 20;
const STORE_WAIT: Duration = Duration::from_secs(300);
const BATCH_WAIT_MAX: Duration = Duration::from_secs(3600);
/// A webhook's receiver has to answer while we wait.
const WEBHOOK_EVENTS: usize = 100;
/// An indexer that is busy acknowledges late, and a batch that is sent again is there twice.
const ACK_TIMEOUT: Duration = Duration::from_secs(300);
const ROTATE_BYTES: u64 = 256 << 20;
const ROTATE_KEEP: u32 = 10;

/// `[[sink]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSink {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    format: Option<String>,
    filter: Option<String>,
    begin: Option<String>,
    include_clear_values: Option<bool>,
    batch_events: Option<usize>,
    batch_bytes: Option<usize>,
    batch_wait: Option<TypedDuration>,
    retry_max: Option<TypedDuration>,
    control_totals: Option<bool>,
    path: Option<PathBuf>,
    rotate_bytes: Option<u64>,
    rotate_keep: Option<u32>,
    url: Option<String>,
    secret_files: Option<Vec<PathBuf>>,
    data_stream: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    index: Option<String>,
    sourcetype: Option<String>,
    ack: Option<bool>,
    ack_timeout: Option<TypedDuration>,
    address: Option<String>,
    tls: Option<bool>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    enterprise_number: Option<u32>,
    brokers: Option<Vec<String>>,
    topic: Option<String>,
    mechanism: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    header_files: Option<BTreeMap<String, PathBuf>>,
    service_name: Option<String>,
    object_format: Option<String>,
    compression: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_key_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    allow_private: Option<bool>,
}

/// Checks what was typed.
pub(super) fn sinks(typed: Vec<FileSink>) -> Result<Vec<SinkConfig>, String> {
    let mut sinks: Vec<SinkConfig> = Vec::new();
    for sink in typed {
        let name = sink.name.clone();
        let sink = mean(sink).map_err(|problem| format!("[[sink]] {name:?}: {problem}"))?;
        if sinks.iter().any(|earlier| earlier.name == name) {
            return Err(format!("[[sink]] {name:?} is there twice: give each its own name"));
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

fn mean(mut typed: FileSink) -> Result<SinkConfig, String> {
    let name = typed.name.clone();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 60 || !name.chars().all(is_plain) {
        return Err("the name must have 1 to 60 letters, digits, - or _".to_owned());
    }
    let usual = Options::default();
    let options = Options {
        include_clear_values: typed.include_clear_values.take().unwrap_or(false),
        enterprise_number: typed.enterprise_number.take().unwrap_or(usual.enterprise_number),
        service_name: match typed.service_name.take_if(|_| typed.kind == "otlp") {
            Some(name) if name.is_empty() => return Err("service_name is empty".to_owned()),
            Some(name) => Arc::from(name),
            None => usual.service_name,
        },
        rules: usual.rules,
    };
    let format = match typed.format.take() {
        Some(word) => word.parse().map_err(|error| format!("format: {error}"))?,
        None => usual_format(&typed.kind),
    };
    format.check(&options).map_err(|error| format!("format: {error}"))?;
    let filter_text = typed.filter.take().unwrap_or_default();
    let filter = Filter::parse(&filter_text, Timestamp::now())
        .map_err(|error| format!("filter {filter_text:?}: {error}"))?;
    let begin = match typed.begin.take().as_deref() {
        None | Some("first") => Begin::First,
        Some("now") => Begin::Now,
        Some(other) => {
            return Err(format!(
                "begin = {other:?}: \"first\" (the first event there is) or \"now\""
            ));
        }
    };
    let retry_max = typed.retry_max.take().map_or(RETRY_MAX, |TypedDuration(most)| most);
    if retry_max < Duration::from_millis(100) || retry_max > Duration::from_secs(3600) {
        return Err("retry_max must be from 100ms to 1h; 1m is usual".to_owned());
    }
    let (batch_events, batch_bytes) = (typed.batch_events.take(), typed.batch_bytes.take());
    let batch_wait = typed.batch_wait.take().map(|TypedDuration(wait)| wait);
    let transport = match typed.kind.as_str() {
        "file" => file(&mut typed)?,
        "webhook" => webhook(&mut typed, format)?,
        "opensearch" => opensearch(&mut typed, format)?,
        "splunk_hec" => splunk_hec(&mut typed, format)?,
        "syslog" => TransportConfig::Syslog(stream(&mut typed)?),
        "relp" => TransportConfig::Relp(stream(&mut typed)?),
        "kafka" => kafka(&mut typed, format)?,
        "otlp" => otlp::otlp(&mut typed)?,
        "object_store" => object_store::object_store(&mut typed, format)?,
        other => {
            let all =
                "file, webhook, opensearch, splunk_hec, syslog, relp, kafka, otlp, object_store";
            return Err(format!("type = {other:?}: there are {all}"));
        }
    };
    let typed_totals = typed.control_totals.take();
    typed.nothing_left()?;
    // The manifests of an object store say the same.
    let control_totals = match (&transport, typed_totals) {
        (TransportConfig::ObjectStore(_), Some(true)) => {
            return Err("control_totals: manifests are the totals of an object store".to_owned());
        }
        (TransportConfig::ObjectStore(_), _) => false,
        (_, typed) => typed.unwrap_or(true),
    };
    let (usual_events, usual_bytes, usual_wait) = match &transport {
        TransportConfig::Webhook(_) => (WEBHOOK_EVENTS, BATCH_BYTES, Duration::ZERO),
        TransportConfig::ObjectStore(_) => (STORE_EVENTS, STORE_BYTES, STORE_WAIT),
        _ => (BATCH_EVENTS, BATCH_BYTES, Duration::ZERO),
    };
    let batch_wait = batch_wait.unwrap_or(usual_wait);
    if batch_wait > BATCH_WAIT_MAX {
        return Err("batch_wait must be at most 1h".to_owned());
    }
    let within = |key, value: Option<usize>, usual, most| match value.unwrap_or(usual) {
        value if (1..=most).contains(&value) => Ok(value),
        value => Err(format!("{key} = {value}: from 1 to {most}; {usual} is usual")),
    };
    Ok(SinkConfig {
        name,
        filter,
        filter_text,
        format,
        options,
        begin,
        batch_events: within("batch_events", batch_events, usual_events, BATCH_EVENTS_MAX)?,
        batch_bytes: within("batch_bytes", batch_bytes, usual_bytes, BATCH_BYTES_MAX)?,
        batch_wait,
        retry_max,
        control_totals,
        transport,
    })
}

fn file(typed: &mut FileSink) -> Result<TransportConfig, String> {
    let path = typed.path.take().ok_or("give it a path")?;
    if path.is_relative() {
        return Err(format!("path {:?} must begin with /", path.display()));
    }
    let rotate_bytes = typed.rotate_bytes.take().unwrap_or(ROTATE_BYTES);
    let rotate_keep = typed.rotate_keep.take().unwrap_or(ROTATE_KEEP);
    if rotate_bytes == 0 || !(1..=10_000).contains(&rotate_keep) {
        return Err("rotate_bytes must be 1 or more, and rotate_keep from 1 to 10000".to_owned());
    }
    // The volume is known where files are followed.
    Ok(TransportConfig::File(FileConfig { path, rotate_bytes, rotate_keep, room: None }))
}

fn webhook(typed: &mut FileSink, format: Format) -> Result<TransportConfig, String> {
    if !format.is_json() {
        return Err(format!("a webhook takes JSON, and format = {:?} is none", format.as_str()));
    }
    Ok(TransportConfig::Webhook(WebhookConfig {
        url: url(typed)?,
        secret_files: typed.secret_files.take().unwrap_or_default(),
        ca_file: typed.ca_file.take(),
        allow_private: typed.allow_private.take().unwrap_or(false),
    }))
}

fn opensearch(typed: &mut FileSink, format: Format) -> Result<TransportConfig, String> {
    if !format.is_json() {
        return Err(format!("documents are JSON, and format = {:?} is none", format.as_str()));
    }
    let data_stream =
        typed.data_stream.take().unwrap_or_else(|| "logs-keytrail-default".to_owned());
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if data_stream.is_empty()
        || data_stream.starts_with(['-', '_', '.'])
        || !data_stream.chars().all(is_name)
    {
        return Err(format!(
            "data_stream = {data_stream:?}: lower-case letters, digits, - _ and ."
        ));
    }
    let who = match (typed.user.take(), typed.password_file.take(), typed.token_file.take()) {
        (None, None, None) => Who::Anonymous,
        (Some(user), Some(password), None) => Who::User(user, password),
        (None, None, Some(key)) => Who::ApiKey(key),
        _ => {
            return Err("give it user and password_file, or token_file, or none of them".to_owned());
        }
    };
    Ok(TransportConfig::OpenSearch(OpenSearchConfig {
        url: url(typed)?.trim_end_matches('/').to_owned(),
        data_stream,
        who,
        ca_file: typed.ca_file.take(),
        stamp: format != Format::Ecs,
    }))
}

fn splunk_hec(typed: &mut FileSink, format: Format) -> Result<TransportConfig, String> {
    let url = url(typed)?.trim_end_matches('/').to_owned();
    if url.contains("/services") {
        return Err(format!("url {url:?}: the address alone, without /services/…"));
    }
    Ok(TransportConfig::SplunkHec(SplunkHecConfig {
        url,
        token_file: typed.token_file.take().ok_or("give it a token_file")?,
        ack: typed.ack.take().unwrap_or(true),
        ack_timeout: typed.ack_timeout.take().map_or(ACK_TIMEOUT, |TypedDuration(limit)| limit),
        index: typed.index.take(),
        sourcetype: typed.sourcetype.take().unwrap_or_else(|| format!("keytrail:{format}")),
        is_json: format.is_json(),
        ca_file: typed.ca_file.take(),
    }))
}

fn stream(typed: &mut FileSink) -> Result<StreamConfig, String> {
    let address = typed.address.take().ok_or("give it an address, as \"siem.example:6514\"")?;
    if !is_address(&address) {
        return Err(format!("address = {address:?}: a name and a port, as \"siem.example:6514\""));
    }
    Ok(StreamConfig { address, tls: tls(typed)? })
}

/// Tells whether it is a name and a port.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn tls(typed: &mut FileSink) -> Result<Option<TlsConfig>, String> {
    let (certificate, key) = (typed.certificate.take(), typed.key.take());
    match (typed.tls.take().unwrap_or(true), typed.ca_file.take()) {
        (false, None) if certificate.is_none() && key.is_none() => Ok(None),
        (false, _) => {
            Err("ca_file, certificate and key are of TLS, and tls = false".to_owned())
        }
        (true, None) => Err(
            "give it a ca_file, the authority of the server's certificate; tls = false sends in clear".to_owned(),
        ),
        (true, Some(ca_file)) => {
            let certificate = match (certificate, key) {
                (None, None) => None,
                (Some(certificate), Some(key)) => Some((certificate, key)),
                _ => return Err("certificate and key go together".to_owned()),
            };
            Ok(Some(TlsConfig { ca_file, certificate }))
        }
    }
}

fn kafka(typed: &mut FileSink, format: Format) -> Result<TransportConfig, String> {
    let brokers = typed.brokers.take().unwrap_or_default();
    match brokers.iter().find(|broker| !is_address(broker)) {
        Some(odd) => {
            return Err(format!("brokers: {odd:?}: a name and a port, as \"kafka.example:9093\""));
        }
        None if brokers.is_empty() => {
            return Err("give it brokers, as [\"kafka.example:9093\"]".to_owned());
        }
        None => {}
    }
    let topic = typed.topic.take().ok_or("give it a topic")?;
    // As Kafka has it.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() || topic.len() > 249 || !topic.chars().all(is_plain) {
        return Err(format!("topic = {topic:?}: 1 to 249 letters, digits, . _ and -"));
    }
    let tls = tls(typed)?;
    let mechanism = match typed.mechanism.take().as_deref() {
        None => None,
        Some("scram-sha-512") => Some(Mechanism::ScramSha512),
        Some("scram-sha-256") => Some(Mechanism::ScramSha256),
        Some("plain") => Some(Mechanism::Plain),
        Some(other) => {
            let all = "scram-sha-512, scram-sha-256, plain";
            return Err(format!("mechanism = {other:?}: there are {all}"));
        }
    };
    let who = match (typed.user.take(), typed.password_file.take(), mechanism) {
        (None, None, None) => None,
        (Some(_), Some(_), Some(Mechanism::Plain)) if tls.is_none() => {
            return Err(
                "mechanism = \"plain\" would send the password in clear, as tls = false".to_owned()
            );
        }
        (Some(user), Some(password_file), mechanism) => Some(Sasl {
            mechanism: mechanism.unwrap_or(Mechanism::ScramSha512),
            user,
            password_file,
        }),
        _ => return Err("user and password_file go together; mechanism is theirs".to_owned()),
    };
    let media_type = if format.is_json() { "application/json" } else { "text/plain" };
    Ok(TransportConfig::Kafka(KafkaConfig { brokers, topic, media_type, tls, who }))
}

/// The format that a receiver reads best.
fn usual_format(kind: &str) -> Format {
    match kind {
        "opensearch" => Format::Ecs,
        "splunk_hec" => Format::Splunk,
        "syslog" | "relp" => Format::Syslog,
        _ => Format::Event,
    }
}

fn url(typed: &mut FileSink) -> Result<String, String> {
    let url = typed.url.take().ok_or("give it a url")?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!("url {url:?} must begin with https:// or http://"));
    }
    Ok(url)
}

impl FileSink {
    /// A key that this type does not have would do nothing, which whoever wrote it does not expect.
    fn nothing_left(&self) -> Result<(), String> {
        let left = [
            ("path", self.path.is_some()),
            ("rotate_bytes", self.rotate_bytes.is_some()),
            ("rotate_keep", self.rotate_keep.is_some()),
            ("url", self.url.is_some()),
            ("secret_files", self.secret_files.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("allow_private", self.allow_private.is_some()),
            ("data_stream", self.data_stream.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("token_file", self.token_file.is_some()),
            ("index", self.index.is_some()),
            ("sourcetype", self.sourcetype.is_some()),
            ("ack", self.ack.is_some()),
            ("ack_timeout", self.ack_timeout.is_some()),
            ("address", self.address.is_some()),
            ("tls", self.tls.is_some()),
            ("certificate", self.certificate.is_some()),
            ("key", self.key.is_some()),
            ("brokers", self.brokers.is_some()),
            ("topic", self.topic.is_some()),
            ("mechanism", self.mechanism.is_some()),
            ("headers", self.headers.is_some()),
            ("header_files", self.header_files.is_some()),
            ("service_name", self.service_name.is_some()),
            ("object_format", self.object_format.is_some()),
            ("compression", self.compression.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_key_file", self.secret_key_file.is_some()),
        ];
        match left.into_iter().find(|(_, is_left)| *is_left) {
            Some((key, _)) => Err(format!("{key} is no key of a sink of type {:?}", self.kind)),
            None => Ok(()),
        }
    }
}
