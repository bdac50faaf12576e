//! How a batch gets to its receiver: one try, and an honest word of what came of it.

use std::time::Duration;

use crate::batch::Batch;
use crate::encode::Wrap;
use crate::folder::DeliveryState;
use crate::http::SetUpError;

pub mod file;
pub mod kafka;
pub mod object_store;
pub mod opensearch;
pub mod otlp;
mod post;
mod reach;
mod relp;
pub mod splunk_hec;
pub mod stream;
mod syslog;
pub mod webhook;

use self::file::{File, FileConfig};
use self::kafka::{Kafka, KafkaConfig};
use self::object_store::{Form, ObjectStore, ObjectStoreConfig};
use self::opensearch::{OpenSearch, OpenSearchConfig};
use self::otlp::{Otlp, OtlpConfig};
use self::relp::Relp;
use self::splunk_hec::{SplunkHec, SplunkHecConfig};
use self::stream::StreamConfig;
use self::syslog::Syslog;
use self::webhook::{Webhook, WebhookConfig};

/// How long one try may take.
pub(crate) const TRY: Duration = Duration::from_secs(60);

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has all of it, as far as this state says.
    Taken(DeliveryState),
    /// It tells of each event; what is not named here it has, as far as this state says.
    Each {
        /// What is known of those that were taken.
        state: DeliveryState,
        /// Those that it refuses, by their place in the batch, and why.
        refused: Vec<(usize, String)>,
        /// Those to be tried again.
        later: Vec<usize>,
        /// Why these were not taken yet.
        why: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// It has refused so many of them and taken the others, as far as this state says, and does not say which.
    Partial {
        /// What is known of those that were taken.
        state: DeliveryState,
        /// How many it refused: at least one.
        refused: u64,
        /// Why.
        why: String,
    },
    /// Nothing was taken for the sake of some of its events, and it does not say of which.
    Rejected(String),
    /// It is larger than the receiver takes.
    TooLarge(String),
    /// To be tried again: it is down or busy.
    Later {
        /// What it said.
        why: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
        /// It may have taken it all the same.
        maybe_taken: bool,
    },
    /// Trying again would not help before somebody changes something: a wrong token, a wrong address.
    Stop(String),
}

impl Answer {
    /// Returns the answer of a receiver that has nothing of this try for sure.
    pub(crate) fn later(why: String) -> Answer {
        Answer::Later { why, after: None, maybe_taken: false }
    }

    /// Returns its words; of a success none.
    pub fn why(self) -> String {
        match self {
            Answer::Taken(_) => String::new(),
            Answer::Rejected(why)
            | Answer::TooLarge(why)
            | Answer::Each { why, .. }
            | Answer::Partial { why, .. }
            | Answer::Later { why, .. }
            | Answer::Stop(why) => why,
        }
    }
}

/// Where a sink sends to.
#[derive(Clone, Debug)]
pub enum TransportConfig {
    /// A file on this machine.
    File(FileConfig),
    /// An address that takes JSON by POST.
    Webhook(WebhookConfig),
    /// OpenSearch or Elasticsearch, by `_bulk`.
    OpenSearch(OpenSearchConfig),
    /// Splunk's HTTP Event Collector.
    SplunkHec(SplunkHecConfig),
    /// A syslog server, by RFC 5424 with octet counting.
    Syslog(StreamConfig),
    /// A syslog server that answers.
    Relp(StreamConfig),
    /// A topic of Kafka.
    Kafka(KafkaConfig),
    /// An OpenTelemetry collector, or what speaks OTLP as one does, over HTTP.
    Otlp(OtlpConfig),
    /// Objects of a bucket, or files of a folder.
    ObjectStore(ObjectStoreConfig),
}

impl TransportConfig {
    /// Returns the word of the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            TransportConfig::File(_) => "file",
            TransportConfig::Webhook(_) => "webhook",
            TransportConfig::OpenSearch(_) => "opensearch",
            TransportConfig::SplunkHec(_) => "splunk_hec",
            TransportConfig::Syslog(_) => "syslog",
            TransportConfig::Relp(_) => "relp",
            TransportConfig::Kafka(_) => "kafka",
            TransportConfig::Otlp(_) => "otlp",
            TransportConfig::ObjectStore(_) => "object_store",
        }
    }

    /// Returns what it carries each event in, whatever the format.
    pub fn wrap(&self) -> Wrap {
        match self {
            TransportConfig::Syslog(_) | TransportConfig::Relp(_) => Wrap::Syslog,
            TransportConfig::Otlp(_) => Wrap::LogRecord,
            TransportConfig::ObjectStore(config) if config.form == Form::Parquet => Wrap::Row,
            TransportConfig::File(_)
            | TransportConfig::Webhook(_)
            | TransportConfig::OpenSearch(_)
            | TransportConfig::SplunkHec(_)
            | TransportConfig::Kafka(_)
            | TransportConfig::ObjectStore(_) => Wrap::Nothing,
        }
    }
}

