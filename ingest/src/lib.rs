//! From the bytes of an audit file to the index. Knows nothing of HTTP or reports.
//!
//! Modules stand in the order in which one line passes through them.

pub mod event;
pub mod source;
mod spare;

pub mod kept_file;
pub mod known;
pub mod ledger;
pub mod own;
pub mod record;
pub mod retention;
pub mod room;
pub mod safe;
pub mod tail;

pub mod coverage;
pub mod decode;
pub mod index;
pub mod indexer;
pub mod normalise;
pub mod pairing;

pub mod custody;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod pipeline;
