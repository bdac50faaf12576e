//! `keytrail prove`: a proof in a file, to be checked by `keytrail verify` or by anybody's code.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use ingest::ledger::{LedgerError, LedgerReader};
use ingest::source::LeafIndex;

use crate::args::ProveArgs;
use crate::commands::known_key::read_checkpoint;
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(crate) fn run(args: ProveArgs) -> Result<(), Failure> {
    let reader = LedgerReader::open(&args.data.existing()?)?;
    match (&args.from, args.leaf) {
        (Some(from), _) => prove_consistency(&reader, from, args.output),
        (None, Some(leaf)) => prove_inclusion(&reader, LeafIndex(leaf), args.output),
        (None, None) => Err(Failure::Usage("name a leaf, or a checkpoint with --from".to_owned())),
    }
}

fn prove_inclusion(
    reader: &LedgerReader,
    leaf: LeafIndex,
    output: Option<PathBuf>,
) -> Result<(), Failure> {
    let (proof, data) = reader.prove_inclusion(leaf)?;
    let path = output.unwrap_or_else(|| PathBuf::from(format!("leaf-{leaf}.tlog-proof")));
    let (kind, what) = match reader.line(leaf) {
        Ok(line) => ("line", format!("a line of {}", line.source)),
        Err(LedgerError::NotALine { .. }) => ("header", "the header of a batch".to_owned()),
        Err(error) => return Err(error.into()),
    };
    let beside = path.with_extension(kind);
    if beside == path {
        return Err(Failure::Usage(format!(
            "{}: the {kind} goes into the file of that name; name the proof otherwise",
            path.display()
        )));
    }
    write(&path, proof.to_string().as_bytes())?;
    write(&beside, &data)?;
    writeln!(
        stdout(),
        "leaf {leaf}, {what}, is in the {} leaves of {}\nproof {}, {kind} {}\ncheck it with: keytrail verify {} --line {} --key FINGERPRINT",
        proof.checkpoint.size,
        proof.checkpoint.origin,
        path.display(),
        beside.display(),
        path.display(),
        beside.display(),
    )?;
    Ok(())
}

fn prove_consistency(
    reader: &LedgerReader,
    from: &Path,
    output: Option<PathBuf>,
) -> Result<(), Failure> {
    let older = read_checkpoint(from)?;
    let proof = match reader.prove_consistency(older.size) {
        Ok(proof) => proof,
        Err(LedgerError::OutOfRange { size, .. }) => {
            return Err(Failure::CheckFailed(format!(
                "rolled back to {size} leaves: the checkpoint {} has {}",
                from.display(),
                older.size
            )));
        }
        Err(error) => return Err(error.into()),
    };
    if !proof.proves(&older) {
        return Err(Failure::CheckFailed(format!(
            "ANOTHER HISTORY: the first {} leaves are not those of the checkpoint {}; `keytrail verify --against` tells more",
            older.size,
            from.display()
        )));
    }
    let path = output.unwrap_or_else(|| PathBuf::from(format!("from-{}.consistency", older.size)));
    write(&path, proof.to_string().as_bytes())?;
    writeln!(
        stdout(),
        "the {} leaves of {} begin with the {} of {}\nproof {}\ncheck it with: keytrail verify {} --against {} --key FINGERPRINT",
        proof.checkpoint.size,
        proof.checkpoint.origin,
        older.size,
        from.display(),
        path.display(),
        path.display(),
        from.display(),
    )?;
    Ok(())
}

/// Writes a file for the owner alone: a line may hold what a name or path gives away.
fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content))
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(|error| Failure::Other(anyhow!(error)))
}
