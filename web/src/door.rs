//! The door: who asks, and what he may.
//!
//! ```text
//!   request ── identify ── the reader, known to the door         (one middleware before every handler)
//!                             │
//!                         May<Right>   a handler's first argument: without it nothing can be asked of the trail
//!                             │
//!                         Seen         the trail as far as this reader sees it
//! ```
//! What is not granted is 401 to a stranger and 403 to a reader. A test asks every route of the router's own list as
//! every role.

mod may;
mod reader;
mod role;

pub(crate) use self::may::{Export, Look, LookUp, May, RawLine, Right};
pub(crate) use self::reader::{Reader, identify};
pub use self::role::Role;

#[cfg(test)]
mod tests;
