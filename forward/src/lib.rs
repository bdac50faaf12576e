//! Events to a SIEM: a sink is a filter, a cursor over the order in which events were issued, an encoder and a transport.
//!
//! ```text
//!   index ── reading   Outgoing   events after the cursor that the filter keeps, in the order in which they were issued
//!               │
//!            batch     Batch      encoded, bounded by count and bytes; what was tried is on disk before it leaves
//!               │
//!            transport Answer     one try: taken, rejected, too large, later, stop
//!               │
//!            sink      Cursor     tries again, takes a rejected batch apart, and moves on
//! ```
//!
//! Each sink has a thread of its own and reads what everybody can read, so it holds up neither the tail nor another sink.

pub mod asked;
pub mod assets;
mod backoff;
pub mod batch;
mod choice;
pub mod encode;
pub mod encoding;
pub mod folder;
pub mod format;
pub mod http;
pub mod outgoing;
pub mod plan;
mod reading;
pub mod reconcile;
pub mod rules;
pub mod signing;
pub mod sink;
pub mod standing;
pub mod store;
pub mod totals;
pub mod transport;
