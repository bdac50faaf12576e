//! The matrix: which identity reached which path, how often, and where it was denied.
//!
//! Rows and columns that are alike stand together, so that whoever reaches what others do not stands out. What does not
//! fit is added up as "other".

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::scale::{Scale, Shade};
use super::{brief, unit};
use crate::text::{Text, counted, grouped};

/// A cell, and the room for names beside and above, in pixels.
const CELL: f64 = 22.0;
const GAP: f64 = 2.0;
const LEFT: f64 = 216.0;
const TOP: f64 = 180.0;
const NAME_CHARS: usize = 32;

/// An identity: the key that asks for it, and the name that people read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    /// Nothing of a failed login and the like.
    pub(crate) key: Option<String>,
    pub(crate) name: String,
}

/// Who reached what: many pairs of few identities and paths, which are named by their places. No two that pairs name are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) whos: Vec<Who>,
    pub(crate) paths: Vec<String>,
    /// Of one and the same there may be several.
    pub(crate) pairs: Vec<Pair>,
}

/// How often an identity reached a path.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Its place among the identities.
    pub(crate) who: usize,
    /// Its place among the paths.
    pub(crate) path: usize,
    pub(crate) count: u64,
    /// How many of them were denied.
    pub(crate) denied: u64,
}

/// A drawing, finished but for its markup.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) summary: String,
    pub(crate) rows: Vec<Axis>,
    pub(crate) columns: Vec<Axis>,
    /// The lines between cells.
    pub(crate) grid: String,
    pub(crate) cells: Vec<MatrixCell>,
    /// Whether some are added up.
    pub(crate) rest: bool,
    pub(crate) legend: Vec<Shade>,
}

/// A name beside the cells.
#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) name: Text,
    pub(crate) title: Text,
    pub(crate) href: Option<String>,
}

/// What an identity did with a path.
#[derive(Debug)]
pub(crate) struct MatrixCell {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) size: String,
    /// The middle and the radius of the ring of what was denied.
    pub(crate) ring: Option<(String, String, String)>,
    pub(crate) class: String,
    pub(crate) title: Text,
    pub(crate) href: Option<String>,
    pub(crate) who: Text,
    pub(crate) path: Text,
    pub(crate) count: String,
    pub(crate) denied: String,
}

/// A row or a column: one of the largest, or all others.
type Place<T> = Option<T>;

/// Requests and how many of them were denied, of each cell that is not nothing.
type Sums<'a> = BTreeMap<(Place<&'a Who>, Place<&'a String>), (u64, u64)>;

