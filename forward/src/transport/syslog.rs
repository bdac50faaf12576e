//! `syslog`: RFC 5424 messages with their length before them (RFC 6587, RFC 5425), over TCP or TLS. No answer ever comes: what was written
//! is sent, and what a server that dies had not stored is lost without a word. RELP is the way that knows.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::{Bytes, StreamConfig, Way, within};
use super::{Answer, TRY};
use crate::batch::Batch;
use crate::folder::DeliveryState;
use crate::http::SetUpError;

/// A syslog server.
pub struct Syslog {
    way: Way,
    stream: Option<Box<dyn Bytes>>,
}

impl Syslog {
    pub(super) fn new(config: &StreamConfig) -> Result<Syslog, SetUpError> {
        Ok(Syslog { way: Way::new(config)?, stream: None })
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Answer {
        let mut frames = Vec::with_capacity(batch.bytes() + 8 * batch.items.len());
        for item in &batch.items {
            frames.extend_from_slice(format!("{} ", item.bytes.len()).as_bytes());
            frames.extend_from_slice(&item.bytes);
        }
        let mut begun = false;
        match self.write(&frames, &mut begun).await {
            Ok(()) => Answer::Taken(DeliveryState::Sent),
            Err(error) => {
                self.stream = None;
                Answer::Later { why: error.to_string(), after: None, maybe_taken: begun }
            }
        }
    }

    async fn write(&mut self, frames: &[u8], begun: &mut bool) -> io::Result<()> {
        // A server that closed the connection would take the first write all the same.
        if let Some(stream) = &mut self.stream
            && is_closed(stream).await
        {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.way.connect().await?),
        };
        *begun = true;
        let writing = async {
            stream.write_all(frames).await?;
            stream.flush().await
        };
        within(TRY, writing, self.way.address()).await
    }

    pub(super) async fn try_out(&mut self) -> Result<String, String> {
        self.stream = Some(self.way.connect().await.map_err(|error| error.to_string())?);
        Ok(format!("{} lets us in", self.way.address()))
    }
}

/// Tells whether the other end has closed: a syslog server never says anything else.
async fn is_closed(stream: &mut Box<dyn Bytes>) -> bool {
    let mut byte = [0; 1];
    let reading = stream.read(&mut byte);
    // Only what is there already is read.
    tokio::select! {
        biased;
        read = reading => !matches!(read, Ok(count) if count > 0),
        () = std::future::ready(()) => false,
    }
}
