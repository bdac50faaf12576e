//! Tables as they fit on paper: how wide each column is, whether they lie across the page, and where they are too wide
//! even for that, which columns stand together.

use query::period::rfc3339;
use query::table::{Cell, Kind, grouped};
use serde::Serialize;

use crate::font::width_em;
use crate::paper::Rows;
use crate::said::{LIST_CHARS_MAX, Said, VALUE_CHARS_MAX};

/// Size of a table's text, in points.
const SIZE_PT: f64 = 7.6;
/// What is left between the margins, in parts of that size: of a page that stands, and of one that lies. See report.typ.
const STANDING_EM: f64 = 170.0 * PT_PER_MM / SIZE_PT;
const LYING_EM: f64 = 257.0 * PT_PER_MM / SIZE_PT;
const PT_PER_MM: f64 = 72.0 / 25.4;
/// Left and right of a cell.
const INSET_EM: f64 = 2.0 * PT_PER_MM / SIZE_PT + 0.1;
/// Headings of columns are bolder than what they were measured with.
const BOLD: f64 = 1.07;
/// No column asks for more: a longer text takes several lines.
const COLUMN_EM_MAX: f64 = 34.0;
/// Rows that take more lines than this on average lie across the page.
const LINES_MAX: f64 = 4.0;
/// Of columns that stand apart, how much of the way from what they need to what they would like is given to them.
const EASE: f64 = 0.4;
/// What stands where there is no value.
const NOTHING: &str = "–";
/// What a person writes by hand asks for.
const ROOM_EM: f64 = 12.0;
/// A box to tick, and the space around it.
const BOX_EM: f64 = 1.9;

/// A table, as the template takes it.
#[derive(Debug, Serialize)]
pub(crate) struct Grid {
    caption: Option<Said>,
    size: f64,
    columns: Vec<GridColumn>,
    rows: Vec<Vec<GridCell>>,
}

#[derive(Debug, Serialize)]
struct GridColumn {
    name: Said,
    width: f64,
    right: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum GridCell {
    Said(Said),
    /// So long that it may go on on the next page.
    Long {
        long: Said,
    },
    Choice {
        choice: &'static [&'static str],
    },
}

/// Tables that stand for one, and whether they need a page that lies.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) wide: bool,
    pub(crate) grids: Vec<Grid>,
}

/// A column with all that decides on its width.
struct Measured {
    name: Said,
    right: bool,
    cells: Vec<GridCell>,
    /// The widest cell on one line.
    natural: f64,
    /// The widest piece, which cannot be broken.
    least: f64,
}

/// Lays out a table.
pub(crate) fn lay(rows: &Rows) -> Laid {
    let mut cut = false;
    let shown = |name: &str| !rows.without.contains(&name);
    let columns: Vec<Measured> = (0..rows.table.columns.len())
        .filter(|&column| shown(rows.table.columns[column].name))
        .map(|column| measured(rows, column, &mut cut))
        .collect();
    let all: Vec<usize> = (0..columns.len()).collect();
    if let Some(widths) = widths(&columns, &all, STANDING_EM)
        && lines(&columns, &widths) <= LINES_MAX
    {
        let caption = caption(rows, cut, &[]);
        return Laid { wide: false, grids: vec![grid(&columns, &all, &widths, caption)] };
    }
    // Where room is short, a column of nothing is said in words.
    let (zeros, columns): (Vec<_>, Vec<_>) = columns.into_iter().partition(Measured::is_empty);
    let all: Vec<usize> = (0..columns.len()).collect();
    let caption = caption(rows, cut, &zeros);
    if let Some(widths) = widths(&columns, &all, LYING_EM) {
        return Laid { wide: true, grids: vec![grid(&columns, &all, &widths, caption)] };
    }
    let numbers = numbers(rows.table.rows.len());
    let mut columns = columns;
    columns.insert(0, numbers);
    let groups = groups(&columns);
    let many = groups.len();
    let mut grids = Vec::with_capacity(many);
    for (at, group) in groups.iter().enumerate() {
        let widths = widths(&columns, group, LYING_EM).unwrap_or_else(|| even(group.len()));
        let part = format!("Part {} of {many} of the columns; # numbers the rows.", at + 1);
        let caption = match &caption {
            Some(caption) if at == 0 => format!("{caption} {part}"),
            _ => part,
        };
        grids.push(grid(&columns, group, &widths, Some(caption)));
    }
    Laid { wide: true, grids }
}

