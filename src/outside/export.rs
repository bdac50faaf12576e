//! Where checkpoints are put outside of this machine: a folder, an object store, a web server.
//!
//! Nothing is ever overwritten: a checkpoint's name is its size and the beginning of its root.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use forward::http::client;
use forward::store::{Patience, Store, StoreConfig};
use ingest::ledger::Checkpoint;
use reqwest::{Client, StatusCode, Url};

use super::aws_environment;

/// Checkpoints' files end in this.
pub(crate) const EXTENSION: &str = "checkpoint";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How folders and object stores are dealt with: a checkpoint is small, a page of names a thousand of them.
const PATIENCE: Patience = Patience {
    timeout: TIMEOUT,
    retries: 3,
    retry_timeout: Duration::from_secs(60),
    answer_bytes_max: 16 << 20,
};

/// A place outside.
#[derive(Debug)]
pub(crate) struct Destination {
    /// As configured, but for anything secret in it.
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Store(Store),
    Web(Client, Url),
}

impl Destination {
    /// Returns the place that was configured: an absolute path, `s3://bucket/prefix`, or `https://…`.
    ///
    /// # Errors
    /// It is none of these, or its object store's settings in the environment are no good.
    pub(crate) fn new(typed: &str) -> Result<Destination> {
        if typed.starts_with('/') {
            return Ok(Destination { name: typed.to_owned(), kind: store(typed)? });
        }
        let url = Url::parse(typed).with_context(|| {
            format!("{typed:?} is no absolute path, no s3://bucket/prefix and no https:// address")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            bail!("an address to export to may hold no user and no password");
        }
        let local = url.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost"));
        let kind = match url.scheme() {
            "s3" => store(typed)?,
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
            Kind::Store(store) => {
                match store.create(&name, checkpoint.note.clone().into()).await? {
                    true => None,
                    false => Some(self.read(&name).await?),
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
            Kind::Store(store) => store.list("").await?.objects,
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
            Kind::Store(store) => store.read(name).await?,
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

fn store(typed: &str) -> Result<Kind> {
    let config = StoreConfig::parse(typed, aws_environment()).map_err(|why| anyhow!(why))?;
    Ok(Kind::Store(Store::new(&config, &PATIENCE)?))
}

fn below(url: &Url, name: &str) -> Result<Url> {
    let mut url = url.clone();
    url.path_segments_mut()
        .map_err(|()| anyhow!("nothing can stand below this address"))?
        .pop_if_empty()
        .push(name);
    Ok(url)
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
