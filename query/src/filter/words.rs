//! Words and phrases: what a filter without a key looks for in an event's text.
//!
//! A phrase matches where its words follow one another within one value: the path, a name, a policy
//! or the error. Both readings cut text with tantivy's default tokenizer: letters and digits make
//! words, case does not count, and what has 40 bytes or more (a hash) is no word.

use ingest::event::AuditEvent;
use tantivy::tokenizer::{TextAnalyzer, TokenStream, TokenizerManager};

/// A word or phrase as typed, and its words in lower case; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) text: String,
    pub(super) words: Vec<String>,
}

/// What is longer than a word that the index holds, in bytes.
const WORD_BYTES_LIMIT: usize = 40;

impl Phrase {
    /// Cuts the text into words.
    pub(super) fn new(text: &str) -> Result<Phrase, String> {
        let long = |word: &str| word.len() >= WORD_BYTES_LIMIT;
        if text.split(|c: char| !c.is_alphanumeric()).any(long) {
            return Err(format!(
                "the index holds words of less than {WORD_BYTES_LIMIT} bytes; look for a hash with hash:, for a part of a path with path:**part**"
            ));
        }
        let words: Vec<String> = tokens(text).into_iter().map(|(_, word)| word).collect();
        match words.is_empty() {
            true => Err(format!("{text:?} has no letter or digit to look for")),
            false => Ok(Phrase { text: text.to_owned(), words }),
        }
    }

    /// Tells whether one of the event's values has the words in a row.
    pub(super) fn matches(&self, event: &AuditEvent) -> bool {
        values(event).any(|value| {
            let tokens = tokens(value);
            (0..tokens.len()).any(|start| {
                let first = tokens[start].0;
                let here = self.words.iter().enumerate();
                let mut found = tokens[start..].iter();
                // Positions count words left out as too long, which therefore part a phrase.
                here.clone().all(|(at, word)| {
                    found.next().is_some_and(|(place, token)| *place == first + at && token == word)
                })
            })
        })
    }
}

/// Returns what the index's `text` field holds of an event, each a value of its own, so that no
/// phrase reaches from one into the next.
pub fn values(event: &AuditEvent) -> impl Iterator<Item = &str> {
    let identity = &event.identity;
    let single = [&event.path, &identity.name, &event.error];
    single
        .into_iter()
        .filter_map(|value| value.as_deref())
        .chain(identity.names.iter().map(String::as_str))
        .chain(event.policies.iter().map(String::as_str))
}

/// Returns the words of a text with their places.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokenizer: TextAnalyzer =
        TokenizerManager::default().get("default").expect("tantivy registers its default");
    let mut stream = tokenizer.token_stream(text);
    let mut tokens = Vec::new();
    while let Some(token) = stream.next() {
        tokens.push((token.position, token.text.clone()));
    }
    tokens
}
