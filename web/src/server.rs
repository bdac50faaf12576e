//! The socket: which address is served, how many connections, how long they may keep us waiting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use query::trail::Trail;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::app::App;
use crate::door::{AccountsError, Door, Peer, Reach, SignedIn};
use crate::host::Host;
use crate::listening::Listening;
use crate::routes::routes;

/// The most open connections; a browser holds six.
const CONNECTIONS_MAX: usize = 512;
/// How long a request's head may take to arrive, and an idle connection to say something.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Request line and headers together, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Why the pages are not served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Nothing ends TLS.
    #[error(
        "{0} can be reached from other machines, and what is sent there could be read on the way: give [tls] a certificate, or [proxy] the addresses of a proxy that ends TLS; or listen on 127.0.0.1 and reach it through a tunnel, such as ssh -L or kubectl port-forward"
    )]
    NotLoopback(SocketAddr),
    /// No request could name it.
    #[error(
        "{0} is every address of this machine: name it as browsers will, as hosts = [\"keytrail.example\"]"
    )]
    NoName(SocketAddr),
    /// Nobody could sign in.
    #[error(
        "{0} can be reached from other machines, and there is no user yet: `keytrail user add` adds the first one, or [oidc] names a provider to sign in by"
    )]
    NoUsers(SocketAddr),
    /// Users cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// There is no certificate.
    #[error("[tls] {0}")]
    Certificate(String),
    /// The socket is gone.
    #[error("the listening socket cannot be used")]
    Socket(#[source] io::Error),
}

/// Serves the pages until the future is dropped.
///
/// # Errors
/// The address may not be served so, see [`Listening`]; there is no certificate; the socket fails.
pub async fn serve(
    listener: TcpListener,
    trail: Trail,
    host: Arc<dyn Host>,
    listening: Listening,
    signed_in: &SignedIn,
) -> Result<(), ServeError> {
    let bound = listener.local_addr().map_err(ServeError::Socket)?;
    listening.check_users(bound, &host.data())?;
    let reach = Reach::new(bound.ip(), &listening);
    let tls = listening.acceptor()?;
    let door = Door::new(host.data(), reach, listening.oidc, signed_in, Arc::new(Timestamp::now));
    let view = trail.view();
    tokio::task::spawn_blocking(move || {
        match query::prepare::prepare(&view) {
            Ok(()) => debug!("the index is prepared"),
            // Whoever asks first waits then, or is told.
            Err(error) => debug!(%error, "the index could not be prepared"),
        }
    });
    let app = App::new(trail, host, door);
    let _rest = Rest(app.clone());
    let router = routes(app);
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Who comes when all are taken waits in the kernel's queue, which is bounded too.
        let permit = Arc::clone(&connections).acquire_owned().await.expect("never closed");
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => (without_delay(stream), Peer(peer.ip())),
            Err(error) => {
                // Out of file handles, or the peer is gone: both pass, and spinning would not help.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => connection(stream, peer, router).await,
                Some(tls) => match timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, peer, router).await,
                    Ok(Err(error)) => return debug!(%error, "a connection is no TLS"),
                    Err(_elapsed) => return debug!("a handshake took too long"),
                },
            };
            if let Err(error) = ended {
                debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
}

/// Writes down what the last minute left out, when no more is served.
struct Rest(App);

impl Drop for Rest {
    fn drop(&mut self) {
        for fact in self.0.door().deeds.rest() {
            if let Err(error) = self.0.write_down(fact) {
                warn!("what readers did in the last minute is not all recorded: {error}");
            }
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    router: Router,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Rows are streamed, in small writes: none may wait until the receiver has acknowledged the one before, which takes it 40 ms.
fn without_delay(stream: tokio::net::TcpStream) -> tokio::net::TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "small writes of a connection may wait");
    }
    stream
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn small_writes_do_not_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let _client = TcpStream::connect(address).await.expect("connected");
        let (stream, _) = listener.accept().await.expect("accepted");
        assert!(!stream.nodelay().expect("told"), "they wait as a rule");
        assert!(without_delay(stream).nodelay().expect("told"));
    }
}
