//! What is counted, drawn and found: the population, its sample and reports, and the framework's controls.

use std::io::Write;
use std::ops::Range;

use query::error::QueryError;
use query::evidence::{
    self, Assessment, COLUMNS, Sample, of_period, of_rows, own_leaves, rows_of, together,
};
use query::filter::Filter;
use query::question::Question;
use query::report::access::{By, access};
use query::report::catalogue::Catalogue;
use query::report::document::Document;
use query::report::{Asking, NAMES, ReportError, make};
use query::row::EventRow;
use query::search::search_in;

use super::books::Books;
use super::completeness::Completeness;
use super::oscal::Results;
use super::printed::{printed, stem};
use super::words::tie_out;
use super::write::{Asked, Population, RawLines, pretty};
use super::zipped::{Rows as Table, Writing};
use super::{PackError, PopulationFile, ScopeFile, Step, TOLD_EACH, assessed, ocsf};

/// Writes what is counted, drawn and found, and returns the leaves to be shown and the sample.
pub(super) fn write(
    pack: &mut Writing<'_>,
    asked: &Asked<'_>,
    wanted: &Population,
    scope: &mut ScopeFile,
) -> Result<(Vec<Range<u64>>, Vec<EventRow>), PackError> {
    let Population { framework, period, filter, sample, raw, catalogue, registers } = wanted;
    let trail = asked.as_of.trail();
    let (view, ledger, at) = (trail.view(), trail.ledger(), asked.as_of.at());
    let question = Question {
        filter: filter.clone(),
        from: period.from,
        to: period.to,
        all: false,
        at: Some(at),
    };
    let coverage = view.coverage(period.from, period.to, asked.as_of.time()?)?;
    scope.completeness = Some(Completeness::of(&coverage, view.totals()?.undecodable));
    let of = heading(scope);
    let mut draw = sample.as_ref().map(|(wanted, seed)| Sample::new(*wanted, seed));
    let mut rows = Table::begin(pack, "populations/events", COLUMNS)?;
    let mut books = Books::new("Events", COLUMNS, &of)?;
    let (all, mut done) = (search_in(&view, &question, 1, None)?.matched, 0_u64);
    let page = evidence::whole_rows(&view, &question, ledger, |row, cells| {
        done += 1;
        if done.is_multiple_of(TOLD_EACH) {
            (asked.progress)(Step::Rows, done, all);
        }
        draw.iter_mut().for_each(|draw| draw.offer(row.uid));
        rows.row(pack, cells)?;
        books.row(cells)
    })?;
    let (rows, left_out) = (rows.finish(pack), page.left_out.0);
    if rows == 0 {
        let why = "no event fits the period and scope: there is nothing to put into a pack";
        return Err(PackError::Empty(why.to_owned()));
    }
    books.into_pack(pack, "populations/events")?;
    scope.tie_out = tie_out(&view, &question, rows, left_out.values().sum())?;
    scope.population = Some(PopulationFile {
        rows,
        left_out: left_out.into_iter().map(|(word, n)| (word.to_owned(), n)).collect(),
    });
    let sampled = rows_of(&view, draw.map(Sample::drawn).unwrap_or_default())?;
    if let (Some(file), true) = (&mut scope.sample, sample.is_some()) {
        file.rows = sampled.len() as u64;
    }
    let mut documents = Vec::new();
    for by in [By::Identity, By::Path, By::Decision] {
        let (at, now) = (Some(at), asked.as_of.time()?);
        let asking = Asking { catalogue, registers, filter, period, at, by: &asked.by, now };
        let report = access(trail, &asking, by)?;
        if report.heading.counted != rows {
            return Err(PackError::TieOut(format!(
                "the report by {by} counts {} events, the population has {rows}",
                report.heading.counted
            )));
        }
        documents.push(report.document());
    }
    documents.extend(others(pack, wanted, asked)?);
    for document in &documents {
        for section in &document.sections {
            pack.table(&stem(document, section), &section.table)?;
        }
    }
    let assessment = Assessment::of(asked.as_of, catalogue, registers, framework, period)?;
    let assessment = assessment
        .ok_or_else(|| PackError::Empty(format!("the catalogue has no framework {framework:?}")))?;
    let excepted = assessed::controls(pack, &assessment, &view, ledger, &of)?;
    let paper = printed(asked.as_of, &assessment, documents, rows)?;
    pack.begin("report.pdf")?;
    std::io::Write::write_all(pack, &paper)?;
    pack.end(None);
    scope.catalogue = Some(assessed::catalogue(pack, catalogue)?);
    let results = Results {
        assessment: &assessment,
        catalogue,
        as_of: &scope.as_of,
        files: &pack.files.clone(),
    };
    pack.text("oscal/assessment-results.json", &pretty(&results.document())?)?;
    pack.begin("ocsf/findings.jsonl")?;
    let findings = ocsf::lines(&results, asked.as_of.time()?.as_millisecond());
    for line in &findings {
        writeln!(pack, "{line}")?;
    }
    pack.end(Some(findings.len() as u64));
    scope.registers = Some(assessed::registers(pack, registers, trail)?);
    scope.requirements = requirements(framework);
    let shown = match raw {
        RawLines::All => of_period(&view, &question)?,
        RawLines::Samples => of_rows(&sampled),
    };
    let all = [shown, of_rows(&excepted), own_leaves(ledger)?].concat();
    Ok((together(all), sampled))
}

