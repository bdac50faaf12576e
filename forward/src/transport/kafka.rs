//! `kafka`: each event a record of a topic, with its uid as the key. The producer is idempotent and waits for all replicas in sync: what a broker's end or
//! a lost answer makes it send again is stored once. A kill of keytrail is another producer: what was under way then may be there twice.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use ingest::event::Uid;
use krafka::auth::{AuthConfig, TlsConfig as KafkaTls};
use krafka::consumer::AutoOffsetReset;
use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{DeliveryHandle, Producer};
use krafka::{CloseOptions, Compression, Kafka as Client, Record};

use super::Answer;
use super::stream::TlsConfig;
use crate::batch::{Batch, Item};
use crate::folder::DeliveryState;
use crate::http::{CONNECT_TIMEOUT, SetUpError, read, secret};

/// How long a broker may take to answer.
const REQUEST: Duration = Duration::from_secs(15);
/// How long a record is tried before the batch is; more than a request and a choice of a new leader take.
const DELIVERY: Duration = Duration::from_secs(45);
/// Records that go together. Brokers take 1 MiB unless told otherwise; a larger event goes alone.
const TOGETHER: usize = 256 << 10;
/// What a broker may answer at once: a topic's partitions, or records that are read back.
const ANSWER_MAX: usize = 64 << 20;
/// How long to wait for records when a topic is read back.
const POLL: Duration = Duration::from_secs(1);
/// So often nothing may come before the end is there.
const POLLS_EMPTY: u32 = 30;

/// Where records go, and how both ends know each other.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port` of one broker or more; they tell of the others.
    pub brokers: Vec<String>,
    /// The topic, which has to be there.
    pub topic: String,
    /// What is written, by its media type.
    pub media_type: &'static str,
    /// Without it everybody in between reads the events.
    pub tls: Option<TlsConfig>,
    /// Who we say we are by SASL.
    pub who: Option<Sasl>,
}

/// How we sign in.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The file that holds the password.
    pub password_file: PathBuf,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `SCRAM-SHA-512`: the broker never sees the password.
    ScramSha512,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `PLAIN`: the password itself, within TLS only.
    Plain,
}

/// A Kafka cluster.
pub struct Kafka {
    config: KafkaConfig,
    client_id: String,
    session: Option<Session>,
}

struct Session {
    client: Client,
    producer: Producer,
}

/// What became of one record.
enum Outcome {
    Stored,
    /// Not for this record's sake, or not for sure.
    Later(KrafkaError),
    /// The broker refuses it, or what it went with.
    Refused(KrafkaError),
}

impl Kafka {
    pub(super) fn new(sink: &str, config: &KafkaConfig) -> Result<Kafka, SetUpError> {
        let kafka =
            Kafka { config: config.clone(), client_id: format!("keytrail-{sink}"), session: None };
        // What the files hold is seen to before anything is sent.
        kafka.security()?;
        Ok(kafka)
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Answer {
        let session = match &mut self.session {
            Some(session) => session,
            None => match self.open().await {
                Ok(session) => self.session.insert(session),
                Err(error) => return stops_or_waits(&error, false),
            },
        };
        let outcomes = session.send(&self.config, batch).await;
        let (mut refused, mut later, mut last) = (Vec::new(), Vec::new(), None);
        for (at, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Stored => {}
                Outcome::Refused(error) => refused.push((at, error.to_string())),
                Outcome::Later(error) => {
                    later.push(at);
                    last = Some(error);
                }
            }
        }
        let state = DeliveryState::Confirmed;
        let Some(error) = last else {
            return match refused.is_empty() {
                true => Answer::Taken(state),
                false => Answer::Each { state, refused, later, why: String::new(), after: None },
            };
        };
        if !error.is_retriable() {
            self.close().await;
        }
        if later.len() == batch.items.len() {
            return stops_or_waits(&error, true);
        }
        Answer::Each { state, refused, later, why: error.to_string(), after: None }
    }

    pub(super) async fn try_out(&mut self) -> Result<String, String> {
        let session = self.open().await.map_err(|error| error.to_string())?;
        let partitions = session.producer.partitions_for(&self.config.topic).await;
        self.session = Some(session);
        let partitions = partitions.map_err(|error| error.to_string())?.len();
        Ok(format!("topic {} has {partitions} partitions", self.config.topic))
    }

    /// Gives the uid of every record that the topic holds now, as often as it is there. Records with another key are passed over.
    ///
    /// # Errors
    /// No broker is there, one does not let us read, or `each` fails; in words.
    pub async fn uids(&self, each: &mut dyn FnMut(Uid) -> io::Result<()>) -> Result<(), String> {
        let client = self.connect().await.map_err(|error| error.to_string())?;
        let topic = &*self.config.topic;
        let reading = async {
            let consumer = client
                .consumer_without_group()
                .auto_offset_reset(AutoOffsetReset::Earliest)
                .build()
                .await?;
            let producer = self.producer(&client).await?;
            let partitions: Vec<i32> =
                producer.partitions_for(topic).await?.iter().map(|one| one.partition).collect();
            consumer.assign(topic, partitions.clone()).await?;
            let mut ends = Vec::new();
            for partition in partitions {
                let (begin, end) = consumer.fetch_watermarks(topic, partition).await?;
                // Of one that has forgotten everything nothing comes that would tell where it ends.
                if begin < end {
                    ends.push((partition, end));
                }
            }
            Ok::<_, KrafkaError>((consumer, ends))
        };
        let (consumer, ends) = reading.await.map_err(|error| error.to_string())?;
        let mut empty = 0;
        loop {
            let mut is_there = true;
            for (partition, end) in &ends {
                let position = consumer.position(topic, *partition).await;
                is_there &= position.is_some_and(|position| position >= *end);
            }
            if is_there {
                return Ok(());
            }
            let records = consumer.poll(POLL).await.map_err(|error| error.to_string())?;
            empty = if records.is_empty() { empty + 1 } else { 0 };
            if empty > POLLS_EMPTY {
                return Err(format!("topic {topic}: its end is not reached, and nothing comes"));
            }
            for record in records {
                let key = record.key.as_deref().and_then(|key| str::from_utf8(key).ok());
                if let Some(uid) = key.and_then(|key| key.parse().ok()) {
                    each(uid).map_err(|error| error.to_string())?;
                }
            }
        }
    }

