//! A PostgreSQL log in, the same log out with who held each generated user.
//!
//! Whatever the log's line prefix is, a user that a secrets server made is known by its name: `v-`, who and which
//! role, twenty random characters, the second in which it was made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use ingest::own::Fact;
use query::lookup::{Given, given};
use query::table::visible;
use query::trail::Trail;

use super::hashing::Hashing;
use crate::deed;
use crate::failure::Failure;
use crate::output::stdout;

/// Lines that are read before their users are looked up together, and recorded as one look-up.
const LINES_AT_ONCE: usize = 10_000;
/// The longest part of a line that is looked at; the line is written in full all the same.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Writes the log to standard output; after a line that names a generated user, separated by tabs: the holder's name, its
/// identity key, the lease, and the uid of the event that gave the user out. `-` where that is not known.
pub(super) fn name_users(data: &Path, log: &Path, hashing: &Hashing) -> Result<(), Failure> {
    let input: Box<dyn Read> = match log.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(
            File::open(log)
                .map_err(|error| Failure::Usage(ingest::tail::unreadable(log, &error)))?,
        ),
    };
    let mut input = BufReader::with_capacity(1 << 16, input);
    let trail = Trail::open(data)?;
    let mut out = stdout();
    let mut known: BTreeMap<String, Option<Given>> = BTreeMap::new();
    let mut named = [0; 2];
    loop {
        let lines = some_lines(&mut input)?;
        if lines.is_empty() {
            break;
        }
        look_up(data, &trail, &lines, hashing, &mut known)?;
        for line in &lines {
            let (text, end) = match line.strip_suffix(b"\n") {
                Some(text) => (text, &b"\n"[..]),
                None => (&line[..], &b""[..]),
            };
            out.write_all(text)?;
            if let Some(user) = user(text) {
                let given = known.get(user).and_then(Option::as_ref);
                named[usize::from(given.is_some())] += 1;
                out.write_all(columns(given).as_bytes())?;
            }
            out.write_all(end)?;
        }
    }
    out.flush()?;
    let users = known.values().filter(|given| given.is_some()).count();
    eprintln!(
        "{users} of {} generated users are known, on {} lines; {} lines name others",
        known.len(),
        named[1],
        named[0]
    );
    Ok(())
}

fn some_lines(input: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    while lines.len() < LINES_AT_ONCE && bytes < LINE_BYTES_MAX {
        let mut line = Vec::new();
        bytes += input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? as u64;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Looks up the users of these lines that are not known yet.
fn look_up(
    data: &Path,
    trail: &Trail,
    lines: &[Vec<u8>],
    hashing: &Hashing,
    known: &mut BTreeMap<String, Option<Given>>,
) -> Result<(), Failure> {
    let mut new: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for user in lines.iter().filter_map(|line| user(line)) {
        if !known.contains_key(user) && !new.contains_key(user) {
            new.insert(user.to_owned(), hashing.of(user)?);
        }
    }
    let hashes: Vec<String> = new.values().flatten().cloned().collect();
    if !hashes.is_empty() {
        deed::record(data, Fact::LookedUp { by: deed::who(), address: None, hashes })?;
    }
    for (user, hashes) in new {
        let mut found = None;
        for hash in &hashes {
            found = found.or(given(trail, hash)?);
        }
        known.insert(user, found);
    }
    Ok(())
}

/// Returns the first word of a line that is the name of a generated user.
fn user(line: &[u8]) -> Option<&str> {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    line.split(|byte| !is_of_name(byte)).find_map(|word| {
        let word = str::from_utf8(word).ok()?;
        let (rest, second) = word.strip_prefix("v-")?.rsplit_once('-')?;
        let (_, random) = rest.rsplit_once('-')?;
        let is_second = second.len() >= 10 && second.bytes().all(|digit| digit.is_ascii_digit());
        (is_second && random.len() >= 8).then_some(word)
    })
}

fn columns(given: Option<&Given>) -> String {
    let Some(given) = given else { return "\t-\t-\t-\t-".to_owned() };
    let uid = given.uid.to_string();
    let all = [
        given.holder.name.as_deref(),
        given.holder.key.as_deref(),
        given.lease.as_deref(),
        Some(&uid),
    ];
    all.map(|column| format!("\t{}", visible(column.unwrap_or("-")))).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_users_are_known_by_their_names() {
        for (line, expected) in [
            (
                "user=v-kubernet-my-app-r-bGrGGorRK8t7MOQrAldH-1795529793 database=app",
                Some("v-kubernet-my-app-r-bGrGGorRK8t7MOQrAldH-1795529793"),
            ),
            (
                "CREATE ROLE \"v-root-ro-x7k2m9Qp4LwZ8nRb1c5T-1795529793\" WITH",
                Some("v-root-ro-x7k2m9Qp4LwZ8nRb1c5T-1795529793"),
            ),
            (
                ",v-token-a.b-ro_1-x7k2m9Qp4LwZ8nRb1c5T-1795529793,",
                Some("v-token-a.b-ro_1-x7k2m9Qp4LwZ8nRb1c5T-1795529793"),
            ),
            ("v-1795529793 v-x-y-1795529793 v-kubernet-my-app-r-bGrGGorRK8t7MOQrAldH-179552", None),
            ("vaultadmin@app statement: select 1", None),
            ("", None),
        ] {
            assert_eq!(user(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(user(b"\xff\xfe v-\xff-"), None);
    }
}
