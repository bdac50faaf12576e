//! The batch at hand, each line read once: pairing wants to know who it is of, and the event, mostly within the next
//! lines, what it says.

use crate::decode::AuditEntry;
use crate::source::LeafIndex;

/// Lines that follow each other, with what was read of them.
#[derive(Default)]
pub(super) struct Window<'a> {
    first_line: u64,
    lines: Vec<(&'a [u8], Option<Box<AuditEntry<'a>>>)>,
}

impl<'a> Window<'a> {
    /// Returns one that has no line yet; the next is of this leaf, and so many will come.
    pub(super) fn at(first_line: LeafIndex, lines: usize) -> Window<'a> {
        Window { first_line: first_line.0, lines: Vec::with_capacity(lines) }
    }

    /// Takes in the next line, and its entry if it holds one.
    pub(super) fn push(&mut self, line: &'a [u8], entry: Option<Box<AuditEntry<'a>>>) {
        self.lines.push((line, entry));
    }

    /// Returns a line, and its entry for the first who asks: hardly any line is part of two events.
    pub(super) fn take(
        &mut self,
        leaf: LeafIndex,
    ) -> Option<(&'a [u8], Option<Box<AuditEntry<'a>>>)> {
        let at = usize::try_from(leaf.0.checked_sub(self.first_line)?).ok()?;
        let (line, entry) = self.lines.get_mut(at)?;
        Some((line, entry.take()))
    }
}
