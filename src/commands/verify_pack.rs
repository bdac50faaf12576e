//! `keytrail verify PACK.zip`: a pack checked without its ledger.

use std::io::Write as _;
use std::path::Path;

use anyhow::anyhow;
use web::{PackError, verify_pack};

use super::known_key::known_key;
use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::output::stdout;
use crate::progress::Steps;

/// Checks the pack in a file.
pub(super) fn run(path: &Path, args: &VerifyArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(known_key).transpose()?;
    let bar = Steps::default();
    let verified =
        verify_pack(path, key.as_ref(), &|step, done, all| bar.show(step.as_str(), done, all));
    bar.finish();
    let verdict = match verified {
        Ok(verdict) => verdict,
        Err(PackError::Wrong(problem)) => {
            write!(stdout(), "intact       no\nproblem      {problem}\n")?;
            return Err(Failure::CheckFailed(format!(
                "{}: the pack does not hold",
                path.display()
            )));
        }
        Err(error) => {
            return Err(Failure::Other(anyhow!(error).context(path.display().to_string())));
        }
    };
    let signer = match verdict.signer_known {
        Some(true) => {
            "known: the key given has signed the pack, or handed over to the one that has"
        }
        Some(false) => "signer not established: NOT the key given",
        None => "signer not established: give the fingerprint that you had beforehand with --key",
    };
    let mut out = stdout();
    writeln!(out, "intact       yes\nsigner       {signer}\ntree         {}", verdict.tree)?;
    writeln!(out, "leaves       {} shown and proven", verdict.leaves)?;
    writeln!(out, "population   {}", verdict.population)?;
    if let Some(sample) = verdict.sample {
        writeln!(out, "sample       {sample}")?;
    }
    if let Some(findings) = verdict.findings {
        writeln!(out, "findings     {findings}")?;
    }
    out.flush()?;
    match verdict.signer_known {
        Some(false) => {
            Err(Failure::CheckFailed(format!("{}: signer not established", path.display())))
        }
        _ => Ok(()),
    }
}
