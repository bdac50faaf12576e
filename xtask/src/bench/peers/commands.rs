//! Peers that are commands over the plain log: ripgrep, jq, and zstd with sha256sum, which is the least that keeping
//! lines and being able to show that none changed costs.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::answer::{Answer, NEWEST, over_and_over, reached, requests};
use super::{Bench, Peer, TakeIn, programs};
use crate::measure::Cost;

/// Keeps and hashes; answers nothing.
pub(super) fn zstd(bench: &Bench) -> Result<Peer> {
    let file = bench.folder.join("log.zst");
    let mut zstd = Command::new("zstd");
    zstd.args(["-3", "-q", "-c"]).arg(&bench.log);
    let mut tee = Command::new("tee");
    tee.arg(&file);
    let cost = bench.answered(&mut [zstd, tee, Command::new("sha256sum")])?.0;
    let disk_bytes = fs::metadata(&file)?.len();
    fs::remove_file(&file)?;
    let nothing = || Answer::Nothing("it only keeps lines");
    Ok(Peer {
        name: "zstd -3, sha256sum".to_owned(),
        take_in: Some(TakeIn { cost, disk_bytes }),
        answers: [nothing(), nothing(), nothing(), nothing()],
    })
}

/// Searches text.
pub(super) fn ripgrep(bench: &Bench) -> Result<Peer> {
    let program = programs::ripgrep()?;
    let rg = |arguments: &[&str]| {
        let mut rg = Command::new(&program);
        // One thread, as all others here that have a choice: CPU time is what is compared.
        rg.args(["--no-config", "--threads", "1"]).args(arguments).arg(&bench.log);
        rg
    };
    let refused = r#""type":"response".*"error":""#;
    let of_entity = format!(r#""type":"response".*"entity_id":"{}""#, bench.subject.entity);
    let of_request = format!(r#""id":"{}""#, bench.subject.request);
    let denied = over_and_over(|| bench.answered(&mut [rg(&["-c", refused])]))?;
    let newest = over_and_over(|| bench.answered(&mut [rg(&[&of_entity]), newest_of_stream()]))?;
    let request = over_and_over(|| bench.answered(&mut [rg(&["-F", &of_request])]))?;
    Ok(Peer {
        name: version(&program, "ripgrep")?,
        take_in: None,
        answers: [
            Answer::Nothing("it finds lines and counts no groups"),
            Answer::rows((denied.0, vec![denied.1.trim().to_owned()])),
            Answer::rows((newest.0, requests(&newest.1)?.into_iter().map(|of| of.0).collect())),
            Answer::rows(one_request(request)?),
        ],
    })
}

/// Reads each line as JSON.
pub(super) fn jq(bench: &Bench) -> Result<Peer> {
    let jq = |program: &str| {
        let mut jq = Command::new("jq");
        jq.args(["-r", "--arg", "entity", &bench.subject.entity])
            .args(["--arg", "request", &bench.subject.request, program])
            .arg(&bench.log);
        jq
    };
    let groups = r#"select(.type == "response") | [.auth.entity_id, .request.path, .error] | @tsv"#;
    let denied = r#"select(.type == "response" and .error) | 1"#;
    let newest = r#"select(.type == "response" and .auth.entity_id == $entity) | .request.id"#;
    let request = "select(.request.id == $request) | tojson";
    let name = version("jq", "jq")?;
    let mut sort = Command::new("sort");
    sort.env("LC_ALL", "C");
    let mut uniq = Command::new("uniq");
    uniq.arg("-c");
    let (cost, text) = bench.answered(&mut [jq(groups), sort, uniq])?;
    let mut wc = Command::new("wc");
    wc.arg("-l");
    let denied = bench.answered(&mut [jq(denied), wc])?;
    let newest = bench.answered(&mut [jq(newest), newest_of_stream()])?;
    let request = bench.answered(&mut [jq(request)])?;
    Ok(Peer {
        name,
        take_in: None,
        answers: [
            Answer::rows((cost, reached(counted(&text)?))),
            Answer::rows((denied.0, vec![denied.1.trim().to_owned()])),
            Answer::rows((newest.0, newest.1.lines().map(str::to_owned).collect())),
            Answer::rows(one_request(request)?),
        ],
    })
}

/// A log is in the order of time, so its last lines are the newest.
fn newest_of_stream() -> Command {
    let mut tail = Command::new("tail");
    tail.args(["-n", &NEWEST.to_string()]);
    tail
}

fn one_request((cost, lines): (Cost, String)) -> Result<(Cost, Vec<String>)> {
    Ok((cost, requests(&lines)?.into_iter().map(|(id, path)| format!("{id}\t{path}")).collect()))
}

/// Reads what `uniq -c` says of lines with tabs between entity, path and error.
fn counted(text: &str) -> Result<Vec<(String, String, String, u64)>> {
    text.lines()
        .map(|line| {
            let (count, line) = line.trim_start().split_once(' ').context("no count")?;
            let mut cells = line.split('\t').map(str::to_owned);
            let mut cell = || cells.next().context("a line of the answer lacks a cell");
            Ok((cell()?, cell()?, cell()?, count.parse()?))
        })
        .collect()
}

/// Returns the name that a program gives itself with `--version`, such as `jq 1.6`.
pub(super) fn version(program: impl AsRef<std::ffi::OsStr>, name: &str) -> Result<String> {
    let output = Command::new(program.as_ref())
        .arg("--version")
        .output()
        .with_context(|| format!("{name} is not on the path"))?;
    if !output.status.success() {
        bail!("{name} --version failed: {}", output.status);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let number = said.find(|letter: char| letter.is_ascii_digit()).map(|at| &said[at..]);
    let number = number.and_then(|rest| rest.split_whitespace().next());
    Ok(format!("{name} {}", number.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_uniq() {
        let of = |entity: &str, error: &str, count| {
            (entity.to_owned(), "a b".to_owned(), error.to_owned(), count)
        };
        let text = "     12 e\ta b\t\n      1 \ta b\t1 error\n";
        assert_eq!(counted(text).expect("two lines"), [of("e", "", 12), of("", "1 error", 1)]);
    }
}
