//! `object_store`: batches as objects of a bucket or files of a folder, and a manifest of each batch.
//!
//! ```text
//!   PREFIX/SINK/day=2026-11-24/FIRST-LAST-SHA.ndjson.gz    the events of one day, UTC
//!   PREFIX/SINK/manifests/FIRST-LAST-SHA.json              which objects a batch is, written after them
//! ```
//!
//! Names are made of what a batch is: one that is sent again, since a try's end was not seen, meets its own objects.

use bytes::Bytes;
use ingest::room::Room;
use query::evidence::sha256;

use super::{Answer, TRY};
use crate::batch::Batch;
use crate::folder::DeliveryState;
use crate::format::Format;
use crate::http::SetUpError;
use crate::store::{Patience, Store, StoreConfig, StoreError};

mod held;
mod manifest;
mod object;

pub use self::held::{Held, Problem};
pub use self::object::Form;

use self::manifest::{FOLDER, Manifest};
use self::object::{Object, objects, uids_sha256_of};

/// No object that is read back is larger.
const OBJECT_BYTES_MAX: usize = 256 << 20;
/// Of what a store says so much is shown.
const SHOWN_MAX: usize = 500;

/// Which store, and how batches are written.
#[derive(Clone, Debug)]
pub struct ObjectStoreConfig {
    /// Where.
    pub store: StoreConfig,
    /// What an object is.
    pub form: Form,
    /// How the events in it are written.
    pub format: Format,
    /// Of a folder: its volume, where the last bytes may be a secrets server's.
    pub room: Option<Room>,
}

/// A store.
pub struct ObjectStore {
    /// What stands before every name: the sink's.
    sink: String,
    form: Form,
    format: Format,
    store: Store,
    room: Option<Room>,
}

impl ObjectStore {
    pub(super) fn new(sink: &str, config: &ObjectStoreConfig) -> Result<ObjectStore, SetUpError> {
        let patience = Patience {
            // A batch may be large and the way narrow.
            timeout: 5 * TRY,
            // The sink tries again, and tells why.
            retries: 0,
            retry_timeout: 5 * TRY,
            answer_bytes_max: OBJECT_BYTES_MAX,
        };
        Ok(ObjectStore {
            sink: sink.to_owned(),
            form: config.form,
            format: config.format,
            store: Store::new(&config.store, &patience)?,
            room: config.room.clone(),
        })
    }

    pub(super) async fn send(&self, batch: &Batch) -> Answer {
        let mut manifest = Manifest::new(&self.sink, batch, self.format);
        for (name, items) in objects(batch, self.form) {
            let object = match Object::write(name, &items, self.form) {
                Ok(object) => object,
                Err(why) => return Answer::Stop(why),
            };
            match self.put(&object).await {
                Ok(sha256) => manifest.add(&object, sha256),
                Err(answer) => return answer,
            }
        }
        match self.put_manifest(&manifest).await {
            Ok(()) => Answer::Taken(DeliveryState::Confirmed),
            Err(answer) => answer,
        }
    }

    /// Puts an object unless it is there; returns the SHA-256 of what is there then.
    async fn put(&self, object: &Object) -> Result<String, Answer> {
        let name = self.name(&object.name);
        let size = object.bytes.len() as u64;
        if let Some(why) = self.room.as_ref().and_then(|room| room.refuses(size)) {
            return Err(Answer::later(why));
        }
        let ours = sha256(&object.bytes);
        let bytes = Bytes::from_owner(object.bytes.clone());
        if self.store.create(&name, bytes).await.map_err(|error| answer(&error))? {
            return Ok(ours);
        }
        let there = self.store.read(&name).await.map_err(|error| unseen(&error))?;
        let theirs = sha256(&there);
        if theirs == ours {
            return Ok(ours);
        }
        match uids_sha256_of(&there, self.form, self.format) {
            Ok(uids) if uids == object.uids_sha256 => {
                tracing::warn!(
                    "{name} stands there already, with the same events in other bytes: it was written by another version, or altered since"
                );
                Ok(theirs)
            }
            _ => Err(Answer::Stop(occupied(&name))),
        }
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<(), Answer> {
        let name = self.name(&manifest.name());
        let bytes = Bytes::from(manifest.to_json());
        if self.store.create(&name, bytes).await.map_err(|error| answer(&error))? {
            return Ok(());
        }
        let there = self.store.read(&name).await.map_err(|error| unseen(&error))?;
        match Manifest::of_json(&there) {
            Ok(there) if there.is_of_same_events(manifest) => Ok(()),
            _ => Err(Answer::Stop(occupied(&name))),
        }
    }

    pub(super) async fn try_out(&self) -> Result<String, String> {
        let listed = self.store.list(&self.name(FOLDER)).await;
        let manifests = listed.map_err(|error| words(&error))?.objects.len();
        Ok(format!("it can be listed, and has {manifests} batches of this sink"))
    }

    /// Returns the full name of what the sink has there.
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.sink)
    }
}

fn occupied(name: &str) -> String {
    format!("{name} stands there and is something else: look at it, then move it away")
}

/// What it means that a store refuses.
fn answer(error: &StoreError) -> Answer {
    match error.needs_help() {
        true => Answer::Stop(words(error)),
        false => Answer::Later { why: words(error), after: None, maybe_taken: true },
    }
}

/// What it means that what should be there cannot be read.
fn unseen(error: &StoreError) -> Answer {
    match error.is_not_found() {
        // Removed meanwhile, or put by a try that goes on.
        true => Answer::Later { why: words(error), after: None, maybe_taken: true },
        false => answer(error),
    }
}

/// Returns an error with its causes, on one line and not too long: a part of it is the store's.
fn words(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = source.source();
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests;
