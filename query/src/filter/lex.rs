//! From text to tokens.
//!
//! What ends a bare word or value: white space, `(`, `)`; a value also ends at `,`. A quote opens a
//! phrase or a quoted value, within which `\"` and `\\` stand for `"` and `\`.

use std::ops::Range;

use super::error::Wrong;

/// One token and the bytes it stands on.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    /// `-` or `NOT`.
    Not,
    Word(String),
    Phrase(String),
    /// `key:` and what follows it; at least one value.
    Term {
        key: String,
        key_span: Range<usize>,
        values: Vec<Raw>,
    },
}

/// A value as it was typed.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) span: Range<usize>,
}

/// Returns the tokens of a filter.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.take_while(char::is_whitespace);
        let start = lexer.at;
        let Some(kind) = lexer.token()? else { return Ok(tokens) };
        tokens.push(Token { kind, span: start..lexer.at });
    }
}

/// Tells whether a phrase of this text may stand without quotes.
pub(super) fn is_plain_word(text: &str) -> bool {
    let Ok(tokens) = lex(text) else { return false };
    matches!(&tokens[..], [Token { kind: Kind::Word(word), .. }] if word == text)
        && !["and", "or", "not"].contains(&text.to_lowercase().as_str())
        && !text.contains('*')
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn token(&mut self) -> Result<Option<Kind>, Wrong> {
        let start = self.at;
        Ok(Some(match self.peek() {
            None => return Ok(None),
            Some('(') => self.one(Kind::Open),
            Some(')') => self.one(Kind::Close),
            Some('-') => {
                self.at += 1;
                match self.peek() {
                    Some(next) if !next.is_whitespace() && next != ')' => Kind::Not,
                    _ => {
                        return Err(Wrong::new(
                            start..self.at,
                            "- must stand right before what it excludes",
                        ));
                    }
                }
            }
            Some('"') => Kind::Phrase(self.quoted()?),
            Some(_) => self.word()?,
        }))
    }

    fn word(&mut self) -> Result<Kind, Wrong> {
        let start = self.at;
        let word = self.take_while(|c| !c.is_whitespace() && !"():\"".contains(c));
        match self.peek() {
            Some(':') => {
                let key_span = start..self.at;
                if word.is_empty() {
                    return Err(Wrong::new(start..start + 1, "a key must stand before the colon"));
                }
                self.at += 1;
                Ok(Kind::Term { key: word.to_owned(), key_span, values: self.values(word, start)? })
            }
            Some('"') => {
                Err(Wrong::new(self.at..self.at + 1, "a space must stand before the quote"))
            }
            _ => Ok(match word {
                "AND" => Kind::And,
                "OR" => Kind::Or,
                "NOT" => Kind::Not,
                word => Kind::Word(word.to_owned()),
            }),
        }
    }

    fn values(&mut self, key: &str, start: usize) -> Result<Vec<Raw>, Wrong> {
        let mut values = Vec::new();
        loop {
            let value_start = self.at;
            let quoted = self.peek() == Some('"');
            let text = if quoted {
                self.quoted()?
            } else {
                self.take_while(|c| !c.is_whitespace() && !"(),\"".contains(c)).to_owned()
            };
            if text.is_empty() && !quoted {
                return Err(match self.peek() {
                    Some('(') => Wrong::new(
                        start..self.at + 1,
                        format!(
                            "{key}: takes values, no group: write {key}:a,b or ({key}:a OR {key}:b)"
                        ),
                    ),
                    _ => Wrong::new(
                        start..self.at,
                        format!("a value must follow {key}: with no space between"),
                    ),
                });
            }
            values.push(Raw { text, quoted, span: value_start..self.at });
            match self.peek() {
                Some(',') => self.at += 1,
                Some('"' | '(') => {
                    return Err(Wrong::new(
                        value_start..self.at + 1,
                        "a value with quotes or parentheses in it must be quoted as a whole",
                    ));
                }
                Some(next) if !next.is_whitespace() && next != ')' => {
                    return Err(Wrong::new(
                        self.at..self.at + next.len_utf8(),
                        "a space or a comma must follow the closing quote",
                    ));
                }
                _ => return Ok(values),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    // Any other backslash is itself: people paste Windows names.
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                char => text.push(char),
            }
        }
        Err(Wrong::new(start..start + 1, "the quote is not closed"))
    }

    fn one(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}
