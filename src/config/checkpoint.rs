//! `[checkpoint]` and `[[witness]]`: where checkpoints go when they leave the machine.

use std::time::Duration;

use ingest::ledger::WitnessKey;
use serde::Deserialize;

use super::duration::TypedDuration;
use crate::outside::checkpoints::Departures;
use crate::outside::export::Destination;
use crate::outside::witness::Witness;

const EVERY: Duration = Duration::from_secs(3600);
/// A ledger signs once a second at most.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// `[checkpoint]` as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileCheckpoint {
    #[serde(default)]
    export: Vec<String>,
    every: Option<TypedDuration>,
}

/// `[[witness]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileWitness {
    url: String,
    key: String,
}

/// Where checkpoints go: as typed, and checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckpointConfig {
    export: Vec<String>,
    every: Option<Duration>,
    witnesses: Vec<(String, WitnessKey)>,
}

impl CheckpointConfig {
    pub(super) fn mean(
        checkpoint: FileCheckpoint,
        witnesses: Vec<FileWitness>,
    ) -> Result<CheckpointConfig, String> {
        let every = checkpoint.every.map(|TypedDuration(every)| every);
        if every.is_some_and(|every| every < EVERY_MIN) {
            return Err("[checkpoint] every must be 100ms or more; 1h is usual".to_owned());
        }
        let witness = |(number, typed): (usize, FileWitness)| {
            let problem = |problem| Err(format!("[[witness]] number {number}: {problem}"));
            let secure = typed.url.starts_with("https://")
                || ["http://127.0.0.1:", "http://localhost:"]
                    .iter()
                    .any(|local| typed.url.starts_with(local));
            if !secure {
                return problem(format!("url {:?} must begin with https://", typed.url));
            }
            match typed.key.parse() {
                Ok(key) => Ok((typed.url, key)),
                Err(error) => problem(format!("key: {error} (name+id+base64, for cosignatures)")),
            }
        };
        let witnesses = (1..).zip(witnesses).map(witness).collect::<Result<_, _>>()?;
        let config = CheckpointConfig { export: checkpoint.export, every, witnesses };
        config.departures().map_err(|error| format!("[checkpoint] export: {error:#}"))?;
        Ok(config)
    }

    /// Returns the places and witnesses, ready to be used.
    ///
    /// # Errors
    /// A place that is none, or settings of the environment that are no good.
    pub(crate) fn departures(&self) -> anyhow::Result<Departures> {
        let destinations = self.export.iter().map(|typed| Destination::new(typed));
        let witnesses = self.witnesses.iter().map(|(url, key)| Witness::new(url, key.clone()));
        Ok(Departures {
            destinations: destinations.collect::<Result<_, _>>()?,
            witnesses: witnesses.collect::<Result<_, _>>()?,
            every: self.every.unwrap_or(EVERY),
        })
    }
}
