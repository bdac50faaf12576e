//! What may be meant by the beginning of a term: keys of the grammar, our words, and values that events have.

use std::collections::BTreeMap;

use ingest::index::class::NONE;
use serde::Serialize;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, InvertedIndexReader, TERMINATED, TantivyError};

use crate::error::QueryError;
use crate::filter::{self, Filter};
use crate::history::View;
use crate::part::Part;
use crate::question::Question;
use crate::scan::CHECK_EVERY;
use crate::select::Selection;

/// The most proposals.
pub const PROPOSALS_MAX: usize = 100;

/// The most values that are looked at for one answer.
const TERMS_MAX: usize = 100_000;

/// What may be meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Completion {
    /// The key that was typed; absent as long as there is none.
    pub key: Option<&'static str>,
    /// Keys in the order of the grammar; values with the most frequent first.
    pub proposals: Vec<Proposal>,
    /// There are more than these.
    pub more: bool,
    /// There are too many values with this beginning: more frequent ones may not be among these. The counts of those that
    /// are here are exact all the same.
    pub is_partial: bool,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Proposal {
    /// The term as it stands in a filter: `path:` or `path:secret/data/my-app/config`.
    pub term: String,
    /// The value alone.
    pub value: Option<String>,
    /// How many events have it, those included that answers leave out as a rule. Absent of a key.
    pub count: Option<u64>,
}

/// Completes a term of which this much was typed: `pa`, `path:sec`, `-op:re`, `decision:allowed,den`.
///
/// The values of `identity:` are keys, names and entities alike.
///
/// # Errors
/// The index cannot be read, or the turn is over. What is no key has no proposals.
pub fn complete(view: &View, typed: &str, limit: usize) -> Result<Completion, QueryError> {
    let limit = limit.min(PROPOSALS_MAX);
    let typed = typed.trim_start_matches(['-', '(']);
    let mut completion = Completion {
        key: None,
        proposals: Vec::new(),
        more: false,
        is_partial: false,
        leaf: view.leaf(),
    };
    let Some((key, values)) = typed.split_once(':') else {
        let keys = filter::keys().filter(|key| key.starts_with(typed));
        let proposal = |key| Proposal { term: format!("{key}:"), value: None, count: None };
        completion.proposals = keys.map(proposal).collect();
        completion.more = completion.proposals.len() > limit;
        completion.proposals.truncate(limit);
        return Ok(completion);
    };
    let Some((key, field, words)) = filter::values_of(key, view.fields()) else {
        return Ok(completion);
    };
    completion.key = Some(key);
    let beginning = values.rsplit(',').next().unwrap_or_default().trim_start_matches('"');
    let mut counts = BTreeMap::new();
    if key == "is" {
        // Some of these words stand for more than one term, and some for none.
        for word in words.iter().filter(|word| word.starts_with(beginning)) {
            counts.insert((*word).to_owned(), count(view, key, word)?);
        }
    } else if let Some(field) = field {
        let ours = words.iter().filter(|word| word.starts_with(beginning));
        counts.extend(ours.map(|word| ((*word).to_owned(), 0)));
        completion.is_partial = !terms(view, field, beginning, &mut counts)?;
    }
    let mut found: Vec<(String, u64)> =
        counts.into_iter().filter(|(word, count)| *count > 0 || words.contains(&&**word)).collect();
    found.sort_by(|(one, one_count), (other, other_count)| {
        other_count.cmp(one_count).then_with(|| one.cmp(other))
    });
    completion.more = found.len() > limit;
    found.truncate(limit);
    for (value, mut count) in found {
        if completion.is_partial {
            count = self::count(view, key, &value)?;
        }
        let term = Filter::exactly(key, &value).map(|filter| filter.to_string());
        let term = term.unwrap_or_default();
        completion.proposals.push(Proposal { term, value: Some(value), count: Some(count) });
    }
    completion.proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.count));
    Ok(completion)
}

/// Adds up how many events have each value that begins so; false if there are too many values to look at.
fn terms(
    view: &View,
    field: Field,
    beginning: &str,
    counts: &mut BTreeMap<String, u64>,
) -> Result<bool, QueryError> {
    let mut walked = 0;
    for (number, segment) in (0..).zip(view.searcher().segment_readers()) {
        let part = view.part(number)?;
        let has_none = part.has_none();
        let index = segment.inverted_index(field)?;
        let terms = index.terms().range().ge(beginning.as_bytes()).into_stream();
        let mut terms = terms.map_err(TantivyError::from)?;
        while terms.advance() && terms.key().starts_with(beginning.as_bytes()) {
            walked += 1;
            if walked > TERMS_MAX {
                return Ok(false);
            }
            if has_none || walked.is_multiple_of(CHECK_EVERY) {
                view.turn().check()?;
            }
            let count = match has_none {
                true => events_with(part, &index, terms.value())?,
                false => terms.value().doc_freq.into(),
            };
            let value = String::from_utf8_lossy(terms.key()).into_owned();
            *counts.entry(value).or_default() += count;
        }
    }
    Ok(true)
}

/// Counts the events with a term where some documents are none.
fn events_with(
    part: &Part,
    index: &InvertedIndexReader,
    term: &TermInfo,
) -> Result<u64, QueryError> {
    let postings = index.read_postings_from_terminfo(term, IndexRecordOption::Basic);
    let mut postings = postings.map_err(TantivyError::from)?;
    let mut count = 0;
    while postings.doc() != TERMINATED {
        count += u64::from(part.class(postings.doc()) != NONE);
        postings.advance();
    }
    Ok(count)
}

/// Counts the events that have a value, by asking for them.
fn count(view: &View, key: &str, value: &str) -> Result<u64, QueryError> {
    let Some(filter) = Filter::exactly(key, value) else { return Ok(0) };
    let question = Question { filter, all: true, ..Question::everything() };
    let selection = Selection::new(view, &question)?;
    let mut count = 0;
    for part in selection.parts()? {
        count += part.count()?.matched;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on, view_of};

    fn completed(view: &View, typed: &str, limit: usize) -> String {
        let completion = complete(view, typed, limit).expect("a completion");
        let shown = completion.proposals.iter().map(|proposal| {
            let count = proposal.count.map(|count| format!(" {count}")).unwrap_or_default();
            format!("{}{count}", proposal.term)
        });
        let more = if completion.more { " …" } else { "" };
        format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn what_was_typed_is_completed_by_what_there_is() {
        let mut events: Vec<_> = (1..=6).map(|number| on(number, "a", f64::from(number))).collect();
        for (event, path) in events.iter_mut().zip(["secret/b", "secret/a", "sys/x", "secret/a y"])
        {
            event.path = Some(path.to_owned());
        }
        events[4].path = Some("secret/a".to_owned());
        events[5].path = None;
        let view = view_of(&events, 4);
        for (typed, expected) in [
            ("path:sec", "path:secret/a 2, path:\"secret/a y\" 1, path:secret/b 1"),
            ("-path:x,\"sys", "path:sys/x 1"),
            ("path:none", ""),
            ("decision:", "decision:allowed 6, decision:denied 0, decision:unknown 0"),
            ("is:ro", "is:root 0"),
            ("identity:my", "identity:my-app/my-app 6"),
            ("pol", "policy:"),
            ("le", "lease:, lease_prefix:"),
            ("ttl:3", ""),
            ("nokey:a", ""),
        ] {
            assert_eq!(completed(&view, typed, 9), expected, "{typed}");
        }
        assert_eq!(completed(&view, "path:sec", 1), "path:secret/a 2 …");
    }
}
