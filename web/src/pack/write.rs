//! Making a pack.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use ingest::event::Uid;
use ingest::ledger::{KeyChain, LedgerReader};
use query::as_of::AsOf;
use query::evidence::{self, COLUMNS, of_rows, rows_of, with_headers};
use query::filter::Filter;
use query::period::{Period, rfc3339, zone_name};
use query::registers::Registers;
use query::report::catalogue::Catalogue;

use super::words::readme;
use super::zipped::{Rows as Table, Writing};
use super::{
    FORM, POPULATION_PY, PackError, Progress, SampleFile, ScopeFile, VERIFY_PY, population, raw,
    signed_text,
};

/// Which raw lines go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawLines {
    /// Those from which the whole population can be made again.
    All,
    /// Those of the sample.
    Samples,
}

/// Which rows.
pub enum Rows {
    /// A population, perhaps a sample of it, and what a framework's controls found.
    Population(Box<Population>),
    /// Rows that somebody picked elsewhere.
    Picked(BTreeSet<Uid>),
}

/// A population, and what is to be found in its period.
pub struct Population {
    /// The framework's short name.
    pub framework: String,
    /// The period.
    pub period: Period,
    /// Which events of it are rows. Controls look at all of them.
    pub filter: Filter,
    /// How many rows to draw, and the seed.
    pub sample: Option<(usize, String)>,
    /// Which raw lines.
    pub raw: RawLines,
    /// The controls.
    pub catalogue: Catalogue,
    /// The registers, as the ledger tells of them as of the leaf.
    pub registers: Registers,
}

/// What is asked for.
pub struct Asked<'a> {
    /// The data folder: its key signs.
    pub data: &'a Path,
    /// The trail in it, as of a leaf.
    pub as_of: &'a AsOf,
    /// Which rows.
    pub rows: Rows,
    /// Who asks, as far as it is known.
    pub by: String,
    /// When.
    pub now: jiff::Timestamp,
    /// Told how far it is.
    pub progress: Progress<'a>,
}

/// What was made.
pub struct Made {
    /// Rows of the population.
    pub population: Option<u64>,
    /// Rows of the sample, or of those picked.
    pub sample: u64,
    /// Leaves shown.
    pub leaves: u64,
    /// Picked rows that the trail does not have.
    pub unknown: Vec<Uid>,
}

/// Writes a pack into a file.
///
/// # Errors
/// The trail cannot be read, or has no such events; counts that must be equal are not; the ledger's key is not there.
pub fn write_pack(asked: &Asked<'_>, out: &mut File) -> Result<Made, PackError> {
    let trail = asked.as_of.trail();
    let (view, ledger, at) = (trail.view(), trail.ledger(), asked.as_of.at());
    // First of all, since without it nothing can be issued.
    let issue = issue(asked)?;
    KeyChain::sign(asked.data, &signed_text("", ""))?;
    let mut pack = Writing::new(out);
    let mut scope = scope(asked)?;
    let (ranges, sampled, unknown) = match &asked.rows {
        Rows::Population(wanted) => {
            let (ranges, sampled) = population::write(&mut pack, asked, wanted, &mut scope)?;
            (ranges, sampled, Vec::new())
        }
        Rows::Picked(uids) => {
            let picked = rows_of(&view, uids.iter().copied())?;
            let found: BTreeSet<Uid> = picked.iter().map(|row| row.uid).collect();
            let unknown = uids.difference(&found).copied().collect();
            if picked.is_empty() {
                let why = "none of these rows is in the trail: there is nothing to put into a pack";
                return Err(PackError::Empty(why.to_owned()));
            }
            (of_rows(&picked), picked, unknown)
        }
    };
    if !sampled.is_empty() {
        let mut rows = Table::begin(&mut pack, "samples/sample", COLUMNS)?;
        let cells = evidence::cells(&sampled, ledger)?;
        cells.iter().try_for_each(|cells| rows.row(&mut pack, cells))?;
        rows.finish(&mut pack);
    }
    let ranges = with_headers(ledger, &ranges)?;
    let leaves = raw::write(&mut pack, ledger, &ranges, asked.progress)?;
    let proof = ledger.prove_leaves(ranges, ledger.tree(at)?)?.to_string();
    pack.text("raw/proof.txt", &proof)?;
    pack.text("verify.py", VERIFY_PY)?;
    pack.text("population.py", POPULATION_PY)?;
    pack.text("README.txt", &readme(&scope, sampled.len(), leaves))?;
    pack.text("scope.json", &pretty(&scope)?)?;
    pack.files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = pretty(&pack.files)?;
    pack.entry("payload/manifest.json", &manifest)?;
    // What was written since, the own line about this pack among it, is in the signed checkpoint.
    let ledger = LedgerReader::open(asked.data)?;
    let consistency = ledger.prove_extension(at, ledger.checkpoint()?)?;
    pack.entry("consistency.txt", &consistency.to_string())?;
    pack.entry("keys", &KeyChain::of_folder(asked.data)?.to_string())?;
    pack.entry("issue.json", &issue)?;
    let signed =
        signed_text(&evidence::sha256(manifest.as_bytes()), &evidence::sha256(issue.as_bytes()));
    pack.entry("issue.sig", &KeyChain::sign(asked.data, &signed)?)?;
    pack.finish()?;
    let population = scope.population.map(|population| population.rows);
    Ok(Made { population, sample: sampled.len() as u64, leaves, unknown })
}

/// What is known of the question before it is answered.
fn scope(asked: &Asked<'_>) -> Result<ScopeFile, PackError> {
    let trail = asked.as_of.trail();
    let mut scope = ScopeFile {
        form: FORM.to_owned(),
        framework: None,
        origin: trail.ledger().origin().to_owned(),
        cluster: trail.ledger().cluster().to_owned(),
        at: asked.as_of.at(),
        as_of: asked.as_of.time()?.to_string(),
        rules: trail.rules().version().to_owned(),
        period: None,
        from: None,
        to: None,
        from_unix_ns: None,
        to_unix_ns: None,
        zone: None,
        filter: None,
        raw: "samples".to_owned(),
        sample: None,
        population: None,
        tie_out: Vec::new(),
        completeness: None,
        catalogue: None,
        registers: None,
        requirements: Vec::new(),
    };
    if let Rows::Population(wanted) = &asked.rows {
        let period = &wanted.period;
        scope.framework = Some(wanted.framework.clone());
        scope.period = Some(period.label.clone());
        scope.from = period.from.map(rfc3339);
        scope.to = period.to.map(rfc3339);
        (scope.from_unix_ns, scope.to_unix_ns) = (period.from, period.to);
        scope.zone = Some(zone_name(&period.zone).to_owned());
        scope.filter = Some(wanted.filter.to_string());
        if wanted.raw == RawLines::All {
            scope.raw = "all".to_owned();
        }
        scope.sample = wanted.sample.as_ref().map(|(wanted, seed)| SampleFile {
            wanted: *wanted,
            seed: seed.clone(),
            algorithm: evidence::ALGORITHM.to_owned(),
            rows: 0,
        });
    }
    Ok(scope)
}

fn issue(asked: &Asked<'_>) -> Result<String, PackError> {
    pretty(&serde_json::json!({
        "form": FORM,
        "issued_by": asked.by,
        "issued_by_is": "claimed by the operating system of the machine, not proven",
        "issued_at": asked.now.to_string(),
        "keytrail": env!("CARGO_PKG_VERSION"),
    }))
}

/// Returns a value as JSON for people.
pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String, PackError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
