//! From the bytes of an audit file to the index. Knows nothing of HTTP or reports.
//!
//! Modules stand in the order in which one line passes through them.

pub mod source;
pub mod event;

pub mod tail;
pub mod record;
pub mod ledger;
pub mod own;
pub mod known;

pub mod decode;
pub mod pairing;
pub mod normalise;
pub mod index;
pub mod indexer;

pub mod pipeline;
