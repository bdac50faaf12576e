//! A filter understood: the tree that both readings walk, and its canonical text.

use std::fmt;

use super::key::Key;
use super::lex::is_plain_word;
use super::value::{Value, write_quoted};
use super::words::Phrase;

/// A filter. `And` and `Or` have at least two parts and none of their own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// The empty filter: everything.
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// Any of the values, of which there is at least one.
    Term(Key, Vec<Value>),
    Phrase(Phrase),
}

impl Node {
    pub(super) fn and(parts: Vec<Node>) -> Node {
        let flat = parts.into_iter().flat_map(|part| match part {
            Node::And(parts) => parts,
            part => vec![part],
        });
        one_or(flat.collect(), Node::And)
    }

    pub(super) fn or(parts: Vec<Node>) -> Node {
        let flat = parts.into_iter().flat_map(|part| match part {
            Node::Or(parts) => parts,
            part => vec![part],
        });
        one_or(flat.collect(), Node::Or)
    }

    pub(super) fn not(part: Node) -> Node {
        match part {
            Node::Not(part) => *part,
            part => Node::Not(Box::new(part)),
        }
    }

    /// Tells whether `wanted` holds for a term that stands under no `-`, or under an even number.
    pub(super) fn names(&self, wanted: &impl Fn(Key, &Value) -> bool) -> bool {
        self.names_under(true, wanted)
    }

    /// Tells whether `wanted` holds for a term, excluded or not.
    pub(super) fn has(&self, wanted: &impl Fn(Key, &Value) -> bool) -> bool {
        match self {
            Node::All | Node::Phrase(_) => false,
            Node::And(parts) | Node::Or(parts) => parts.iter().any(|part| part.has(wanted)),
            Node::Not(part) => part.has(wanted),
            Node::Term(key, values) => values.iter().any(|value| wanted(*key, value)),
        }
    }

    fn names_under(&self, positive: bool, wanted: &impl Fn(Key, &Value) -> bool) -> bool {
        match self {
            Node::All | Node::Phrase(_) => false,
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().any(|part| part.names_under(positive, wanted))
            }
            Node::Not(part) => part.names_under(!positive, wanted),
            Node::Term(key, values) => positive && values.iter().any(|value| wanted(*key, value)),
        }
    }
}

fn one_or(mut parts: Vec<Node>, several: impl Fn(Vec<Node>) -> Node) -> Node {
    if parts.len() == 1 { parts.remove(0) } else { several(parts) }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::All => Ok(()),
            Node::And(parts) => joined(parts, " ", f),
            Node::Or(parts) => joined(parts, " OR ", f),
            Node::Not(part) => match **part {
                Node::And(_) | Node::Or(_) => write!(f, "-({part})"),
                Node::All | Node::Not(_) | Node::Term(..) | Node::Phrase(_) => write!(f, "-{part}"),
            },
            Node::Term(key, values) => {
                write!(f, "{}:", key.name())?;
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    value.write(*key, f)?;
                }
                Ok(())
            }
            Node::Phrase(phrase) if is_plain_word(&phrase.text) => f.write_str(&phrase.text),
            Node::Phrase(phrase) => write_quoted(&phrase.text, f),
        }
    }
}

/// Writes the parts; an OR within an AND needs parentheses, an AND within an OR binds tighter anyway.
fn joined(parts: &[Node], between: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        match part {
            Node::Or(_) => write!(f, "({part})")?,
            part => write!(f, "{part}")?,
        }
    }
    Ok(())
}
