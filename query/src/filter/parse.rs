//! From tokens to the tree.
//!
//! ```text
//! filter = [ or ]
//! or     = and { "OR" and }
//! and    = unary { [ "AND" ] unary }
//! unary  = ( "-" | "NOT" ) unary | "(" or ")" | word | phrase | key ":" value { "," value }
//! ```

use std::ops::Range;

use jiff::Timestamp;

use super::error::Wrong;
use super::key::{Key, Takes};
use super::lex::{Kind, Raw, Token, lex};
use super::node::Node;
use super::value::Value;
use super::words::Phrase;
use super::{DEPTH_MAX, FILTER_BYTES_MAX, TERMS_MAX};

/// Reads a filter.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Node, Wrong> {
    if text.len() > FILTER_BYTES_MAX {
        let message =
            format!("a filter has at most {FILTER_BYTES_MAX} bytes, this one {}", text.len());
        return Err(Wrong::new(0..0, message));
    }
    let mut parser =
        Parser { tokens: lex(text)?.into_iter().peekable(), end: text.len(), now, terms: 0 };
    if parser.tokens.peek().is_none() {
        return Ok(Node::All);
    }
    let node = parser.or(0)?;
    match parser.tokens.next() {
        None => Ok(node),
        Some(token) => Err(Wrong::new(token.span, "no parenthesis is open here")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    end: usize,
    now: Timestamp,
    terms: usize,
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Node, Wrong> {
        let mut parts = vec![self.and(depth)?];
        while self.tokens.next_if(|token| matches!(token.kind, Kind::Or)).is_some() {
            parts.push(self.and(depth)?);
        }
        Ok(Node::or(parts))
    }

    fn and(&mut self, depth: usize) -> Result<Node, Wrong> {
        let mut parts = vec![self.unary(depth)?];
        loop {
            match self.tokens.peek().map(|token| &token.kind) {
                None | Some(Kind::Close | Kind::Or) => return Ok(Node::and(parts)),
                Some(Kind::And) => {
                    self.tokens.next();
                }
                Some(_) => {}
            }
            parts.push(self.unary(depth)?);
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Node, Wrong> {
        let Some(Token { kind, span }) = self.tokens.next() else {
            return Err(Wrong::new(self.end..self.end, "a term is missing at the end"));
        };
        if depth >= DEPTH_MAX {
            return Err(Wrong::new(span, format!("nested deeper than {DEPTH_MAX}")));
        }
        match kind {
            Kind::Not => self.unary(depth + 1).map(Node::not),
            Kind::Open => {
                let inner = self.or(depth + 1)?;
                match self.tokens.next() {
                    Some(Token { kind: Kind::Close, .. }) => Ok(inner),
                    _ => Err(Wrong::new(span, "the parenthesis is not closed")),
                }
            }
            Kind::Close | Kind::And | Kind::Or => {
                Err(Wrong::new(span, "a term is missing before this"))
            }
            Kind::Word(word) => self.word(&word, span),
            Kind::Phrase(text) => self.phrase(&text, span),
            Kind::Term { key, key_span, values } => self.term(&key, key_span, &values),
        }
    }

    fn word(&mut self, word: &str, span: Range<usize>) -> Result<Node, Wrong> {
        // Searched as words, these would find nothing and look like an answer.
        if ["and", "or", "not"].contains(&word.to_lowercase().as_str()) {
            let capitals = word.to_uppercase();
            let message =
                format!("{capitals} is written in capitals; to look for the word, quote it");
            return Err(Wrong::new(span, message));
        }
        if word.contains('*') {
            let message = format!("a pattern needs a key, such as path:**{word}");
            return Err(Wrong::new(span, message));
        }
        self.phrase(word, span)
    }

    fn phrase(&mut self, text: &str, span: Range<usize>) -> Result<Node, Wrong> {
        self.one_more(&span)?;
        Phrase::new(text).map(Node::Phrase).map_err(|message| Wrong::new(span, message))
    }

    fn term(&mut self, name: &str, span: Range<usize>, raw: &[Raw]) -> Result<Node, Wrong> {
        let Some(key) = Key::parse(name) else {
            return Err(match name {
                "control" => Wrong::new(span, "control: is not available yet"),
                name => Wrong::new(span, format!("{name:?} is no key")).meant(Key::meant(name)),
            });
        };
        if key.takes() == Takes::Time && raw.len() > 1 {
            let message = format!("{name}: takes one time; write {name}:… OR {name}:…");
            return Err(Wrong::new(raw[1].span.clone(), message));
        }
        let mut values = Vec::new();
        for raw in raw {
            self.one_more(&raw.span)?;
            let value = Value::parse(key, raw, self.now)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(Node::Term(key, values))
    }

    fn one_more(&mut self, span: &Range<usize>) -> Result<(), Wrong> {
        self.terms += 1;
        match self.terms > TERMS_MAX {
            true => {
                Err(Wrong::new(span.clone(), format!("more than {TERMS_MAX} words and values")))
            }
            false => Ok(()),
        }
    }
}
