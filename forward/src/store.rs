//! Places that keep objects by name, folders and S3: checkpoints go there, and events. Nothing in one is ever overwritten.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use reqwest::Url;
use thiserror::Error;

use crate::http::{SetUpError, client};

mod connector;
mod credential;
mod folder;

use self::connector::Connector;
use self::credential::FromFile;

/// Where objects are kept.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// In a folder that is there; what is made below it, its owner alone can read.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Config),
}

/// Which bucket, and how it knows us.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// What stands before the names of all objects.
    pub prefix: Path,
    /// The server, where it is not Amazon's; `http://` is in clear.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The id of an access key, and the file with its secret, which is read anew for each request.
    pub key: Option<(String, PathBuf)>,
    /// What the environment says of all this, for what is not said here.
    pub environment: AwsEnvironment,
}

/// The variables of the environment that begin with `AWS_`. Some are secret.
#[derive(Clone, Default)]
pub struct AwsEnvironment(pub Vec<(String, String)>);

/// How a store is dealt with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one request may take.
    pub timeout: Duration,
    /// How often one that failed is tried again before anybody is told.
    pub retries: usize,
    /// How long all of these may take.
    pub retry_timeout: Duration,
    /// The most bytes that an answer may have.
    pub answer_bytes_max: usize,
}

/// A place that keeps objects by name.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what stands before all names.
    S3(Box<AmazonS3>, Path),
}

/// What stands directly below a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Names of objects, without what stands before them.
    pub objects: Vec<String>,
    /// Names of what has objects below it.
    pub folders: Vec<String>,
}

/// Why something cannot be done.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system refuses.
    #[error(transparent)]
    Folder(#[from] io::Error),
    /// The bucket does, or is not there.
    #[error(transparent)]
    S3(#[from] object_store::Error),
}

impl StoreConfig {
    /// Reads an address: `s3://bucket/prefix`, `file:///folder`, or a folder's path. The environment is read elsewhere.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(typed: &str, environment: AwsEnvironment) -> Result<StoreConfig, String> {
        if typed.starts_with('/') {
            return Ok(StoreConfig::Folder(PathBuf::from(typed)));
        }
        let none = || format!("{typed:?} is no s3://bucket/prefix and no file:///folder");
        let url = Url::parse(typed).map_err(|_| none())?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(
                "the address of a store holds no user, no password and no ?query".to_owned()
            );
        }
        match url.scheme() {
            "file" => url.to_file_path().map(StoreConfig::Folder).map_err(|()| none()),
            "s3" => Ok(StoreConfig::S3(S3Config {
                bucket: url.host_str().ok_or("s3:// names no bucket")?.to_owned(),
                prefix: Path::from_url_path(url.path()).map_err(|error| error.to_string())?,
                endpoint: None,
                region: None,
                key: None,
                environment,
            })),
            _ => Err(none()),
        }
    }
}

impl Store {
    /// Gets ready; asks for nothing yet.
    ///
    /// # Errors
    /// The settings of a bucket are no good.
    pub fn new(config: &StoreConfig, patience: &Patience) -> Result<Store, SetUpError> {
        match config {
            StoreConfig::Folder(path) => Ok(Store::Folder(path.clone())),
            StoreConfig::S3(config) => {
                let store = s3(config, patience)?.build().map_err(|error| {
                    SetUpError::Settings(format!("the bucket {}: {error}", config.bucket))
                })?;
                Ok(Store::S3(Box::new(store), config.prefix.clone()))
            }
        }
    }

