//! Encoders: an event's bytes in the words of a SIEM.
//!
//! What an encoder writes is a function of the event, its lines and the options: the same today and when a receiver
//! is asked what it has. No time of sending is in it.

mod event;
mod lines;

use ingest::normalise::Rules;

use crate::format::Format;
use crate::outgoing::Outgoing;

/// What encoders are told beside the event.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Lines go out as the server wrote them, not redacted.
    pub include_clear_values: bool,
    /// The rules by which lines are redacted.
    pub rules: &'static Rules,
}

impl Default for Options {
    fn default() -> Options {
        Options { include_clear_values: false, rules: Rules::builtin() }
    }
}

/// Returns one event's bytes, without a newline at the end or, but in raw lines, within; of JSON formats one object.
///
/// [`Format::check`] is to be asked before.
pub fn encode(format: Format, item: &Outgoing, _options: &Options) -> Vec<u8> {
    match format {
        Format::Event => event::encode(item),
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
