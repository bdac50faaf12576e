//! The rows made again: the lines of a pack go into a ledger and an index of their own, and the same question is asked.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ingest::event::Uid;
use ingest::indexer::Indexer;
use ingest::ledger::{BatchHeader, Ledger, LedgerReader, NewBatch};
use ingest::normalise::Rules;
use ingest::source::{Generation, Lines};
use query::evidence::{COLUMNS, EVENT_COLUMNS, Sample, event_cells, rows as events};
use query::filter::Filter;
use query::period::{Period, time_zone};
use query::question::Question;
use query::registers::Registers;
use query::report::Asking;
use query::report::access::{By, access};
use query::report::catalogue::Catalogue;
use query::row::EventRow;
use query::table::{Form, TableWriter};
use query::trail::Trail;

use super::shown::rows;
use super::verify::{Pack, wrong};
use super::{Entry, PackError, ScopeFile};

/// The column that says why an event was decided so, and two of its words.
const REASON: usize = 13;
const UNANSWERED: &str = "unanswered";
const PENDING: &str = "pending";
/// Lines that are appended together.
const BATCH_BYTES: usize = 1 << 20;

/// A ledger that is being made of a pack's lines.
pub(super) struct Again {
    data: PathBuf,
    ledger: Ledger,
    /// Of each generation of the pack the one here, and up to where it goes.
    generations: HashMap<u64, (Generation, u64)>,
    waiting: Option<Waiting>,
}

/// Lines of one batch that follow each other.
struct Waiting {
    header: BatchHeader,
    offset: u64,
    next: u64,
    lines: Lines,
}

impl Again {
    pub(super) fn new(work: &Path, scope: &ScopeFile) -> Result<Again, PackError> {
        if scope.rules != Rules::builtin().version() {
            return Err(PackError::Wrong(format!(
                "the pack's rows were made by rules {}, this keytrail has {}: take the keytrail that issue.json names",
                scope.rules,
                Rules::builtin().version()
            )));
        }
        let data = work.join("data");
        let ledger = Ledger::open(&data, &scope.cluster)?;
        Ok(Again { data, ledger, generations: HashMap::new(), waiting: None })
    }

    /// Takes the next line.
    pub(super) fn line(
        &mut self,
        header: &BatchHeader,
        leaf: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), PackError> {
        let goes_on = self.waiting.as_ref().is_some_and(|waiting| {
            waiting.header.first_leaf == header.first_leaf
                && waiting.next == leaf
                && waiting.lines.bytes.len() + bytes.len() <= BATCH_BYTES
        });
        if !goes_on {
            self.append()?;
        }
        let begin =
            || Waiting { header: header.clone(), offset, next: leaf, lines: Lines::default() };
        let waiting = self.waiting.get_or_insert_with(begin);
        waiting.lines.push(bytes);
        waiting.next += 1;
        Ok(())
    }

    fn append(&mut self) -> Result<(), PackError> {
        let Some(Waiting { header, offset, next, lines }) = self.waiting.take() else {
            return Ok(());
        };
        let known = self.generations.get(&header.generation.0).filter(|(_, end)| *end == offset);
        let is_last = next == header.end();
        let appended = self.ledger.append(&NewBatch {
            stream: header.stream,
            source: &header.source,
            generation: known.map(|(generation, _)| *generation),
            parent: None,
            offset,
            reader: header.reader,
            arrived_unix_ns: header.arrived_unix_ns,
            continued: header.continued && is_last,
            unterminated: header.unterminated && is_last,
            lines: &lines,
        })?;
        let end = offset + lines.bytes.len() as u64;
        self.generations.insert(header.generation.0, (appended.generation, end));
        Ok(())
    }

    /// Indexes the lines.
    pub(super) fn index(mut self) -> Result<Indexed, PackError> {
        self.append()?;
        self.ledger.checkpoint()?;
        let folder = self.data.join("index");
        let mut indexer =
            Indexer::open(&folder, LedgerReader::open(&self.data)?, Rules::builtin())?.in_bulk()?;
        indexer.catch_up(&mut |_| true)?;
        indexer.commit()?;
        indexer.publish()?.finish()?;
        Ok(Indexed { trail: Trail::open(&self.data)? })
    }
}

/// The trail that was made of a pack's lines.
pub(super) struct Indexed {
    trail: Trail,
}

