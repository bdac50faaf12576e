//! What a store has of a sink: its manifests, and every object held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use ingest::event::Uid;
use query::evidence::sha256;

use super::manifest::{FOLDER, Manifest, Part};
use super::object::{Form, each_uid};
use super::{ObjectStore, words};

/// So many problems are told; the others are counted.
const PROBLEMS_MAX: usize = 1_000;

/// What a store has of a sink.
#[derive(Debug, Default)]
pub struct Held {
    /// Batches that it has.
    pub manifests: u64,
    /// Objects that it has.
    pub objects: u64,
    /// What does not fit, at most a thousand.
    pub problems: Vec<Problem>,
    /// How much does not fit.
    pub problems_count: u64,
}

/// Something that is gone or another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object's or the manifest's name, below the sink's.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
}

impl Held {
    fn problem(&mut self, name: &str, what: String) {
        self.problems_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { name: name.to_owned(), what });
        }
    }
}

impl ObjectStore {
    /// Gives the uid of every event that the store has of this sink, as often as it has it.
    ///
    /// # Errors
    /// The store cannot be listed or read, or `each` fails; in words.
    pub async fn uids(&self, each: &mut dyn FnMut(Uid) -> io::Result<()>) -> Result<Held, String> {
        let mut held = Held::default();
        let mut expected = self.manifests(&mut held).await?;
        let days = self.store.list(&self.name("")).await.map_err(|error| words(&error))?.folders;
        for day in days.iter().filter(|day| day.starts_with("day=")) {
            let listed = self.store.list(&self.name(day)).await.map_err(|error| words(&error))?;
            for object in listed.objects {
                let name = format!("{day}/{object}");
                // What is no object of ours is nobody's business here.
                let Some(form) = Form::of_name(&name) else { continue };
                held.objects += 1;
                let part = expected.remove(&name);
                self.object(&name, form, part, &mut held, each).await?;
            }
        }
        for name in expected.keys() {
            held.problem(name, "it is gone, and its manifest is there".to_owned());
        }
        Ok(held)
    }

    /// Reads all manifests; returns the objects that they name.
    async fn manifests(&self, held: &mut Held) -> Result<BTreeMap<String, (Part, String)>, String> {
        let (mut expected, mut batches) = (BTreeMap::new(), BTreeSet::new());
        let mut previous = Vec::new();
        let listed = self.store.list(&self.name(FOLDER)).await.map_err(|error| words(&error))?;
        for object in listed.objects {
            let name = format!("{FOLDER}/{object}");
            let json = self.store.read(&self.name(&name)).await.map_err(|error| words(&error))?;
            let manifest = match Manifest::of_json(&json) {
                Ok(manifest) if manifest.name() == name => manifest,
                Ok(manifest) => {
                    held.problem(&name, format!("it is the manifest {}", manifest.name()));
                    continue;
                }
                Err(why) => {
                    held.problem(&name, why);
                    continue;
                }
            };
            held.manifests += 1;
            batches.insert(manifest.batch);
            previous.extend(manifest.previous.map(|batch| (name, batch)));
            for part in manifest.objects {
                expected.insert(part.name.clone(), (part, manifest.format.clone()));
            }
        }
        for (name, batch) in previous {
            if !batches.contains(&batch) {
                held.problem(&name, format!("the manifest before it is gone, of {batch}"));
            }
        }
        Ok(expected)
    }

    /// Reads an object.
    async fn object(
        &self,
        name: &str,
        form: Form,
        part: Option<(Part, String)>,
        held: &mut Held,
        each: &mut dyn FnMut(Uid) -> io::Result<()>,
    ) -> Result<(), String> {
        let bytes = self.store.read(&self.name(name)).await.map_err(|error| words(&error))?;
        let format = match &part {
            Some((_, format)) => format.parse().unwrap_or(self.format),
            // Stored, and its batch was not done with.
            None => self.format,
        };
        let mut events = 0;
        let mut failed = None;
        let read = each_uid(&bytes, form, format, &mut |uid| {
            events += 1;
            each(uid).map_err(|error| {
                failed = Some(error.to_string());
                String::new()
            })
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        if let Err(why) = read {
            held.problem(name, why);
        } else if let Some((part, _)) = part
            && part.sha256 != sha256(&bytes)
        {
            let was = part.events;
            let what = format!(
                "it was altered: it had {was} events, has {events}, and its bytes are others"
            );
            held.problem(name, what);
        }
        Ok(())
    }
}
