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
mod otlp;
mod splunk;
mod syslog;

use std::sync::Arc;

use ingest::normalise::Rules;

use crate::batch::Beside;
use crate::format::Format;
use crate::outgoing::Outgoing;

/// What encoders are told beside the event.
#[derive(Clone, Debug)]
pub struct Options {
    /// Lines go out as the server wrote them, not redacted.
    pub include_clear_values: bool,
    /// The rules by which lines are redacted.
    pub rules: &'static Rules,
    /// The private enterprise number behind the `@` of names in RFC 5424's structured data.
    pub enterprise_number: u32,
    /// What an OTLP receiver knows the secrets server as: `service.name`.
    pub service_name: Arc<str>,
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
            service_name: Arc::from("openbao"),
        }
    }
}

/// What an event in its format is put into, as its transport asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing: it goes out as it is.
    Nothing,
    /// A message by RFC 5424.
    Syslog,
    /// A log record of OTLP.
    LogRecord,
    /// A row of a table, whose other columns are those of a list of events.
    Row,
}

/// Returns one event's bytes as a transport sends them, and what it has to know beside them.
pub fn wrap(wrap: Wrap, format: Format, item: &Outgoing, options: &Options) -> (Vec<u8>, Beside) {
    match wrap {
        // The other columns of a row are read off the index, not off the event.
        Wrap::Nothing | Wrap::Row => (encode(format, item, options), Beside::Nothing),
        Wrap::Syslog => (syslog::wrap(format, item, options), Beside::Nothing),
        Wrap::LogRecord => otlp::wrap(format, item, options),
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
