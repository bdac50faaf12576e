//! From the bytes of an audit file to the index. Knows nothing of HTTP or reports.
//!
//! Modules stand in the order in which one line passes through them.

pub mod event;
pub mod decode;
pub mod pairing;
pub mod normalise;
pub mod index;
pub mod ledger;
pub mod source;
pub mod tail;
