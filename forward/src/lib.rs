//! Events to a SIEM: a sink is a filter, a cursor over the order in which events were issued, an encoder and a transport.

pub mod assets;
pub mod encode;
pub mod format;
pub mod outgoing;
pub mod rules;
