//! `webhook`: a batch is one POST of JSON, signed by the conventions of standardwebhooks.com.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::{Client, Url};
use serde_json::json;

use super::post::Reply;
use super::reach::{PublicOnly, is_public, refused};
use super::{Answer, TRY};
use crate::batch::Batch;
use crate::http::{SetUpError, client};
use crate::signing::{key, signature};

/// Where a webhook is, and how it knows us.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The address.
    pub url: String,
    /// Files with the keys of signatures. Several while one replaces another: a message carries a signature by each.
    pub secret_files: Vec<PathBuf>,
    /// PEM: the authority that is trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// It may be on this machine or in a private network.
    pub allow_private: bool,
}

/// A webhook.
pub struct Webhook {
    sink: String,
    config: WebhookConfig,
    client: Client,
}

impl Webhook {
    pub(super) fn new(sink: &str, config: &WebhookConfig) -> Result<Webhook, SetUpError> {
        let mut builder = client(TRY, config.ca_file.as_ref())?;
        if !config.allow_private {
            let url = Url::parse(&config.url)
                .map_err(|error| SetUpError::Settings(format!("url {:?}: {error}", config.url)))?;
            let host = url.host_str().unwrap_or_default();
            // An address as such is never looked up.
            let address = host.trim_start_matches('[').trim_end_matches(']').parse();
            if address.is_ok_and(|address| !is_public(address)) {
                return Err(SetUpError::Settings(refused(host)));
            }
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Webhook { sink: sink.to_owned(), config: config.clone(), client: builder.build()? })
    }

    pub(super) async fn send(&self, batch: &Batch) -> Answer {
        self.post(&batch.id, body(&self.sink, batch)).await
    }

    pub(super) async fn try_out(&self) -> Result<String, String> {
        let now = Timestamp::now();
        let trial = json!({"type": "keytrail.test", "timestamp": now, "data": {"sink": self.sink}});
        let id = format!("keytrail_test_{:x}", now.as_nanosecond());
        match self.post(&id, trial.to_string().into_bytes()).await {
            Answer::Taken(_) => Ok(format!("{} took a test message", self.config.url)),
            other => Err(other.why()),
        }
    }

    async fn post(&self, id: &str, body: Vec<u8>) -> Answer {
        let timestamp = Timestamp::now().as_second();
        let mut request = self
            .client
            .post(&self.config.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        let mut signatures = Vec::new();
        for path in &self.config.secret_files {
            match key(path) {
                Ok(key) => signatures.push(signature(&key, id, timestamp, &body)),
                // It may be in the middle of being replaced.
                Err(error) => return Answer::later(error.to_string()),
            }
        }
        if !signatures.is_empty() {
            request = request.header("webhook-signature", signatures.join(" "));
        }
        match Reply::read(request.body(body).send().await).await {
            Ok(reply) => reply.answer(),
            Err(answer) => answer,
        }
    }
}

/// The same for each try: what changes with time stands in headers.
fn body(sink: &str, batch: &Batch) -> Vec<u8> {
    let newest = batch.items.iter().filter_map(|item| item.time_unix_ns).max();
    let timestamp = json!(newest.map(query::period::rfc3339));
    let (sink, id) = (json!(sink), json!(batch.id));
    let (first, last) = (json!(batch.said.first), json!(batch.said.last));
    let head = format!(
        "{{\"type\":\"keytrail.events\",\"timestamp\":{timestamp},\"data\":{{\"sink\":{sink},\"batch\":{id},\"first\":{first},\"last\":{last},\"events\":["
    );
    let mut body = head.into_bytes();
    for (number, item) in batch.items.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&item.bytes);
    }
    body.extend_from_slice(b"]}}");
    body
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::Value;

    use super::*;
    use crate::batch::testing::item;

    #[test]
    fn a_body_holds_the_events_as_they_were_encoded() {
        let batch = Batch::new("soc", vec![item(1), item(2)]);
        let body: Value = serde_json::from_slice(&body("soc", &batch)).unwrap();
        assert_eq!(body["data"]["events"], json!([{"n": 1}, {"n": 2}]));
        assert_eq!(body["timestamp"], "1970-01-01T00:00:02Z");
        assert_eq!(body["data"]["batch"], batch.id);
    }

    #[test]
    fn an_address_of_this_machine_has_to_be_allowed() {
        let config = |url: &str, allow_private| WebhookConfig {
            url: url.to_owned(),
            secret_files: Vec::new(),
            ca_file: None,
            allow_private,
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        for url in ["http://127.0.0.1:9", "http://[::1]/", "http://169.254.169.254/latest"] {
            let Err(error) = Webhook::new("s", &config(url, false)) else { panic!("{url}") };
            assert!(error.to_string().contains("allow_private"), "{error}");
            assert!(Webhook::new("s", &config(url, true)).is_ok(), "{url}");
        }
        // A name is looked up when it is asked.
        let webhook = Webhook::new("s", &config("http://localhost:9/", false)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(webhook.try_out()).unwrap_err();
        assert!(error.contains("allow_private"), "{error}");
    }
}
