//! Whether an index is of the ledger that it lies beside, as that is now.

use serde::{Deserialize, Serialize};

use crate::ledger::{BatchHeader, LedgerError, LedgerReader};
use crate::source::LeafIndex;

/// The header of the last batch that an index covers, and with it all that came before: it holds their root.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Tip {
    leaf: u64,
    /// The leaf's hash, as hex digits.
    hash: String,
}

impl Tip {
    pub(super) fn of(header: &BatchHeader) -> Tip {
        Tip { leaf: header.first_leaf.0, hash: hex(&header.leaf_hash()) }
    }
}

/// Returns why an index that covers so many leaves is of another state of the ledger; `None` if it is not.
pub(super) fn foreign(
    covered: u64,
    tip: Option<&Tip>,
    ledger: &LedgerReader,
) -> Result<Option<String>, LedgerError> {
    let size = ledger.size();
    if covered > size {
        return Ok(Some(format!("the index covers {covered} leaves, and the ledger has {size}")));
    }
    let Some(Tip { leaf, hash }) = tip else { return Ok(None) };
    let same = *leaf < size && hex(&ledger.leaf_hash(LeafIndex(*leaf))?) == *hash;
    Ok((!same)
        .then(|| format!("leaf {leaf} of the ledger is another one than the index was made from")))
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