/// Draws the largest `at_most` identities and paths. `href` leads to what an identity did with a path; nothing is any.
pub(crate) fn matrix(
    reached: &Reached,
    at_most: usize,
    href: impl Fn(Option<&Who>, Option<&str>) -> Option<String>,
) -> Matrix {
    let Reached { whos, paths, pairs } = reached;
    let largest_whos = largest(whos, pairs.iter().map(|pair| (pair.who, pair.count)), at_most);
    let largest_paths = largest(paths, pairs.iter().map(|pair| (pair.path, pair.count)), at_most);
    let sums = added_up(reached, &largest_whos, &largest_paths);
    let rows = largest_whos.iter().map(|&at| &whos[at]).collect();
    let columns = largest_paths.iter().map(|&at| &paths[at]).collect();
    let (rows, columns) = ordered(&sums, rows, columns);
    // What is added up would make all else look like nothing.
    let named = sums.iter().filter(|(place, _)| place.0.is_some() && place.1.is_some());
    let scale = Scale::up_to(named.map(|(_, sum)| sum.0).max().unwrap_or(0));
    let names = |who: Place<&Who>| who.map_or("other", |who| &who.name).to_owned();
    let mut cells = Vec::new();
    for (row, who) in rows.iter().enumerate() {
        for (column, path) in columns.iter().enumerate() {
            let Some(&(count, denied)) = sums.get(&(*who, *path)) else { continue };
            let (x, y) = (LEFT + column as f64 * CELL, TOP + row as f64 * CELL);
            let words = path.map_or("other", String::as_str);
            let title = format!(
                "{}, {words}: {}, {} denied",
                names(*who),
                counted(count, "request", "requests"),
                grouped(denied)
            );
            cells.push(MatrixCell {
                x: unit(x + GAP / 2.0),
                y: unit(y + GAP / 2.0),
                size: unit(CELL - GAP),
                ring: (denied > 0)
                    .then(|| (unit(x + CELL / 2.0), unit(y + CELL / 2.0), unit(CELL / 2.0 - 4.0))),
                class: match (who, path) {
                    (Some(_), Some(_)) => scale.class(count),
                    _ => "rest".to_owned(),
                },
                title: Text::new(&title),
                href: who.zip(*path).and_then(|(who, path)| href(Some(who), Some(path))),
                who: Text::new(&names(*who)),
                path: Text::new(words),
                count: grouped(count),
                denied: grouped(denied),
            });
        }
    }
    let (right, bottom) = (LEFT + columns.len() as f64 * CELL, TOP + rows.len() as f64 * CELL);
    let line = |at: usize, row: bool| {
        let offset = at as f64 * CELL;
        match row {
            true => format!("M{} {}H{}", unit(LEFT), unit(TOP + offset), unit(right)),
            false => format!("M{} {}V{}", unit(LEFT + offset), unit(TOP), unit(bottom)),
        }
    };
    let across = (0..=rows.len()).map(|at| line(at, true));
    let grid = across.chain((0..=columns.len()).map(|at| line(at, false))).collect();
    Matrix {
        // The last name above leans over to the right.
        width: unit(right + TOP * 0.75),
        height: unit(bottom + GAP),
        summary: summary(pairs, &rows, &columns),
        grid,
        rest: rows.contains(&None) || columns.contains(&None),
        legend: if cells.is_empty() { Vec::new() } else { scale.legend() },
        rows: rows
            .iter()
            .enumerate()
            .map(|(at, who)| Axis {
                x: unit(LEFT - 8.0),
                y: unit(TOP + (at as f64 + 0.5) * CELL),
                name: brief(&names(*who), NAME_CHARS),
                title: Text::new(&names(*who)),
                href: who.and_then(|who| href(Some(who), None)),
            })
            .collect(),
        columns: columns
            .iter()
            .enumerate()
            .map(|(at, path)| Axis {
                x: unit(LEFT + (at as f64 + 0.5) * CELL),
                y: unit(TOP - 8.0),
                name: brief(path.map_or("other", String::as_str), NAME_CHARS),
                title: Text::new(path.map_or("other", String::as_str)),
                href: path.and_then(|path| href(None, Some(path))),
            })
            .collect(),
        cells,
    }
}

/// Returns the places of the values with the largest sums, the largest first, and of the same sum by name.
fn largest<T: Ord>(
    values: &[T],
    counts: impl Iterator<Item = (usize, u64)>,
    at_most: usize,
) -> Vec<usize> {
    let mut sums = vec![0; values.len()];
    for (at, count) in counts {
        sums[at] += count;
    }
    let mut all: Vec<usize> = (0..values.len()).filter(|&at| sums[at] > 0).collect();
    all.sort_unstable_by_key(|&at| (Reverse(sums[at]), &values[at]));
    all.truncate(at_most);
    all
}

/// Adds up what is in each cell.
fn added_up<'a>(reached: &'a Reached, rows: &[usize], columns: &[usize]) -> Sums<'a> {
    let Reached { whos, paths, pairs } = reached;
    // Of each value its row or column; what has none is in the last.
    let places = |values: usize, largest: &[usize]| {
        let mut places = vec![largest.len(); values];
        for (place, &at) in largest.iter().enumerate() {
            places[at] = place;
        }
        places
    };
    let (row_of, column_of) = (places(whos.len(), rows), places(paths.len(), columns));
    let width = columns.len() + 1;
    let mut cells = vec![(0, 0); (rows.len() + 1) * width];
    for pair in pairs {
        let cell: &mut (u64, u64) = &mut cells[row_of[pair.who] * width + column_of[pair.path]];
        *cell = (cell.0 + pair.count, cell.1 + pair.denied);
    }
    let place = |at: usize| {
        let (who, path) = (rows.get(at / width), columns.get(at % width));
        (who.map(|&at| &whos[at]), path.map(|&at| &paths[at]))
    };
    let counted = cells.into_iter().enumerate().filter(|(_, (count, _))| *count > 0);
    counted.map(|(at, sum)| (place(at), sum)).collect()
}

