//! Texts as they can be printed: whatever a log says, it is seen and does nothing.

use query::table::visible;
use serde::Serialize;

use crate::font;

/// The most characters of one value of the log that are printed, as on pages. So many fit into the narrowest cell of a page.
pub(crate) const VALUE_CHARS_MAX: usize = 400;
/// The most of several values in one cell, which may go on on the next page.
pub(crate) const LIST_CHARS_MAX: usize = 2_000;
/// A word up to this long is never broken.
const WHOLE_CHARS: usize = 16;
/// A run of letters and digits that is longer than [`WHOLE_CHARS`], such as a hash, is broken after so many.
const RUN_CHARS: usize = 6;

/// A text that can be printed: at once, or as pieces between which a line may end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Said {
    /// The whole of it.
    Whole(String),
    /// Its pieces. Together they are the text: nothing is added where a line ends.
    Pieces(Vec<String>),
}

impl Said {
    /// Returns a sentence of ours, which may have texts of the log in it.
    pub(crate) fn words(text: &str) -> Said {
        broken(printable(text))
    }

    /// Returns a value of the log, and whether it was cut since it is longer than so many characters.
    pub(crate) fn value(text: &str, chars_max: usize) -> (Said, bool) {
        match text.char_indices().nth(chars_max) {
            None => (Said::words(text), false),
            Some((end, _)) => {
                let more = text[end..].chars().count();
                (Said::words(&format!("{}… ({more} more characters)", &text[..end])), true)
            }
        }
    }

    /// Returns it as one text, for where no line ends.
    pub(crate) fn into_text(self) -> String {
        match self {
            Said::Whole(text) => text,
            Said::Pieces(pieces) => pieces.concat(),
        }
    }

    /// Returns the width of the whole on one line, and of its widest piece, in parts of its size.
    pub(crate) fn widths_em(&self) -> (f64, f64) {
        let pieces = match self {
            Said::Whole(text) => std::slice::from_ref(text),
            Said::Pieces(pieces) => pieces,
        };
        let whole = pieces.iter().map(|piece| font::width_em(piece)).sum();
        let words = pieces.iter().flat_map(|piece| piece.split(' '));
        (whole, words.map(font::width_em).fold(0.0, f64::max))
    }
}

/// Makes visible what would deceive the eye, and names what the fonts have no picture of: `\u{1f511}`.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in visible(text).chars() {
        if font::has(char) {
            printable.push(char);
        } else {
            printable.extend(char.escape_unicode());
        }
    }
    printable
}

/// Finds where a line may end within long words: behind what divides their parts, else every few letters.
fn broken(text: String) -> Said {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in text.split_inclusive(' ') {
        if word.chars().count() <= WHOLE_CHARS {
            piece.push_str(word);
            continue;
        }
        for part in word.split_inclusive(divides) {
            let long = part.chars().count() > WHOLE_CHARS;
            for (at, char) in part.chars().enumerate() {
                if long && at > 0 && at.is_multiple_of(RUN_CHARS) {
                    pieces.push(std::mem::take(&mut piece));
                }
                piece.push(char);
            }
            pieces.push(std::mem::take(&mut piece));
        }
    }
    match piece.is_empty() {
        false if pieces.is_empty() => return Said::Whole(piece),
        false => pieces.push(piece),
        true => {}
    }
    match pieces.len() {
        0 => Said::Whole(String::new()),
        1 => Said::Whole(pieces.remove(0)),
        _ => Said::Pieces(pieces),
    }
}

fn divides(char: char) -> bool {
    matches!(char, '/' | ':' | '.' | '_' | '-' | ',' | ';' | '=' | '&' | '?' | '@' | '|' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(said: &Said) -> String {
        said.clone().into_text()
    }

    #[test]
    fn pieces_are_the_text() {
        let path = "secret/data/team-a/0123456789abcdef0123456789abcdef and a word";
        let said = Said::words(path);
        assert_eq!(text(&said), path);
        let Said::Pieces(pieces) = said else { panic!("a long path is broken") };
        assert_eq!(pieces[..5], ["secret/", "data/", "team-", "a/", "012345"]);
    }

    #[test]
    fn short_words_stay_whole() {
        assert_eq!(Said::words("12,408 of 99/100"), Said::Whole("12,408 of 99/100".into()));
    }

    #[test]
    fn what_has_no_picture_or_would_deceive_is_named() {
        let said = Said::words("a\0b\u{202e}c🔑 中 \n");
        assert_eq!(text(&said), "a\\u{0}b\\u{202e}c\\u{1f511} \\u{4e2d} \\n");
    }

    #[test]
    fn a_long_value_says_how_much_longer_it_is() {
        let (said, cut) = Said::value(&"x".repeat(1_000), VALUE_CHARS_MAX);
        assert!(cut);
        assert!(text(&said).ends_with("… (600 more characters)"), "{said:?}");
    }
}
