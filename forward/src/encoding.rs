//! How a sink writes the events of a trail.

use std::sync::Arc;

use ingest::event::{Flag, Issued};
use query::error::QueryError;
use query::full::read_back;
use query::history::View;
use query::listing::cells;
use query::row::EventRow;
use query::trail::Trail;

use crate::batch::{Beside, Item};
use crate::choice::uid_of;
use crate::encode::{self, Options, Wrap, facts};
use crate::format::Format;
use crate::outgoing::Outgoing;
use crate::sink::SinkConfig;

/// How a sink writes events: the same bytes whenever it is asked.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// In which words.
    pub format: Format,
    /// What the encoder is told.
    pub options: Options,
    /// What it is put into.
    pub wrap: Wrap,
}

impl Encoding {
    /// Returns that of a sink.
    pub fn of(config: &SinkConfig) -> Encoding {
        Encoding {
            format: config.format,
            options: config.options.clone(),
            wrap: config.transport.wrap(),
        }
    }

    /// Returns how the documents of a sink are written, whatever its transport puts them into: a log record's body, a cell of a table.
    pub fn of_documents(config: &SinkConfig) -> Encoding {
        let encoding = Encoding::of(config);
        let wrap = match encoding.wrap {
            Wrap::Syslog => Wrap::Syslog,
            Wrap::Nothing | Wrap::LogRecord | Wrap::Row => Wrap::Nothing,
        };
        Encoding { wrap, ..encoding }
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
        let (bytes, mut beside) = self.encoded(&outgoing);
        if self.wrap == Wrap::Row {
            beside = Beside::Row(Arc::from(cells(row)));
        }
        Ok(Item {
            uid: outgoing.event.uid,
            issued: place,
            time_unix_ns: Some(facts::time_unix_ns(&outgoing)),
            bytes: Arc::from(bytes),
            beside,
        })
    }

    /// Tells whether an event may have been sent so: what is learned of it later (salt, former name of a token, which device's
    /// line counts) is in what is sent later, and was not in what was sent before.
    pub(crate) fn may_have_sent(
        &self,
        trail: &Trail,
        view: &View,
        row: &EventRow,
        is: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, QueryError> {
        for only_on in [false, true] {
            let mut row = row.clone();
            row.flags.retain(|flag| flag != Flag::OnlyOn.as_str() && flag != Flag::Copy.as_str());
            if only_on {
                row.flags.push(Flag::OnlyOn.as_str().to_owned());
            }
            let (mut event, request, response) = read_back(trail, view, &row)?;
            event.uid = uid_of(&row);
            let mut outgoing = Outgoing { event, request, response };
            let learned = (outgoing.event.salt.take(), outgoing.event.identity.former_name.take());
            for (salt, former_name) in
                [learned.clone(), (learned.0, None), (None, learned.1), (None, None)]
            {
                outgoing.event.salt = salt;
                outgoing.event.identity.former_name = former_name;
                if is(&self.encoded(&outgoing).0) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn encoded(&self, outgoing: &Outgoing) -> (Vec<u8>, Beside) {
        encode::wrap(self.wrap, self.format, outgoing, &self.options)
    }
}
