//! Making a pack.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use ingest::event::Uid;
use ingest::ledger::{KeyChain, LedgerReader};
use query::evidence::{self, Sample, of_period, of_rows, with_headers};
use query::filter::Filter;
use query::history::View;
use query::period::{Period, rfc3339, zone_name};
use query::question::Question;
use query::registers::Registers;
use query::report::Asking;
use query::report::access::{By, access};
use query::report::catalogue::Catalogue;
use query::row::EventRow;
use query::table::Form;
use query::trail::Trail;
use zip::ZipWriter;

use super::words::{readme, tie_out};
use super::zipped::Writing;
use super::{FORM, PackError, PopulationFile, SampleFile, ScopeFile, VERIFY_PY, signed_text};

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
    /// A population, and perhaps a sample of it.
    Population {
        /// The framework's short name.
        framework: String,
        /// The period.
        period: Period,
        /// Which events of it.
        filter: Filter,
        /// How many rows to draw, and the seed.
        sample: Option<(usize, String)>,
        /// Which raw lines.
        raw: RawLines,
    },
    /// Rows that somebody picked elsewhere.
    Picked(BTreeSet<Uid>),
}

/// What is asked for.
pub struct Asked<'a> {
    /// The data folder: its key signs.
    pub data: &'a Path,
    /// The trail in it.
    pub trail: &'a Trail,
    /// As of which leaf.
    pub at: u64,
    /// Which rows.
    pub rows: Rows,
    /// Who asks, as far as it is known.
    pub by: String,
    /// When.
    pub now: jiff::Timestamp,
    /// Told how many leaves of how many are written.
    pub progress: &'a dyn Fn(u64, u64),
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
    let view = asked.trail.view();
    let ledger = asked.trail.ledger();
    // First of all, since without it nothing can be issued.
    let issue = issue(asked)?;
    KeyChain::sign(asked.data, &signed_text("", ""))?;
    let tree = ledger.tree(asked.at)?;
    let mut pack = Writing::new(ZipWriter::new(out));
    let mut scope = scope(asked, ledger);
    let sampled: Vec<EventRow>;
    let mut unknown = Vec::new();
    let ranges = match &asked.rows {
        Rows::Population { filter, period, sample, raw, framework } => {
            let question = Question {
                filter: filter.clone(),
                from: period.from,
                to: period.to,
                all: false,
                at: Some(asked.at),
            };
            let mut draw = sample.as_ref().map(|(wanted, seed)| Sample::new(*wanted, seed));
            let population = pack.rows("populations/events.csv", ledger, &mut |each| {
                let page = evidence::rows(&view, &question, &mut |row| {
                    draw.iter_mut().for_each(|draw| draw.offer(row.uid));
                    each(&row)
                })?;
                Ok(page.left_out.0)
            })?;
            let (rows, left_out) = population;
            if rows == 0 {
                let why = "no event fits the period and scope: there is nothing to put into a pack";
                return Err(PackError::Empty(why.to_owned()));
            }
            scope.tie_out = tie_out(&view, &question, rows, left_out.values().sum())?;
            scope.population = Some(PopulationFile {
                rows,
                sha256: pack.files.last().map(|file| file.sha256.clone()).unwrap_or_default(),
                left_out: left_out.into_iter().map(|(word, n)| (word.to_owned(), n)).collect(),
            });
            let drawn: BTreeSet<Uid> =
                draw.map(Sample::drawn).unwrap_or_default().into_iter().collect();
            sampled = picked(&view, &question, &drawn)?;
            if let (Some(file), true) = (&mut scope.sample, sample.is_some()) {
                file.rows = sampled.len() as u64;
            }
            let catalogue = Catalogue::built_in();
            for by in [By::Identity, By::Path, By::Decision] {
                let report = access(
                    asked.trail,
                    &Asking {
                        catalogue: &catalogue,
                        registers: &Registers::absent(),
                        filter,
                        period,
                        at: Some(asked.at),
                        by: &asked.by,
                        now: asked.now,
                    },
                    by,
                )?;
                if report.heading.counted != rows {
                    return Err(PackError::TieOut(format!(
                        "the report by {by} counts {} events, the population has {rows}",
                        report.heading.counted
                    )));
                }
                let table = report.table();
                pack.file(&format!("reports/access-by-{by}.csv"), &mut |out| {
                    table.write(Form::Csv, out)?;
                    Ok(Some(table.rows.len() as u64))
                })?;
            }
            let known = catalogue.frameworks.iter().find(|known| known.id == *framework);
            let entry = catalogue.report("access").map(|entry| catalogue.evidence(entry));
            scope.requirements = entry
                .unwrap_or_default()
                .into_iter()
                .filter(|of| known.is_some_and(|known| known.name == of.framework))
                .map(|of| {
                    format!(
                        "{}: {}. Shown: {}. Not shown: {}",
                        of.requirement, of.words, of.shows, of.not_shown
                    )
                })
                .collect();
            match raw {
                RawLines::All => of_period(&view, &question)?,
                RawLines::Samples => of_rows(&sampled),
            }
        }
        Rows::Picked(uids) => {
            let question = Question { all: true, at: Some(asked.at), ..Question::everything() };
            sampled = picked(&view, &question, uids)?;
            let found: BTreeSet<Uid> = sampled.iter().map(|row| row.uid).collect();
            unknown = uids.difference(&found).copied().collect();
            if sampled.is_empty() {
                let why = "none of these rows is in the trail: there is nothing to put into a pack";
                return Err(PackError::Empty(why.to_owned()));
            }
            of_rows(&sampled)
        }
    };
    if !sampled.is_empty() {
        pack.rows("samples/sample.csv", ledger, &mut |each| {
            sampled.iter().try_for_each(&mut *each).map(|()| BTreeMap::new())
        })?;
    }
    let ranges = with_headers(ledger, &ranges)?;
    let leaves = pack.raw(ledger, &ranges, asked.progress)?;
    let proof = ledger.prove_leaves(ranges, tree)?.to_string();
    pack.text("raw/proof.txt", &proof)?;
    pack.text("verify.py", VERIFY_PY)?;
    pack.text("README.txt", &readme(&scope, sampled.len(), leaves))?;
    pack.text("scope.json", &pretty(&scope)?)?;
    pack.files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = pretty(&pack.files)?;
    pack.entry("payload/manifest.json", &manifest)?;
    // What was written since, the own line about this pack among it, is in the signed checkpoint.
    ledger.refresh()?;
    let consistency = ledger.prove_extension(asked.at, ledger.checkpoint()?)?;
    pack.entry("consistency.txt", &consistency.to_string())?;
    pack.entry("keys", &KeyChain::of_folder(asked.data)?.to_string())?;
    pack.entry("issue.json", &issue)?;
    let signed =
        signed_text(&evidence::sha256(manifest.as_bytes()), &evidence::sha256(issue.as_bytes()));
    pack.entry("issue.sig", &KeyChain::sign(asked.data, &signed)?)?;
    pack.zip.finish()?.sync_all()?;
    let population = scope.population.map(|population| population.rows);
    Ok(Made { population, sample: sampled.len() as u64, leaves, unknown })
}