/// Says how many rows there are, and what only the attached file has.
fn caption(rows: &Rows, cut: bool, zeros: &[Measured]) -> Option<String> {
    let printed = rows.table.rows.len() as u64;
    let mut sentences = Vec::new();
    sentences.push(match (printed == rows.all, rows.all) {
        (true, 1) => "1 row.".to_owned(),
        (true, all) => format!("All {} rows.", grouped(all)),
        (false, all) => {
            format!("The first {} of {} rows.", grouped(printed), grouped(all))
        }
    });
    if rows.appendix {
        sentences.push("More stand in the appendix.".to_owned());
    }
    if !zeros.is_empty() {
        let names: Vec<String> = zeros.iter().map(|zero| zero.name.clone().into_text()).collect();
        sentences.push(format!("0 or nothing in every row: {}.", names.join(", ")));
    }
    if let Some(file) = &rows.file {
        if printed < rows.all {
            sentences.push(format!("All {} are in the file {file}.", grouped(rows.all)));
        }
        let without: Vec<&str> = (rows.table.columns.iter().map(|column| column.name))
            .filter(|name| rows.without.contains(name))
            .collect();
        if !without.is_empty() {
            sentences.push(format!("The column {} is in {file} only.", without.join(", ")));
        }
        if cut {
            sentences.push(format!("Long texts are cut here and whole in {file}."));
        }
    }
    Some(sentences.join(" "))
}

fn measured(rows: &Rows, column: usize, cut: &mut bool) -> Measured {
    let of = rows.table.columns[column];
    let name = heading(of.name, of.kind);
    let choice = rows.choices.iter().find(|(name, _)| *name == of.name).map(|(_, words)| *words);
    // A heading may take several lines, so that what stands below it gets the room.
    let mut least = Said::words(&name).widths_em().1 * BOLD;
    let mut natural = least;
    let mut cells = Vec::with_capacity(rows.table.rows.len());
    for row in &rows.table.rows {
        let cell = match (&row[column], choice) {
            (Cell::Absent, Some(choice)) => GridCell::Choice { choice },
            (cell, _) => {
                let (said, was_cut) = said(cell);
                *cut |= was_cut;
                match cell {
                    Cell::List(texts)
                        if texts.iter().map(String::len).sum::<usize>() > VALUE_CHARS_MAX =>
                    {
                        GridCell::Long { long: said }
                    }
                    _ => GridCell::Said(said),
                }
            }
        };
        let (whole, piece) = cell.widths_em();
        natural = natural.max(whole);
        least = least.max(piece);
        cells.push(cell);
    }
    natural = natural.clamp(least, COLUMN_EM_MAX.max(least));
    Measured { name: Said::words(&name), right: of.kind == Kind::Number, cells, natural, least }
}

/// Numbers of rows, by which tables that stand for one are read together.
fn numbers(rows: usize) -> Measured {
    let number = |row: usize| GridCell::Said(Said::words(&grouped(row as u64)));
    let widest = width_em(&grouped(rows as u64)).max(1.0);
    Measured {
        name: Said::words("#"),
        right: true,
        cells: (1..=rows).map(number).collect(),
        natural: widest,
        least: widest,
    }
}

fn said(cell: &Cell) -> (Said, bool) {
    match cell {
        Cell::Absent => (Said::words(NOTHING), false),
        Cell::Text(text) => match instant(text) {
            Some(instant) => (Said::Whole(instant), false),
            None => Said::value(text, VALUE_CHARS_MAX),
        },
        Cell::Number(number) => {
            let sign = if *number < 0 { "-" } else { "" };
            (Said::words(&format!("{sign}{}", grouped(number.unsigned_abs()))), false)
        }
        Cell::Time(time) => (Said::Whole(to_the_second(&rfc3339(*time))), false),
        Cell::List(texts) => Said::value(&texts.join(", "), LIST_CHARS_MAX),
    }
}

/// Returns a text that is a time in UTC to the second, as in columns of times; the Z says so where the heading does not.
fn instant(text: &str) -> Option<String> {
    let is_utc = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    (is_utc && text.parse::<jiff::Timestamp>().is_ok()).then(|| format!("{}Z", to_the_second(text)))
}