/// Returns all other reports. One with more rows than a report may have is not in the pack, which says so.
fn others(
    pack: &mut Writing<'_>,
    wanted: &Population,
    asked: &Asked<'_>,
) -> Result<Vec<Document>, PackError> {
    let mut documents = Vec::new();
    let Population { period, filter, catalogue, registers, .. } = wanted;
    let (at, now) = (Some(asked.as_of.at()), asked.as_of.time()?);
    let everything = Filter::everything();
    for name in NAMES.into_iter().filter(|name| *name != "access") {
        let is_whole = catalogue.report(name).is_some_and(|entry| entry.whole_log);
        let filter = if is_whole { &everything } else { filter };
        // Who makes the pack stands in its issue alone.
        let asking = Asking { catalogue, registers, filter, period, at, by: "", now };
        match make(asked.as_of.trail(), name, &asking) {
            Ok(document) => documents.push(document),
            Err(ReportError::Trail(error @ QueryError::TooMany { .. })) => {
                pack.text(
                    &format!("reports/{name}/README.txt"),
                    &format!("This report is not in the pack: {error}.\n"),
                )?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(documents)
}

/// Returns for what the reports are evidence, in our own words.
fn requirements(framework: &str) -> Vec<String> {
    let catalogue = Catalogue::built_in();
    let known = catalogue.frameworks.iter().find(|known| known.id == framework);
    let entry = catalogue.report("access").map(|entry| catalogue.evidence(entry));
    entry
        .unwrap_or_default()
        .into_iter()
        .filter(|of| known.is_some_and(|known| known.name == of.framework))
        .map(|of| {
            format!(
                "{}: {}. Shown: {}. Not shown: {}",
                of.requirement, of.words, of.shows, of.not_shown
            )
        })
        .collect()
}

/// What stands on the first sheet of each workbook.
fn heading(scope: &ScopeFile) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
    let mut facts = vec![
        ("Ledger", scope.origin.clone()),
        ("Period", text(&scope.period, "")),
        ("From", text(&scope.from, "the first event")),
        ("To, not included", text(&scope.to, "the last event")),
        ("Zone", text(&scope.zone, "UTC")),
        ("Filter", text(&scope.filter, "")),
        ("Answered at leaf", scope.at.to_string()),
        ("Times", "UTC".to_owned()),
        ("Written by", format!("keytrail {}", env!("CARGO_PKG_VERSION"))),
    ];
    if let Some(completeness) = &scope.completeness {
        let why = completeness.why.join("; ");
        facts.push(("Completeness", format!("{}; {why}", completeness.grade)));
    }
    facts
}
