//! `cargo xtask bench forward`: how many events a second a sink takes out of a ledger and to its receiver, and what that costs keytrail; beside it what the same
//! receiver takes, in the same run, of a plain client that has every message ready.

mod receiver;
mod taker;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::receiver::{Receiver, receivers};
use super::{MEBIBYTE, folder, generated, release};
use crate::measure::{cpu_s, high_water_bytes};
use crate::step::step;

/// How long one sink may take.
const WITHIN: Duration = Duration::from_secs(900);
/// A sink that has sent nothing for so long has sent everything.
const QUIET: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What one sink cost.
struct Sent {
    events: u64,
    elapsed_s: f64,
    cpu_s: f64,
    memory_bytes: u64,
}

/// Imports a generated log of so many lines, and sends its events to one receiver after the other.
///
/// # Errors
/// A step that fails. A receiver that cannot be had stands in the table with the reason.
pub(crate) fn forward(lines: u64) -> Result<()> {
    if lines == 0 {
        bail!("there must be at least one line");
    }
    let program = release()?;
    let folder = folder()?;
    let log = generated(&folder, lines)?;
    let data = folder.join(format!("forward-data-{lines}"));
    if !data.exists() {
        let mut import = Command::new(&program);
        import.args(["import", "--cluster", "bench", "--node", "bench", "-d"]).arg(&data);
        step("import the log", import.arg(&log))?;
    }
    let place = folder.join("forward");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    // What plain clients send: the file sink's own output, which comes first.
    let events = place.join("events.jsonl");
    let mut table = format!(
        "{lines} lines\n\n| sink | format | events/s | CPU s a million events | most memory MiB | the receiver, by a plain client: events/s |\n|---|---|---|---|---|---|\n"
    );
    for (name, start) in receivers() {
        eprintln!("{name}");
        let row = match start(&place) {
            Err(why) => format!("| {name} | - | - | - | - | not here: {why:#} |\n"),
            Ok(receiver) => measured(name, &program, &data, &place, &events, receiver)?,
        };
        table += &row;
    }
    let file = folder.join("forward.md");
    fs::write(&file, &table).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("\n{table}\nalso in {}", file.display());
    Ok(())
}

fn measured(
    name: &str,
    program: &Path,
    data: &Path,
    place: &Path,
    events: &Path,
    receiver: Receiver,
) -> Result<String> {
    let sent = send(program, data, place, &receiver.sink)?;
    let plain = match &receiver.plain {
        None => "-".to_owned(),
        Some(plain) => {
            let start = Instant::now();
            plain(events)?;
            format!("{:.0}", sent.events as f64 / start.elapsed().as_secs_f64())
        }
    };
    Ok(format!(
        "| {name} | {} | {:.0} | {:.1} | {:.0} | {plain} |\n",
        receiver.format,
        sent.events as f64 / sent.elapsed_s,
        1e6 * sent.cpu_s / sent.events as f64,
        sent.memory_bytes as f64 / MEBIBYTE,
    ))
}

/// Runs keytrail with one sink until it has sent everything.
fn send(program: &Path, data: &Path, place: &Path, sink: &str) -> Result<Sent> {
    let sinks = data.join("sinks");
    if sinks.exists() {
        fs::remove_dir_all(&sinks)?;
    }
    // Nothing is written there: all events are of the import.
    let (log, config) = (place.join("audit.log"), place.join("keytrail.toml"));
    fs::write(&log, "")?;
    let source = format!("[[source]]\npath = {log:?}\ncluster = \"bench\"\nnode = \"idle\"\n");
    fs::write(&config, format!("{source}[[sink]]\nname = \"bench\"\n{sink}"))?;
    let said = fs::File::create(place.join("keytrail.log"))?;
    let mut running = Command::new(program)
        .args(["run", "--listen", "127.0.0.1:0", "--reserve", "0", "-d"])
        .arg(data)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .context("keytrail cannot be started")?;
    let sent = watch(&mut running, &sinks.join("bench/state.json"));
    running.kill()?;
    running.wait()?;
    sent
}

/// Watches a sink from its first event to its last.
fn watch(running: &mut Child, state: &Path) -> Result<Sent> {
    let pid = running.id();
    let cpu = || cpu_s(pid).context("keytrail has ended");
    let began = Instant::now();
    let mut start = None;
    let mut last = (0, Instant::now(), 0.0);
    loop {
        if let Some(status) = running.try_wait()? {
            bail!("keytrail ended while it sent: {status}");
        }
        if let Some((delivered, stopped)) = delivered(state) {
            if let Some(why) = stopped {
                bail!("the sink has stopped: {why}");
            }
            if start.is_none() {
                start = Some((Instant::now(), cpu()?));
            }
            if delivered != last.0 {
                last = (delivered, Instant::now(), cpu()?);
            }
        }
        if last.0 > 0 && last.1.elapsed() > QUIET {
            break;
        }
        if began.elapsed() > WITHIN {
            bail!("not everything was sent within {WITHIN:?}");
        }
        thread::sleep(LOOK_EVERY);
    }
    let (start, cpu_before) = start.context("it never began")?;
    Ok(Sent {
        events: last.0,
        elapsed_s: (last.1 - start).as_secs_f64(),
        cpu_s: last.2 - cpu_before,
        memory_bytes: high_water_bytes(pid).context("keytrail has ended")?,
    })
}

/// Returns how many events a sink has delivered, and why it stands still if it does.
fn delivered(state: &Path) -> Option<(u64, Option<String>)> {
    let state: Value = serde_json::from_str(&fs::read_to_string(state).ok()?).ok()?;
    Some((state["delivered"].as_u64()?, state["stopped"].as_str().map(str::to_owned)))
}
