//! Pages of an answer, and the token that asks for the next one.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::Serialize;

use crate::error::QueryError;
use crate::question::{LeftOut, Question};
use crate::scan::Place;

/// Part of an answer, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Asks for the rows after these; absent if there is none.
    pub next: Option<PageToken>,
    /// How many events the whole answer has; exact.
    pub matched: u64,
    /// How many fit the question and are left out.
    pub left_out: LeftOut,
    /// The answer holds for the leaves below this one.
    pub leaf: u64,
}

/// The place of a page's last row, and the question it belongs to. Rows that come in later stand before or
/// after that place and never move it, so pages leave nothing out and repeat nothing.
///
/// As text: base64url of version (1 byte), question (8), whether there is a time (1), time (8), leaf (8),
/// ordinal (4), all big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    question: u64,
    place: Place,
}

const VERSION: u8 = 1;
const BYTES: usize = 30;

impl PageToken {
    pub(crate) fn new(question: &Question, place: Place) -> PageToken {
        PageToken { question: question.fingerprint(), place }
    }

    /// Returns the place, if the token belongs to this question.
    pub(crate) fn place(&self, question: &Question) -> Result<Place, QueryError> {
        match self.question == question.fingerprint() {
            true => Ok(self.place),
            false => Err(QueryError::OtherQuestion),
        }
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.question.to_be_bytes());
        bytes.push(self.place.time.is_some().into());
        bytes.extend(self.place.time.unwrap_or(0).to_be_bytes());
        bytes.extend(self.place.leaf.to_be_bytes());
        bytes.extend(self.place.ordinal.to_be_bytes());
        f.pad(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for PageToken {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<PageToken, QueryError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::PageToken)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| QueryError::PageToken)?;
        let number = |start: usize| {
            let eight = bytes[start..start + 8].try_into().expect("eight bytes");
            u64::from_be_bytes(eight)
        };
        let time = match bytes[9] {
            0 => None,
            1 => Some(number(10) as i64),
            _ => return Err(QueryError::PageToken),
        };
        if bytes[0] != VERSION {
            return Err(QueryError::PageToken);
        }
        let ordinal = u32::from_be_bytes(bytes[26..].try_into().expect("four bytes"));
        Ok(PageToken { question: number(1), place: Place { time, leaf: number(18), ordinal } })
    }
}

impl Serialize for PageToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_knows_its_question() {
        let question = Question::everything();
        for time in [None, Some(-5)] {
            let token = PageToken::new(&question, Place { time, leaf: u64::MAX, ordinal: 7 });
            let read: PageToken = token.to_string().parse().expect("a token");
            assert_eq!(read, token);
            assert_eq!(read.place(&question).expect("its question").time, time);
            let other = Question { all: true, ..question.clone() };
            assert!(matches!(read.place(&other), Err(QueryError::OtherQuestion)));
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        let token =
            PageToken::new(&Question::everything(), Place { time: None, leaf: 1, ordinal: 2 });
        let text = token.to_string();
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).expect("a token is base64");
        bytes[0] = VERSION + 1;
        let later = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        for wrong in ["", "AQ", "+", &text[1..], &later, &format!("{text}A")] {
            assert!(matches!(wrong.parse::<PageToken>(), Err(QueryError::PageToken)), "{wrong}");
        }
    }
}
