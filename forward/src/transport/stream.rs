//! A connection of bytes to a syslog server, with TLS or without.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::{CONNECT_TIMEOUT, SetUpError, read};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where a syslog server is, and how both know each other.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// `host:port`.
    pub address: String,
    /// Without it everybody in between reads the events.
    pub tls: Option<TlsConfig>,
}

/// How both ends of a connection know each other.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// PEM: the authority of the server's certificate.
    pub ca_file: PathBuf,
    /// PEM files: our certificate with its chain, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Bytes both ways.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// The way to a server.
pub(super) struct Way {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Way {
    /// Reads the files that it takes.
    pub(super) fn new(config: &StreamConfig) -> Result<Way, SetUpError> {
        let address = config.address.clone();
        let Some(tls) = &config.tls else { return Ok(Way { address, tls: None }) };
        let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|error| SetUpError::Settings(format!("address {address:?}: {error}")))?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&tls.ca_file)? {
            roots.add(authority).map_err(|error| SetUpError::Holds {
                path: tls.ca_file.clone(),
                what: format!("certificates of authorities (ca_file): {error}"),
            })?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match &tls.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let held = |path: &PathBuf, what: &str| SetUpError::Holds {
                    path: path.clone(),
                    what: what.to_owned(),
                };
                let own = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|_| held(key, "a private key in PEM (key)"))?;
                config.with_client_auth_cert(certificates(certificate)?, own).map_err(|error| {
                    held(certificate, &format!("the certificate of the key: {error}"))
                })?
            }
        };
        Ok(Way { address, tls: Some((TlsConnector::from(Arc::new(config)), name)) })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Bytes>> {
        let connecting = TcpStream::connect(&self.address);
        let stream = within(CONNECT_TIMEOUT, connecting, &self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let handshake = connector.connect(name.clone(), stream);
                Ok(Box::new(within(HANDSHAKE, handshake, &self.address).await?))
            }
        }
    }

    /// Returns the server's address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// Waits for something, but not for ever; errors name the address.
pub(super) async fn within<T>(
    limit: Duration,
    what: impl Future<Output = io::Result<T>>,
    address: &str,
) -> io::Result<T> {
    match tokio::time::timeout(limit, what).await {
        Ok(done) => {
            done.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
        }
        Err(_) => {
            let why = format!("{address} does not answer within {} s", limit.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetUpError> {
    let pem = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(SetUpError::Holds { path: path.to_owned(), what: "PEM certificates".to_owned() }),
    }
}