impl Indexed {
    /// Compares each row of the population, the draw and the reports with those made again, and says so in words.
    pub(super) fn compare_population(
        &self,
        pack: &mut Pack,
        scope: &ScopeFile,
        manifest: &[Entry],
    ) -> Result<String, PackError> {
        let path = "populations/events.csv";
        let told = rows(pack.large(path)?, path)?;
        let question = self.question(scope)?;
        let mut draw = scope.sample.as_ref().map(|sample| Sample::new(sample.wanted, &sample.seed));
        let mut made = Vec::new();
        let mut uids = Vec::new();
        let page = events(&self.trail.view(), &question, &mut |row| {
            draw.iter_mut().for_each(|draw| draw.offer(row.uid));
            uids.push(row.uid);
            made.push(as_csv(&row)?);
            Ok::<(), PackError>(())
        })?;
        for (number, (told, made)) in (1..).zip(told.iter().zip(&made)) {
            let told = &told[..EVENT_COLUMNS.min(told.len())];
            if told != made {
                let column =
                    told.iter().zip(made).position(|(told, made)| told != made).unwrap_or(0);
                return wrong(&format!(
                    "{path}, row {number}: the raw lines give {:?} in {}, not {:?}",
                    made[column], COLUMNS[column].name, told[column]
                ));
            }
        }
        if told.len() != made.len() {
            return wrong(&format!(
                "{path}: {} rows, the raw lines give {}",
                told.len(),
                made.len()
            ));
        }
        let Some(population) = &scope.population else {
            return wrong("scope.json: it names no population");
        };
        let left_out: Vec<(String, u64)> =
            page.left_out.0.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        if !population.left_out.clone().into_iter().eq(left_out)
            || population.rows != made.len() as u64
        {
            return wrong(
                "scope.json: the raw lines give other numbers of rows or of what is left out",
            );
        }
        if let Some(entry) = manifest.iter().find(|entry| entry.path == path)
            && entry.sha256 != population.sha256
        {
            return wrong("scope.json: the population's SHA-256 is not that of its file");
        }
        if let Some(draw) = draw {
            // In the population's order.
            let drawn: HashSet<Uid> = draw.drawn().into_iter().collect();
            uids.retain(|uid| drawn.contains(uid));
            let drawn: Vec<String> = uids.iter().map(ToString::to_string).collect();
            let path = "samples/sample.csv";
            let sampled = rows(pack.large(path)?, path)?;
            if !sampled.iter().map(|row| &row[0]).eq(&drawn) {
                return wrong(&format!("{path}: the seed draws other rows"));
            }
        }
        self.compare_reports(pack, scope)?;
        Ok(format!(
            "recomputed: {} rows, what is left out, and the reports are what the raw lines give",
            made.len()
        ))
    }

    fn compare_reports(&self, pack: &mut Pack, scope: &ScopeFile) -> Result<(), PackError> {
        let question = self.question(scope)?;
        let zone = time_zone(scope.zone.as_deref().unwrap_or("UTC"));
        let zone = zone.map_err(|error| PackError::Wrong(format!("scope.json: {error}")))?;
        let label = scope.period.clone().unwrap_or_default();
        let period = Period { from: question.from, to: question.to, zone, label };
        for by in [By::Identity, By::Path, By::Decision] {
            let asking = Asking {
                catalogue: &Catalogue::built_in(),
                registers: &Registers::absent(),
                filter: &question.filter,
                period: &period,
                at: question.at,
                by: "the verifier",
                now: jiff::Timestamp::UNIX_EPOCH,
            };
            let report = access(&self.trail, &asking, by)?;
            let mut made = Vec::new();
            report.table().write(Form::Csv, &mut made)?;
            let path = format!("reports/access-by-{by}.csv");
            let (told, made) = (rows(pack.large(&path)?, &path)?, rows(&made[..], &path)?);
            if let Some(at) =
                (0..told.len().max(made.len())).find(|&at| told.get(at) != made.get(at))
            {
                return wrong(&format!("{path}, row {}: the raw lines give other numbers", at + 1));
            }
        }
        Ok(())
    }

    /// Compares the rows of the sample with those made of their lines.
    pub(super) fn compare_sample(
        &self,
        pack: &mut Pack,
        scope: &ScopeFile,
    ) -> Result<String, PackError> {
        let path = "samples/sample.csv";
        let told = rows(pack.large(path)?, path)?;
        // What still waits here too: in a pack of single rows nothing comes that would close it.
        let everything = Question { all: true, ..Question::everything() };
        let mut made: HashMap<String, Vec<String>> = HashMap::new();
        events(&self.trail.view(), &everything, &mut |row| {
            made.insert(row.uid.to_string(), as_csv(&row)?);
            Ok::<(), PackError>(())
        })?;
        let mut asserted = 0;
        for (number, row) in (1..).zip(&told) {
            let row = &row[..EVENT_COLUMNS.min(row.len())];
            let mut of_lines =
                row.first().and_then(|uid| made.get(uid)).cloned().unwrap_or_default();
            let is_open = scope.raw == "samples"
                && (row.get(REASON), of_lines.get(REASON))
                    == (Some(&UNANSWERED.to_owned()), Some(&PENDING.to_owned()));
            if is_open {
                UNANSWERED.clone_into(&mut of_lines[REASON]);
                asserted += 1;
            }
            if row != of_lines {
                return wrong(&format!("{path}, row {number}: the raw lines give another row"));
            }
        }
        Ok(match asserted {
            0 => format!("recomputed: {} rows", told.len()),
            _ => format!(
                "recomputed: {} rows; of {asserted} it is asserted that no response came",
                told.len()
            ),
        })
    }

    fn question(&self, scope: &ScopeFile) -> Result<Question, PackError> {
        let filter =
            Filter::parse(scope.filter.as_deref().unwrap_or(""), jiff::Timestamp::UNIX_EPOCH);
        let filter =
            filter.map_err(|error| PackError::Wrong(format!("scope.json: {}", error.caret())))?;
        let at = Some(self.trail.view().leaf());
        Ok(Question { filter, from: scope.from_unix_ns, to: scope.to_unix_ns, all: false, at })
    }
}

/// A row's cells as they stand in a file.
fn as_csv(row: &EventRow) -> Result<Vec<String>, PackError> {
    let mut text = Vec::new();
    let mut table = TableWriter::new(Form::Csv, &COLUMNS[..EVENT_COLUMNS], &mut text)?;
    table.row(&event_cells(row))?;
    table.finish()?;
    let row = rows(&text[..], "a row")?.pop();
    Ok(row.unwrap_or_default())
}
