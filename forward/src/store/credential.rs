//! An access key whose secret stands in a file.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use object_store::aws::AwsCredential;
use object_store::client::CredentialProvider;

use crate::http::secret;

/// An access key. Its secret is read anew for each request, since it may be replaced under us.
#[derive(Debug)]
pub(super) struct FromFile {
    id: String,
    secret: PathBuf,
}

impl FromFile {
    pub(super) fn new(id: &str, secret: &Path) -> Arc<FromFile> {
        Arc::new(FromFile { id: id.to_owned(), secret: secret.to_owned() })
    }
}

impl CredentialProvider for FromFile {
    type Credential = AwsCredential;

    fn get_credential<'s, 'f>(
        &'s self,
    ) -> Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let read = secret(&self.secret)
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) });
        let credential = read.map(|secret_key| {
            Arc::new(AwsCredential { key_id: self.id.clone(), secret_key, token: None })
        });
        Box::pin(std::future::ready(credential))
    }
}
