//! Numbers for words, the same over all segments.

use std::collections::HashMap;

use super::Word;
use crate::scan::Place;

/// The words of one field, numbered from 1 as they come; 0 is no word.
#[derive(Default)]
pub(super) struct Words {
    numbers: HashMap<Word, u32>,
    texts: Vec<Word>,
}

/// The name on an identity's newest event so far.
pub(super) struct Newest {
    pub(super) place: Place,
    pub(super) name: Word,
}

impl Words {
    /// Returns the number of a word.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let word: Word = text.into();
        self.texts.push(word.clone());
        let number = u32::try_from(self.texts.len()).expect("a segment has less words than that");
        self.numbers.insert(word, number);
        number
    }

    /// Returns the word of a number.
    pub(super) fn text(&self, number: u32) -> Option<&str> {
        let place = (number as usize).checked_sub(1)?;
        Some(&self.texts[place])
    }
}
