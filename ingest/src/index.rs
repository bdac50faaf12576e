//! The disposable index: one document an event.

pub mod schema;
