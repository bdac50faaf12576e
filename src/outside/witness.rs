//! A client of C2SP tlog-witness: asks a witness to cosign a checkpoint.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use forward::http::client;
use ingest::ledger::{Checkpoint, ConsistencyProof, WitnessKey};
use reqwest::{Client, Response, StatusCode};

const TIMEOUT: Duration = Duration::from_secs(20);
/// No answer is longer: one signature line has some 150 bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A witness.
#[derive(Debug)]
pub(crate) struct Witness {
    client: Client,
    /// Its submission prefix.
    url: String,
    pub(crate) key: WitnessKey,
}

/// What a witness answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The checkpoint with its cosignature.
    Cosigned(Checkpoint),
    /// It has cosigned a checkpoint of another size before: the proof must begin there.
    SeenBefore(u64),
}

impl Witness {
    /// # Errors
    /// No TLS.
    pub(crate) fn new(url: &str, key: WitnessKey) -> Result<Witness> {
        let client = client(TIMEOUT, None)?.build().context("no TLS")?;
        Ok(Witness { client, url: url.trim_end_matches('/').to_owned(), key })
    }

    /// Asks for a cosignature of the proof's checkpoint.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer without a good cosignature of this witness.
    pub(crate) async fn add_checkpoint(&self, proof: &ConsistencyProof) -> Result<Answer> {
        let request =
            self.client.post(format!("{}/add-checkpoint", self.url)).body(proof.to_string());
        let response = request.send().await?;
        let status = response.status();
        let is_size = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/x.tlog.size"));
        let text = text(response).await?;
        match status {
            StatusCode::OK => match self.key.cosign(&proof.checkpoint, &text) {
                Some(cosigned) => Ok(Answer::Cosigned(cosigned)),
                None => bail!("its answer holds no good cosignature of {}", self.key.name()),
            },
            StatusCode::CONFLICT if is_size => match text.trim_end().parse() {
                Ok(size) => Ok(Answer::SeenBefore(size)),
                Err(_) => bail!("its conflict names no size"),
            },
            StatusCode::CONFLICT => {
                bail!("it has cosigned ANOTHER HISTORY of this ledger with as many leaves")
            }
            StatusCode::FORBIDDEN => {
                bail!("it does not know the key of this ledger: give it keys/verifier.key")
            }
            StatusCode::NOT_FOUND => {
                bail!("it does not know the ledger {}: register it there", proof.checkpoint.origin)
            }
            StatusCode::UNPROCESSABLE_ENTITY => bail!(
                "it holds this ledger to be ANOTHER HISTORY than the one that it cosigned before"
            ),
            other => bail!("it answers {other}"),
        }
    }
}

async fn text(mut response: Response) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            bail!("its answer has more than {ANSWER_BYTES_MAX} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
