//! The provider that people sign in by, as far as it is asked from here: what it says of itself, its keys, and a token
//! for a code.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::{Request, Response};
use forward::http::client;
use reqwest::Client;

/// How long an answer may take: somebody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer. Keys and tokens have some KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The provider.
#[derive(Clone, Debug)]
pub(crate) struct SignInProvider(Client);

impl SignInProvider {
    /// Returns what asks the provider; with a CA file, that authority alone is trusted.
    ///
    /// # Errors
    /// The CA file cannot be read.
    pub(crate) fn new(ca_file: Option<&PathBuf>) -> Result<SignInProvider> {
        Ok(SignInProvider(client(TIMEOUT, ca_file)?.build().context("no TLS")?))
    }

    /// Asks it. Neither address nor body stands in an error: codes and secrets are in them.
    ///
    /// # Errors
    /// No answer, or one that is too long.
    pub(crate) async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        let request = reqwest::Request::try_from(request)?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let answer = self.0.execute(request).await.map_err(reqwest::Error::without_url);
        let mut answer = answer.with_context(|| format!("{host} does not answer"))?;
        let mut response = Response::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if response.body().len() + chunk.len() > ANSWER_BYTES_MAX {
                bail!("{host} answers more than {ANSWER_BYTES_MAX} bytes");
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}
