//! VictoriaLogs: a log store that indexes each field of a line and keeps no line as it was.

use std::fs::File;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::answer::{NEWEST, Question, each, reached};
use super::server::{Server, free_port};
use super::{Bench, Peer, TakeIn, programs};
use crate::bench::folder_bytes;

pub(super) fn victorialogs(bench: &Bench) -> Result<Peer> {
    let (program, version) = programs::victorialogs()?;
    let folder = bench.folder.join("victorialogs");
    let port = free_port()?;
    let mut command = Command::new(program);
    command
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg(format!("-storageDataPath={}", folder.display()))
        // It throws away what is older than a week, unless told otherwise.
        .args(["-retentionPeriod=100y", "-defaultMsgValue=-", "-loggerLevel=WARN"]);
    let said = bench.folder.join("victorialogs.log");
    let server = Server::start(&mut command, port, "/health", &said)?;
    let (mut cost, ()) = server.measured(|| {
        let to = "/insert/jsonline?_stream_fields=type&_time_field=time";
        server.post(to, "application/x-ndjson", File::open(&bench.log)?)?;
        server.get("/internal/force_flush", &[])?;
        Ok(())
    })?;
    // Merging that goes on is part of taking in.
    server.settle()?;
    cost.cpu_s = server.cpu_s()?;
    let disk_bytes = folder_bytes(&folder)?;
    let ask = |question| server.measured(|| asked(&server, bench, question));
    let answers = each(ask, |question, text| rows(question, text))?;
    Ok(Peer {
        name: format!("VictoriaLogs {version}"),
        take_in: Some(TakeIn { cost, disk_bytes }),
        answers,
    })
}

fn asked(server: &Server, bench: &Bench, question: Question) -> Result<String> {
    let query = match question {
        Question::Reached => {
            "type:=response | stats by (auth.entity_id, request.path, error) count() as n"
                .to_owned()
        }
        Question::Denied => "type:=response error:* | stats count() as n".to_owned(),
        Question::Newest => format!(
            "type:=response auth.entity_id:={:?} | sort by (_time desc) limit {NEWEST} | fields request.id",
            bench.subject.entity
        ),
        Question::Request => {
            format!("request.id:={:?} | uniq by (request.id, request.path)", bench.subject.request)
        }
    };
    server.get("/select/logsql/query", &[("query", &query)])
}

/// Reads a line of JSON for each row.
fn rows(question: Question, text: &str) -> Result<Vec<String>> {
    let lines: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("no JSON")?;
    let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    match question {
        Question::Reached => {
            let group = |line: &Value| {
                let count = word(line, "n").parse().context("a count is no number")?;
                Ok((
                    word(line, "auth.entity_id"),
                    word(line, "request.path"),
                    word(line, "error"),
                    count,
                ))
            };
            Ok(reached(lines.iter().map(group).collect::<Result<Vec<_>>>()?))
        }
        Question::Denied => Ok(lines.iter().map(|line| word(line, "n")).collect()),
        Question::Newest => Ok(lines.iter().map(|line| word(line, "request.id")).collect()),
        Question::Request => Ok(lines
            .iter()
            .map(|line| format!("{}\t{}", word(line, "request.id"), word(line, "request.path")))
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rows() {
        let line = r#"{"auth.entity_id":"e","request.path":"p","n":"3"}"#;
        assert_eq!(rows(Question::Reached, line).expect("JSON"), ["e\tp\tallowed\t3"]);
        assert_eq!(rows(Question::Denied, line).expect("JSON"), ["3"]);
        let line = r#"{"request.id":"r","request.path":"p"}"#;
        assert_eq!(rows(Question::Request, line).expect("JSON"), ["r\tp"]);
    }
}