    /// Puts an object there, whole or not at all, unless one of its name is there already. Tells whether it was put.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn create(&self, name: &str, content: Bytes) -> Result<bool, StoreError> {
        match self {
            Store::Folder(folder) => Ok(folder::create(folder, name, &content)?),
            Store::S3(store, prefix) => {
                let place = below(prefix, name);
                match store.put_opts(&place, content.into(), PutMode::Create.into()).await {
                    Ok(_) => Ok(true),
                    Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Returns an object's content.
    ///
    /// # Errors
    /// It is not there, or cannot be read, or is larger than an answer may be.
    pub async fn read(&self, name: &str) -> Result<Bytes, StoreError> {
        match self {
            Store::Folder(folder) => Ok(folder::read(folder, name)?),
            Store::S3(store, prefix) => Ok(store.get(&below(prefix, name)).await?.bytes().await?),
        }
    }

    /// Returns what stands directly below a name; "" is the store itself. What is not there is empty, but for the store's own
    /// folder.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn list(&self, name: &str) -> Result<Listed, StoreError> {
        let mut listed = match self {
            Store::Folder(folder) => folder::list(folder, name)?,
            Store::S3(store, prefix) => {
                let found = store.list_with_delimiter(Some(&below(prefix, name))).await?;
                let last = |path: &Path| path.filename().map(str::to_owned);
                Listed {
                    objects: found.objects.iter().filter_map(|it| last(&it.location)).collect(),
                    folders: found.common_prefixes.iter().filter_map(last).collect(),
                }
            }
        };
        listed.objects.sort_unstable();
        listed.folders.sort_unstable();
        Ok(listed)
    }
}

impl StoreError {
    /// Tells whether it is that something is not there.
    pub fn is_not_found(&self) -> bool {
        match self {
            StoreError::Folder(error) => error.kind() == io::ErrorKind::NotFound,
            StoreError::S3(error) => matches!(error, object_store::Error::NotFound { .. }),
        }
    }

    /// Tells whether it stays so until somebody changes something: no bucket, no right.
    pub fn needs_help(&self) -> bool {
        use object_store::Error;
        match self {
            // A volume may be mounted again.
            StoreError::Folder(_) => false,
            StoreError::S3(error) => matches!(
                error,
                Error::NotFound { .. }
                    | Error::PermissionDenied { .. }
                    | Error::Unauthenticated { .. }
                    | Error::NotImplemented { .. }
                    | Error::InvalidPath { .. }
            ),
        }
    }
}

fn s3(config: &S3Config, patience: &Patience) -> Result<AmazonS3Builder, SetUpError> {
    let retry = RetryConfig {
        max_retries: patience.retries,
        retry_timeout: patience.retry_timeout,
        ..RetryConfig::default()
    };
    let client = client(patience.timeout, None)?.build()?;
    let mut builder = AmazonS3Builder::new();
    for (name, value) in &config.environment.0 {
        // Others than these are somebody else's.
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder
        .with_bucket_name(&config.bucket)
        .with_retry(retry)
        .with_http_connector(Connector { client, answer_bytes_max: patience.answer_bytes_max });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some((id, secret)) = &config.key {
        builder = builder.with_credentials(FromFile::new(id, secret));
    }
    Ok(builder)
}

/// Returns the name of an object with what stands before it.
fn below(prefix: &Path, name: &str) -> Path {
    name.split('/')
        .filter(|part| !part.is_empty())
        .fold(prefix.clone(), |path, part| path.join(part))
}

impl fmt::Debug for AwsEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_or_a_folder() {
        let parse = |typed: &str| StoreConfig::parse(typed, AwsEnvironment::default());
        for typed in ["file:///mnt/lake", "/mnt/lake"] {
            let Ok(StoreConfig::Folder(path)) = parse(typed) else { panic!("{typed}") };
            assert_eq!(path, PathBuf::from("/mnt/lake"));
        }
        let Ok(StoreConfig::S3(bucket)) = parse("s3://audit/keytrail/prod/") else { panic!("s3") };
        assert_eq!((&*bucket.bucket, bucket.prefix.as_ref()), ("audit", "keytrail/prod"));
        assert_eq!(
            below(&bucket.prefix, "soc/day=x/y.gz").as_ref(),
            "keytrail/prod/soc/day=x/y.gz"
        );
        for (typed, words) in [
            ("lake", "no s3://bucket"),
            ("gs://audit", "no s3://bucket"),
            ("s3://id:s3cret@audit", "no user"),
            ("s3://audit?token=s3cret", "no ?query"),
        ] {
            let problem = parse(typed).expect_err(typed);
            assert!(problem.contains(words) && !problem.contains("s3cret@"), "{problem}");
        }
    }

    #[test]
    fn no_secret_of_the_environment_is_shown() {
        let secret = ("AWS_SECRET_ACCESS_KEY".to_owned(), "s3cret".to_owned());
        assert_eq!(format!("{:?}", AwsEnvironment(vec![secret])), "[\"AWS_SECRET_ACCESS_KEY\"]");
    }
}
