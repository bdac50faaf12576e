//! Encoders: an event's bytes in the words of a SIEM.
//!
//! What an encoder writes is a function of the event, its lines and the options: the same today and when a receiver
//! is asked what it has. No time of sending is in it.

mod cef;
pub(crate) mod control;
mod ecs;
mod event;
pub(crate) mod facts;
mod json;
mod lines;
mod ocsf;
mod splunk;
pub mod syslog;

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
    /// The private enterprise number behind the `@` of names in RFC 5424's structured data.
    pub enterprise_number: u32,
}

/// The version of keytrail, which each format but `raw` carries: what another one wrote may differ and be unaltered.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The enterprise number that is kept for documentation: who has one of his own, sets it.
pub const DOCUMENTATION_NUMBER: u32 = 32473;

impl Default for Options {
    fn default() -> Options {
        Options {
            include_clear_values: false,
            rules: Rules::builtin(),
            enterprise_number: DOCUMENTATION_NUMBER,
        }
    }
}

/// Returns one event's bytes, without a newline at the end or, but in raw lines, within; of JSON formats one object.
///
/// [`Format::check`] is to be asked before: of a format that needs clear values and is refused them, nothing is written.
pub fn encode(format: Format, item: &Outgoing, options: &Options) -> Vec<u8> {
    match format {
        Format::Event => event::encode(item),
        Format::Ocsf => ocsf::encode(item, options),
        Format::Ecs => ecs::encode(item, options),
        Format::Cef => cef::encode(item),
        Format::Syslog => syslog::encode(item, options),
        Format::Splunk => splunk::encode(item),
        Format::Raw if options.include_clear_values => lines::raw(item),
        Format::Raw => Vec::new(),
    }
}

#[cfg(test)]
pub(crate) mod recorded;
#[cfg(test)]
mod tests;
