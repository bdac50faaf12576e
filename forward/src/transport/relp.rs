//! `relp`: syslog messages that the server answers one by one, as rsyslog's imrelp does. So many are under way at once that waiting for answers does
//! not slow it down; what was not answered when the connection ends is sent again.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Answer;
use super::stream::{Bytes, StreamConfig, Way, within};
use crate::batch::Batch;
use crate::folder::DeliveryState;
use crate::http::SetUpError;

/// Messages under way at once.
const WINDOW: usize = 128;
/// How long the server may be silent while messages are under way.
const SILENCE: Duration = Duration::from_secs(60);
/// Numbers of transactions begin anew after this one.
const NUMBER_MAX: u32 = 999_999_999;
/// An answer is a status and some words.
const ANSWER_MAX: usize = 64 << 10;
const OFFER: &str = "relp_version=0\nrelp_software=keytrail\ncommands=syslog";

/// A RELP server.
pub struct Relp {
    way: Way,
    session: Option<Session>,
}

struct Session {
    stream: Box<dyn Bytes>,
    /// What was read and is no whole frame yet.
    read: Vec<u8>,
    number: u32,
    address: String,
}

/// A frame that the server sent.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    number: u32,
    command: String,
    data: Vec<u8>,
}

impl Relp {
    pub(super) fn new(config: &StreamConfig) -> Result<Relp, SetUpError> {
        Ok(Relp { way: Way::new(config)?, session: None })
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Answer {
        let session = match &mut self.session {
            Some(session) => session,
            none => match Session::open(&self.way).await {
                Ok(session) => none.insert(session),
                Err(error) => return Answer::later(error.to_string()),
            },
        };
        let (mut answered, mut refused) = (vec![false; batch.items.len()], Vec::new());
        let ended = session.send(batch, &mut answered, &mut refused).await;
        let state = DeliveryState::Accepted;
        let later: Vec<usize> = (0..answered.len()).filter(|at| !answered[*at]).collect();
        let why = match ended {
            Ok(()) if refused.is_empty() => return Answer::Taken(state),
            Ok(()) => String::new(),
            Err(error) => {
                self.session = None;
                error.to_string()
            }
        };
        if later.len() == batch.items.len() {
            return Answer::Later { why, after: None, maybe_taken: true };
        }
        Answer::Each { state, refused, later, why, after: None }
    }

    pub(super) async fn try_out(&mut self) -> Result<String, String> {
        let session = Session::open(&self.way).await.map_err(|error| error.to_string())?;
        self.session = Some(session);
        Ok(format!("{} speaks RELP", self.way.address()))
    }
}

impl Session {
    async fn open(way: &Way) -> io::Result<Session> {
        let (stream, address) = (way.connect().await?, way.address().to_owned());
        let mut session = Session { stream, read: Vec::new(), number: 0, address };
        let number = session.write("open", OFFER.as_bytes()).await?;
        session.stream.flush().await?;
        let frame = session.frame().await?;
        let offers = String::from_utf8_lossy(&frame.data).into_owned();
        if frame.number != number || !offers.starts_with("200") || !offers.contains("syslog") {
            return Err(session.odd(&format!("it opens no session: {offers:?}")));
        }
        Ok(session)
    }

    /// Sends all messages, and notes which were answered and which of them by a refusal.
    async fn send(
        &mut self,
        batch: &Batch,
        answered: &mut [bool],
        refused: &mut Vec<(usize, String)>,
    ) -> io::Result<()> {
        let mut under_way = BTreeMap::new();
        let mut next = 0;
        while next < batch.items.len() || !under_way.is_empty() {
            while next < batch.items.len() && under_way.len() < WINDOW {
                let number = self.write("syslog", &batch.items[next].bytes).await?;
                under_way.insert(number, next);
                next += 1;
            }
            self.stream.flush().await?;
            let frame = self.frame().await?;
            if frame.command == "serverclose" {
                return Err(self.odd("it closes the session"));
            }
            let Some(at) = under_way.remove(&frame.number).filter(|_| frame.command == "rsp")
            else {
                return Err(self.odd(&format!("an answer to nothing: {frame:?}")));
            };
            answered[at] = true;
            if !frame.data.starts_with(b"200") {
                refused.push((at, String::from_utf8_lossy(&frame.data).into_owned()));
            }
        }
        Ok(())
    }

    /// Writes a frame, and returns its number.
    async fn write(&mut self, command: &str, data: &[u8]) -> io::Result<u32> {
        self.number = if self.number == NUMBER_MAX { 1 } else { self.number + 1 };
        let mut frame = format!("{} {command} {} ", self.number, data.len()).into_bytes();
        frame.extend_from_slice(data);
        frame.push(b'\n');
        within(SILENCE, self.stream.write_all(&frame), &self.address).await?;
        Ok(self.number)
    }

    /// Reads the next frame.
    async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            match parse(&self.read) {
                Ok(Some((frame, length))) => {
                    self.read.drain(..length);
                    return Ok(frame);
                }
                Ok(None) if self.read.len() <= ANSWER_MAX => {}
                _ => return Err(self.odd("what it says is not RELP")),
            }
            let reading = self.stream.read_buf(&mut self.read);
            if within(SILENCE, reading, &self.address).await? == 0 {
                return Err(self.odd("it closed the connection"));
            }
        }
    }

    fn odd(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}: {what}", self.address))
    }
}

/// Reads a frame off the beginning, and how long it is; none if it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, ()> {
    // number, command, length, and what follows them.
    let mut words = [0, 0, 0];
    let mut from = 0;
    for word in &mut words {
        let Some(length) = bytes[from..].iter().position(|byte| matches!(byte, b' ' | b'\n'))
        else {
            return Ok(None);
        };
        *word = from + length;
        from = *word + 1;
    }
    let text = |from: usize, to: usize| str::from_utf8(&bytes[from..to]).map_err(|_| ());
    let number = text(0, words[0])?.parse().map_err(|_| ())?;
    let command = text(words[0] + 1, words[1])?.to_owned();
    let length: usize = text(words[1] + 1, words[2])?.parse().map_err(|_| ())?;
    // Without data the newline follows the length at once.
    let (begin, end) = match bytes[words[2]] {
        b'\n' if length == 0 => (words[2], words[2]),
        b' ' => (words[2] + 1, (words[2] + 1).checked_add(length).ok_or(())?),
        _ => return Err(()),
    };
    match bytes.get(end) {
        Some(b'\n') => {
            let data = bytes[begin..end].to_vec();
            Ok(Some((Frame { number, command, data }, end + 1)))
        }
        Some(_) => Err(()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_or_not_at_all() {
        let frame = |number, command: &str, data: &[u8]| Frame {
            number,
            command: command.to_owned(),
            data: data.to_vec(),
        };
        let bytes = b"12 rsp 6 200 OK\n0 serverclose 0\n";
        assert_eq!(parse(bytes), Ok(Some((frame(12, "rsp", b"200 OK"), 16))));
        assert_eq!(parse(&bytes[16..]), Ok(Some((frame(0, "serverclose", b""), 16))));
        for cut in 0..16 {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(parse(b"1 rsp 0 \n"), Ok(Some((frame(1, "rsp", b""), 9))));
        for odd in
            [&b"x rsp 0\n"[..], b"1 rsp x \n", b"1 rsp 2 abc\n", b"1 rsp 3\n", b"\xff rsp 0\n"]
        {
            assert_eq!(parse(odd), Err(()), "{odd:?}");
        }
    }
}
