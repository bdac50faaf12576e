//! `cargo xtask bench storm`: many clients at once beside a log that is written: nobody gets an error but the declared
//! "come back later", and what the server writes is searchable all the while.

mod traffic;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::traffic::{Writing, write_lines};
use super::tail::lines_indexed;
use super::{generated, release};
use crate::measure::{cpu_s, high_water_bytes};
use crate::tools;

/// Lines that are there before the storm.
const BEFORE: usize = 500_000;
const CONNECTIONS: &str = "200";
/// The most that what was written may have to wait until it is found.
const LAG_MAX: Duration = Duration::from_secs(3);
/// The most memory that the process may take, in MB (10^6 bytes).
const MEMORY_MAX_MB: f64 = 1_000.0;

/// Questions of every kind; what is asked of one identity, path and so on is put in from the log.
const TARGETS: [&str; 12] = [
    "/api/v1/events?limit=50&rows=true&q=identity:IDENTITY",
    "/api/v1/events?limit=50&rows=true&q=path:PATH",
    "/api/v1/events?limit=50&rows=true&q=denied",
    "/api/v1/events?limit=10&q=decision:denied",
    "/api/v1/events?limit=1&rows=true&q=request:REQUEST",
    "/api/v1/count?by=identity,path,decision&q=decision:denied",
    "/api/v1/count?by=identity,decision",
    "/api/v1/histogram?interval=1d&by=decision",
    "/api/v1/facets",
    "/api/v1/status",
    "/explore?q=decision%3Adenied",
    "/",
];

/// Storms a running keytrail for so many seconds.
///
/// # Errors
/// wrk cannot be installed; an answer that is neither good nor a 429; a lag or memory over the bounds.
pub(crate) fn storm(seconds: u64) -> Result<()> {
    tools::wrk()?;
    let program = release()?;
    let folder = super::folder()?;
    let lines = BEFORE + traffic::LINES_PER_SECOND * usize::try_from(seconds + 30)?;
    let log = generated(&folder, u64::try_from(lines.next_multiple_of(100_000))?)?;
    let data = folder.join("storm-data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut source = BufReader::new(File::open(&log)?).split(b'\n');
    let live = folder.join("storm.log");
    let mut file = File::create(&live)?;
    let request = write_lines(&mut source, &mut file, BEFORE)?;
    let mut child = Command::new(&program)
        .args(["run", "--reserve", "0"])
        .arg("-d")
        .arg(&data)
        .args(["--listen", "127.0.0.1:0", "--cluster", "bench", "--node", "bench", "--audit-log"])
        .arg(&live)
        .stderr(Stdio::piped())
        .spawn()
        .context("keytrail cannot be started")?;
    let measured = measure(&program, &data, &folder, &live, source, &request, seconds, &mut child);
    child.kill()?;
    child.wait()?;
    let table = measured?;
    fs::write(folder.join("storm.md"), &table)?;
    eprintln!("\n{table}");
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "the one caller sets the scene")]
fn measure(
    program: &Path,
    data: &Path,
    folder: &Path,
    live: &Path,
    source: impl Iterator<Item = std::io::Result<Vec<u8>>> + Send + 'static,
    request: &str,
    seconds: u64,
    child: &mut Child,
) -> Result<String> {
    let said = BufReader::new(child.stderr.take().context("it is piped")?);
    let mut said = said.lines();
    let address = said
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned()))
        .context("keytrail told no address")?;
    // Reads to the end, so that the program never waits for a full pipe.
    thread::spawn(move || said.for_each(drop));
    while lines_indexed(program, data).is_none_or(|indexed| indexed < BEFORE as u64) {
        thread::sleep(Duration::from_millis(500));
    }
    let targets = folder.join("storm.targets");
    fs::write(&targets, targets_of(program, data, request)?.join("\n"))?;
    let script = folder.join("storm.lua");
    fs::write(&script, include_str!("storm.lua"))?;

    let writing = Writing::start(live, source)?;
    let finding = writing.find(program, data);
    let before = cpu_s(child.id()).context("keytrail has ended")?;
    let output = Command::new("wrk")
        .args(["-t2", "-c", CONNECTIONS, "--timeout", "40s", "-d", &format!("{seconds}s"), "-s"])
        .arg(&script)
        .arg(format!("http://{address}"))
        .arg("--")
        .arg(&targets)
        .output()
        .context("wrk cannot be started")?;
    let cpu = cpu_s(child.id()).context("keytrail has ended")? - before;
    let lags = finding.end()?;
    let written = writing.end()?;
    if !output.status.success() {
        bail!("wrk: {}", String::from_utf8_lossy(&output.stderr));
    }
    let told = Told::parse(&String::from_utf8_lossy(&output.stdout))?;
    let memory_mb = high_water_bytes(child.id()).context("keytrail has ended")? as f64 / 1e6;
    let bad = told.statuses.keys().any(|status| !matches!(status, 200 | 429));
    let lag = lags.iter().max().copied().context("nothing was looked for")?;
    let table = told.table(seconds, written, &lags, cpu, memory_mb);
    if bad || told.errors > 0 || lag > LAG_MAX || memory_mb > MEMORY_MAX_MB {
        bail!("that is not what keytrail promises:\n{table}");
    }
    Ok(table)
}

