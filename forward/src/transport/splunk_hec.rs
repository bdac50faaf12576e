//! `splunk_hec`: Splunk's HTTP Event Collector. With acknowledgement a batch is done with when the indexer says that it has it.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::post::Reply;
use super::{Answer, TRY};
use crate::batch::Batch;
use crate::folder::DeliveryState;
use crate::http::{SetUpError, client, secret};

/// How often an acknowledgement is asked for: at first, and at most.
const ASK_FIRST: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(5);

/// Where the collector is, and how it knows us.
#[derive(Clone, Debug)]
pub struct SplunkHecConfig {
    /// The collector's address, without `/services/…`.
    pub url: String,
    /// The file with the token.
    pub token_file: PathBuf,
    /// Wait until the indexer has it. The token has to have that switched on; Splunk Cloud has it not.
    pub ack: bool,
    /// After so long without an acknowledgement a batch is sent again.
    pub ack_timeout: Duration,
    /// The index; none: the token's.
    pub index: Option<String>,
    /// The source type.
    pub sourcetype: String,
    /// Events are JSON, and stay that; else they are texts.
    pub is_json: bool,
    /// PEM: the authority that is trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// A collector.
pub struct SplunkHec {
    config: SplunkHecConfig,
    client: Client,
    /// Acknowledgements are numbered within a channel.
    channel: String,
}

#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    text: String,
    code: u16,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

impl SplunkHec {
    pub(super) fn new(config: &SplunkHecConfig) -> Result<SplunkHec, SetUpError> {
        let client = client(TRY, config.ca_file.as_ref())?.build()?;
        let channel = channel()
            .map_err(|error| SetUpError::Settings(format!("no random numbers: {error}")))?;
        Ok(SplunkHec { config: config.clone(), client, channel })
    }

    pub(super) async fn send(&self, batch: &Batch) -> Answer {
        let request = self
            .post("event")
            .map(|request| request.header("content-encoding", "gzip").body(self.body(batch)));
        let request = match request {
            Ok(request) => request,
            // It may be in the middle of being replaced.
            Err(error) => return Answer::later(error.to_string()),
        };
        let reply = match Reply::read(request.send().await).await {
            Ok(reply) => reply,
            Err(answer) => return answer,
        };
        match meaning(&reply) {
            Answer::Taken(_) if !self.config.ack => Answer::Taken(DeliveryState::Accepted),
            Answer::Taken(_) => {
                let said = serde_json::from_slice::<Said>(&reply.body).ok();
                match said.and_then(|said| said.ack_id) {
                    Some(ack) => self.acknowledged(ack).await,
                    None => Answer::Stop(
                        "the token has no indexer acknowledgement: switch it on there, or set ack = false here".to_owned(),
                    ),
                }
            }
            other => other,
        }
    }

    /// Waits until the indexer has it.
    async fn acknowledged(&self, ack: u64) -> Answer {
        let (begun, mut pause) = (Instant::now(), ASK_FIRST);
        let mut last = String::new();
        while begun.elapsed() < self.config.ack_timeout {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK_MAX);
            let asked = match self.post("ack") {
                Ok(request) => {
                    let body = json!({"acks": [ack]}).to_string();
                    Reply::read(request.body(body).send().await).await
                }
                Err(error) => Err(Answer::later(error.to_string())),
            };
            match asked {
                Ok(reply) if reply.status.is_success() => {
                    let told: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                    if told["acks"][ack.to_string()] == true {
                        return Answer::Taken(DeliveryState::Confirmed);
                    }
                }
                Ok(reply) => match meaning(&reply) {
                    Answer::Stop(why) => return Answer::Stop(why),
                    _ => last = format!("; it says {}", reply.said()),
                },
                Err(answer) => last = format!("; {}", answer.why()),
            }
        }
        let seconds = self.config.ack_timeout.as_secs();
        let why = format!("taken, and not acknowledged within {seconds} s{last}");
        Answer::Later { why, after: None, maybe_taken: true }
    }

    pub(super) async fn try_out(&self) -> Result<String, String> {
        let address = format!("{}/services/collector/health", self.config.url);
        let reply = Reply::read(self.client.get(address).send().await).await;
        let reply = reply.map_err(Answer::why)?;
        if !reply.status.is_success() {
            return Err(reply.said());
        }
        // A batch without events tells whether the token is taken: there is nothing to store.
        let request = self.post("event").map_err(|error| error.to_string())?;
        let reply = Reply::read(request.send().await).await.map_err(Answer::why)?;
        match serde_json::from_slice::<Said>(&reply.body) {
            Ok(Said { code: 0 | 5, .. }) => Ok(format!("{} takes the token", self.config.url)),
            _ => Err(reply.said()),
        }
    }

    fn post(&self, what: &str) -> Result<RequestBuilder, SetUpError> {
        let token = secret(&self.config.token_file)?;
        Ok(self
            .client
            .post(format!("{}/services/collector/{what}", self.config.url))
            .header("authorization", format!("Splunk {token}"))
            .header("x-splunk-request-channel", &self.channel)
            .header("content-type", "application/json"))
    }

