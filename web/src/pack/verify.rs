//! Checking a pack with nothing at hand but the pack and a key had from elsewhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use ingest::ledger::{ConsistencyProof, KeyChain, KnownKey};
use query::evidence::{hex, sha256};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::again::Again;
use super::shown::Shown;
use super::{Entry, FORM, PackError, ScopeFile, signed_text};

/// What stands beside the payload.
const BESIDE: [&str; 4] = ["consistency.txt", "issue.json", "issue.sig", "keys"];
const MANIFEST: &str = "payload/manifest.json";
/// No text that is read as a whole is longer.
const TEXT_BYTES_MAX: u64 = 64 << 20;

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
}

/// Checks a pack.
///
/// # Errors
/// [`PackError::Wrong`] names what does not hold: file, row, leaf.
pub fn verify_pack(path: &Path, key: Option<&KnownKey>) -> Result<Verdict, PackError> {
    let mut pack = Pack { zip: ZipArchive::new(File::open(path)?)? };
    let manifest_text = pack.text(MANIFEST)?;
    let manifest: Vec<Entry> = pack.json(MANIFEST, &manifest_text)?;
    pack.check_names(&manifest)?;
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
    for entry in &manifest {
        pack.check_bytes(entry)?;
    }
    let scope: ScopeFile = pack.json_of("payload/scope.json")?;
    if scope.form != FORM {
        return Err(PackError::Wrong(format!(
            "scope.json: form {:?} is none that this keytrail reads",
            scope.form
        )));
    }
    let work = tempfile::tempdir()?;
    let mut again = Again::new(work.path(), &scope)?;
    let shown = Shown::check(&mut pack, &manifest, &scope, &mut again)?;
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
            return Err(PackError::Wrong(format!(
                "scope.json: {} does not hold",
                equation.equation
            )));
        }
    }
    let has = |path: &str| manifest.iter().any(|entry| entry.path == path);
    let files = ["populations/events.csv", "samples/sample.csv"].map(|path| (path, has(path)));
    for (path, _) in files.iter().filter(|(_, has)| *has) {
        let text = pack.large(path)?;
        shown.check_rows(path, text, scope.raw == "all" || path.starts_with("samples"))?;
    }
    let index = again.index()?;
    let population = match (scope.raw.as_str(), files[0].1) {
        (_, false) => "none: the pack holds single rows".to_owned(),
        ("all", true) => index.compare_population(&mut pack, &scope, &manifest)?,
        _ => "asserted, not recomputed: the pack holds the lines of the sample only".to_owned(),
    };
    let sample = match files[1].1 {
        true => Some(index.compare_sample(&mut pack, &scope)?),
        false => None,
    };
    Ok(Verdict {
        tree: format!("{} at {} leaves", shown.tree().origin, shown.tree().size),
        signer_known: key.map(|_| vouched),
        leaves: shown.leaves(),
        population,
        sample,
    })
}

pub(super) fn wrong<T>(what: &str) -> Result<T, PackError> {
    Err(PackError::Wrong(what.to_owned()))
}

/// A pack that is read.
pub(super) struct Pack {
    zip: ZipArchive<File>,
}

impl Pack {
    /// The files are those of the manifest and those beside it: no other, none twice, none that leads out of a folder.
    fn check_names(&mut self, manifest: &[Entry]) -> Result<(), PackError> {
        let mut expected: BTreeSet<String> = BESIDE.map(str::to_owned).into();
        expected.insert(MANIFEST.to_owned());
        for Entry { path, .. } in manifest {
            let odd = path.starts_with('/')
                || path.contains('\\')
                || path.split('/').any(|part| matches!(part, "" | "." | ".."));
            if odd || !expected.insert(format!("payload/{path}")) {
                return Err(PackError::Wrong(format!(
                    "manifest.json: the path {path:?} is odd, or named twice"
                )));
            }
        }
        for number in 0..self.zip.len() {
            let name = self.zip.by_index_raw(number)?.name()?.into_owned();
            if !expected.remove(&name) {
                return Err(PackError::Wrong(format!(
                    "{name:?}: a file that the manifest does not name"
                )));
            }
        }
        match expected.first() {
            Some(missing) => Err(PackError::Wrong(format!("{missing}: the file is missing"))),
            None => Ok(()),
        }
    }

    /// Compares a file's bytes with the manifest; reads no more than it says.
    fn check_bytes(&mut self, entry: &Entry) -> Result<(), PackError> {
        let path = &entry.path;
        let file = self.zip.by_name(&format!("payload/{path}"))?;
        let mut hash = Hasher(Sha256::new());
        let bytes = io::copy(&mut file.take(entry.bytes.saturating_add(1)), &mut hash)
            .map_err(|error| PackError::Wrong(format!("{path}: {error}")))?;
        let sha256 = hex(&hash.0.finalize());
        if bytes != entry.bytes || sha256 != entry.sha256 {
            return Err(PackError::Wrong(format!(
                "{path}: the bytes are not those of manifest.json (SHA-256 {sha256}, there {})",
                entry.sha256
            )));
        }
        Ok(())
    }

    /// Reads a file of the payload whose bytes were compared.
    pub(super) fn large(&mut self, path: &str) -> Result<impl Read, PackError> {
        Ok(self.zip.by_name(&format!("payload/{path}"))?)
    }

    /// Reads a short text.
    pub(super) fn text(&mut self, path: &str) -> Result<String, PackError> {
        let missing = |_| PackError::Wrong(format!("{path}: the file is missing"));
        let mut text = String::new();
        let file = self.zip.by_name(path).map_err(missing)?;
        file.take(TEXT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| PackError::Wrong(format!("{path}: {error}")))?;
        Ok(text)
    }

    pub(super) fn parsed<T: std::str::FromStr<Err = &'static str>>(
        &mut self,
        path: &str,
    ) -> Result<T, PackError> {
        self.text(path)?.parse().map_err(|problem| PackError::Wrong(format!("{path}: {problem}")))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, path: &str, text: &str) -> Result<T, PackError> {
        serde_json::from_str(text).map_err(|error| PackError::Wrong(format!("{path}: {error}")))
    }

    fn json_of<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, PackError> {
        let text = self.text(path)?;
        self.json(path, &text)
    }
}

struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
