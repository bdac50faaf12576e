//! Rotated siblings: which names a rotation gives to the file before, and in which order.
//!
//! Numbers grow with age (`audit.log.2` is older than `audit.log.1`); dates grow with youth
//! (`audit.log-20261124`). Names are only a hint for the order and for where to look: what a file is,
//! its content decides.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the paths, siblings oldest first and side by side where their first one stood; files that
/// are no siblings of each other keep their order.
pub fn order_siblings(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut places = HashMap::new();
    let mut keyed: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(place, path)| {
            let (base, age) = age(path);
            let place = *places.entry(base).or_insert(place);
            ((place, age), path)
        })
        .collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.into_iter().map(|(_, path)| path.clone()).collect()
}

/// Returns the path that a rotated file had before, or none if its name is not a rotation's.
pub(crate) fn rotated_from(path: &Path) -> Option<PathBuf> {
    match age(path) {
        (_, Age::Current) => None,
        (base, Age::Dated(_) | Age::Numbered(_)) => Some(base),
    }
}

/// Lists the rotated siblings of `path` in its folder, oldest first.
pub(crate) fn rotated_siblings(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut siblings = Vec::new();
    for entry in fs::read_dir(folder)? {
        let sibling = path.with_file_name(entry?.file_name());
        if rotated_from(&sibling).as_deref() == Some(path) {
            siblings.push(sibling);
        }
    }
    // A folder is listed in any order; equal ages (`audit.log.1` while it becomes `audit.log.1.gz`) too.
    siblings.sort();
    Ok(order_siblings(&siblings))
}

/// Returns a name that is missing in a row of siblings, oldest first, that reaches to the youngest: numbers
/// must go down to 1 or 0 one by one. Dates do not tell.
pub(super) fn hole<'a>(siblings: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let numbers = siblings.into_iter().filter_map(|path| match age(path) {
        (base, Age::Numbered(Reverse(number))) => Some((base, number)),
        (_, Age::Dated(_) | Age::Current) => None,
    });
    let mut before: Option<(PathBuf, u64)> = None;
    let missing = |base: &Path, number: u64| {
        let mut name = base.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for (base, number) in numbers {
        if let Some((_, before)) = before
            && before > number + 1
        {
            return Some(missing(&base, before - 1));
        }
        before = Some((base, number));
    }
    before.filter(|&(_, number)| number > 1).map(|(base, number)| missing(&base, number - 1))
}

/// From the oldest on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Dated(String),
    Numbered(Reverse<u64>),
    Current,
}

fn age(path: &Path) -> (PathBuf, Age) {
    let current = (path.to_owned(), Age::Current);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return current };
    let plain = [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    // `audit.log.gz` with nothing more is its own file, not an older `audit.log`.
    let run = plain.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').len();
    let (base, suffix) = match (&plain[..run], &plain[run..]) {
        (base, suffix) if suffix.starts_with('-') => (base, &suffix[1..]),
        (base, suffix) => match base.strip_suffix('.') {
            Some(base) => (base, suffix),
            None => return current,
        },
    };
    if base.is_empty() || !suffix.ends_with(|c: char| c.is_ascii_digit()) {
        return current;
    }
    let digits = suffix.replace('-', "");
    let dashed = digits.len() < suffix.len() || plain[run..].starts_with('-');
    let base = path.with_file_name(base);
    // A date has at least year, month and day.
    match digits.parse() {
        Ok(number) if digits.len() < 8 && !dashed => (base, Age::Numbered(Reverse(number))),
        _ if digits.len() >= 8 => (base, Age::Dated(digits)),
        _ => current,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn siblings_stand_oldest_first() {
        for (given, expected) in [
            ("", ""),
            ("a.log", "a.log"),
            (
                "audit.log audit.log.1 audit.log.2.gz audit.log.10.gz",
                "audit.log.10.gz audit.log.2.gz audit.log.1 audit.log",
            ),
            (
                "audit.log audit.log-20261124 audit.log-20261123.gz",
                "audit.log-20261123.gz audit.log-20261124 audit.log",
            ),
            ("audit.log-20261124-1 audit.log-20261124", "audit.log-20261124 audit.log-20261124-1"),
            (
                "audit.log-2026-11-24.zst audit.log-2026-11-03",
                "audit.log-2026-11-03 audit.log-2026-11-24.zst",
            ),
            ("audit.log.20261124 audit.log.1", "audit.log.20261124 audit.log.1"),
            ("z.log b.log.1 a.log b.log b.log.2", "z.log b.log.2 b.log.1 b.log a.log"),
            (
                "n1/audit.log n2/audit.log n1/audit.log.1",
                "n1/audit.log.1 n1/audit.log n2/audit.log",
            ),
            ("2.gz 1 node-2 node-1 .1 x.1-", "2.gz 1 node-2 node-1 .1 x.1-"),
        ] {
            let paths: Vec<PathBuf> = given.split_whitespace().map(PathBuf::from).collect();
            let ordered: Vec<String> =
                order_siblings(&paths).iter().map(|path| path.display().to_string()).collect();
            assert_eq!(ordered.join(" "), expected);
        }
    }

    #[test]
    fn numbers_tell_of_a_hole() {
        for (siblings, expected) in [
            ("", None),
            ("a.log.3.gz a.log.2 a.log.2.gz a.log.1", None),
            ("a.log.2 a.log.1 a.log.0", None),
            ("a.log.4 a.log.2 a.log.1", Some("a.log.3")),
            ("a.log.3 a.log.2", Some("a.log.1")),
            ("a.log-20261120 a.log-20261124", None),
        ] {
            let paths: Vec<PathBuf> = siblings.split_whitespace().map(PathBuf::from).collect();
            assert_eq!(
                hole(paths.iter().map(|path| &**path)),
                expected.map(PathBuf::from),
                "{siblings}"
            );
        }
    }

    #[test]
    fn a_folder_tells_its_rotated_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["audit.log", "audit.log.1", "audit.log.2.gz", "other.log.1", "audit.log.bak"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let siblings = rotated_siblings(&folder.path().join("audit.log")).unwrap();
        assert_eq!(
            siblings,
            [folder.path().join("audit.log.2.gz"), folder.path().join("audit.log.1")]
        );
    }
}
