//! A keytrail that runs elsewhere, asked over its API.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::question::Told;
use super::run::runtime;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{stdout, terminal_width};

/// How long a whole answer may take; an export is as long as its rows.
const TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A running keytrail.
pub(crate) struct Running {
    client: Client,
    token: Option<String>,
    address: String,
}

/// A problem, as far as it is shown.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    position: Option<Position>,
}

#[derive(Deserialize)]
struct Position {
    start: usize,
    end: usize,
}

impl Running {
    /// Returns the keytrail at an address such as `http://127.0.0.1:8088`.
    ///
    /// # Errors
    /// That is no address, or the token cannot be read.
    pub(crate) fn new(address: &str, token_file: Option<&Path>) -> Result<Running, Failure> {
        let is_http = address.starts_with("http://") || address.starts_with("https://");
        if !is_http || reqwest::Url::parse(address).is_err() {
            return Err(Failure::Usage(format!(
                "--url {address:?}: it is the address of a running keytrail, such as http://127.0.0.1:8088"
            )));
        }
        let client = forward::http::client(TIMEOUT, None)?.build().context("no TLS")?;
        let token = match token_file {
            Some(path) => Some(forward::http::secret(path)?),
            None => std::env::var("KEYTRAIL_TOKEN").ok().filter(|token| !token.is_empty()),
        };
        Ok(Running { client, token, address: address.trim_end_matches('/').to_owned() })
    }

    /// Writes an answer to standard output. `parameters` that are empty are left out; `filter` is the one among them
    /// in which a mistake is shown at its place.
    ///
    /// # Errors
    /// No answer, or a problem.
    pub(crate) fn print(
        &self,
        path: &str,
        format: Format,
        parameters: &[(&str, String)],
        filter: &str,
    ) -> Result<Option<Told>, Failure> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let suffix = match format {
            Format::Table => ".txt",
            Format::Json => ".ndjson",
            Format::Csv => ".csv",
            Format::Arrow => ".arrow",
            Format::Parquet => {
                return Err(Failure::Usage(
                    "--format parquet is not served with --url: take --format arrow, which is the same table"
                        .to_owned(),
                ));
            }
        };
        if let Some(width) = terminal_width().filter(|_| format == Format::Table) {
            query.append_pair("width", &width.to_string());
        }
        let request = self.client.get(self.url(&format!("{path}{suffix}?{}", query.finish())));
        Ok(told(&self.show(request, filter)?))
    }

    /// Writes what the server holds to standard output.
    ///
    /// # Errors
    /// No answer, or a problem.
    pub(crate) fn print_status(&self, suffix: &str) -> Result<(), Failure> {
        let request = self.client.get(self.url(&format!("status{suffix}")));
        self.show(request, "").map(drop)
    }

    /// Writes what is known of a value, or of hashes, to standard output; returns of how many hashes something is.
    /// Both go in the body: what an address holds is logged on the way.
    ///
    /// # Errors
    /// No answer, or a problem.
    pub(crate) fn print_look_up(
        &self,
        suffix: &str,
        value: Option<&str>,
        hmac: &[String],
    ) -> Result<u64, Failure> {
        let body = match value {
            Some(value) => serde_json::json!({ "value": value }),
            None => serde_json::json!({ "hmac": hmac }),
        };
        let request = self.client.post(self.url(&format!("lookup{suffix}"))).json(&body);
        let headers = self.show(request, "")?;
        let found =
            headers.get("keytrail-found").and_then(|found| found.to_str().ok()?.parse().ok());
        Ok(found.unwrap_or(0))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.address)
    }

    /// Asks, and writes the answer to standard output while it comes in.
    fn show(&self, request: RequestBuilder, filter: &str) -> Result<HeaderMap, Failure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        runtime()?.block_on(async {
            let response = request.send().await;
            let response = response.with_context(|| format!("cannot ask {}", self.address))?;
            let mut response = refused(response, filter).await?;
            let mut out = stdout();
            let cut = || anyhow!("the answer was cut short: what was printed is not the whole");
            while let Some(piece) = response.chunk().await.map_err(|_| cut())? {
                out.write_all(&piece)?;
            }
            out.flush()?;
            Ok(response.headers().clone())
        })
    }
}

/// Returns the answer, or its problem as a failure.
async fn refused(response: Response, filter: &str) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    let Ok(problem) = serde_json::from_str::<Problem>(&text) else {
        return Err(Failure::Other(anyhow!("it answers {status}: is that a keytrail?")));
    };
    let shown = match problem.position {
        // The server speaks of the filter that it was sent.
        Some(Position { start, end }) if filter.get(start..end).is_some() => {
            let error = query::filter::FilterError {
                message: problem.detail,
                suggestion: None,
                span: start..end,
                filter: filter.to_owned(),
            };
            format!("in the filter:\n{}", error.caret())
        }
        _ => problem.detail,
    };
    Err(match status {
        StatusCode::BAD_REQUEST => Failure::Usage(shown),
        _ => Failure::Other(anyhow!("it answers {status}: {shown}")),
    })
}

/// Reads what an answer says of itself, in its headers.
fn told(headers: &HeaderMap) -> Option<Told> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let number = |name: &str| header(name)?.parse().ok();
    let left_out = header("keytrail-left-out")?.split(' ').filter_map(|word| {
        let (word, count) = word.split_once('=')?;
        Some((word.to_owned(), count.parse().ok()?))
    });
    Some(Told {
        matched: number("keytrail-matched")?,
        left_out: left_out.collect(),
        leaf: number("keytrail-leaf")?,
        horizon: header("keytrail-horizon").map(str::to_owned),
    })
}
