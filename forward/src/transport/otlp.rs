//! `otlp`: OpenTelemetry's protocol for logs over HTTP, in protobuf. An answer is of this receiver alone: what stands behind a
//! collector may have the events or not.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder};

use super::post::Reply;
use super::{Answer, TRY};
use crate::batch::{Batch, Beside, Item};
use crate::folder::DeliveryState;
use crate::http::{SetUpError, client, secret};

const CONTENT_TYPE: &str = "application/x-protobuf";

/// Headers that are the transport's own.
const OWN: [&str; 5] =
    ["content-type", "content-encoding", "content-length", "host", "transfer-encoding"];
/// Headers whose values are secrets wherever they are used.
const SECRET: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "api-key", "x-api-key"];

/// Where the receiver is, and how it knows us.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// The address that logs are posted to.
    pub url: String,
    /// Headers of each request, by name: a tenant and the like.
    pub headers: BTreeMap<String, String>,
    /// Files with the whole values of further headers, by name.
    pub header_files: BTreeMap<String, PathBuf>,
    /// PEM: the authority that is trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl OtlpConfig {
    /// Returns the address of logs at a receiver: what a collector is called by, with `/v1/logs` behind it unless that is there.
    pub fn logs_url(url: &str) -> String {
        let url = url.trim_end_matches('/');
        match url.ends_with("/v1/logs") {
            true => url.to_owned(),
            false => format!("{url}/v1/logs"),
        }
    }

    /// Tells whether the headers can be sent.
    ///
    /// # Errors
    /// A name or a value cannot be one, is the transport's own, or is a secret that stands in the configuration.
    pub fn check(&self) -> Result<(), String> {
        for name in self.headers.keys().chain(self.header_files.keys()) {
            let known = HeaderName::try_from(name)
                .map_err(|_| format!("{name:?} cannot be the name of a header"))?;
            if OWN.contains(&known.as_str()) {
                return Err(format!("the header {name} is keytrail's own: leave it out"));
            }
        }
        for (name, value) in &self.headers {
            if SECRET.contains(&&*name.to_ascii_lowercase()) {
                return Err(format!(
                    "headers: the value of {name} is a secret: put it into a file, and name that in header_files"
                ));
            }
            HeaderValue::from_str(value)
                .map_err(|_| format!("headers: the value of {name} cannot be one"))?;
        }
        Ok(())
    }
}

/// A receiver.
pub struct Otlp {
    config: OtlpConfig,
    client: Client,
    /// What it warned of last: it may say the same with each batch.
    warned: String,
}

/// `ExportLogsServiceRequest`, whose parts are encoded already: within a message a message is its bytes with their length
/// before them, so nothing has to be taken apart.
#[derive(prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(prost::Message)]
struct ResourceLogs {
    #[prost(bytes = "bytes", tag = "1")]
    resource: Bytes,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(prost::Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    log_records: Vec<Bytes>,
}

#[derive(prost::Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

/// `google.rpc.Status`, the body of a refusal.
#[derive(prost::Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
}

