//! Where checkpoints are put outside of this machine: a folder, an object store, a web server.
//!
//! Nothing is ever overwritten: a checkpoint's name is its size and the beginning of its root.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use forward::http::client;
use ingest::ledger::Checkpoint;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use reqwest::{Client, StatusCode, Url};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::store_transport::Connector;

/// Checkpoints' files end in this.
pub(crate) const EXTENSION: &str = "checkpoint";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long an object store may keep us with its retries.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// A place outside.
#[derive(Debug)]
pub(crate) struct Destination {
    /// As configured, but for anything secret in it.
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder(PathBuf),
    Store(Box<AmazonS3>, object_store::path::Path),
    Web(Client, Url),
}

impl Destination {
    /// Returns the place that was configured: an absolute path, `s3://bucket/prefix`, or `https://…`.
    ///
    /// # Errors
    /// It is none of these, or its object store's settings in the environment are no good.
    pub(crate) fn new(typed: &str) -> Result<Destination> {
        if typed.starts_with('/') {
            let kind = Kind::Folder(PathBuf::from(typed));
            return Ok(Destination { name: typed.to_owned(), kind });
        }
        let url = Url::parse(typed).with_context(|| {
            format!("{typed:?} is no absolute path, no s3://bucket/prefix and no https:// address")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            bail!("an address to export to may hold no user and no password");
        }
        let local = url.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost"));
        let kind = match url.scheme() {
            "s3" => store(&url)?,
            "https" => Kind::Web(client(TIMEOUT, None)?.build().context("no TLS")?, url),
            "http" if local => Kind::Web(client(TIMEOUT, None)?.build().context("no TLS")?, url),
            "http" => bail!("{typed}: only https:// leaves this machine"),
            other => bail!("{typed}: {other}:// is none of the places that checkpoints can go to"),
        };
        // A query may be a signature that is as good as a password.
        let name = typed.split(['?', '#']).next().unwrap_or_default().to_owned();
        Ok(Destination { name, kind })
    }

    /// Returns what may be shown of it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Puts a checkpoint there. One that is there already is as good, if it says the same.
    ///
    /// # Errors
    /// It cannot be written; something else stands there under its name.
    pub(crate) async fn put(&self, checkpoint: &Checkpoint) -> Result<()> {
        let name = file_name(checkpoint);
        let existing = match &self.kind {
            Kind::Folder(folder) => put_file(folder, &name, checkpoint.note.as_bytes())?,
            Kind::Store(store, prefix) => {
                let payload = checkpoint.note.clone().into();
                match store
                    .put_opts(&prefix.clone().join(name.as_str()), payload, PutMode::Create.into())
                    .await
                {
                    Ok(_) => None,
                    Err(object_store::Error::AlreadyExists { .. }) => Some(self.read(&name).await?),
                    Err(error) => return Err(error.into()),
                }
            }
            Kind::Web(client, url) => {
                let request = client
                    .put(below(url, &name)?)
                    .header("If-None-Match", "*")
                    .header("Content-Type", "text/plain; charset=utf-8")
                    .body(checkpoint.note.clone());
                match request.send().await.map_err(reqwest::Error::without_url)?.status() {
                    status if status.is_success() => None,
                    // Its name says what it is; reading it back may not be allowed.
                    StatusCode::PRECONDITION_FAILED => None,
                    status => bail!("it answers {status} to PUT"),
                }
            }
        };
        match existing.map(|note| Checkpoint::parse(&note)) {
            None => Ok(()),
            Some(Ok(other)) if (other.size, other.root) == (checkpoint.size, checkpoint.root) => {
                Ok(())
            }
            Some(_) => Err(anyhow!(
                "{name} stands there and is another checkpoint, or none; look at it, then move it away"
            )),
        }
    }

    /// Returns the checkpoint of the most leaves that is there, if it has more than `size`, or as many and another
    /// root; `None` too where nothing can be listed.
    ///
    /// # Errors
    /// The place cannot be read.
    pub(crate) async fn later_than(&self, own: &Checkpoint) -> Result<Option<Checkpoint>> {
        let names: Vec<String> = match &self.kind {
            Kind::Web(..) => return Ok(None),
            Kind::Folder(folder) => {
                let entries = fs::read_dir(folder).with_context(|| missing(folder))?;
                let names =
                    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
                names.collect::<io::Result<_>>()?
            }
            Kind::Store(store, prefix) => {
                let listed = store.list_with_delimiter(Some(prefix)).await?;
                let names = listed.objects.iter().filter_map(|object| object.location.filename());
                names.map(str::to_owned).collect()
            }
        };
        let mut later: Vec<String> = names
            .into_iter()
            .filter(|name| {
                size_of(name).is_some_and(|size| size >= own.size) && *name != file_name(own)
            })
            .collect();
        // Names begin with the size in as many digits: the most leaves first.
        later.sort_unstable_by(|a, b| b.cmp(a));
        // Others' checkpoints may stand here too, and files that only look like some.
        for name in later.into_iter().take(LOOKED_AT_MAX) {
            if let Ok(checkpoint) = Checkpoint::parse(&self.read(&name).await?)
                && checkpoint.origin == own.origin
                && (checkpoint.size > own.size || checkpoint.root != own.root)
            {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }

    async fn read(&self, name: &str) -> Result<String> {
        let bytes = match &self.kind {
            Kind::Folder(folder) => fs::read(folder.join(name))?,
            Kind::Store(store, prefix) => {
                store.get(&prefix.clone().join(name)).await?.bytes().await?.to_vec()
            }
            Kind::Web(..) => bail!("it cannot be read from here"),
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// So many later ones are read at most when one of ours is looked for.
const LOOKED_AT_MAX: usize = 1000;

/// Returns the name under which a checkpoint stands outside, which sorts by its size.
pub(crate) fn file_name(checkpoint: &Checkpoint) -> String {
    let root: String = checkpoint.root[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:020}-{root}.{EXTENSION}", checkpoint.size)
}

/// Returns the size in such a name.
fn size_of(name: &str) -> Option<u64> {
    let (size, root) = name.strip_suffix(EXTENSION)?.strip_suffix('.')?.split_once('-')?;
    (size.len() == 20 && root.len() == 8).then(|| size.parse().ok()).flatten()
}

fn store(url: &Url) -> Result<Kind> {
    let bucket = url.host_str().context("s3:// names no bucket")?;
    let retry =
        RetryConfig { max_retries: 3, retry_timeout: STORE_TIMEOUT, ..RetryConfig::default() };
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .with_http_connector(Connector(client(TIMEOUT, None)?.build().context("no TLS")?))
        .build()
        .with_context(|| format!("the object store {bucket}"))?;
    Ok(Kind::Store(Box::new(store), object_store::path::Path::parse(url.path())?))
}

fn below(url: &Url, name: &str) -> Result<Url> {
    let mut url = url.clone();
    url.path_segments_mut()
        .map_err(|()| anyhow!("nothing can stand below this address"))?
        .pop_if_empty()
        .push(name);
    Ok(url)
}

fn missing(folder: &Path) -> String {
    // Making it would put checkpoints onto this machine's own disk when a mount is missing.
    format!("{} cannot be read: make the folder, or mount what belongs there", folder.display())
}

/// Writes a file whole or not at all, unless one of this name is there: then returns what that one holds.
fn put_file(folder: &Path, name: &str, content: &[u8]) -> Result<Option<String>> {
    let (path, unfinished) =
        (folder.join(name), folder.join(format!(".{name}.{}", std::process::id())));
    fs::metadata(folder).with_context(|| missing(folder))?;
    if path.exists() {
        return Ok(Some(fs::read_to_string(&path)?));
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    let renamed = match renameat_with(CWD, &unfinished, CWD, &path, RenameFlags::NOREPLACE) {
        // Some network file systems know no such flag. Only we write this name.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(&unfinished, &path),
        renamed => renamed.map_err(io::Error::from),
    };
    if let Err(error) = renamed {
        let _ = fs::remove_file(&unfinished);
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error.into());
        }
        return Ok(Some(fs::read_to_string(&path)?));
    }
    fs::File::open(folder)?.sync_all()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_sorts_by_size_and_is_read_back() {
        let checkpoint = Checkpoint {
            origin: "keytrail/prod".into(),
            size: 120_394,
            root: [0xab; 32],
            note: String::new(),
        };
        let name = file_name(&checkpoint);
        assert_eq!(name, "00000000000000120394-abababab.checkpoint");
        assert_eq!(size_of(&name), Some(120_394));
        for other in
            ["120394-abababab.checkpoint", "checkpoint", &name[1..], &name[..name.len() - 1]]
        {
            assert_eq!(size_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_is_a_folder_a_store_or_a_secure_address() {
        for (typed, problem) in [
            ("checkpoints", "no absolute path"),
            ("ftp://host/", "ftp:// is none of the places"),
            ("http://host.example/x", "only https://"),
            ("https://user:secret@host.example/", "no user and no password"),
        ] {
            let error = format!("{:#}", Destination::new(typed).expect_err(typed));
            assert!(error.contains(problem) && !error.contains("secret"), "{typed}: {error}");
        }
        let folder = Destination::new("/mnt/checkpoints").expect("a folder");
        assert_eq!(folder.name(), "/mnt/checkpoints");
    }
}
