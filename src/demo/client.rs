//! Requests to the demo's own OpenBao, each with a correlation id that the server audits in clear,
//! and, where a recording is made, a row of truth each: what the client asked and which HTTP status
//! it got.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

/// The header by which a truth row finds its audit lines.
pub(crate) const CORRELATION_HEADER: &str = "X-Correlation-Id";

/// One request as the client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TruthRow {
    /// The request's X-Correlation-Id.
    pub(crate) corr: String,
    /// The HTTP method: GET, LIST …
    pub(crate) method: String,
    /// The path below `/v1/`, relative to the namespace, without the query.
    pub(crate) path: String,
    /// Who is proven to have asked: the name behind a valid token or a successful login. Null for a
    /// failed login, for a token that is none, for a wrapping token, which anybody may hold, and where
    /// a quota turned the request away before anybody looked at its token.
    pub(crate) identity: Option<String>,
    /// The namespace with its slash; null for the root namespace.
    pub(crate) namespace: Option<String>,
    /// The HTTP status of the answer.
    pub(crate) status: u16,
    /// When the request was sent, RFC 3339 in UTC.
    pub(crate) time: String,
    /// Whether the server writes requests of this sort to its audit log.
    pub(crate) audited: bool,
}

/// Whoever makes requests: a name, an address, and a token once logged in.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As keytrail is to show it: `my-app/my-app`, `alice`, `root`.
    pub(crate) name: String,
    /// The address from which the requests seem to come; the server trusts our X-Forwarded-For.
    pub(crate) address: String,
    /// The namespace of the token and of the requests, without slash; "" for the root namespace.
    pub(crate) namespace: &'static str,
    /// The token, when logged in.
    pub(crate) token: Option<String>,
}

impl Who {
    /// Returns somebody who has not logged in.
    pub(crate) fn new(name: impl Into<String>, address: impl Into<String>) -> Who {
        Who { name: name.into(), address: address.into(), namespace: "", token: None }
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    query: Option<&'static str>,
    body: Option<String>,
    content_type: &'static str,
    token: Option<String>,
    address: Option<String>,
    identity: Option<String>,
    identity_if_done: Option<String>,
    namespace: String,
    wrap_ttl: Option<&'static str>,
    audited: bool,
}

impl Call {
    /// Returns a request of nobody, without token and body.
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Call {
        Call {
            method,
            path: path.into(),
            query: None,
            body: None,
            content_type: "application/json",
            token: None,
            address: None,
            identity: None,
            identity_if_done: None,
            namespace: String::new(),
            wrap_ttl: None,
            audited: true,
        }
    }

    /// Sends JSON along.
    pub(crate) fn body(self, body: &Value) -> Call {
        self.text(body.to_string())
    }

    /// Sends text along that may not be JSON.
    pub(crate) fn text(self, body: impl Into<String>) -> Call {
        Call { body: Some(body.into()), ..self }
    }

    /// Says what the body is.
    pub(crate) fn content_type(self, content_type: &'static str) -> Call {
        Call { content_type, ..self }
    }

    /// Asks with a query, `version=1`.
    pub(crate) fn query(self, query: &'static str) -> Call {
        Call { query: Some(query), ..self }
    }

    /// Makes it this one's request, with the token from the login.
    pub(crate) fn by(self, who: &Who) -> Call {
        let token = who.token.clone();
        Call { token, identity: Some(who.name.clone()), ..self.from(who) }
    }

    /// Makes it come from this one's address and namespace, without a token.
    pub(crate) fn from(self, who: &Who) -> Call {
        Call { address: Some(who.address.clone()), namespace: who.namespace.to_owned(), ..self }
    }

    /// Says that the token proves nobody: it is made up, or not valid any more.
    pub(crate) fn unproven(self) -> Call {
        Call { identity: None, ..self }
    }

    /// Says that success proves this one, as a login does.
    pub(crate) fn proves(self, who: &Who) -> Call {
        Call { identity_if_done: Some(who.name.clone()), ..self }
    }

    /// Uses another token.
    pub(crate) fn token(self, token: impl Into<String>) -> Call {
        Call { token: Some(token.into()), ..self }
    }

    /// Asks in another namespace, given without slash.
    pub(crate) fn namespace(self, namespace: impl Into<String>) -> Call {
        Call { namespace: namespace.into(), ..self }
    }