/// What is known of the question before it is answered.
fn scope(asked: &Asked<'_>, ledger: &LedgerReader) -> ScopeFile {
    let mut scope = ScopeFile {
        form: FORM.to_owned(),
        framework: None,
        origin: ledger.origin().to_owned(),
        cluster: ledger.cluster().to_owned(),
        at: asked.at,
        rules: asked.trail.rules().version().to_owned(),
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
        requirements: Vec::new(),
    };
    if let Rows::Population { framework, period, filter, sample, raw } = &asked.rows {
        scope.framework = Some(framework.clone());
        scope.period = Some(period.label.clone());
        scope.from = period.from.map(rfc3339);
        scope.to = period.to.map(rfc3339);
        (scope.from_unix_ns, scope.to_unix_ns) = (period.from, period.to);
        scope.zone = Some(zone_name(&period.zone).to_owned());
        scope.filter = Some(filter.to_string());
        if *raw == RawLines::All {
            scope.raw = "all".to_owned();
        }
        scope.sample = sample.as_ref().map(|(wanted, seed)| SampleFile {
            wanted: *wanted,
            seed: seed.clone(),
            algorithm: evidence::ALGORITHM.to_owned(),
            rows: 0,
        });
    }
    scope
}

/// The rows of these uids, in the order of answers.
fn picked(
    view: &View,
    question: &Question,
    uids: &BTreeSet<Uid>,
) -> Result<Vec<EventRow>, PackError> {
    let mut rows = Vec::new();
    if uids.is_empty() {
        return Ok(rows);
    }
    evidence::rows(view, question, &mut |row| {
        if uids.contains(&row.uid) {
            rows.push(row);
        }
        Ok::<(), PackError>(())
    })?;
    Ok(rows)
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

fn pretty(value: &impl serde::Serialize) -> Result<String, PackError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
