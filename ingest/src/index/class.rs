//! What a document of the index is: an event that counts, one that answers leave out, or no event.

use crate::event::AuditEvent;

/// The words under which answers leave events out; those of [`AuditEvent::left_out`].
pub const LEFT_OUT: [&str; 4] = ["copy", "forwarded", "late", "system"];

/// An event that counts. The classes of [`LEFT_OUT`] follow from 1 on.
pub const COUNTS: u8 = 0;
/// A document that is no event, or is deleted.
pub const NONE: u8 = 1 + LEFT_OUT.len() as u8;

/// Returns the class of an event.
pub(super) fn of(event: &AuditEvent) -> u8 {
    match event.left_out() {
        None => COUNTS,
        Some(word) => of_word(word),
    }
}

/// Returns the class of the events that are left out under this word.
pub(super) fn of_word(word: &str) -> u8 {
    let at = LEFT_OUT.iter().position(|known| *known == word).expect("a word of them");
    1 + at as u8
}
