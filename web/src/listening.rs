//! Where keytrail may be reached from: this machine only, unless there are users and TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use crate::door::{Accounts, Oidc};
use crate::server::ServeError;
use crate::tls::acceptor;

/// How pages and API are served beyond this machine. The default serves it alone.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// Names under which it is reached, beside loopback and the address itself.
    pub hosts: Vec<String>,
    /// TLS that is ended here.
    pub tls: Option<TlsFiles>,
    /// Addresses of proxies that end TLS. Only they are let in.
    pub proxies: Vec<IpNet>,
    /// Whom people sign in by, beside passwords.
    pub oidc: Option<Oidc>,
}

/// Where the certificate is. Read anew when it changes.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, PEM, its own certificate first.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Listening {
    /// Tells whether an address may be served so, whoever the users are.
    ///
    /// # Errors
    /// It can be reached from elsewhere, and nothing ends TLS; or nobody could name it.
    pub fn check(&self, address: SocketAddr) -> Result<(), ServeError> {
        let has_tls = self.tls.is_some() || !self.proxies.is_empty();
        if !address.ip().is_loopback() && !has_tls {
            return Err(ServeError::NotLoopback(address));
        }
        if address.ip().is_unspecified() && self.hosts.is_empty() {
            return Err(ServeError::NoName(address));
        }
        Ok(())
    }

    /// Reads the certificate, if there is to be one.
    ///
    /// # Errors
    /// It cannot be read, or its key is another's.
    pub fn check_certificate(&self) -> Result<(), ServeError> {
        self.acceptor().map(drop)
    }

    pub(crate) fn acceptor(&self) -> Result<Option<TlsAcceptor>, ServeError> {
        let tls = self.tls.clone().map(acceptor).transpose();
        tls.map_err(ServeError::Certificate)
    }

    /// Tells whether an address may be served over this data folder.
    ///
    /// # Errors
    /// As [`Listening::check`] and [`Listening::check_certificate`]; or it can be reached from elsewhere, and there is no
    /// user, nor a provider to sign in by.
    pub fn check_users(&self, address: SocketAddr, data: &Path) -> Result<(), ServeError> {
        self.check(address)?;
        self.check_certificate()?;
        if address.ip().is_loopback() && self.proxies.is_empty() {
            return Ok(());
        }
        match Accounts::read(data)?.users.is_empty() && self.oidc.is_none() {
            true => Err(ServeError::NoUsers(address)),
            false => Ok(()),
        }
    }
}
