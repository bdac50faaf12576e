//! keytrail itself: its commands on a data folder, and the same asked of `keytrail run` over HTTP.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::answer::{NEWEST, Question, Subject, each};
use super::server::{Server, free_port};
use super::{Bench, Peer, TakeIn};
use crate::bench::folder_bytes;
use crate::measure::{Cost, pipeline, pipeline_to};

/// The data folder of all that follows.
pub(super) fn data(bench: &Bench) -> PathBuf {
    bench.folder.join("keytrail")
}

/// Imports the log.
pub(super) fn import(bench: &Bench) -> Result<TakeIn> {
    let mut import = Command::new(&bench.program);
    import.arg("import").arg("-d").arg(data(bench));
    import.args(["--cluster", "bench", "--node", "bench"]).arg(&bench.log).stderr(Stdio::null());
    let cost = pipeline(&mut [import])?;
    Ok(TakeIn { cost, disk_bytes: folder_bytes(&data(bench))? })
}

/// Chooses an identity of middling traffic that has enough requests, and its newest request.
pub(super) fn subject(bench: &Bench) -> Result<Subject> {
    let counts = bench.answered(&mut [command(bench, &["count", "--by", "entity"])])?.1;
    let enough = |cells: &[String]| {
        let many = cells[1].parse().is_ok_and(|count: usize| count > NEWEST);
        (many && !cells[0].is_empty()).then(|| cells[0].clone())
    };
    let entities: Vec<String> =
        cells(&counts, &["entity", "count"])?.iter().filter_map(|cells| enough(cells)).collect();
    let entity = entities.get(entities.len() / 2).cloned();
    let entity = entity.context("no identity has enough requests: take more --lines")?;
    let filter = format!("entity:{entity}");
    let newest = bench.answered(&mut [command(bench, &["search", &filter, "--limit", "1"])])?.1;
    let request = cells(&newest, &["request_id"])?.pop().context("no request of the identity")?;
    Ok(Subject { entity, request: request.concat() })
}

/// Asks by command.
pub(super) fn commands(bench: &Bench, take_in: TakeIn) -> Result<Peer> {
    let ask = |question| {
        let Subject { entity, request } = &bench.subject;
        let limit = NEWEST.to_string();
        let (of_entity, of_request) = (format!("entity:{entity}"), format!("request:{request}"));
        let arguments = match question {
            Question::Reached => &["count", "--by", "entity,path,decision"][..],
            Question::Denied => &["count", "decision:denied"],
            Question::Newest => &["search", &of_entity, "--limit", &limit],
            Question::Request => &["search", &of_request],
        };
        bench.answered(&mut [command(bench, arguments)])
    };
    let answers = each(ask, |question, csv| rows(question, csv))?;
    Ok(Peer { name: "keytrail".to_owned(), take_in: Some(take_in), answers })
}

/// Asks a running keytrail over HTTP; its CPU time and memory are counted, not the client's.
pub(super) fn running(bench: &Bench) -> Result<Peer> {
    let followed = bench.folder.join("followed.log");
    fs::write(&followed, "")?;
    let port = free_port()?;
    let mut run = Command::new(&bench.program);
    run.args(["run", "--reserve", "0"])
        .arg("-d")
        .arg(data(bench))
        .arg("--audit-log")
        .arg(&followed);
    run.args(["--cluster", "bench", "--node", "bench", "--listen", &format!("127.0.0.1:{port}")]);
    let server = Server::start(&mut run, port, "/readyz", &bench.folder.join("keytrail.log"))?;
    server.settle()?;
    let ask = |question| {
        let Subject { entity, request } = &bench.subject;
        let limit = NEWEST.to_string();
        let (of_entity, of_request) = (format!("entity:{entity}"), format!("request:{request}"));
        server.measured(|| match question {
            Question::Reached => server.get("/api/v1/count.csv", &[("by", "entity,path,decision")]),
            Question::Denied => server.get("/api/v1/count.csv", &[("q", "decision:denied")]),
            Question::Newest => {
                let rows = [("rows", "true"), ("q", &*of_entity), ("limit", &*limit)];
                server.get("/api/v1/events.csv", &rows)
            }
            Question::Request => {
                server.get("/api/v1/events.csv", &[("rows", "true"), ("q", &*of_request)])
            }
        })
    };
    let answers = each(ask, |question, csv| rows(question, csv))?;
    Ok(Peer { name: "keytrail run, over HTTP (the same data)".to_owned(), take_in: None, answers })
}

/// Brings CSV into the rows of a question.
fn rows(question: Question, csv: &str) -> Result<Vec<String>> {
    let names: &[&str] = match question {
        Question::Reached => &["entity", "path", "decision", "count"],
        Question::Denied => &["count"],
        Question::Newest => &["request_id"],
        Question::Request => &["request_id", "path"],
    };
    Ok(cells(csv, names)?.into_iter().map(|cells| cells.join("\t")).collect())
}

/// Returns the cells of these columns, row by row.
fn cells(csv: &str, names: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head = reader.headers()?.clone();
    let places: Vec<usize> = names
        .iter()
        .map(|name| head.iter().position(|of| of == *name))
        .collect::<Option<_>>()
        .with_context(|| format!("{names:?} are not all in {head:?}"))?;
    reader
        .records()
        .map(|record| {
            let record = record?;
            Ok(places.iter().map(|&place| record[place].to_owned()).collect())
        })
        .collect()
}

fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new(&bench.program);
    command.arg(arguments[0]).arg("-d").arg(data(bench)).args(["--format", "csv"]);
    command.args(&arguments[1..]).stderr(Stdio::null());
    command
}

/// Writes the open table, a column a cell of what is listed.
pub(super) fn export(bench: &Bench) -> Result<(Cost, PathBuf)> {
    let file = bench.folder.join("events.parquet");
    let mut export = Command::new(&bench.program);
    export.args(["search", "--all", "--limit", "0", "--format", "parquet", "-d"]).arg(data(bench));
    export.stderr(Stdio::null());
    Ok((pipeline_to(&mut [export], &file)?, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_the_names_of_columns() {
        let csv = "count,entity,path,decision\n3,e,\"p,q\",allowed\n";
        assert_eq!(rows(Question::Reached, csv).expect("CSV"), ["e\tp,q\tallowed\t3"]);
        rows(Question::Newest, csv).expect_err("no such column");
    }
}