fn targets_of(program: &Path, data: &Path, request: &str) -> Result<Vec<String>> {
    let most = |field: &str| -> Result<String> {
        let output = Command::new(program)
            .args(["count", "", "--format", "json", "--by", field, "-d"])
            .arg(data)
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let group: serde_json::Value =
            serde_json::from_str(text.lines().next().context("no group")?)?;
        Ok(group[field].as_str().context("a group without a name")?.replace(' ', "%20"))
    };
    let (identity, path) = (most("identity")?, most("path")?);
    let put = |target: &&str| {
        target.replace("IDENTITY", &identity).replace("PATH", &path).replace("REQUEST", request)
    };
    Ok(TARGETS.iter().map(put).collect())
}

/// What wrk told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    statuses: BTreeMap<u16, u64>,
    errors: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Told {
    fn parse(text: &str) -> Result<Told> {
        let mut told = Told::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default();
            let number = |words: &mut std::str::Split<'_, char>| -> Result<f64> {
                Ok(words.next().context("wrk told no number")?.parse()?)
            };
            match first {
                "statuses" => {
                    for word in words.filter(|word| !word.is_empty()) {
                        let (status, count) = word.split_once('=').context("a status")?;
                        *told.statuses.entry(status.parse()?).or_default() +=
                            count.parse::<u64>()?;
                    }
                }
                "errors" => told.errors = number(&mut words)? as u64,
                "p50_us" => told.p50_ms = number(&mut words)? / 1e3,
                "p99_us" => told.p99_ms = number(&mut words)? / 1e3,
                _ => {}
            }
        }
        if told.statuses.is_empty() {
            bail!("wrk counted nothing:\n{text}");
        }
        Ok(told)
    }

    fn table(
        &self,
        seconds: u64,
        written: usize,
        lags: &[Duration],
        cpu: f64,
        memory_mb: f64,
    ) -> String {
        let of = |status| self.statuses.get(&status).copied().unwrap_or(0);
        let others: u64 =
            self.statuses.iter().filter(|(s, _)| !matches!(s, 200 | 429)).map(|(_, n)| n).sum();
        let mut lags: Vec<f64> = lags.iter().map(Duration::as_secs_f64).collect();
        lags.sort_by(f64::total_cmp);
        format!(
            "{CONNECTIONS} connections for {seconds} s beside {written} new lines, {} questions\n\n\
             | answers | 429 | other statuses | broken | p50 ms | p99 ms | lag s, median | lag s, most | CPU s | most memory MB |\n\
             |---|---|---|---|---|---|---|---|---|---|\n\
             | {} | {} | {others} | {} | {:.0} | {:.0} | {:.2} | {:.2} | {cpu:.1} | {memory_mb:.0} |\n",
            TARGETS.len(),
            of(200),
            of(429),
            self.errors,
            self.p50_ms,
            self.p99_ms,
            lags[lags.len() / 2],
            lags.last().copied().unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_tells_is_added_up() {
        let text = "Running 60s test\nstatuses 200=5 429=1\nstatuses 200=2\nerrors 3\np50_us 1500\np99_us 20000\n";
        let told = Told::parse(text).expect("told");
        assert_eq!(told.statuses, BTreeMap::from([(200, 7), (429, 1)]));
        assert_eq!((told.errors, told.p50_ms, told.p99_ms), (3, 1.5, 20.0));
        assert!(Told::parse("errors 0\n").is_err(), "nothing was counted");
        let table =
            told.table(60, 10, &[Duration::from_secs(1), Duration::from_secs(2)], 9.0, 100.0);
        assert!(
            table.ends_with("| 7 | 1 | 0 | 3 | 2 | 20 | 2.00 | 2.00 | 9.0 | 100 |\n"),
            "{table}"
        );
    }
}