/// Returns rows and columns such that what is alike stands together, "other" last.
///
/// Each is moved to the mean place of what it has on the other axis, in turns: the barycentre heuristic of layered
/// graphs. Logarithms keep one busy path from drawing all to itself.
fn ordered<'a>(
    sums: &Sums<'a>,
    whos: Vec<&'a Who>,
    paths: Vec<&'a String>,
) -> (Vec<Place<&'a Who>>, Vec<Place<&'a String>>) {
    let mut rows: Vec<Place<&Who>> = whos.into_iter().map(Some).collect();
    let mut columns: Vec<Place<&String>> = paths.into_iter().map(Some).collect();
    let weight = |row: &Place<&Who>, column: &Place<&String>| {
        sums.get(&(*row, *column)).map_or(0.0, |sum| (sum.0 as f64).ln_1p())
    };
    for _ in 0..4 {
        sort_by_mean(&mut columns, &rows, |column, row| weight(row, column));
        sort_by_mean(&mut rows, &columns, weight);
    }
    if sums.keys().any(|key| key.0.is_none()) {
        rows.push(None);
    }
    if sums.keys().any(|key| key.1.is_none()) {
        columns.push(None);
    }
    (rows, columns)
}

fn sort_by_mean<A: Clone, B>(moved: &mut Vec<A>, fixed: &[B], weight: impl Fn(&A, &B) -> f64) {
    let mean = |of: &A| {
        let (mut sum, mut all) = (0.0, 0.0);
        for (at, other) in fixed.iter().enumerate() {
            let weight = weight(of, other);
            sum += weight * at as f64;
            all += weight;
        }
        if all > 0.0 { sum / all } else { f64::MAX }
    };
    let mut with: Vec<(f64, A)> = moved.iter().map(|of| (mean(of), of.clone())).collect();
    with.sort_by(|a, b| a.0.total_cmp(&b.0));
    *moved = with.into_iter().map(|(_, of)| of).collect();
}

