//! TLS, ended here: rustls with ring, and a certificate that is read anew when its files change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};

use crate::listening::TlsFiles;

/// What tells one content of both files from another.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// Returns what ends TLS with the certificate in these files.
///
/// # Errors
/// They cannot be read, or do not belong together; in words.
pub(crate) fn acceptor(files: TlsFiles) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let certificate = Renewed::new(files, provider.clone())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate that may be renewed under us.
#[derive(Debug)]
struct Renewed {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    known: Mutex<(Stamp, Arc<CertifiedKey>)>,
}

impl Renewed {
    fn new(files: TlsFiles, provider: Arc<CryptoProvider>) -> Result<Renewed, String> {
        let stamp = stamp(&files);
        let key = Arc::new(read(&files, &provider)?);
        Ok(Renewed { files, provider, known: Mutex::new((stamp, key)) })
    }

    /// Returns the certificate as it is now. While the files are no pair, as between two renames, the last good one
    /// stays.
    fn now(&self) -> Arc<CertifiedKey> {
        let stamp = stamp(&self.files);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != stamp {
            known.0 = stamp;
            match read(&self.files, &self.provider) {
                Ok(key) => {
                    info!("the certificate in {} is read", self.files.certificate.display());
                    known.1 = Arc::new(key);
                }
                Err(problem) => error!("the last good certificate stays: {problem}"),
            }
        }
        known.1.clone()
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let of = fs::metadata(path).ok()?;
        Some((of.ino(), of.size(), of.mtime(), of.mtime_nsec()))
    })
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let of = |path: &Path, why: String| format!("{}: {why}", path.display());
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .map_err(|error| of(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(of(&files.certificate, "it holds no PEM certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| of(&files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        format!("{} and {}: {error}", files.certificate.display(), files.key.display())
    })
}