/// A way to a receiver.
pub enum Transport {
    /// See [`TransportConfig::File`].
    File(File),
    /// See [`TransportConfig::Webhook`].
    Webhook(Box<Webhook>),
    /// See [`TransportConfig::OpenSearch`].
    OpenSearch(Box<OpenSearch>),
    /// See [`TransportConfig::SplunkHec`].
    SplunkHec(Box<SplunkHec>),
    /// See [`TransportConfig::Syslog`].
    Syslog(Box<Syslog>),
    /// See [`TransportConfig::Relp`].
    Relp(Box<Relp>),
    /// See [`TransportConfig::Kafka`].
    Kafka(Box<Kafka>),
    /// See [`TransportConfig::Otlp`].
    Otlp(Box<Otlp>),
    /// See [`TransportConfig::ObjectStore`].
    ObjectStore(Box<ObjectStore>),
}

impl Transport {
    /// Gets ready; sends nothing yet. `sink` is its name.
    ///
    /// # Errors
    /// A file that the configuration names cannot be read, or holds something else.
    pub fn new(sink: &str, config: &TransportConfig) -> Result<Transport, SetUpError> {
        Ok(match config {
            TransportConfig::File(config) => Transport::File(File::new(config)),
            TransportConfig::Webhook(config) => {
                Transport::Webhook(Box::new(Webhook::new(sink, config)?))
            }
            TransportConfig::OpenSearch(config) => {
                Transport::OpenSearch(Box::new(OpenSearch::new(config)?))
            }
            TransportConfig::SplunkHec(config) => {
                Transport::SplunkHec(Box::new(SplunkHec::new(config)?))
            }
            TransportConfig::Syslog(config) => Transport::Syslog(Box::new(Syslog::new(config)?)),
            TransportConfig::Relp(config) => Transport::Relp(Box::new(Relp::new(config)?)),
            TransportConfig::Kafka(config) => Transport::Kafka(Box::new(Kafka::new(sink, config)?)),
            TransportConfig::Otlp(config) => Transport::Otlp(Box::new(Otlp::new(config)?)),
            TransportConfig::ObjectStore(config) => {
                Transport::ObjectStore(Box::new(ObjectStore::new(sink, config)?))
            }
        })
    }

    /// Sends a batch once.
    pub async fn send(&mut self, batch: &Batch) -> Answer {
        match self {
            Transport::File(file) => file.send(batch),
            Transport::Webhook(webhook) => webhook.send(batch).await,
            Transport::OpenSearch(cluster) => cluster.send(batch).await,
            Transport::SplunkHec(collector) => collector.send(batch).await,
            Transport::Syslog(server) => server.send(batch).await,
            Transport::Relp(server) => server.send(batch).await,
            Transport::Kafka(cluster) => cluster.send(batch).await,
            Transport::Otlp(receiver) => receiver.send(batch).await,
            Transport::ObjectStore(store) => store.send(batch).await,
        }
    }

    /// Finds out whether the receiver is there and lets us in, without an event. Returns what was seen.
    ///
    /// # Errors
    /// It is not, or does not; in words.
    pub async fn try_out(&mut self) -> Result<String, String> {
        match self {
            Transport::File(file) => file.try_out(),
            Transport::Webhook(webhook) => webhook.try_out().await,
            Transport::OpenSearch(cluster) => cluster.try_out().await,
            Transport::SplunkHec(collector) => collector.try_out().await,
            Transport::Syslog(server) => server.try_out().await,
            Transport::Relp(server) => server.try_out().await,
            Transport::Kafka(cluster) => cluster.try_out().await,
            Transport::Otlp(receiver) => receiver.try_out().await,
            Transport::ObjectStore(store) => store.try_out().await,
        }
    }
}
