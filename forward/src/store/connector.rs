//! The HTTP of object stores by our own client, so that all that leaves keytrail leaves in one way: no proxy of the
//! environment, no redirect, ring as cryptography.

use std::future::Future;
use std::pin::Pin;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::{Body, Client, Request, Url};

/// Gives an object store our client.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) client: Client,
    /// No answer may be longer.
    pub(super) answer_bytes_max: usize,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let Connector { client, answer_bytes_max } = self;
        Ok(HttpClient::new(Service { client: client.clone(), answer_bytes_max: *answer_bytes_max }))
    }
}

#[derive(Debug)]
struct Service {
    client: Client,
    answer_bytes_max: usize,
}

impl HttpService for Service {
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(exchange(&self.client, request, self.answer_bytes_max))
    }
}

async fn exchange(
    client: &Client,
    request: HttpRequest,
    answer_bytes_max: usize,
) -> Result<HttpResponse, HttpError> {
    let (parts, body) = request.into_parts();
    let url: Url = parts
        .uri
        .to_string()
        .parse()
        .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
    let mut ours = Request::new(parts.method, url);
    *ours.headers_mut() = parts.headers;
    *ours.body_mut() = Some(Body::wrap(body));
    let mut answer = client.execute(ours).await.map_err(failed)?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if content.len() + chunk.len() > answer_bytes_max {
            let problem = format!("an answer of more than {answer_bytes_max} bytes");
            return Err(HttpError::new_boxed(HttpErrorKind::Decode, problem.into()));
        }
        content.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(content.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Tells the store's client what kind of failure it was, for whether to try again.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        error if error.is_timeout() => HttpErrorKind::Timeout,
        error if error.is_connect() => HttpErrorKind::Connect,
        _ => HttpErrorKind::Request,
    };
    HttpError::new(kind, error.without_url())
}
