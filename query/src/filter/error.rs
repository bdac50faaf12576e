//! What is wrong with a filter, and where.

use std::ops::Range;

use thiserror::Error;

use crate::table::visible;

/// A filter that cannot be read. Its text form is one line; [`FilterError::caret`] also shows the
/// place.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}{}", .suggestion.as_ref().map(|word| format!(", did you mean {word:?}?")).unwrap_or_default())]
pub struct FilterError {
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What may have been meant in place of the span.
    pub suggestion: Option<String>,
    /// Which bytes of the filter it is about.
    pub span: Range<usize>,
    /// The filter.
    pub filter: String,
}

/// How much of a filter the caret line shows on either side of the place, in characters.
const CONTEXT_CHARS: usize = 40;

impl FilterError {
    /// Returns three lines: the filter (of a long one, the part about the place), carets under the
    /// place, and the message. Control characters are made visible.
    pub fn caret(&self) -> String {
        let (before, rest) = self.filter.split_at(self.span.start);
        let (place, after) = rest.split_at(self.span.len());
        let (before, cut_before) = last_chars(before, CONTEXT_CHARS);
        let (after, cut_after) = first_chars(after, CONTEXT_CHARS);
        let (place, cut_place) = first_chars(place, 2 * CONTEXT_CHARS);
        let before = format!("{}{}", if cut_before { "…" } else { "" }, visible(before));
        let cut = if cut_place || cut_after { "…" } else { "" };
        let after = if cut_place { "".into() } else { visible(after) };
        let place = visible(place);
        let carets = "^".repeat(place.chars().count().max(1));
        let indent = " ".repeat(before.chars().count());
        format!("{before}{place}{after}{cut}\n{indent}{carets}\n{self}")
    }
}

fn first_chars(text: &str, count: usize) -> (&str, bool) {
    match text.char_indices().nth(count) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

fn last_chars(text: &str, count: usize) -> (&str, bool) {
    match text.char_indices().rev().nth(count) {
        Some((start, char)) => (&text[start + char.len_utf8()..], true),
        None => (text, false),
    }
}

/// An error before it knows its filter: the parser's inner currency.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
    pub(super) span: Range<usize>,
}

impl Wrong {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), suggestion: None, span }
    }

    pub(super) fn meant(mut self, suggestion: Option<impl Into<String>>) -> Wrong {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    pub(super) fn of(self, filter: &str) -> FilterError {
        let Wrong { message, suggestion, span } = self;
        // A message may repeat what was typed.
        let message = visible(&message).into_owned();
        FilterError { message, suggestion, span, filter: filter.to_owned() }
    }
}

/// Returns the word most like what was typed, if one is like it at all.
pub(crate) fn nearest(
    typed: &str,
    words: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    // A long text is no typo of a short word; this also bounds the work.
    if typed.len() > 40 {
        return None;
    }
    let typed = typed.to_lowercase();
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, word), word))
        .filter(|&(edits, word)| edits <= word.len().min(typed.len()).div_ceil(3))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_have_a_nearest_word() {
        let words = ["decision", "identity", "is", "ip", "op"];
        for (typed, nearest_word) in [
            ("decison", Some("decision")),
            ("Decision", Some("decision")),
            ("idnetity", Some("identity")),
            ("iq", Some("is")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), nearest_word, "{typed}");
        }
    }

    #[test]
    fn a_long_filter_is_shown_about_the_place() {
        let filter = format!("{}\u{1b} decison:denied {}", "a".repeat(90), "b".repeat(90));
        let start = filter.find("decison").expect("there");
        let error = Wrong::new(start..start + 7, "no").of(&filter);
        let (a, b) = ("a".repeat(38), "b".repeat(32));
        assert_eq!(
            error.caret(),
            format!("…{a}\\u{{1b}} decison:denied {b}…\n{}^^^^^^^\nno", " ".repeat(1 + 38 + 6 + 1))
        );
    }
}