/// Cuts a time of RFC 3339 after its seconds. The attached file has all digits.
fn to_the_second(time: &str) -> String {
    let (date, clock) = time.split_once('T').unwrap_or((time, ""));
    format!("{date} {}", clock.get(..8).unwrap_or(clock))
}

/// Returns a column's name as people write it, with its unit.
fn heading(name: &str, kind: Kind) -> String {
    if kind == Kind::Time {
        return format!("{} (UTC)", name.replace('_', " "));
    }
    for (ending, unit) in [("_us", "µs"), ("_ms", "ms"), ("_s", "s")] {
        if let (Kind::Number, Some(name)) = (kind, name.strip_suffix(ending)) {
            return format!("{} ({unit})", name.replace('_', " "));
        }
    }
    name.replace('_', " ")
}

impl Measured {
    /// Tells whether it holds nothing but the number 0, or no value.
    fn is_empty(&self) -> bool {
        let nothing = |cell: &GridCell| match cell {
            GridCell::Said(Said::Whole(text)) => text == NOTHING || self.right && text == "0",
            _ => false,
        };
        self.cells.iter().all(nothing)
    }
}

impl GridCell {
    fn widths_em(&self) -> (f64, f64) {
        match self {
            GridCell::Said(said) | GridCell::Long { long: said } => said.widths_em(),
            GridCell::Choice { choice: [] } => (ROOM_EM, ROOM_EM / 2.0),
            GridCell::Choice { choice } => {
                let words = choice.iter().map(|word| BOX_EM + width_em(word));
                (words.clone().sum(), words.fold(0.0, f64::max))
            }
        }
    }
}

/// Returns widths that fit, or nothing if there are none: each column has its widest piece, and what is left goes to
/// those that would take several lines.
fn widths(columns: &[Measured], of: &[usize], room: f64) -> Option<Vec<f64>> {
    let room = room - INSET_EM * of.len() as f64;
    let sum = |width: fn(&Measured) -> f64| of.iter().map(|&at| width(&columns[at])).sum::<f64>();
    let (natural, least) = (sum(|column| column.natural), sum(|column| column.least));
    if least > room {
        return None;
    }
    let width = |&at: &usize| {
        let column = &columns[at];
        let width = if natural <= room {
            column.natural * room / natural
        } else {
            column.least + (column.natural - column.least) * (room - least) / (natural - least)
        };
        width + INSET_EM
    };
    Some(of.iter().map(width).collect())
}

fn even(columns: usize) -> Vec<f64> {
    vec![1.0; columns]
}

/// Returns how many lines a row takes on average.
fn lines(columns: &[Measured], widths: &[f64]) -> f64 {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let lines = |row: usize| {
        let cells = columns.iter().zip(widths);
        cells
            .map(|(column, width)| {
                (column.cells[row].widths_em().0 / (width - INSET_EM)).ceil().max(1.0)
            })
            .fold(1.0, f64::max)
    };
    (0..rows).map(lines).sum::<f64>() / rows.max(1) as f64
}

/// Puts columns together that fit beside each other, about as many into each group. The first two stand in each: the row's
/// number and its name.
fn groups(columns: &[Measured]) -> Vec<Vec<usize>> {
    let width = |at: usize| {
        let Measured { natural, least, .. } = columns[at];
        least + (natural - least) * EASE + INSET_EM
    };
    let named = columns.len().min(2);
    let room = LYING_EM - (0..named).map(width).sum::<f64>();
    let all: f64 = (named..columns.len()).map(width).sum();
    let share = all / (all / room).ceil().max(1.0);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut taken = f64::INFINITY;
    for at in named..columns.len() {
        if taken >= share || taken + width(at) > room {
            groups.push((0..named).collect());
            taken = 0.0;
        }
        taken += width(at);
        groups.last_mut().expect("one was pushed").push(at);
    }
    groups
}

fn grid(columns: &[Measured], of: &[usize], widths: &[f64], caption: Option<String>) -> Grid {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    Grid {
        caption: caption.map(|caption| Said::words(&caption)),
        size: SIZE_PT,
        columns: (of.iter().zip(widths))
            .map(|(&at, &width)| GridColumn {
                name: columns[at].name.clone(),
                // A tenth is more than the eye sees, and a short number is the same on every machine.
                width: (width * 10.0).round() / 10.0,
                right: columns[at].right,
            })
            .collect(),
        rows: (0..rows)
            .map(|row| of.iter().map(|&at| columns[at].cells[row].clone()).collect())
            .collect(),
    }
}
