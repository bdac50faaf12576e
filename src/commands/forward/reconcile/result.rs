//! What a comparison found, for people and for programs.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use forward::reconcile::{Altered, Difference, Missing};
use forward::transport::object_store::{Held, Problem};
use ingest::own::{Fact, OwnLine};
use query::evidence::sha256;
use serde_json::{Value, json};

use crate::failure::Failure;

/// What was found.
pub(super) struct Found {
    pub(super) difference: Difference,
    /// Uids of events that the receiver refused.
    pub(super) refused: BTreeSet<String>,
    /// Documents were compared, and not uids alone.
    pub(super) looked_at: bool,
    /// How a store's objects are.
    pub(super) held: Held,
}

impl Found {
    /// Returns the events that are missing and were not refused.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Missing> {
        let is_refused = |missing: &&Missing| self.refused.contains(&missing.uid.to_string());
        self.difference.missing.iter().filter(move |missing| !is_refused(missing))
    }

    /// Returns a JSON object for each uid that is listed: `is` says as what.
    pub(super) fn rows(&self) -> Vec<Value> {
        let Difference { missing, doubled, altered, other_version, unknown, .. } = &self.difference;
        let mut rows = Vec::new();
        for event in missing {
            let refused = self.refused.contains(&event.uid.to_string());
            let what = if refused { "refused" } else { "missing" };
            rows.push(
                json!({"is": what, "uid": event.uid, "issued": event.issued, "time": event.time}),
            );
        }
        for (what, all) in [("altered", altered), ("other_version", other_version)] {
            rows.extend(all.iter().map(|event| {
                let Altered { uid, issued, time, version, fields, .. } = event;
                json!({"is": what, "uid": uid, "issued": issued, "time": time, "fields": fields, "version": version})
            }));
        }
        let twice =
            doubled.iter().map(|(uid, times)| json!({"is": "doubled", "uid": uid, "times": times}));
        rows.extend(twice);
        rows.extend(unknown.iter().map(|uid| json!({"is": "unknown", "uid": uid})));
        rows.extend(
            self.held
                .problems
                .iter()
                .map(|Problem { name, what }| json!({"is": "object", "name": name, "what": what})),
        );
        rows
    }

    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in self.rows() {
            if row["is"] == "object" {
                let words = ["name", "what"].map(|key| row[key].as_str().unwrap_or_default());
                writeln!(out, "object   {}", query::table::visible(&words.join(": ")))?;
                continue;
            }
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let mut words = Vec::new();
            if let Some(leaf) = row["issued"][0].as_u64() {
                words.push(format!("leaf {leaf} {}", text("time")));
            }
            if let Some(fields) = row["fields"].as_array() {
                let fields: Vec<&str> = fields.iter().filter_map(Value::as_str).collect();
                words.push(query::table::visible(&fields.join(", ")).into_owned());
            }
            if row["is"] == "other_version" {
                words.push(format!(
                    "written by keytrail {}",
                    query::table::visible(&text("version"))
                ));
            }
            if let Some(times) = row["times"].as_u64() {
                words.push(format!("{times} times"));
            }
            if row["is"] == "unknown" {
                words.push("no event of this trail".to_owned());
            }
            writeln!(out, "{:<8} {} {}", text("is"), text("uid"), words.join(" "))?;
        }
        Ok(())
    }

    /// Returns what came of it, in one sentence.
    pub(super) fn sentence(&self, leaf: u64) -> String {
        let Difference { expected, doubled, altered, other_version, unknown, beyond, .. } =
            &self.difference;
        let missing = self.missing().count();
        let refused = self.difference.missing.len() - missing;
        let altered = match (self.looked_at, altered.len(), other_version.len()) {
            (false, ..) => "whether one was altered was not looked at".to_owned(),
            (true, altered, 0) => format!("{altered} are not what was sent"),
            (true, altered, other) => format!(
                "{altered} are not what was sent, {other} were written by another version of keytrail and are not what this one sends, so they were not compared"
            ),
        };
        let Held { manifests, objects, problems_count, .. } = &self.held;
        let objects = match objects {
            0 => String::new(),
            objects => format!(
                "; {objects} objects were read, of {manifests} batches; {problems_count} of them are not as they were stored"
            ),
        };
        format!(
            "of {expected} events up to leaf {leaf} {missing} are missing, {} are there several times, and it refused {refused}; {altered}; {} uids there are no event of this trail, {beyond} of events outside of what was compared{objects}",
            doubled.len(),
            unknown.len(),
        )
    }

    /// Writes the result, a JSON object a line, the first what the ledger says of it; returns the file's SHA-256.
    pub(super) fn write_file(&self, path: &Path, fact: &Fact) -> Result<String, Failure> {
        let mut bytes = OwnLine::now(fact.clone()).to_bytes();
        for row in self.rows() {
            bytes.extend(row.to_string().into_bytes());
            bytes.push(b'\n');
        }
        let open =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
        let written =
            open.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.with_context(|| path.display().to_string())?;
        Ok(sha256(&bytes))
    }
}
