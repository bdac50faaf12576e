//! A listing, and then nearly all of what it listed read within minutes by whoever listed it.

use std::collections::{BTreeMap, HashSet};

use ingest::source::LeafIndex;
use serde::Deserialize;

use crate::controls::control::Rule;
use crate::controls::draft::{Draft, EXCEPTIONS_MAX, Outcome, Sample};
use crate::controls::field::Field;
use crate::controls::hits::{Word, Words, scan};
use crate::controls::run::{Run, Span};
use crate::error::QueryError;

/// The most readings below listed paths that are held.
const READINGS_MAX: usize = 5_000_000;

/// Whoever listed a path of a namespace.
type Lister = [Word; 3];

/// Listings of one path by one identity, and what it read of that path's children.
#[derive(Default)]
struct Listed {
    lists: Vec<Sample>,
    reads: Vec<(Sample, Word)>,
}

const FIELDS: [Field; 3] = [Field::Who, Field::Ns, Field::Path];

pub(super) fn sweep(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let window = run.length(rule.window.as_deref().unwrap_or("$window"));
    let (least, share) = (run.param("least"), run.param("share"));
    let mut words = Words::default();
    let mut outcome = Outcome::default();
    let mut listed: BTreeMap<Lister, Listed> = BTreeMap::new();
    // A sweep belongs to the period in which its listing is.
    scan(run, &run.filter(&rule.query), run.span, &FIELDS, &mut words, &mut |hit, _| {
        outcome.events += 1;
        let lister = hit.values.try_into().expect("three fields were asked for");
        listed.entry(lister).or_default().lists.push(hit.sample());
        match listed.len() > EXCEPTIONS_MAX {
            true => Err(QueryError::TooMany { what: "listed paths", limit: EXCEPTIONS_MAX }),
            false => Ok(()),
        }
    })?;
    if listed.is_empty() {
        return Ok(outcome);
    }
    let span = Span { from: run.span.from, to: run.span.to.saturating_add(window).min(run.log_to) };
    let reads = run.filter("action:secret.read decision:allowed outcome:success");
    let mut parents: BTreeMap<Word, Vec<Word>> = BTreeMap::new();
    let (mut paths, mut held) = (Words::default(), 0);
    scan(run, &reads, span, &FIELDS, &mut paths, &mut |hit, paths| {
        let [who, ns, path] = hit.values.try_into().expect("three fields were asked for");
        let of_path = match parents.get(&path) {
            Some(known) => known,
            None => {
                let texts = paths.text(path).map(listings_of).unwrap_or_default();
                let known = texts.iter().filter_map(|text| words.known(text)).collect();
                parents.entry(path).or_insert(known)
            }
        };
        let known = |word: Word| paths.text(word).map_or(Some(0), |text| words.known(text));
        let (Some(who), Some(ns)) = (known(who), known(ns)) else { return Ok(()) };
        for &parent in of_path {
            if let Some(listed) = listed.get_mut(&[who, ns, parent]) {
                held += 1;
                listed.reads.push((hit.sample(), path));
            }
        }
        match held > READINGS_MAX {
            true => {
                Err(QueryError::TooMany { what: "readings of listed paths", limit: READINGS_MAX })
            }
            false => Ok(()),
        }
    })?;
    for (lister, Listed { mut lists, mut reads }) in listed {
        lists.sort_unstable();
        reads.sort_unstable();
        let mut lists = lists.into_iter().peekable();
        while let Some(list) = lists.next() {
            let end = list.0.saturating_add(window);
            let begin = reads.partition_point(|(read, _)| read.0 < list.0);
            let within = &reads[begin..reads.partition_point(|(read, _)| read.0 < end)];
            let distinct: HashSet<Word> = within.iter().map(|(_, path)| *path).collect();
            let found = distinct.len() as i64;
            if found < least {
                continue;
            }
            let Some(keys) = keys_of(run, list)? else { continue };
            if keys < least || found.saturating_mul(100) < keys.saturating_mul(share) {
                continue;
            }
            let mut draft = Draft { subject: subject(lister, &words), ..Draft::default() };
            draft.add_sample(list);
            // Listing again while it goes on is the same sweep.
            while let Some(again) = lists.next_if(|again| again.0 < end) {
                draft.add_sample(again);
            }
            within.iter().for_each(|(read, _)| draft.add_sample(*read));
            draft.said.insert("read", found.to_string());
            draft.said.insert("keys", keys.to_string());
            draft.apart.push(("listed", crate::period::rfc3339(list.0)));
            outcome.drafts.push(draft);
        }
    }
    Ok(outcome)
}

fn subject(lister: Lister, words: &Words) -> Vec<(Field, Option<String>)> {
    FIELDS.into_iter().zip(lister.map(|word| words.text(word).map(str::to_owned))).collect()
}

/// Returns the paths under which a path's parent is listed: its own, and that of the names of a KV store with versions.
fn listings_of(path: &str) -> Vec<String> {
    let Some((parent, _)) = path.rsplit_once('/') else { return Vec::new() };
    let parent = format!("{parent}/");
    let names = parent.contains("/data/").then(|| parent.replacen("/data/", "/metadata/", 1));
    names.into_iter().chain([parent]).collect()
}

/// Reads how many names a listing returned. The leaf that issued it is its response.
fn keys_of(run: &Run<'_>, list: Sample) -> Result<Option<i64>, QueryError> {
    #[derive(Deserialize)]
    struct Line {
        response: Option<Response>,
    }
    #[derive(Deserialize)]
    struct Response {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        keys: Keys,
    }
    /// A device may be told to write how many there are in place of their hashes.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Keys {
        Hashes(Vec<serde::de::IgnoredAny>),
        Count(i64),
    }
    let Ok(Some(line)) = run.trail.line(LeafIndex(list.1)) else { return Ok(None) };
    let Ok(line) = serde_json::from_slice::<Line>(&line.bytes) else { return Ok(None) };
    Ok(line.response.and_then(|response| response.data).map(|data| match data.keys {
        Keys::Hashes(hashes) => hashes.len() as i64,
        Keys::Count(count) => count,
    }))
}
