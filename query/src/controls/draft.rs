//! An exception as a rule finds it, and how it becomes one that is told.

use std::collections::BTreeMap;

use ingest::index::class::LEFT_OUT;
use sha2::{Digest, Sha256};

use super::control::{Rule, Severity};
use super::field::Field;
use super::finding::Exception;
use super::hits::Hit;
use super::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::period::rfc3339;
use crate::rows::Rows;
use crate::scan::Address;

/// How many events of an exception are named; all are counted.
pub const UIDS_MAX: usize = 100;

/// The most exceptions of a control.
pub(super) const EXCEPTIONS_MAX: usize = 100_000;

/// An event: its time, the leaf that issued it, and where it is.
pub(super) type Sample = (i64, u64, Address);

/// The first events of several, by time and leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

impl Hit<'_> {
    pub(super) fn sample(&self) -> Sample {
        (self.time, self.leaf, self.address)
    }
}

impl Samples {
    pub(super) fn insert(&mut self, sample: Sample) {
        let at = self.0.partition_point(|known| *known < sample);
        if at < UIDS_MAX {
            self.0.insert(at, sample);
            self.0.truncate(UIDS_MAX);
        }
    }
}

/// An exception as a rule finds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// What its events have in common.
    pub(super) subject: Vec<(Field, Option<String>)>,
    /// What else tells it from others, part of its key.
    pub(super) apart: Vec<(&'static str, String)>,
    /// As the rule, unless something makes it graver.
    pub(super) severity: Option<Severity>,
    pub(super) span: Option<(i64, i64)>,
    pub(super) count: u64,
    pub(super) samples: Samples,
    /// The filter whose rows, within the span, are the exception's events; none: they are named one by one.
    pub(super) filter: Option<Filter>,
    /// More for its words.
    pub(super) said: BTreeMap<&'static str, String>,
    /// What is added to its words.
    pub(super) more: String,
}

/// What a rule found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) drafts: Vec<Draft>,
    /// How many events it looked at.
    pub(super) events: u64,
    /// What it lacks, so that nothing found means nothing.
    pub(super) missing: Vec<String>,
    /// What has to be known to read it rightly.
    pub(super) notes: Vec<String>,
}

impl Outcome {
    pub(super) fn lacking(missing: String) -> Outcome {
        Outcome { missing: vec![missing], ..Outcome::default() }
    }
}

impl Draft {
    /// Counts an event.
    pub(super) fn add(&mut self, hit: Hit<'_>) {
        self.add_sample(hit.sample());
    }

    pub(super) fn add_sample(&mut self, sample: Sample) {
        self.count += 1;
        self.stretch(sample.0);
        self.samples.insert(sample);
    }

    pub(super) fn stretch(&mut self, time: i64) {
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }

    /// Makes the exception.
    pub(super) fn told(
        self,
        run: &Run<'_>,
        rule: &Rule,
        cluster: &str,
        rows: &mut Rows<'_>,
    ) -> Result<Exception, QueryError> {
        let addresses: Vec<Address> =
            self.samples.0.iter().map(|(_, _, address)| *address).collect();
        let read = rows.rows(&addresses)?;
        let mut subject: BTreeMap<String, Option<String>> = self
            .subject
            .iter()
            .map(|(field, value)| (field.name().to_owned(), value.clone()))
            .collect();
        for (name, value) in &self.apart {
            subject.insert((*name).to_owned(), Some(value.clone()));
        }
        let key = serde_json::to_string(&(&run.control.id, cluster, &rule.id, &subject))
            .expect("texts under names");
        let hash = Sha256::digest(&key);
        let name = read.iter().find_map(|row| row.identity.clone());
        if subject.contains_key("identity") {
            subject.insert("name".to_owned(), name.clone());
        }
        let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "unknown".to_owned());
        let mut said: BTreeMap<&str, String> =
            run.params.iter().map(|param| (param.name.as_str(), param.value.clone())).collect();
        said.extend(subject.iter().map(|(field, value)| (field.as_str(), shown(value.as_ref()))));
        said.extend(self.said.iter().map(|(name, text)| (*name, text.clone())));
        said.insert("count", self.count.to_string());
        let of = |field: &str| subject.get(field).cloned().flatten();
        let shown = name.or_else(|| of("identity")).or_else(|| of("address"));
        said.insert("name", shown.unwrap_or_else(|| "somebody unknown".to_owned()));
        if let Some((first, last)) = self.span {
            said.insert("first", rfc3339(first));
            said.insert("last", rfc3339(last));
        }
        let words = format!("{}{}", render(&rule.words, &said), self.more);
        let requests: Option<Vec<&str>> = (read.len() as u64 == self.count)
            .then(|| read.iter().map(|row| row.request_id.as_deref()).collect())
            .flatten();
        let filter = match (&self.filter, requests) {
            (Some(filter), _) => within(filter, self.span),
            (None, Some(requests)) if !requests.is_empty() => {
                let quoted: Vec<String> = requests.into_iter().map(crate::filter::quoted).collect();
                let named = Filter::parse(&format!("request:{}", quoted.join(",")), run.now).ok();
                // What the rule asks for and counts leave out, such as system lines, is asked for here too.
                let base = run.filter(&rule.query);
                let asks = LEFT_OUT.iter().any(|word| base.asks_for(word));
                named.map(|named| Filter::all_of(asks.then_some(base).into_iter().chain([named])))
            }
            (None, _) => None,
        };
        Ok(Exception {
            key,
            hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            rule: rule.id.clone(),
            severity: self.severity.or(rule.severity).unwrap_or(run.control.severity),
            subject,
            first: self.span.map(|(first, _)| first),
            last: self.span.map(|(_, last)| last),
            count: self.count,
            uids: read.iter().map(|row| row.uid).collect(),
            filter: filter.map(|filter| filter.to_string()),
            words,
        })
    }
}

/// Returns a filter that asks for events from the first to the last instant only.
fn within(filter: &Filter, span: Option<(i64, i64)>) -> Option<Filter> {
    let (first, last) = span?;
    let text = format!("after:{} before:{}", rfc3339(first), rfc3339(last.checked_add(1)?));
    let times = Filter::parse(&text, jiff::Timestamp::UNIX_EPOCH).ok()?;
    Some(Filter::all_of([filter.clone(), times]))
}

fn render(words: &str, said: &BTreeMap<&str, String>) -> String {
    let mut rendered = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('{') {
        rendered.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        rendered.push_str(said.get(name).map_or("unknown", String::as_str));
        rest = after;
    }
    rendered + rest
}

/// Returns the filter for the events of a rule that have these values; `None` if the grammar cannot say it.
pub(super) fn exactly(base: &Filter, subject: &[(Field, Option<String>)]) -> Option<Filter> {
    let mut filters = vec![base.clone()];
    for (field, value) in subject {
        filters.push(field.filter(value.as_deref())?);
    }
    Some(Filter::all_of(filters))
}

impl Span {
    /// Tells whether an instant lies in it.
    pub(super) fn has(self, at: i64) -> bool {
        self.from <= at && at < self.to
    }
}
