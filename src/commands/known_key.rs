//! What whoever verifies brings along: a key and checkpoints had from elsewhere; and how both are told.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use ingest::ledger::{Checkpoint, KnownKey, WitnessKey};

use crate::failure::Failure;

/// No key, note or proof is longer.
const BYTES_MAX: u64 = 256 << 10;

/// Returns the key meant: a fingerprint, or a file with a key.
pub(super) fn known_key(given: &str) -> Result<KnownKey, Failure> {
    if let Some(digits) = given.strip_prefix("sha256:") {
        let lower = digits.to_ascii_lowercase();
        return match lower.len() == 64 && lower.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => Ok(KnownKey::Fingerprint(format!("sha256:{lower}"))),
            false => {
                Err(Failure::Usage(format!("{given}: a fingerprint is sha256: and 64 hex digits")))
            }
        };
    }
    let text = read_small(Path::new(given)).with_context(|| {
        format!("key {given}: neither a sha256: fingerprint nor a readable file")
    })?;
    let key = text.trim().parse().map_err(|error| Failure::Usage(format!("{given}: {error}")))?;
    Ok(KnownKey::Key(key))
}

/// Returns the key of a witness: given itself, or a file with it.
pub(super) fn witness_key(given: &str) -> Result<WitnessKey, Failure> {
    let problem = match given.parse() {
        Ok(key) => return Ok(key),
        Err(problem) => problem,
    };
    let usage = |problem: &str| Failure::Usage(format!("witness {given}: {problem}"));
    if !Path::new(given).exists() {
        return Err(usage(problem));
    }
    read_small(Path::new(given))?.trim().parse().map_err(usage)
}

/// Reads a checkpoint that was kept outside.
pub(super) fn read_checkpoint(path: &Path) -> Result<Checkpoint, Failure> {
    let text = read_small(path)?;
    Checkpoint::parse(&text)
        .map_err(|problem| Failure::Usage(format!("{}: {problem}", path.display())))
}

/// Reads a file of text that is small by its nature.
pub(super) fn read_small(path: &Path) -> Result<String, anyhow::Error> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

pub(super) fn describe_signer(known: Option<bool>) -> &'static str {
    match known {
        Some(true) => {
            "known: the key given has signed the checkpoint, or handed over to the one that has"
        }
        Some(false) => "NOT the key given",
        None => "not established: give the fingerprint that you had beforehand with --key",
    }
}

pub(super) fn describe_checkpoint(checkpoint: &Checkpoint) -> String {
    let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} at {} leaves, root {root}", checkpoint.origin, checkpoint.size)
}
