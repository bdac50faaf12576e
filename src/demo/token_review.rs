//! A stand-in for the one part of Kubernetes that the secrets server's `kubernetes` logins need: the
//! TokenReview API, by which it asks whether a pod's token is genuine.
//!
//! It issues service account tokens and vouches for those it issued, by looking them up. So the
//! tokens carry claims as Kubernetes writes them, but random bytes for a signature: nobody but the
//! stand-in judges them. Everything that OpenBao does with the answer is OpenBao's own doing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::random;

/// What `auth/kubernetes/config` wants for the API server's authority. The stand-in speaks plain HTTP
/// on the loopback device, so nobody checks anything against it; its key was never kept.
pub(crate) const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUV33XepUyMMShDQXww9jaTfp8fkgwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNa2V5dHJhaWwgZGVtbzAgFw0yNjExMjQxNjA1NDBaGA8yMTI2
MTAzMTE2MDU0MFowGDEWMBQGA1UEAwwNa2V5dHJhaWwgZGVtbzBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABBGvx4QqXobneQGsiw0ybQz4gdlwpR+6ujyiSaBGB86v
jlwnOVaBzb689Lkuc27RkuNzd6PpITjY5u7zdcCnT0WjUzBRMB0GA1UdDgQWBBQV
pQgmq8Yabam3BnabEGkHcOokHDAfBgNVHSMEGDAWgBQVpQgmq8Yabam3BnabEGkH
cOokHDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICjIXCr2uB7B
l9cB0ZL52xt8SzgIHIKnnMyoH0zOdHdEAiEA75KEqfm9Msr947KnzoshYgDlOSR3
YoTWGOGvPhWbpXQ=
-----END CERTIFICATE-----
";

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The running stand-in; ends when dropped.
pub(crate) struct TokenReview {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    issued: Arc<Issued>,
    serving: JoinHandle<()>,
}

/// The tokens that are not expired yet, and whose they are.
#[derive(Default)]
pub(crate) struct Issued(Mutex<HashMap<String, Account>>);

struct Account {
    namespace: String,
    name: String,
    uid: String,
    expires_unix_s: u64,
}

impl TokenReview {
    /// Starts the stand-in on a free loopback port.
    ///
    /// # Errors
    /// No port can be had.
    pub(crate) async fn start() -> Result<TokenReview> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on 127.0.0.1")?;
        let address = format!("http://{}", listener.local_addr()?);
        let issued = Arc::<Issued>::default();
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
            .with_state(Arc::clone(&issued));
        let serving = tokio::spawn(async move {
            // Serving a bound listener ends only with the task.
            axum::serve(listener, router).await.ok();
        });
        Ok(TokenReview { address, issued, serving })
    }

    /// Returns the register in which new tokens are made.
    pub(crate) fn issued(&self) -> Arc<Issued> {
        Arc::clone(&self.issued)
    }
}

impl Drop for TokenReview {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Issued {
    /// Issues a token to a pod of this service account, good for `ttl_s` seconds.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn token(&self, namespace: &str, name: &str, ttl_s: u64) -> Result<String> {
        let mut signature = [0; 256];
        random::fill(&mut signature)?;
        let now = now_unix_s();
        let uid = uid(namespace, name);
        let claims = json!({
            "iss": ISSUER, "aud": [ISSUER], "sub": subject(namespace, name),
            "iat": now, "nbf": now, "exp": now + ttl_s,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        });
        let token = [
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"demo","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(signature),
        ]
        .join(".");
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, account| account.expires_unix_s > now);
        let account = Account {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid,
            expires_unix_s: now + ttl_s,
        };
        issued.insert(token.clone(), account);
        Ok(token)
    }

    /// Returns the status of a review: who the token belongs to, or that it is none of ours.
    fn judge(&self, token: &str, audiences: &Value) -> Value {
        let issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match issued.get(token).filter(|account| account.expires_unix_s > now_unix_s()) {
            Some(Account { namespace, name, uid, expires_unix_s: _ }) => json!({
                "authenticated": true,
                "audiences": audiences,
                "user": {
                    "username": subject(namespace, name),
                    "uid": uid,
                    "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"],
                },
            }),
            None => json!({"authenticated": false, "error": "invalid bearer token"}),
        }
    }
}

async fn review(State(issued): State<Arc<Issued>>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "the body is not JSON").into_response();
    };
    let Some(token) = asked["spec"]["token"].as_str() else {
        return (StatusCode::BAD_REQUEST, "spec.token is missing").into_response();
    };
    let status = issued.judge(token, &asked["spec"]["audiences"]);
    let answer =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], answer.to_string())
        .into_response()
}

fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// The uid of a service account: the same each time, as in a cluster.
fn uid(namespace: &str, name: &str) -> String {
    let mut random =
        subject(namespace, name).bytes().fold(random::Random::seeded(0), |random, byte| {
            random::Random::seeded(random.clone().bits() ^ u64::from(byte))
        });
    let (one, two) = (random.bits(), random.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        one >> 32,
        (one >> 16) & 0xffff,
        one & 0xfff,
        two >> 52,
        two & 0xffff_ffff_ffff
    )
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_vouches_for_its_own_tokens_alone() {
        crate::outside::install_tls();
        let stand_in = TokenReview::start().await.expect("a port");
        let good = stand_in.issued().token("my-app", "my-app", 60).expect("a token");
        let expired = stand_in.issued().token("my-app", "my-app", 0).expect("a token");
        let forged = format!("{}x", good);
        for (token, authenticated) in [(good, true), (expired, false), (forged, false)] {
            let body = json!({"spec": {"token": token, "audiences": [ISSUER]}});
            let url = format!("{}/apis/authentication.k8s.io/v1/tokenreviews", stand_in.address);
            let answer =
                reqwest::Client::new().post(url).json(&body).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 201);
            let answer: Value = answer.json().await.expect("JSON");
            assert_eq!(answer["status"]["authenticated"], authenticated);
            if authenticated {
                assert_eq!(
                    answer["status"]["user"]["username"],
                    "system:serviceaccount:my-app:my-app"
                );
            }
        }
    }
}
