//! `opensearch`: OpenSearch and Elasticsearch by `_bulk`. Each event is created under its uid, so that one that is there already is
//! not stored again, and the answer tells of each event that it is stored.

use std::io::{self, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::event::Uid;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::post::Reply;
use super::{Answer, TRY};
use crate::batch::{Batch, Item};
use crate::folder::DeliveryState;
use crate::http::{SetUpError, client, secret};
use crate::reconcile::Document;

/// Documents that are asked for at once.
const SCROLL: usize = 500;
/// Of an answer with documents so much is read: 128 KiB each.
const DOCUMENTS_BYTES: usize = 64 << 20;

/// Where the cluster is, and how it knows us.
#[derive(Clone, Debug)]
pub struct OpenSearchConfig {
    /// The address of a node or of what stands before the nodes.
    pub url: String,
    /// The data stream or index that events go to.
    pub data_stream: String,
    /// Who we are there.
    pub who: Who,
    /// PEM: the authority that is trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Documents get `@timestamp`, which a data stream asks for: their format has none.
    pub stamp: bool,
}

/// Who a client is.
#[derive(Clone, Debug)]
pub enum Who {
    /// Nobody in particular.
    Anonymous,
    /// A user and the file with his password.
    User(String, PathBuf),
    /// The file with an API key, as Elasticsearch encodes it.
    ApiKey(PathBuf),
}

/// A cluster.
pub struct OpenSearch {
    config: OpenSearchConfig,
    client: Client,
}

/// What `_bulk` answers, as far as it matters.
#[derive(Deserialize)]
struct Bulk {
    errors: bool,
    items: Vec<Created>,
}

#[derive(Deserialize)]
struct Created {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Option<Value>,
}

impl OpenSearch {
    pub(super) fn new(config: &OpenSearchConfig) -> Result<OpenSearch, SetUpError> {
        let client = client(TRY, config.ca_file.as_ref())?.build()?;
        Ok(OpenSearch { config: config.clone(), client })
    }

    pub(super) async fn send(&self, batch: &Batch) -> Answer {
        let url = format!("{}/{}/_bulk", self.config.url, self.config.data_stream);
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-ndjson")
            .header("content-encoding", "gzip");
        let request = match self.as_who(request) {
            Ok(request) => request,
            // It may be in the middle of being replaced.
            Err(error) => return Answer::later(error.to_string()),
        };
        match Reply::read(request.body(body(batch, self.config.stamp)).send().await).await {
            Ok(reply) if reply.status.is_success() => of_each(&reply, batch.items.len()),
            Ok(reply) => reply.answer(),
            Err(answer) => answer,
        }
    }

    pub(super) async fn try_out(&self) -> Result<String, String> {
        let request = self.as_who(self.client.get(format!("{}/", self.config.url)));
        let request = request.map_err(|error| error.to_string())?;
        let reply = Reply::read(request.send().await).await.map_err(Answer::why)?;
        if !reply.status.is_success() {
            return Err(reply.said());
        }
        let root: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let version = &root["version"];
        let Some(number) = version["number"].as_str() else {
            return Err(format!("{} is neither OpenSearch nor Elasticsearch", self.config.url));
        };
        let name = version["distribution"].as_str().unwrap_or("elasticsearch");
        Ok(format!("{name} {number} answers at {}", self.config.url))
    }

    /// Gives every document that the data stream has, as often as it has it; or those of these uids alone.
    ///
    /// # Errors
    /// The cluster does not answer, or `each` fails; in words.
    pub async fn documents(
        &self,
        only: Option<&[Uid]>,
        each: &mut dyn FnMut(&Document) -> io::Result<()>,
    ) -> Result<(), String> {
        let first = format!("{}/{}/_search?scroll=2m", self.config.url, self.config.data_stream);
        let which = match only {
            None => json!({"match_all": {}}),
            Some(uids) => {
                let ids: Vec<String> = uids.iter().map(Uid::to_string).collect();
                json!({"ids": {"values": ids}})
            }
        };
        let query =
            json!({"size": SCROLL, "query": which, "sort": ["_doc"], "track_total_hits": true});
        let mut found = self.ask(&first, &query).await?;
        let total = found["hits"]["total"]["value"].as_u64();
        let mut seen = 0;
        loop {
            if found["_shards"]["failed"].as_u64() != Some(0) || found["timed_out"] == true {
                return Err("some shards do not answer: what they have is not known".to_owned());
            }
            let Value::Array(hits) = found["hits"]["hits"].take() else {
                return Err("its answer has no hits".to_owned());
            };
            if hits.is_empty() {
                break;
            }
            seen += hits.len() as u64;
            for mut hit in hits {
                // A document of somebody else's has an id of another form.
                if let Some(uid) = hit["_id"].as_str().and_then(|id| id.parse().ok()) {
                    let document = Document::of_source(uid, hit["_source"].take());
                    each(&document).map_err(|error| error.to_string())?;
                }
            }
            let next = json!({"scroll": "2m", "scroll_id": found["_scroll_id"]});
            found = self.ask(&format!("{}/_search/scroll", self.config.url), &next).await?;
        }
        match total {
            Some(total) if total == seen => Ok(()),
            total => Err(format!("it has {total:?} documents, and gave {seen}")),
        }
    }

    async fn ask(&self, url: &str, query: &Value) -> Result<Value, String> {
        let request = self.as_who(self.client.post(url)).map_err(|error| error.to_string())?;
        let request = request.header("content-type", "application/json").body(query.to_string());
        let reply = Reply::read_up_to(DOCUMENTS_BYTES, request.send().await).await;
        let reply = reply.map_err(Answer::why)?;
        if !reply.status.is_success() {
            return Err(reply.said());
        }
        serde_json::from_slice(&reply.body).map_err(|error| {
            format!("its answer cannot be read, or has more than {DOCUMENTS_BYTES} bytes: {error}")
        })
    }

    fn as_who(&self, request: RequestBuilder) -> Result<RequestBuilder, SetUpError> {
        Ok(match &self.config.who {
            Who::Anonymous => request,
            Who::User(name, password) => request.basic_auth(name, Some(secret(password)?)),
            Who::ApiKey(file) => {
                request.header("authorization", format!("ApiKey {}", secret(file)?))
            }
        })
    }
}

/// A line that says what to do, and the document, for each event; compressed.
fn body(batch: &Batch, stamp: bool) -> Vec<u8> {
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    let written = batch.items.iter().try_for_each(|item| {
        writeln!(body, "{{\"create\":{{\"_id\":\"{}\"}}}}", item.uid)?;
        match item.bytes.strip_prefix(b"{").filter(|_| stamp) {
            Some(rest) => {
                write!(body, "{{\"@timestamp\":\"{}\",", time(item))?;
                body.write_all(rest)?;
            }
            None => body.write_all(&item.bytes)?,
        }
        body.write_all(b"\n")
    });
    written.and_then(|()| body.finish()).expect("memory takes everything")
}

/// An event without a time stands at the beginning of time: a data stream takes none without.
fn time(item: &Item) -> String {
    query::period::rfc3339(item.time_unix_ns.unwrap_or(0))
}

/// Reads what became of each event.
fn of_each(reply: &Reply, events: usize) -> Answer {
    let state = DeliveryState::Confirmed;
    let Ok(Bulk { errors, items }) = serde_json::from_slice::<Bulk>(&reply.body) else {
        return Answer::Stop(format!("no answer of _bulk, {}", reply.said()));
    };
    if items.len() != events {
        let why = format!("it tells of {} events, and {events} were sent", items.len());
        return Answer::Later { why, after: None, maybe_taken: true };
    }
    if !errors {
        return Answer::Taken(state);
    }
    let (mut refused, mut later, mut busy) = (Vec::new(), Vec::new(), String::new());
    for (at, Created { create: Outcome { status, error } }) in items.into_iter().enumerate() {
        let error = error.unwrap_or_default();
        let kind = error["type"].as_str().unwrap_or_default();
        let reason = error["reason"].as_str().unwrap_or_default();
        let why = format!("{status} {kind}: {reason}");
        match status {
            // 409: the document is there already.
            200..300 | 409 => {}
            400 => refused.push((at, why)),
            429 | 500..600 => {
                busy = why;
                later.push(at);
            }
            // A full disk: the cluster opens again by itself.
            403 if kind == "cluster_block_exception" => {
                busy = why;
                later.push(at);
            }
            _ => return Answer::Stop(why),
        }
    }
    if refused.is_empty() && later.is_empty() {
        return Answer::Taken(state);
    }
    Answer::Each { state, refused, later, why: busy, after: reply.retry_after }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;

    use flate2::read::GzDecoder;
    use reqwest::StatusCode;

    use super::*;
    use crate::batch::testing::item;

    fn answer(body: &str, events: usize) -> Answer {
        let reply = Reply {
            status: StatusCode::OK,
            body: body.into(),
            content_type: String::new(),
            retry_after: None,
        };
        of_each(&reply, events)
    }

    #[test]
    fn a_document_is_created_under_its_uid_with_a_time() {
        let batch = Batch::new("s", vec![item(1)]);
        let text = |stamp| {
            let mut text = String::new();
            GzDecoder::new(&body(&batch, stamp)[..]).read_to_string(&mut text).unwrap();
            text
        };
        let create = "{\"create\":{\"_id\":\"01010101010101010101010101010101\"}}\n";
        assert_eq!(text(false), format!("{create}{{\"n\":1}}\n"));
        assert_eq!(
            text(true),
            format!("{create}{{\"@timestamp\":\"1970-01-01T00:00:01Z\",\"n\":1}}\n")
        );
    }

    #[test]
    fn each_event_has_its_own_answer() {
        assert_eq!(
            answer("{\"errors\":false,\"items\":[{\"create\":{\"status\":201}}]}", 1),
            Answer::Taken(DeliveryState::Confirmed)
        );
        let of = |statuses: &[(u16, &str)]| {
            let items: Vec<String> = statuses
                .iter()
                .map(|(status, kind)| {
                    format!("{{\"create\":{{\"status\":{status},\"error\":{{\"type\":\"{kind}\",\"reason\":\"r\"}}}}}}")
                })
                .collect();
            answer(&format!("{{\"errors\":true,\"items\":[{}]}}", items.join(",")), statuses.len())
        };
        assert_eq!(of(&[(409, "version_conflict")]), Answer::Taken(DeliveryState::Confirmed));
        assert_eq!(
            of(&[(201, ""), (400, "mapper"), (429, "rejected"), (403, "cluster_block_exception")]),
            Answer::Each {
                state: DeliveryState::Confirmed,
                refused: vec![(1, "400 mapper: r".to_owned())],
                later: vec![2, 3],
                why: "403 cluster_block_exception: r".to_owned(),
                after: None,
            }
        );
        assert_eq!(of(&[(404, "no_index")]), Answer::Stop("404 no_index: r".to_owned()));
        assert!(matches!(answer("{\"errors\":false,\"items\":[]}", 1), Answer::Later { .. }));
        assert!(matches!(answer("<html>", 1), Answer::Stop(_)));
    }
}
