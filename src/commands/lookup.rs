//! `keytrail lookup`: whose is this?

use std::io::{Read, Write};

use anyhow::Context;
use ingest::own::Fact;
use query::lookup::{What, is_hash, look_up};
use query::table::visible;
use query::trail::Trail;

use self::hashing::Hashing;
use super::running::Running;
use crate::args::{LookUpArgs, LookUpFormat};
use crate::deed;
use crate::failure::Failure;
use crate::output::stdout;

mod hashing;
mod postgres_log;

/// The longest value that is looked up, in bytes.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// What is said where nothing is known.
const NOT_FOUND: &str = "no line has it";

/// Runs the command.
pub(crate) fn run(args: LookUpArgs) -> Result<(), Failure> {
    if let (Some(url), None) = (&args.running.url, &args.postgres_log) {
        return ask(&Running::new(url, args.running.token_file.as_deref())?, &args);
    }
    let data = args.data.existing()?;
    if let Some(log) = &args.postgres_log {
        let hashing = Hashing::open(args.config.as_deref(), args.hashes.as_deref())?;
        return postgres_log::name_users(&data, log, &hashing);
    }
    let hashes = match args.value_stdin {
        true => {
            let hashing = Hashing::open(args.config.as_deref(), args.hashes.as_deref())?;
            hashing.of(&value_of_standard_input()?)?
        }
        false => args.hmac.clone(),
    };
    if let Some(wrong) = hashes.iter().find(|hash| !is_hash(hash)) {
        return Err(Failure::Usage(format!(
            "{:?} is no hash as it stands in the log: hmac-sha256: and 64 hexadecimal digits. A value itself is looked up with --value-stdin",
            visible(wrong)
        )));
    }
    // Before the answer, so that none is given unrecorded.
    deed::record(&data, Fact::LookedUp { by: deed::who(), address: None, hashes: hashes.clone() })?;
    let trail = Trail::open(&data)?;
    let mut out = stdout();
    let mut found = false;
    for hash in &hashes {
        let answer = look_up(&trail, hash)?;
        found |= answer.what != What::NotFound;
        match args.format {
            LookUpFormat::Json => {
                serde_json::to_writer(&mut out, &answer).map_err(anyhow::Error::from)?;
                out.write_all(b"\n")?;
            }
            LookUpFormat::Text => out.write_all(answer.text().as_bytes())?,
        }
    }
    out.flush()?;
    match found {
        true => Ok(()),
        false => Err(Failure::CheckFailed(NOT_FOUND.to_owned())),
    }
}

/// Asks a running keytrail, which asks the servers of its configuration for a value's hashes.
fn ask(running: &Running, args: &LookUpArgs) -> Result<(), Failure> {
    let value = args.value_stdin.then(value_of_standard_input).transpose()?;
    let suffix = match args.format {
        LookUpFormat::Json => ".ndjson",
        LookUpFormat::Text => ".txt",
    };
    match running.print_look_up(suffix, value.as_deref(), &args.hmac)? {
        0 => Err(Failure::CheckFailed(NOT_FOUND.to_owned())),
        _ => Ok(()),
    }
}

/// Reads a value from standard input. It stays in memory, and goes to the servers that are asked for its hash.
fn value_of_standard_input() -> Result<String, Failure> {
    let mut value = String::new();
    let read = std::io::stdin().lock().take(VALUE_BYTES_MAX + 1).read_to_string(&mut value);
    read.context("standard input is no text")?;
    if value.ends_with('\n') {
        value.pop();
    }
    match value.len() as u64 {
        1..=VALUE_BYTES_MAX => Ok(value),
        _ => Err(Failure::Usage(format!(
            "standard input must hold the value: one byte at least, {VALUE_BYTES_MAX} at most"
        ))),
    }
}
