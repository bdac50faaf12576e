//! `[[sink]]`: where events go.

use std::path::PathBuf;
use std::time::Duration;

use forward::encode::Options;
use forward::format::Format;
use forward::sink::{Begin, SinkConfig};
use forward::transport::TransportConfig;
use forward::transport::file::FileConfig;
use forward::transport::opensearch::{OpenSearchConfig, Who};
use forward::transport::splunk_hec::SplunkHecConfig;
use forward::transport::stream::{StreamConfig, TlsConfig};
use forward::transport::webhook::WebhookConfig;
use jiff::Timestamp;
use query::filter::Filter;
use serde::Deserialize;

use super::duration::TypedDuration;

/// The wait between two tries grows up to this.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Events and bytes of a batch, and what they may be set to: a batch is held in memory.
const BATCH_EVENTS: usize = 1_000;
const BATCH_EVENTS_MAX: usize = 20_000;
const BATCH_BYTES: usize = 4 << 20;
const BATCH_BYTES_MAX: usize = 64 << 20;
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
        ..usual
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
    let transport = match typed.kind.as_str() {
        "file" => file(&mut typed)?,
        "webhook" => webhook(&mut typed, format)?,
        "opensearch" => opensearch(&mut typed, format)?,
        "splunk_hec" => splunk_hec(&mut typed, format)?,
        "syslog" => TransportConfig::Syslog(stream(&mut typed)?),
        "relp" => TransportConfig::Relp(stream(&mut typed)?),
        other => {
            let all = "file, webhook, opensearch, splunk_hec, syslog, relp";
            return Err(format!("type = {other:?}: there are {all}"));
        }
    };
    let typed_totals = typed.control_totals.take().unwrap_or(true);
    typed.nothing_left()?;
    let usual = match &transport {
        TransportConfig::Webhook(_) => WEBHOOK_EVENTS,
        _ => BATCH_EVENTS,
    };
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
        batch_events: within("batch_events", batch_events, usual, BATCH_EVENTS_MAX)?,
        batch_bytes: within("batch_bytes", batch_bytes, BATCH_BYTES, BATCH_BYTES_MAX)?,
        retry_max,
        control_totals: typed_totals,
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
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !has_port {
        return Err(format!("address = {address:?}: a name and a port, as \"siem.example:6514\""));
    }
    let (certificate, key) = (typed.certificate.take(), typed.key.take());
    let tls = match (typed.tls.take().unwrap_or(true), typed.ca_file.take()) {
        (false, None) if certificate.is_none() && key.is_none() => None,
        (false, _) => {
            return Err("ca_file, certificate and key are of TLS, and tls = false".to_owned());
        }
        (true, None) => {
            return Err(
                "give it a ca_file, the authority of the server's certificate; tls = false sends in clear".to_owned(),
            );
        }
        (true, Some(ca_file)) => {
            let certificate = match (certificate, key) {
                (None, None) => None,
                (Some(certificate), Some(key)) => Some((certificate, key)),
                _ => return Err("certificate and key go together".to_owned()),
            };
            Some(TlsConfig { ca_file, certificate })
        }
    };
    Ok(StreamConfig { address, tls })
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
        ];
        match left.into_iter().find(|(_, is_left)| *is_left) {
            Some((key, _)) => Err(format!("{key} is no key of a sink of type {:?}", self.kind)),
            None => Ok(()),
        }
    }
}
