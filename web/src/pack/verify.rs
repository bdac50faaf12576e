//! Checking a pack with nothing at hand but the pack and a key had from elsewhere.

use std::path::Path;

use ingest::ledger::{ConsistencyProof, KeyChain, KnownKey};
use query::evidence::sha256;

use super::again::Again;
use super::opened::{MANIFEST, Pack};
use super::shown::Shown;
use super::{Entry, FORM, PackError, Progress, ScopeFile, Step, compare, found, signed_text};

/// What a pack that holds together says.
pub struct Verdict {
    /// Whose ledger, and how many leaves its tree had.
    pub tree: String,
    /// Whether the key given signed it; none: no key was given.
    pub signer_known: Option<bool>,
    /// Leaves shown and proven.
    pub leaves: u64,
    /// What became of the population, in words.
    pub population: String,
    /// What became of the sample, in words.
    pub sample: Option<String>,
    /// What became of the findings of controls, in words.
    pub findings: Option<String>,
}

/// Checks a pack: a zip file; or one of its parts, or the folder that they are in. It tells how far it is.
///
/// # Errors
/// [`PackError::Wrong`] names what does not hold: file, row, leaf.
pub fn verify_pack(
    path: &Path,
    key: Option<&KnownKey>,
    progress: Progress<'_>,
) -> Result<Verdict, PackError> {
    let mut pack = Pack::open(path)?;
    let manifest_text = pack.text(MANIFEST)?;
    let manifest: Vec<Entry> = pack.json(MANIFEST)?;
    pack.take(manifest.clone())?;
    let issue = pack.text("issue.json")?;
    let note = pack.text("issue.sig")?;
    let keys: KeyChain = pack.parsed("keys")?;
    let signed = signed_text(&sha256(manifest_text.as_bytes()), &sha256(issue.as_bytes()));
    if note.split_once("\n\n").is_none_or(|(text, _)| format!("{text}\n") != signed) {
        return wrong(
            "issue.sig: signed are other bytes than those of payload/manifest.json and issue.json",
        );
    }
    let (is_signed, vouched) = keys.signed(&note, key);
    if !is_signed {
        return wrong("issue.sig: not signed by the key in keys");
    }
    let (all, mut done) =
        (manifest.iter().fold(0, |all: u64, of| all.saturating_add(of.bytes)), 0_u64);
    for entry in &manifest {
        pack.check_bytes(entry)?;
        done += entry.bytes;
        progress(Step::Bytes, done, all);
    }
    let scope: ScopeFile = pack.json("payload/scope.json")?;
    if scope.form != FORM {
        return wrong(&format!(
            "scope.json: form {:?} is none that this keytrail reads",
            scope.form
        ));
    }
    let work = tempfile::tempdir()?;
    let mut again = Again::new(work.path(), &scope)?;
    let shown = Shown::check(&mut pack, &scope, &mut again, progress)?;
    let consistency: ConsistencyProof = pack.parsed("consistency.txt")?;
    if !consistency.proves(shown.tree()) {
        return wrong(
            "consistency.txt: the signed tree does not begin with the tree of raw/proof.txt",
        );
    }
    if keys.signer_of(&consistency.checkpoint).is_none() {
        return wrong("consistency.txt: the checkpoint is not signed by the key in keys");
    }
    for equation in &scope.tie_out {
        if equation.left != equation.right.iter().sum::<u64>() {
            return wrong(&format!("scope.json: {} does not hold", equation.equation));
        }
    }
    let trail = again.index(progress)?;
    let population = match (scope.raw.as_str(), pack.has("populations/events.csv")) {
        (_, false) => "none: the pack holds single rows".to_owned(),
        ("all", true) => compare::population(&trail, &mut pack, &scope, &shown, progress)?,
        _ => {
            shown.check_rows(&mut pack, "populations/events", 0, false)?;
            "asserted, not recomputed: the pack holds the lines of the sample only".to_owned()
        }
    };
    let sample = match pack.has("samples/sample.csv") {
        true => {
            shown.check_rows(&mut pack, "samples/sample", 0, true)?;
            Some(compare::sample(&trail, &mut pack, &scope, "samples/sample", 0)?)
        }
        false => None,
    };
    let findings = match scope.framework {
        Some(_) => Some(found::check(&mut pack, &scope, &shown, &trail)?),
        None => None,
    };
    Ok(Verdict {
        tree: format!("{} at {} leaves", shown.tree().origin, shown.tree().size),
        signer_known: key.map(|_| vouched),
        leaves: shown.leaves(),
        population,
        sample,
        findings,
    })
}

pub(super) fn wrong<T>(what: &str) -> Result<T, PackError> {
    Err(PackError::Wrong(what.to_owned()))
}
