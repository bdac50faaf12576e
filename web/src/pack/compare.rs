//! The rows of a pack held against those made again of its lines. Both are read side by side: whatever their number, few
//! are in memory.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ingest::event::Uid;
use query::evidence::{COLUMNS, EVENT_COLUMNS, Sample, event_cells, rows as events, rows_of};
use query::filter::Filter;
use query::period::{Period, time_zone};
use query::question::Question;
use query::registers::Registers;
use query::report::Asking;
use query::report::access::{By, access};
use query::report::catalogue::Catalogue;
use query::row::EventRow;
use query::table::{Cell, csv_text};
use query::trail::Trail;

use super::opened::Pack;
use super::shown::Shown;
use super::verify::wrong;
use super::{PackError, Progress, ScopeFile, Step, TOLD_EACH};

/// The column that says why an event was decided so, and two of its words.
const REASON: usize = 13;
const UNANSWERED: &str = "unanswered";
const PENDING: &str = "pending";
/// Rows of a table that are looked up together: looking up many costs little more than looking up some hundreds.
const ROWS: usize = 16_384;

/// Compares each row of the population, the draw and the reports with those made again, and says so in words.
pub(super) fn population(
    trail: &Trail,
    pack: &mut Pack,
    scope: &ScopeFile,
    shown: &Shown,
    progress: Progress<'_>,
) -> Result<String, PackError> {
    let question = question(trail, scope)?;
    let all = scope.population.as_ref().map_or(0, |population| population.rows);
    let mut draw = scope.sample.as_ref().map(|sample| Sample::new(sample.wanted, &sample.seed));
    let mut told = pack.rows("populations/events")?;
    let mut made = 0_u64;
    let page = events(&trail.view(), &question, &mut |row| {
        made += 1;
        if made.is_multiple_of(TOLD_EACH) {
            progress(Step::Rows, made, all);
        }
        draw.iter_mut().for_each(|draw| draw.offer(row.uid));
        let Some((at, told)) = told.next(pack)? else {
            return wrong(&format!(
                "populations/events.csv: {} rows, the raw lines give more",
                made - 1
            ));
        };
        shown.check_row(&at, &told, 0, true)?;
        same(&at, told.iter().take(EVENT_COLUMNS), &texts(&event_cells(&row)))
    })?;
    if let Some((at, _)) = told.next(pack)? {
        return wrong(&format!("{at}: the raw lines give {made} rows and not this one"));
    }
    let Some(population) = &scope.population else {
        return wrong("scope.json: it names no population");
    };
    let left_out = page.left_out.0.iter().map(|(word, count)| ((*word).to_owned(), *count));
    if !population.left_out.clone().into_iter().eq(left_out) || population.rows != made {
        return wrong(
            "scope.json: the raw lines give other numbers of rows or of what is left out",
        );
    }
    if let Some(draw) = draw {
        drawn(pack, &draw.drawn().into_iter().collect())?;
    }
    reports(trail, pack, scope)?;
    Ok(format!(
        "recomputed: {made} rows, what is left out, and the reports are what the raw lines give"
    ))
}

/// The sample has the rows drawn, in the population's order.
fn drawn(pack: &mut Pack, drawn: &HashSet<Uid>) -> Result<(), PackError> {
    let (mut population, mut sample) =
        (pack.rows("populations/events")?, pack.rows("samples/sample")?);
    let other = || wrong("samples/sample.csv: the seed draws other rows");
    while let Some((_, row)) = population.next(pack)? {
        if row[0].parse().is_ok_and(|uid| drawn.contains(&uid)) {
            match sample.next(pack)? {
                Some((_, sampled)) if sampled[0] == row[0] => {}
                _ => return other(),
            }
        }
    }
    match sample.next(pack)? {
        None => Ok(()),
        Some(_) => other(),
    }
}

