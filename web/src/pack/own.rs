//! What keytrail's own lines in a pack tell, so that what the pack says of reviews and registers is held against it.

use ingest::own::{Fact, OwnLine, RegisterSeen};
use query::dispositions::Dispositions;

/// What was told, as far as lines were taken.
#[derive(Default)]
pub(super) struct Own {
    /// The last line about registers.
    pub(super) registers: Option<(u64, Vec<RegisterSeen>)>,
    /// What reviewers said.
    pub(super) dispositions: Dispositions,
}

impl Own {
    /// Takes the line of a leaf; one that a later version wrote is none of ours.
    pub(super) fn take(&mut self, leaf: u64, line: &[u8]) {
        let Some(line) = OwnLine::parse(line) else { return };
        if let Fact::RegistersChanged { registers, .. } = &line.fact {
            self.registers = Some((leaf, registers.clone()));
        }
        self.dispositions.take(leaf, line);
    }
}
