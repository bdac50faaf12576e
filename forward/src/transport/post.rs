//! What an answer over HTTP means for a batch, where a receiver has no words of its own.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::Answer;
use crate::folder::DeliveryState;

/// Of an answer so much is read, and so much of it shown.
const BODY_MAX: usize = 16 << 20;
const SHOWN_MAX: usize = 500;

/// An answer that was read.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    /// Of the body; empty if it is not said.
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Reply {
    /// Reads an answer, as far as it may be long.
    pub(crate) async fn read(response: Result<Response, reqwest::Error>) -> Result<Reply, Answer> {
        Reply::read_up_to(BODY_MAX, response).await
    }

    /// Reads an answer of at most so many bytes.
    pub(crate) async fn read_up_to(
        bytes_max: usize,
        response: Result<Response, reqwest::Error>,
    ) -> Result<Reply, Answer> {
        let mut response = response.map_err(|error| failed(&error))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = content_type.to_ascii_lowercase();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > bytes_max {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body, content_type, retry_after })
    }

    /// Returns the status and the beginning of what it said, on one line.
    pub(crate) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        match shown.is_empty() {
            true => self.status.to_string(),
            false => format!("{}: {shown}", self.status),
        }
    }

    /// Returns what the status means by itself; a success is that the receiver has accepted the batch.
    pub(crate) fn answer(&self) -> Answer {
        let why = self.said();
        match self.status {
            status if status.is_success() => Answer::Taken(DeliveryState::Accepted),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Answer::Rejected(why),
            StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge(why),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Answer::Later { why, after: self.retry_after, maybe_taken: false }
            }
            status if status.is_server_error() => {
                Answer::Later { why, after: self.retry_after, maybe_taken: true }
            }
            _ => Answer::Stop(why),
        }
    }
}

/// What it means that no answer came.
fn failed(error: &reqwest::Error) -> Answer {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        why = format!("{why}: {source}");
        cause = source.source();
    }
    // Who could not be reached has nothing; of everybody else nothing is known.
    Answer::Later { why, after: None, maybe_taken: !error.is_connect() }
}

/// Reads seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(at.duration_since(Timestamp::now())).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        let retry_after = Some(Duration::from_secs(3));
        Reply { status, body: body.into(), content_type: String::new(), retry_after }.answer()
    }

    #[test]
    fn a_status_tells_whether_to_go_on() {
        assert_eq!(answer(204, ""), Answer::Taken(DeliveryState::Accepted));
        let words = "no\n such   field".to_owned() + &"x".repeat(1000);
        let Answer::Rejected(why) = answer(400, &words) else { panic!("rejected") };
        assert!(why.starts_with("400 Bad Request: no such field") && why.len() < 600, "{why}");
        assert!(matches!(answer(413, ""), Answer::TooLarge(_)));
        for (status, maybe) in [(429, false), (408, false), (503, true), (500, true)] {
            let Answer::Later { after, maybe_taken, .. } = answer(status, "") else {
                panic!("{status}")
            };
            assert_eq!((after, maybe_taken), (Some(Duration::from_secs(3)), maybe), "{status}");
        }
        for status in [301, 401, 403, 404, 405, 410] {
            assert!(matches!(answer(status, ""), Answer::Stop(_)), "{status}");
        }
    }

    #[test]
    fn the_receiver_may_name_seconds_or_a_date() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert!(of("Fri, 31 Dec 2286 23:59:59 GMT").unwrap() > Duration::from_secs(1_000_000));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(of("soon"), None);
    }
}