    async fn open(&self) -> Result<Session, KrafkaError> {
        let client = self.connect().await?;
        let producer = self.producer(&client).await?;
        Ok(Session { client, producer })
    }

    async fn connect(&self) -> Result<Client, KrafkaError> {
        // Read anew each time: a password may have been changed meanwhile.
        let security = self.security().map_err(|error| KrafkaError::config(error.to_string()))?;
        Client::builder(self.config.brokers.join(","))
            .client_id(&*self.client_id)
            .security(security)
            .connect_timeout(CONNECT_TIMEOUT)
            .request_timeout(REQUEST)
            .max_response_size(ANSWER_MAX)
            .allow_auto_create_topics(false)
            .connect()
            .await
    }

    async fn producer(&self, client: &Client) -> Result<Producer, KrafkaError> {
        client
            .producer()
            .compression(Compression::Lz4)
            .batch_size(TOGETHER)
            .delivery_timeout(DELIVERY)
            .max_block(REQUEST)
            // What keytrail's process does is not the cluster's.
            .metrics_push(false)
            .build()
            .await
    }

    fn security(&self) -> Result<AuthConfig, SetUpError> {
        let security = match &self.config.who {
            None => AuthConfig::plaintext(),
            Some(Sasl { mechanism, user, password_file }) => {
                let password = secret(password_file)?;
                match mechanism {
                    Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(user, password),
                    Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(user, password),
                    Mechanism::Plain => AuthConfig::sasl_plain(user, password),
                }
            }
        };
        let Some(TlsConfig { ca_file, certificate }) = &self.config.tls else {
            return Ok(security);
        };
        let mut tls = KafkaTls::new().with_ca_cert_pem(read(ca_file)?);
        if let Some((certificate, key)) = certificate {
            tls = tls.with_client_cert_pem(read(certificate)?, read(key)?);
        }
        Ok(match self.config.who {
            None => AuthConfig::ssl(tls),
            Some(_) => security.with_tls(tls),
        })
    }

    /// Lets go of a producer that cannot go on: nothing of it is sent later, behind the back of the next one.
    async fn close(&mut self) {
        if let Some(Session { producer, client }) = self.session.take() {
            let at_once = CloseOptions::new().timeout(Duration::ZERO);
            // It says that what is left was not sent, which is known.
            let _ = producer.close_with(at_once).await;
            drop(client);
        }
    }
}

impl Session {
    /// Sends all, and tells of each.
    async fn send(&self, config: &KafkaConfig, batch: &Batch) -> Vec<Outcome> {
        let mut handles = Vec::with_capacity(batch.items.len());
        for item in &batch.items {
            handles.push(self.producer.enqueue(record(config, item)).await);
        }
        let mut outcomes = Vec::with_capacity(handles.len());
        for handle in handles {
            outcomes.push(outcome(handle).await);
        }
        // A record is refused with all that it went with.
        for (item, outcome) in batch.items.iter().zip(&mut outcomes) {
            if matches!(outcome, Outcome::Refused(_)) && batch.items.len() > 1 {
                *outcome = self::outcome(self.producer.enqueue(record(config, item)).await).await;
            }
        }
        outcomes
    }
}

fn record(config: &KafkaConfig, item: &Item) -> Record {
    // The record's own time is that of sending: a topic forgets by it, and events may be years old.
    Record::new(&*config.topic, Bytes::from_owner(item.bytes.clone()))
        .key(item.uid.to_string())
        .header("content-type", config.media_type)
        .header("keytrail-place", format!("{}.{}", item.issued.0.0, item.issued.1))
}

async fn outcome(handle: Result<DeliveryHandle, KrafkaError>) -> Outcome {
    let answer = match handle {
        Ok(handle) => handle.await.map(|_| ()),
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => Outcome::Stored,
        Err(error) if is_of_the_record(&error) => Outcome::Refused(error),
        Err(error) => Outcome::Later(error),
    }
}

/// Tells whether it is a record that a broker does not take, whenever it is sent.
fn is_of_the_record(error: &KrafkaError) -> bool {
    let KrafkaError::Broker { code, .. } = error else { return false };
    matches!(
        code,
        ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::InvalidRecord
            | ErrorCode::InvalidTimestamp
    )
}

/// Says of an error whether it helps to try again.
fn stops_or_waits(error: &KrafkaError, was_sent: bool) -> Answer {
    let is_final = match error {
        KrafkaError::Auth { .. } | KrafkaError::Config { .. } => true,
        KrafkaError::Broker { code, .. } => matches!(
            code,
            ErrorCode::TopicAuthorizationFailed
                | ErrorCode::ClusterAuthorizationFailed
                | ErrorCode::SaslAuthenticationFailed
                | ErrorCode::UnsupportedSaslMechanism
                | ErrorCode::InvalidTopic
                | ErrorCode::PolicyViolation
        ),
        _ => false,
    };
    let maybe_taken = match error {
        KrafkaError::DeliveryTimeout { possibly_written, .. } => *possibly_written,
        _ => was_sent && error.is_retriable(),
    };
    match is_final {
        true => Answer::Stop(error.to_string()),
        false => Answer::Later { why: error.to_string(), after: None, maybe_taken },
    }
}