    /// One object after the other; compressed.
    fn body(&self, batch: &Batch) -> Vec<u8> {
        let mut body = GzEncoder::new(Vec::new(), Compression::fast());
        let mut head =
            format!("{{\"source\":\"keytrail\",\"sourcetype\":{}", json!(self.config.sourcetype));
        if let Some(index) = &self.config.index {
            head += &format!(",\"index\":{}", json!(index));
        }
        let written = batch.items.iter().try_for_each(|item| {
            write!(body, "{head},\"fields\":{{\"event_uid\":\"{}\"}}", item.uid)?;
            if let Some(time) = item.time_unix_ns {
                write!(body, ",\"time\":{}", seconds(time))?;
            }
            body.write_all(b",\"event\":")?;
            match self.config.is_json {
                true => body.write_all(&item.bytes)?,
                false => serde_json::to_writer(&mut body, &String::from_utf8_lossy(&item.bytes))?,
            }
            body.write_all(b"}")
        });
        written.and_then(|()| body.finish()).expect("memory takes everything")
    }
}

/// Seconds with three digits, as the collector reads them.
fn seconds(unix_ns: i64) -> String {
    let ms = unix_ns.div_euclid(1_000_000);
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000)
}

/// Returns what the collector's own code means, else what the status does.
fn meaning(reply: &Reply) -> Answer {
    let Ok(said) = serde_json::from_slice::<Said>(&reply.body) else { return reply.answer() };
    let why = format!("{} (code {}): {}", reply.status, said.code, said.text);
    match said.code {
        0 | 17 => Answer::Taken(DeliveryState::Accepted),
        // No data, data of the wrong form, no event, an empty one, wrong fields.
        5 | 6 | 12 | 13 | 15 => Answer::Rejected(why),
        // An error within, busy, unhealthy, shutting down.
        8 | 9 | 18..=23 => Answer::Later { why, after: reply.retry_after, maybe_taken: true },
        // Token, index, channel, acknowledgement.
        1..=4 | 7 | 10 | 11 | 14 | 16 => Answer::Stop(why),
        _ => reply.answer(),
    }
}

/// A random UUID.
fn channel() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range| &hex[range];
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;

    use flate2::read::GzDecoder;
    use reqwest::StatusCode;

    use super::*;
    use crate::batch::testing::item;

    fn hec(is_json: bool) -> SplunkHec {
        let _ = rustls::crypto::ring::default_provider().install_default();
        SplunkHec::new(&SplunkHecConfig {
            url: "http://127.0.0.1:9".to_owned(),
            token_file: "/none".into(),
            ack: true,
            ack_timeout: Duration::from_secs(1),
            index: Some("audit".to_owned()),
            sourcetype: "keytrail:event".to_owned(),
            is_json,
            ca_file: None,
        })
        .unwrap()
    }

    #[test]
    fn events_stand_one_after_the_other_with_their_uids() {
        let batch = Batch::new("s", vec![item(1), item(2)]);
        for is_json in [true, false] {
            let mut text = String::new();
            GzDecoder::new(&hec(is_json).body(&batch)[..]).read_to_string(&mut text).unwrap();
            let events = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            let events: Vec<Value> = events.collect::<Result<_, _>>().unwrap();
            assert_eq!(events.len(), 2);
            let second = &events[1];
            assert_eq!(second["fields"], json!({"event_uid": "02".repeat(16)}));
            assert_eq!((&second["time"], &second["index"]), (&json!(2.0), &json!("audit")));
            let event = if is_json { json!({"n": 2}) } else { json!("{\"n\":2}") };
            assert_eq!(second["event"], event);
        }
        assert_eq!(seconds(1_732_480_000_123_456_789), "1732480000.123");
    }

    #[test]
    fn codes_tell_whether_to_go_on() {
        let of = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            meaning(&Reply {
                status,
                body: body.into(),
                content_type: String::new(),
                retry_after: None,
            })
        };
        let code = |status, code: u16| of(status, &format!("{{\"text\":\"t\",\"code\":{code}}}"));
        assert!(matches!(code(200, 0), Answer::Taken(_)));
        assert!(matches!(code(400, 6), Answer::Rejected(_)));
        assert!(matches!(code(503, 9), Answer::Later { .. }));
        assert!(matches!(code(500, 8), Answer::Later { .. }));
        for (status, number) in [(403, 4), (400, 7), (400, 10), (400, 14)] {
            assert!(matches!(code(status, number), Answer::Stop(_)), "{number}");
        }
        // Something between us and the collector.
        assert!(matches!(of(502, "<html>"), Answer::Later { .. }));
    }

    #[test]
    fn a_channel_is_a_uuid_and_another_each_time() {
        let (one, other) = (channel().unwrap(), channel().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
    }
}
