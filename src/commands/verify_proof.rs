//! `keytrail verify PROOF`: a proof checked without any ledger.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use ingest::ledger::{ConsistencyProof, InclusionProof, KnownKey};
use jiff::Timestamp;

use crate::args::VerifyArgs;
use crate::commands::known_key::{
    describe_checkpoint, describe_signer, known_key, read_checkpoint, read_small,
};
use crate::failure::Failure;
use crate::output::stdout;

/// What came of a check, as lines of text.
struct Outcome {
    proven: bool,
    signer_known: Option<bool>,
    text: String,
}

/// Checks the proof in a file, whichever kind it is.
pub(super) fn run(path: &Path, args: &VerifyArgs) -> Result<(), Failure> {
    let text = read_small(path)?;
    let key = args.key.as_deref().map(known_key).transpose()?;
    let usage = |problem: &str| Failure::Usage(format!("{}: {problem}", path.display()));
    let outcome = if text.starts_with("old ") {
        let proof = text.parse().map_err(usage)?;
        let [older] = &args.against[..] else {
            return Err(usage(
                "a consistency proof is checked against one older checkpoint: --against",
            ));
        };
        check_consistency(&proof, older, key.as_ref())?
    } else {
        let proof = text.parse().map_err(usage)?;
        let Some(line) = &args.line else {
            return Err(usage("an inclusion proof is checked with its line: --line"));
        };
        let data =
            std::fs::read(line).with_context(|| format!("cannot read {}", line.display()))?;
        check_inclusion(&proof, &data, key.as_ref())
    };
    let signer = describe_signer(outcome.signer_known);
    let verdict = if outcome.proven { "yes" } else { "no" };
    write!(stdout(), "proven       {verdict}\nsigner       {signer}\n{}", outcome.text)?;
    if outcome.proven && outcome.signer_known != Some(false) {
        Ok(())
    } else {
        Err(Failure::CheckFailed(format!("{}: the proof does not hold", path.display())))
    }
}

fn check_inclusion(proof: &InclusionProof, data: &[u8], key: Option<&KnownKey>) -> Outcome {
    let keys = proof.keys.as_ref();
    let mut text = format!("checkpoint   {}\n", describe_checkpoint(&proof.checkpoint));
    let proven = proof.proves(data);
    if !proven {
        let _ =
            writeln!(text, "problem      these {} bytes are not leaf {}", data.len(), proof.leaf);
    } else if let Some(header) = proof.header(data) {
        let arrived = Timestamp::from_nanosecond(i128::from(header.arrived_unix_ns));
        let arrived = arrived.map_or_else(|error| error.to_string(), |time| time.to_string());
        let _ = writeln!(
            text,
            "leaf         {}, a batch header: leaves {} to {} are the bytes {} to {} of generation {} of {:?}, arrived {arrived}",
            proof.leaf,
            header.first_leaf.0 + 1,
            header.end() - 1,
            header.offset,
            header.end_offset(),
            header.generation.0,
            header.source,
        );
    } else {
        let _ = writeln!(text, "leaf         {}, a line of {} bytes", proof.leaf, data.len());
    }
    // Without a key from elsewhere the keys in the proof must fit at least.
    let signed = keys.is_some_and(|keys| keys.signer_of(&proof.checkpoint).is_some());
    let signer_known = key.map(|key| key.vouches_for(&proof.checkpoint, keys));
    if !signed && signer_known != Some(true) {
        text += "problem      the checkpoint is not signed by the key in the proof\n";
    }
    Outcome { proven: proven && (signed || signer_known == Some(true)), signer_known, text }
}

fn check_consistency(
    proof: &ConsistencyProof,
    older: &Path,
    key: Option<&KnownKey>,
) -> Result<Outcome, Failure> {
    let older = read_checkpoint(older)?;
    let mut text = format!(
        "checkpoint   {}\nolder        {}\n",
        describe_checkpoint(&proof.checkpoint),
        describe_checkpoint(&older)
    );
    let proven = proof.proves(&older);
    if !proven {
        text += "problem      the tree does not begin with the older one\n";
    }
    // The form has no room for keys, so a fingerprint alone can check no signature.
    let signer_known = match key {
        None => None,
        Some(KnownKey::Fingerprint(_)) => {
            return Err(Failure::Usage(
                "a consistency proof holds no key: give --key the file keys/verifier.key, whose fingerprint you compared".to_owned(),
            ));
        }
        Some(key) => {
            Some([&proof.checkpoint, &older].iter().all(|signed| key.vouches_for(signed, None)))
        }
    };
    Ok(Outcome { proven, signer_known, text })
}
