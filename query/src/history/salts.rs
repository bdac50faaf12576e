//! Under which salt a hash was made: an audit device has a new one each time it is enabled.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::event::{AuditEvent, Reason};
use tantivy::query::{BooleanQuery, Occur};

use super::View;
use crate::error::QueryError;
use crate::question::exact;
use crate::scan::{Places, Scan};
use crate::texts::Texts;

/// The path of the line that an audit device writes when it is enabled, with a new salt.
const PROBE_PATH: &str = "sys/audit/test";

/// When a device was enabled, by cluster and device, ascending.
pub(super) type Probes = BTreeMap<(Arc<str>, Arc<str>), Vec<i64>>;

impl View {
    /// Returns the salt under which an event's hashes were made, `cluster/device/epoch`.
    ///
    /// A device gets a new salt when it is enabled, which it marks by a probe line. The salt is kept in the
    /// cluster's storage and serves all its nodes, but only the active one writes the probe; so epochs are
    /// counted over the cluster's nodes. Epoch 0 is before the first probe that the ledger has. An event
    /// without a time has no salt.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn salt(&self, event: &AuditEvent) -> Result<Option<String>, QueryError> {
        let Some(time) = &event.time else { return Ok(None) };
        let key = (event.cluster.as_str().into(), event.device.as_str().into());
        let probes = self.probes()?.get(&key).map_or(&[][..], Vec::as_slice);
        let epoch = probes.partition_point(|probe| *probe <= time.unix_ns);
        Ok(Some(format!("{}/{}/{epoch}", event.cluster, event.device)))
    }

    /// Returns the salts of a device, `cluster/device/epoch`, as [`View::salt`] counts them.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn salts(&self, cluster: &str, device: &str) -> Result<Vec<String>, QueryError> {
        let probes = self.probes()?.get(&(cluster.into(), device.into())).map_or(0, Vec::len);
        Ok((probes.min(1)..=probes).map(|epoch| format!("{cluster}/{device}/{epoch}")).collect())
    }

    /// Returns when audit devices were enabled, each with a new salt: nanoseconds since 1970, ascending.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(crate) fn new_salts(&self) -> Result<Vec<i64>, QueryError> {
        let mut times: Vec<i64> = self.probes()?.values().flatten().copied().collect();
        times.sort_unstable();
        Ok(times)
    }

    fn probes(&self) -> Result<&Probes, QueryError> {
        if let Some(probes) = self.shared.probes.get() {
            return Ok(probes);
        }
        let probes = find_probes(&self.whole())?;
        Ok(self.shared.probes.get_or_init(|| probes))
    }
}

fn find_probes(view: &View) -> Result<Probes, QueryError> {
    let fields = view.fields();
    let query = BooleanQuery::new(vec![
        (Occur::Must, exact(fields.path, PROBE_PATH)),
        (Occur::Must, exact(fields.reason, Reason::System.as_str())),
    ]);
    let mut probes = Probes::new();
    for in_segment in Scan::new(view, &query)?.segments() {
        let mut documents = Vec::new();
        in_segment.each(|document| documents.push(document))?;
        let places = Places::open(in_segment.segment)?;
        let mut cluster = Texts::open(in_segment.segment, "cluster")?;
        let mut device = Texts::open(in_segment.segment, "device")?;
        let read = |texts: &mut Texts, document| {
            texts.first(document).map_err(tantivy::TantivyError::from)
        };
        for document in documents {
            if let (Some(time), Some(cluster), Some(device)) =
                (places.time(document), read(&mut cluster, document)?, read(&mut device, document)?)
            {
                probes.entry((cluster, device)).or_default().push(time);
            }
        }
    }
    for times in probes.values_mut() {
        times.sort_unstable();
    }
    Ok(probes)
}