fn reports(trail: &Trail, pack: &mut Pack, scope: &ScopeFile) -> Result<(), PackError> {
    let question = question(trail, scope)?;
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
        let report = access(trail, &asking, by)?;
        let stem = format!("reports/access-by-{by}");
        let mut told = pack.rows(&stem)?;
        for made in report.table().rows {
            let Some((at, told)) = told.next(pack)? else {
                return wrong(&format!("{stem}.csv: the raw lines give more rows"));
            };
            same(&at, told.iter(), &texts(&made))?;
        }
        if let Some((at, _)) = told.next(pack)? {
            return wrong(&format!("{at}: the raw lines give other numbers"));
        }
    }
    Ok(())
}

/// Compares the rows of a table with those made of their lines, and says so in words. `before` columns stand before those
/// of a population.
pub(super) fn sample(
    trail: &Trail,
    pack: &mut Pack,
    scope: &ScopeFile,
    stem: &str,
    before: usize,
) -> Result<String, PackError> {
    let view = trail.view();
    let mut rows = pack.rows(stem)?;
    let (mut compared, mut open, mut outside) = (0, 0, 0);
    loop {
        let mut told = Vec::new();
        while let Some(row) = if told.len() < ROWS { rows.next(pack)? } else { None } {
            told.push(row);
        }
        if told.is_empty() {
            break;
        }
        let uids: HashSet<Uid> =
            told.iter().filter_map(|(_, row)| row.get(before)?.parse().ok()).collect();
        let made: HashMap<String, EventRow> =
            rows_of(&view, uids)?.into_iter().map(|row| (row.uid.to_string(), row)).collect();
        for (at, row) in told {
            let Some(made) = row.get(before).and_then(|uid| made.get(uid)) else {
                return wrong(&format!("{at}: the raw lines give another row"));
            };
            // An event from outside of the period has lost what was around it.
            if before > 0 && !is_within(scope, made.time_unix_ns) {
                outside += 1;
                continue;
            }
            let cells = event_cells(made);
            let mut made = texts(&cells);
            let reason = row.get(before + REASON);
            if scope.raw == "samples" && reason == Some(UNANSWERED) && made[REASON] == PENDING {
                made[REASON] = UNANSWERED.into();
                open += 1;
            }
            same(&at, row.iter().skip(before).take(EVENT_COLUMNS), &made)?;
            compared += 1;
        }
    }
    let mut words = format!("recomputed: {compared} rows");
    if open > 0 {
        words += &format!("; of {open} it is asserted that no response came");
    }
    if outside > 0 {
        words += &format!("; asserted: {outside} rows from outside of the period");
    }
    Ok(words)
}

fn is_within(scope: &ScopeFile, time: Option<i64>) -> bool {
    let Some(time) = time else { return false };
    scope.from_unix_ns.is_none_or(|from| from <= time)
        && scope.to_unix_ns.is_none_or(|to| time < to)
}

fn question(trail: &Trail, scope: &ScopeFile) -> Result<Question, PackError> {
    let filter = Filter::parse(scope.filter.as_deref().unwrap_or(""), jiff::Timestamp::UNIX_EPOCH);
    let filter =
        filter.map_err(|error| PackError::Wrong(format!("scope.json: {}", error.caret())))?;
    let at = Some(trail.view().leaf());
    Ok(Question { filter, from: scope.from_unix_ns, to: scope.to_unix_ns, all: false, at })
}

/// Compares a row told with one that was made.
fn same<'a>(
    at: &str,
    told: impl Iterator<Item = &'a str>,
    made: &[Cow<'_, str>],
) -> Result<(), PackError> {
    let told: Vec<&str> = told.collect();
    if told == *made {
        return Ok(());
    }
    match told.iter().zip(made).position(|(told, made)| told != made) {
        Some(column) => wrong(&format!(
            "{at}: the raw lines give {:?} in {}, not {:?}",
            made[column],
            COLUMNS.get(column).map_or("a column", |column| column.name),
            told[column]
        )),
        None => wrong(&format!("{at}: the raw lines give another number of columns")),
    }
}

/// A row's cells as a reader of the file is given them.
pub(super) fn texts(cells: &[Cell]) -> Vec<Cow<'_, str>> {
    cells.iter().map(csv_text).collect()
}
