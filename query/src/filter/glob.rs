//! Globs: `*` stands for any run of characters within a path segment, `**` for any run at all.
//!
//! One automaton serves both readings: the stream runs it over a text, the index over its
//! dictionary of terms, where it skips whole branches that cannot match. A regular expression
//! would do too, but its states can grow exponentially with the number of stars, and filters come
//! from outside. This one has one bit a byte of the glob, whatever the glob.

use std::sync::Arc;

use tantivy::query::{AutomatonWeight, EnableScoring, Query, Weight};
use tantivy::schema::Field;
use tantivy_fst::Automaton;

/// The longest glob, in bytes.
pub(super) const GLOB_BYTES_MAX: usize = 512;

/// A pattern over whole texts; case counts.
#[derive(Clone, Debug)]
pub struct Glob {
    text: Arc<str>,
    steps: Arc<[Step]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Byte(u8),
    /// `*`: bytes other than `/`. UTF-8 has no `/` inside a character, so bytes suffice.
    Segment,
    /// `**`: any bytes.
    Any,
}

impl Glob {
    /// Returns the glob of this text, or nothing if it is longer than [`GLOB_BYTES_MAX`].
    pub(super) fn new(text: &str) -> Option<Glob> {
        if text.len() > GLOB_BYTES_MAX {
            return None;
        }
        let mut steps = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'*' => {
                    // Three stars say no more than two.
                    let mut step = Step::Segment;
                    while bytes.next_if_eq(&b'*').is_some() {
                        step = Step::Any;
                    }
                    steps.push(step);
                }
                byte => steps.push(Step::Byte(byte)),
            }
        }
        Some(Glob { text: text.into(), steps: steps.into() })
    }

    /// Returns the glob as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether the whole text has this form.
    pub fn matches(&self, text: &str) -> bool {
        let mut places = self.start();
        for byte in text.bytes() {
            if !self.can_match(&places) {
                return false;
            }
            places = self.accept(&places, byte);
        }
        self.is_match(&places)
    }

    /// Adds a place, and those after it that need no byte to be reached.
    fn reach(&self, places: &mut Places, mut place: usize) {
        loop {
            places.insert(place);
            match self.steps.get(place) {
                Some(Step::Segment | Step::Any) => place += 1,
                Some(Step::Byte(_)) | None => return,
            }
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

const WORDS: usize = (GLOB_BYTES_MAX + 1).div_ceil(64);

/// The steps that may come next, as a set of bits; the place after the last step is a match.
#[derive(Clone, Copy)]
pub struct Places {
    bits: [u64; WORDS],
    /// How many words of `bits` the glob needs.
    words: usize,
}

impl Places {
    fn insert(&mut self, place: usize) {
        self.bits[place / 64] |= 1 << (place % 64);
    }

    fn contains(&self, place: usize) -> bool {
        self.bits[place / 64] & (1 << (place % 64)) != 0
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.bits[..self.words].iter().enumerate().flat_map(|(word, &bits)| {
            std::iter::successors(Some(bits), |&bits| Some(bits & bits.wrapping_sub(1)))
                .take_while(|&bits| bits != 0)
                .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}

impl Automaton for Glob {
    type State = Places;

    fn start(&self) -> Places {
        let mut places = Places { bits: [0; WORDS], words: (self.steps.len() + 1).div_ceil(64) };
        self.reach(&mut places, 0);
        places
    }

    fn is_match(&self, places: &Places) -> bool {
        places.contains(self.steps.len())
    }

    fn can_match(&self, places: &Places) -> bool {
        places.bits[..places.words].iter().any(|&bits| bits != 0)
    }

    fn accept(&self, places: &Places, byte: u8) -> Places {
        let mut next = Places { bits: [0; WORDS], words: places.words };
        for place in places.iter() {
            match self.steps.get(place) {
                Some(&Step::Byte(wanted)) if wanted == byte => self.reach(&mut next, place + 1),
                Some(Step::Segment) if byte != b'/' => self.reach(&mut next, place),
                Some(Step::Any) => self.reach(&mut next, place),
                Some(Step::Byte(_) | Step::Segment) | None => {}
            }
        }
        next
    }
}

/// Documents with a term of the glob's form.
#[derive(Clone, Debug)]
pub(super) struct GlobQuery {
    pub(super) field: Field,
    pub(super) glob: Glob,
}

impl Query for GlobQuery {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(AutomatonWeight::new(self.field, self.glob.clone())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars() {
        for (glob, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a", "ab"], &["/", "a/b"]),
            ("**", &["", "a", "a/b"], &[]),
            (
                "secret/*/x",
                &["secret/a/x", "secret//x"],
                &["secret/a/b/x", "secret/x", "Secret/a/x"],
            ),
            ("secret/**", &["secret/", "secret/a", "secret/a/b"], &["secret", "a/secret/b"]),
            ("**/config", &["/config", "a/b/config"], &["config", "a/config/"]),
            ("ci-*", &["ci-", "ci-7"], &["ci", "xci-7", "ci-7/a"]),
            ("a.c", &["a.c"], &["abc"]),
            ("é*", &["é", "éü"], &["e"]),
        ] {
            let glob = Glob::new(glob).expect("short");
            for text in yes {
                assert!(glob.matches(text), "{glob:?} {text:?}");
            }
            for text in no {
                assert!(!glob.matches(text), "{glob:?} {text:?}");
            }
        }
    }

    #[test]
    fn length_is_bounded() {
        let longest = "a".repeat(GLOB_BYTES_MAX);
        assert!(Glob::new(&longest).expect("fits").matches(&longest));
        assert!(Glob::new(&(longest + "a")).is_none());
    }

    /// The plain recursive meaning of a glob.
    fn naive(glob: &[char], text: &[char]) -> bool {
        match (glob, text) {
            ([], text) => text.is_empty(),
            (['*', '*', rest @ ..], text) => {
                (0..=text.len()).any(|taken| naive(rest, &text[taken..]))
            }
            (['*', rest @ ..], text) => (0..=text.len())
                .take_while(|&taken| !text[..taken].contains(&'/'))
                .any(|taken| naive(rest, &text[taken..])),
            ([wanted, rest @ ..], [first, text @ ..]) => wanted == first && naive(rest, text),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn the_automaton_is_the_plain_meaning(glob in "[ab/é*]{0,8}", text in "[ab/é]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let automaton = Glob::new(&glob).expect("short").matches(&text);
            prop_assert_eq!(automaton, naive(&chars(&glob), &chars(&text)));
        }
    }
}
