//! OpenSearch, one node in one Java process: each line a document, its words as keywords, its source kept.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::answer::{NEWEST, Question, each, reached};
use super::server::{Server, free_port};
use super::{Bench, Peer, TakeIn};
use crate::bench::folder_bytes;
use crate::step::workspace;
use crate::tools;

/// Lines of one request.
const BULK: usize = 2_000;
/// Groups of one answer; the engine's own limit is 65,535.
const GROUPS: usize = 60_000;
const JSON: &str = "application/json";

pub(super) fn opensearch(bench: &Bench) -> Result<Peer> {
    let folder = bench.folder.join("opensearch");
    let port = free_port()?;
    let mut command = server(&folder, port)?;
    let said = bench.folder.join("opensearch.log");
    let server = Server::start(&mut command, port, "/_cluster/health", &said)?;
    let about: Value = serde_json::from_str(&server.get("/", &[])?)?;
    let version = about["version"]["number"].as_str().context("it tells no version")?;
    server.settle()?;
    let before = server.cpu_s()?;
    let (mut cost, ()) = server.measured(|| fill(&server, bench))?;
    server.settle()?;
    cost.cpu_s = server.cpu_s()? - before;
    let disk_bytes = folder_bytes(&folder.join("node_1/data"))?;
    let ask = |question| server.measured(|| asked(&server, bench, question));
    let answers = each(ask, |question, pages| rows(question, pages))?;
    Ok(Peer {
        name: format!("OpenSearch {version}"),
        take_in: Some(TakeIn { cost, disk_bytes }),
        answers,
    })
}

/// Returns what starts a node that keeps everything in this folder and serves at this port.
///
/// # Errors
/// It cannot be had.
pub(crate) fn server(folder: &Path, port: u16) -> Result<Command> {
    let (java, jars) = tools::opensearch()?;
    let mut command = Command::new(java);
    command
        .args(["-Xmx1g", "-cp"])
        .arg(jars.join("*"))
        .arg(workspace().join("tests/peers/opensearch/Node.java"))
        .arg(folder)
        .args([port.to_string(), free_port()?.to_string()]);
    Ok(command)
}

/// Sends every line as a document.
fn fill(server: &Server, bench: &Bench) -> Result<()> {
    let index = json!({
        "settings": {
            "number_of_shards": 1, "number_of_replicas": 0, "codec": "best_compression",
            "refresh_interval": "-1",
        },
        "mappings": {
            "date_detection": false,
            "dynamic_templates": [
                {"words": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}
            ],
            "properties": {"time": {"type": "date_nanos"}},
        },
    });
    server.put("/audit", JSON, index.to_string().as_bytes())?;
    let mut lines = BufReader::new(File::open(&bench.log)?);
    loop {
        let mut body = Vec::new();
        for _ in 0..BULK {
            let head = body.len();
            body.extend_from_slice(b"{\"create\":{}}\n");
            if lines.read_until(b'\n', &mut body)? == 0 {
                body.truncate(head);
                break;
            }
        }
        if body.is_empty() {
            break;
        }
        let said = server.post("/audit/_bulk?filter_path=errors,items.*.error", JSON, &body[..])?;
        if !said.contains("\"errors\":false") {
            bail!("a line was not taken: {}", said.chars().take(400).collect::<String>());
        }
    }
    server.post("/audit/_flush", JSON, &b""[..])?;
    server.post("/audit/_refresh", JSON, &b""[..])?;
    Ok(())
}

/// Asks; returns the pages of the answer.
fn asked(server: &Server, bench: &Bench, question: Question) -> Result<Vec<Value>> {
    let search = |body: &Value| -> Result<Value> {
        let text = server.post("/audit/_search", JSON, body.to_string().as_bytes())?;
        Ok(serde_json::from_str(&text)?)
    };
    let response = json!({"term": {"type": "response"}});
    match question {
        Question::Reached => {
            let mut body = json!({"size": 0, "query": response, "aggs": {"by": {"composite": {
                "size": GROUPS,
                "sources": [
                    {"entity": {"terms": {"field": "auth.entity_id", "missing_bucket": true}}},
                    {"path": {"terms": {"field": "request.path"}}},
                    {"error": {"terms": {"field": "error", "missing_bucket": true}}},
                ],
            }}}});
            let mut pages = Vec::new();
            loop {
                let page = search(&body)?;
                let after = page["aggregations"]["by"]["after_key"].clone();
                pages.push(page);
                if after.is_null() {
                    return Ok(pages);
                }
                body["aggs"]["by"]["composite"]["after"] = after;
            }
        }
        Question::Denied => Ok(vec![search(&json!({
            "size": 0, "track_total_hits": true,
            "query": {"bool": {"filter": [response, {"exists": {"field": "error"}}]}},
        }))?]),
        Question::Newest => Ok(vec![search(&json!({
            "size": NEWEST, "sort": [{"time": "desc"}], "_source": ["request.id"],
            "query": {"bool": {"filter": [
                response, {"term": {"auth.entity_id": bench.subject.entity}}
            ]}},
        }))?]),
        Question::Request => Ok(vec![search(&json!({
            "query": {"bool": {"filter": [
                response, {"term": {"request.id": bench.subject.request}}
            ]}},
        }))?]),
    }
}

fn rows(question: Question, pages: &[Value]) -> Result<Vec<String>> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().context("an answer without its list");
    let page = pages.first().context("no answer")?;
    match question {
        Question::Reached => {
            let mut groups = Vec::new();
            for page in pages {
                for bucket in list(&page["aggregations"]["by"]["buckets"])? {
                    let key = &bucket["key"];
                    let count = bucket["doc_count"].as_u64().context("a count is no number")?;
                    let cell = |name: &str| word(&key[name]);
                    groups.push((cell("entity"), cell("path"), cell("error"), count));
                }
            }
            Ok(reached(groups))
        }
        Question::Denied => Ok(vec![page["hits"]["total"]["value"].to_string()]),
        Question::Newest => Ok(list(&page["hits"]["hits"])?
            .iter()
            .map(|hit| word(&hit["_source"]["request"]["id"]))
            .collect()),
        Question::Request => Ok(list(&page["hits"]["hits"])?
            .iter()
            .map(|hit| {
                let request = &hit["_source"]["request"];
                format!("{}\t{}", word(&request["id"]), word(&request["path"]))
            })
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_all_pages_are_rows() {
        let page = |entity: Value, count: u64| {
            let bucket =
                json!({"key": {"entity": entity, "path": "p", "error": null}, "doc_count": count});
            json!({"aggregations": {"by": {"buckets": [bucket]}}})
        };
        let pages = [page(json!("e"), 3), page(Value::Null, 1)];
        assert_eq!(
            rows(Question::Reached, &pages).expect("pages"),
            ["\tp\tallowed\t1", "e\tp\tallowed\t3"]
        );
        let hits = json!({"hits": {"total": {"value": 4}, "hits": [
            {"_source": {"request": {"id": "r", "path": "p"}}}
        ]}});
        let hits = [hits];
        assert_eq!(rows(Question::Denied, &hits).expect("a page"), ["4"]);
        assert_eq!(rows(Question::Request, &hits).expect("a page"), ["r\tp"]);
    }
}