fn summary(pairs: &[Pair], rows: &[Place<&Who>], columns: &[Place<&String>]) -> String {
    let total: u64 = pairs.iter().map(|pair| pair.count).sum();
    if total == 0 {
        return "No requests in this time.".to_owned();
    }
    let denied: u64 = pairs.iter().map(|pair| pair.denied).sum();
    let named = |count: usize, one, many| counted(count as u64, one, many);
    let rest = match (rows.contains(&None), columns.contains(&None)) {
        (false, false) => "",
        _ => ", all others added up",
    };
    format!(
        "{} of {} and {}{rest}; {} denied.",
        counted(total, "request", "requests"),
        named(rows.iter().flatten().count(), "identity", "identities"),
        named(columns.iter().flatten().count(), "path", "paths"),
        grouped(denied)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Who, what, how often, and how often denied.
    fn reached<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str, u64, u64)>) -> Reached {
        let mut all = Reached::default();
        for (who, path, count, denied) in pairs {
            let who = Who { key: Some(format!("k/{who}")), name: who.to_owned() };
            let who = place(&mut all.whos, who);
            let path = place(&mut all.paths, path.to_owned());
            all.pairs.push(Pair { who, path, count, denied });
        }
        all
    }

    fn place<T: PartialEq>(values: &mut Vec<T>, value: T) -> usize {
        values.iter().position(|known| *known == value).unwrap_or_else(|| {
            values.push(value);
            values.len() - 1
        })
    }

    fn link(who: Option<&Who>, path: Option<&str>) -> Option<String> {
        Some(format!("{}+{}", who?.key.as_deref()?, path.unwrap_or("*")))
    }

    /// Returns the drawing as text: a row a line, counts in columns, `!` where something was denied.
    fn picture(matrix: &Matrix) -> String {
        let mut text = String::new();
        for row in &matrix.rows {
            text += &format!("{:<6}", row.title.to_string());
            for column in &matrix.columns {
                let cell = matrix
                    .cells
                    .iter()
                    .find(|cell| cell.who == row.title && cell.path == column.title);
                text += &cell.map_or("  ·".to_owned(), |cell| {
                    let ring = if cell.ring.is_some() { "!" } else { "" };
                    format!("{:>3}", format!("{}{ring}", cell.count))
                });
            }
            text += "\n";
        }
        text
    }

    #[test]
    fn what_is_alike_stands_together_and_the_rest_is_added_up() {
        let pairs = reached([
            ("web", "app", 9, 0),
            ("etl", "db", 8, 0),
            ("api", "app", 7, 1),
            ("job", "db", 6, 0),
            ("rare", "odd", 1, 1),
            ("web", "odd", 1, 0),
        ]);
        let drawn = matrix(&pairs, 4, link);
        insta::assert_snapshot!(picture(&drawn), @r"
            web     1  9  ·
            api     · 7!  ·
            etl     ·  ·  8
            job     ·  ·  6
            other  1!  ·  ·
        ");
        let drawn = matrix(&pairs, 2, link);
        insta::assert_snapshot!(picture(&drawn), @r"
            web     9  ·  1
            etl     ·  8  ·
            other  7!  6 1!
        ");
        insta::assert_snapshot!(drawn.summary, @"32 requests of 2 identities and 2 paths, all others added up; 2 denied.");
    }

    #[test]
    fn geometry_of_one_cell() {
        let drawn = matrix(&reached([("web", "app", 9, 2)]), 40, link);
        insta::assert_debug_snapshot!(drawn, @r#"
            Matrix {
                width: "373",
                height: "204",
                summary: "9 requests of 1 identity and 1 path; 2 denied.",
                rows: [
                    Axis {
                        x: "208",
                        y: "191",
                        name: Text(
                            "web",
                        ),
                        title: Text(
                            "web",
                        ),
                        href: Some(
                            "k/web+*",
                        ),
                    },
                ],
                columns: [
                    Axis {
                        x: "227",
                        y: "172",
                        name: Text(
                            "app",
                        ),
                        title: Text(
                            "app",
                        ),
                        href: None,
                    },
                ],
                grid: "M216 180H238M216 202H238M216 180V202M238 180V202",
                cells: [
                    MatrixCell {
                        x: "217",
                        y: "181",
                        size: "20",
                        ring: Some(
                            (
                                "227",
                                "191",
                                "7",
                            ),
                        ),
                        class: "shade-6",
                        title: Text(
                            "web, app: 9 requests, 2 denied",
                        ),
                        href: Some(
                            "k/web+app",
                        ),
                        who: Text(
                            "web",
                        ),
                        path: Text(
                            "app",
                        ),
                        count: "9",
                        denied: "2",
                    },
                ],
                rest: false,
                legend: [
                    Shade {
                        class: "shade-2",
                        words: "1",
                    },
                    Shade {
                        class: "shade-3",
                        words: "2",
                    },
                    Shade {
                        class: "shade-4",
                        words: "3–4",
                    },
                    Shade {
                        class: "shade-5",
                        words: "5–6",
                    },
                    Shade {
                        class: "shade-6",
                        words: "7–9",
                    },
                ],
            }
        "#);
    }

    #[test]
    fn nobody_known_has_no_link() {
        let mut nobody = reached([("nobody known", "p", 1, 1)]);
        nobody.whos[0].key = None;
        let drawn = matrix(&nobody, 40, link);
        assert_eq!(drawn.cells[0].href, None);
        assert_eq!(matrix(&Reached::default(), 40, link).summary, "No requests in this time.");
    }

    proptest! {
        #[test]
        fn every_request_is_in_one_cell(
            pairs in prop::collection::vec((0..20_u8, 0..20_u8, 0..1000_u64, 0..10_u64), 0..60),
            at_most in 1..12_usize,
        ) {
            let pairs: Vec<_> = pairs
                .into_iter()
                .map(|(who, path, count, denied)| {
                    (who.to_string(), path.to_string(), count, denied.min(count))
                })
                .collect();
            let borrowed = pairs.iter().map(|(who, path, count, denied)| (&**who, &**path, *count, *denied));
            let drawn = matrix(&reached(borrowed), at_most, link);
            let sum = |of: fn(&MatrixCell) -> &String| -> u64 {
                drawn.cells.iter().map(|cell| of(cell).replace(',', "").parse::<u64>().expect("a number")).sum()
            };
            prop_assert_eq!(sum(|cell| &cell.count), pairs.iter().map(|pair| pair.2).sum::<u64>());
            prop_assert_eq!(sum(|cell| &cell.denied), pairs.iter().map(|pair| pair.3).sum::<u64>());
            prop_assert!(drawn.rows.len() <= at_most + 1 && drawn.columns.len() <= at_most + 1);
        }
    }
}
