//! What a batch is in a store: which objects, of which events. It is written after them, so one that is there tells of all that are.

use serde::{Deserialize, Serialize};

use super::object::{Object, stem};
use crate::batch::{Batch, BatchSaid};
use crate::format::Format;

/// Where manifests stand, below the sink's name.
pub(super) const FOLDER: &str = "manifests";
/// The version of this form.
const VERSION: u32 = 1;

/// A batch, as a store has it. No time of sending is in it: the same for each try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    pub(super) sink: String,
    /// The batch's name.
    pub(super) batch: String,
    /// The name of the batch that was stored before it: so the list of manifests shows if one is gone.
    pub(super) previous: Option<String>,
    /// Its events.
    #[serde(flatten)]
    said: BatchSaid,
    /// How they are written.
    pub(super) format: String,
    pub(super) objects: Vec<Part>,
    /// Which version wrote it.
    keytrail: String,
}

/// One of its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Below the sink's name.
    pub(super) name: String,
    /// How many events it has.
    pub(super) events: u64,
    /// SHA-256 over their uids, as of the batch.
    pub(super) uids_sha256: String,
    /// SHA-256 of the object, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(sink: &str, batch: &Batch, format: Format) -> Manifest {
        Manifest {
            version: VERSION,
            sink: sink.to_owned(),
            batch: batch.id.clone(),
            previous: batch.previous.clone(),
            said: batch.said.clone(),
            format: format.as_str().to_owned(),
            objects: Vec::new(),
            keytrail: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) fn add(&mut self, object: &Object, sha256: String) {
        let (name, uids_sha256) = (object.name.clone(), object.uids_sha256.clone());
        self.objects.push(Part { name, events: object.events, uids_sha256, sha256 });
    }

    /// Returns its name, below the sink's.
    pub(super) fn name(&self) -> String {
        let said = &self.said;
        let stem = stem(said.first.0, said.last.0, &said.uids_sha256);
        format!("{FOLDER}/{stem}.json")
    }

    /// Returns how it is stored.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("texts and numbers");
        json.push(b'\n');
        json
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is none, or of another version; in words.
    pub(super) fn of_json(json: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest =
            serde_json::from_slice(json).map_err(|error| format!("it is no manifest: {error}"))?;
        match manifest.version {
            VERSION => Ok(manifest),
            other => Err(format!("it has version {other}, and this keytrail reads {VERSION}")),
        }
    }

    /// Tells whether both are of the same events, whatever version wrote them.
    pub(super) fn is_of_same_events(&self, other: &Manifest) -> bool {
        (&self.sink, &self.batch, &self.said) == (&other.sink, &other.batch, &other.said)
    }
}