    /// Asks for a wrapped answer, good for this time: `120s`.
    pub(crate) fn wrapped(self, ttl: &'static str) -> Call {
        Call { wrap_ttl: Some(ttl), ..self }
    }

    /// Says that the server does not audit requests of this sort.
    pub(crate) fn not_audited(self) -> Call {
        Call { audited: false, ..self }
    }
}

/// The server's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body; null if it is empty or no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// Returns a string of the body by its JSON pointer, `/auth/client_token`.
    ///
    /// # Errors
    /// There is none: the server answered something else than was asked for.
    pub(crate) fn text(&self, pointer: &str) -> Result<&str> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.with_context(|| {
            format!("the server's answer ({}) has no {pointer}: {}", self.status, self.errors())
        })
    }

    /// Returns the server's own words on what went wrong.
    pub(crate) fn errors(&self) -> String {
        self.body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Sends requests to one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    /// Correlation ids are this and a number.
    prefix: String,
    sent: Arc<AtomicU64>,
    truth: Option<Arc<Mutex<Vec<TruthRow>>>>,
}

impl Client {
    /// Returns a client of the server at `address`, without slash at the end.
    ///
    /// # Errors
    /// The system has no sockets for us.
    pub(crate) fn new(address: &str) -> Result<Client> {
        let http = reqwest::Client::builder()
            // The server is on the loopback device; a proxy would be in the way.
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .user_agent(concat!("keytrail-demo/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let (address, sent) = (address.to_owned(), Arc::default());
        Ok(Client { http, address, prefix: "demo".to_owned(), sent, truth: None })
    }

    /// Returns a client that numbers its requests under a prefix of its own, and keeps the truth of
    /// each if `truth` is given.
    pub(crate) fn named(&self, prefix: String, truth: Option<Arc<Mutex<Vec<TruthRow>>>>) -> Client {
        Client { prefix, sent: Arc::default(), truth, ..self.clone() }
    }

    /// Returns the server's address, `http://127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        let Call {
            method,
            path,
            query,
            body,
            content_type,
            token,
            address,
            identity,
            identity_if_done,
            namespace,
            wrap_ttl,
            audited,
        } = call;
        let corr = format!("{}-{}", self.prefix, self.sent.fetch_add(1, Ordering::Relaxed) + 1);
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}/v1/{}{query}", self.address, percent_encode(&path));
        let mut request = self
            .http
            .request(Method::from_bytes(method.as_bytes())?, url)
            .header(CORRELATION_HEADER, &corr)
            .header("X-Forwarded-For", address.as_deref().unwrap_or("127.0.0.1"));
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        if !namespace.is_empty() {
            request = request.header("X-Vault-Namespace", &namespace);
        }
        if let Some(ttl) = wrap_ttl {
            request = request.header("X-Vault-Wrap-TTL", ttl);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", content_type).body(body);
        }
        let time = jiff::Timestamp::now().to_string();
        let no_answer = || format!("no answer to {method} {path} from {}", self.address);
        let response = request.send().await.with_context(no_answer)?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.with_context(no_answer)?;
        if let Some(truth) = &self.truth {
            let done = (200..300).contains(&status);
            let identity = identity_if_done.filter(|_| done).or(identity).filter(|_| status != 429);
            let namespace = (!namespace.is_empty()).then(|| format!("{namespace}/"));
            let row = TruthRow {
                corr,
                method: method.to_owned(),
                path,
                identity,
                namespace,
                status,
                time,
                audited,
            };
            truth.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// Sends a request that is part of the set-up, so that all depends on its success.
    ///
    /// # Errors
    /// There was no answer, or the server refused.
    pub(crate) async fn must(&self, call: Call) -> Result<Answer> {
        let what = format!("{} {}", call.method, call.path);
        let answer = self.send(call).await?;
        if answer.status >= 300 {
            bail!("the demo's OpenBao answered {what} with {}: {}", answer.status, answer.errors());
        }
        Ok(answer)
    }
}

/// Writes a path so that every character of it arrives: a URL's own reading would turn a backslash
/// into a slash, and end the path at a question mark.
fn percent_encode(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_arrive_as_they_are() {
        for (path, encoded) in [
            ("secret/data/my-app/config", "secret/data/my-app/config"),
            ("secret/data/a b?c#d\\e", "secret/data/a%20b%3Fc%23d%5Ce"),
            ("secret/data/café/100%", "secret/data/caf%C3%A9/100%25"),
        ] {
            assert_eq!(percent_encode(path), encoded);
        }
    }
}
