//! How a sink writes the events of a trail.

use std::sync::Arc;

use ingest::event::Issued;
use query::error::QueryError;
use query::full::read_back;
use query::history::View;
use query::row::EventRow;
use query::trail::Trail;

use crate::batch::Item;
use crate::choice::uid_of;
use crate::encode::{Options, encode, syslog};
use crate::format::Format;
use crate::outgoing::Outgoing;
use crate::sink::SinkConfig;

/// How a sink writes events: the same bytes whenever it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// In which words.
    pub format: Format,
    /// What the encoder is told.
    pub options: Options,
    /// Each event is the text of a message by RFC 5424, whatever the format.
    pub is_syslog: bool,
}

impl Encoding {
    /// Returns that of a sink.
    pub fn of(config: &SinkConfig) -> Encoding {
        Encoding {
            format: config.format,
            options: config.options,
            is_syslog: config.transport.carries_syslog(),
        }
    }

    /// Makes the event of a row again from its lines, and encodes it. `place` is the one under which it is sent.
    pub(crate) fn item(
        &self,
        trail: &Trail,
        view: &View,
        row: &EventRow,
        place: Issued,
    ) -> Result<Item, QueryError> {
        let (mut event, request, response) = read_back(trail, view, row)?;
        event.uid = uid_of(row);
        let outgoing = Outgoing { event, request, response };
        Ok(Item {
            uid: outgoing.event.uid,
            issued: place,
            time_unix_ns: outgoing.event.time.as_ref().map(|time| time.unix_ns),
            bytes: Arc::from(self.bytes(&outgoing)),
        })
    }

    fn bytes(&self, outgoing: &Outgoing) -> Vec<u8> {
        match self.is_syslog {
            true => syslog::wrap(self.format, outgoing, &self.options),
            false => encode(self.format, outgoing, &self.options),
        }
    }
}