impl Otlp {
    pub(super) fn new(config: &OtlpConfig) -> Result<Otlp, SetUpError> {
        config.check().map_err(SetUpError::Settings)?;
        let client = client(TRY, config.ca_file.as_ref())?.build()?;
        Ok(Otlp { config: config.clone(), client, warned: String::new() })
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Answer {
        let request = match self.post(&request(&batch.items).encode_to_vec()) {
            Ok(request) => request,
            // It may be in the middle of being replaced.
            Err(error) => return Answer::later(error.to_string()),
        };
        match Reply::read(request.send().await).await {
            Ok(reply) => {
                let mut warning = String::new();
                let answer = answer(reply, batch.items.len(), &mut warning);
                if !warning.is_empty() && warning != self.warned {
                    tracing::warn!("{} took events and warns: {warning}", self.config.url);
                    self.warned = warning;
                }
                answer
            }
            Err(answer) => answer,
        }
    }

    pub(super) async fn try_out(&self) -> Result<String, String> {
        // A request without a record is one: there is nothing to store.
        let request = self.post(&[]).map_err(|error| error.to_string())?;
        let reply = Reply::read(request.send().await).await.map_err(Answer::why)?;
        match answer(reply, 0, &mut String::new()) {
            Answer::Taken(_) => Ok(format!("{} takes logs by OTLP", self.config.url)),
            other => Err(other.why()),
        }
    }

    fn post(&self, body: &[u8]) -> Result<RequestBuilder, SetUpError> {
        let mut headers = HeaderMap::new();
        let mut insert = |name: &String, value: HeaderValue| {
            let name = HeaderName::try_from(name).expect("names are checked before");
            headers.insert(name, value);
        };
        for (name, value) in &self.config.headers {
            insert(name, HeaderValue::from_str(value).expect("values are checked before"));
        }
        for (name, path) in &self.config.header_files {
            let mut value = HeaderValue::from_str(&secret(path)?).map_err(|_| {
                let what = format!("one line, the value of the header {name}");
                SetUpError::Holds { path: path.clone(), what }
            })?;
            value.set_sensitive(true);
            insert(name, value);
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = packed.write_all(body).and_then(|()| packed.finish());
        Ok(self
            .client
            .post(&self.config.url)
            .headers(headers)
            .header("content-type", CONTENT_TYPE)
            .header("content-encoding", "gzip")
            .body(packed.expect("memory takes everything")))
    }
}

/// Puts the records of each resource together, in the order in which they were issued.
fn request(items: &[Item]) -> Request {
    let mut resource_logs: Vec<ResourceLogs> = Vec::new();
    for item in items {
        let resource: &[u8] = match &item.beside {
            Beside::Resource(resource) => resource,
            Beside::Nothing | Beside::Row(_) => &[],
        };
        // There are as many as nodes.
        let known = resource_logs.iter().position(|logs| logs.resource == resource);
        let at = known.unwrap_or_else(|| {
            let scope = Scope {
                name: "keytrail".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            resource_logs.push(ResourceLogs {
                resource: Bytes::copy_from_slice(resource),
                scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: Vec::new() }],
            });
            resource_logs.len() - 1
        });
        let record = Bytes::from_owner(item.bytes.clone());
        resource_logs[at].scope_logs[0].log_records.push(record);
    }
    Request { resource_logs }
}

/// Returns what an answer means for so many events, and of what it warns.
fn answer(mut reply: Reply, events: usize, warning: &mut String) -> Answer {
    let is_protobuf = reply.content_type.starts_with(CONTENT_TYPE);
    if !reply.status.is_success() {
        if is_protobuf && let Ok(status) = Status::decode(&*reply.body) {
            reply.body = status.message.into_bytes();
        }
        return reply.answer();
    }
    let decoded = ExportLogsServiceResponse::decode(&*reply.body);
    let Some(response) = decoded.ok().filter(|_| is_protobuf || reply.body.is_empty()) else {
        return Answer::Stop(format!("no answer of an OTLP receiver, {}", reply.said()));
    };
    let state = DeliveryState::Accepted;
    let Some(partial) = response.partial_success else { return Answer::Taken(state) };
    let ExportLogsPartialSuccess { rejected_log_records, error_message } = partial;
    reply.body = error_message.into_bytes();
    let why = reply.said();
    match usize::try_from(rejected_log_records).unwrap_or(0) {
        0 => {
            if !reply.body.is_empty() {
                *warning = why;
            }
            Answer::Taken(state)
        }
        // To send them again is forbidden: of the others there would be two.
        refused if refused < events => Answer::Partial { state, refused: refused as u64, why },
        _ => {
            let refused = (0..events).map(|at| (at, why.clone())).collect();
            Answer::Each { state, refused, later: Vec::new(), why: String::new(), after: None }
        }
    }
}

#[cfg(test)]
mod tests;
