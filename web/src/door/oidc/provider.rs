//! The provider: where it is asked, and which of its answers are believed. Everything here may block.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IdTokenVerifier,
    IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Oidc;
use crate::host::Host;

/// How long what the provider says of itself, its keys too, is kept, in seconds.
const KEPT_S: i64 = 60 * 60;
/// How far its clock may be from ours.
const SKEW: Duration = Duration::from_secs(60);

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The provider cannot be asked, or its answer is none; for the log.
    Provider(String),
    /// It says no; its own words.
    Refused(String),
    /// What it answered is not to be believed.
    Untrue(String),
}

/// The claims that the crate does not know by name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        OtherClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type OurClient = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the provider said of itself, and when.
type Known = Option<(i64, Arc<CoreProviderMetadata>)>;

/// The provider. Asked for the first time when somebody signs in.
#[derive(Default)]
pub(super) struct Provider(Mutex<Known>);

/// Where a browser is sent, and what has to come back.
pub(super) struct Way {
    pub(super) address: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// Asks the provider something.
struct Asker<'h> {
    host: &'h dyn Host,
    config: &'h Oidc,
}

impl Asker<'_> {
    fn call(&self, request: HttpRequest) -> io::Result<HttpResponse> {
        // What a discovery document names is no safer than the way on which it came.
        let is_plain = request.uri().scheme_str() != Some("https");
        if is_plain && self.config.issuer.starts_with("https://") {
            let says = format!("{} is no https address", request.uri().host().unwrap_or("it"));
            return Err(io::Error::other(says));
        }
        self.host.ask_provider(request).map_err(io::Error::other)
    }
}

impl Provider {
    /// Returns where to send a browser that is to come back to `redirect`.
    ///
    /// # Errors
    /// The provider cannot be asked.
    pub(super) fn way(
        &self,
        host: &dyn Host,
        config: &Oidc,
        redirect: &str,
        now: Timestamp,
    ) -> Result<Way, Failure> {
        let metadata = self.metadata(host, config, now, false)?;
        let client = client(&metadata, config, redirect)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = config.scopes.iter().cloned().map(Scope::new);
        let (address, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        let is_safe = address.scheme() == "https"
            || (address.scheme() == "http" && config.issuer.starts_with("http://"));
        if !is_safe {
            return Err(Failure::Provider("its authorization_endpoint is no https address".into()));
        }
        Ok(Way {
            address: address.into(),
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        })
    }

    /// Makes verified claims of a code.
    ///
    /// # Errors
    /// The provider cannot be asked, takes the code for none, or answers what is not to be believed.
    pub(super) fn claims(
        &self,
        host: &dyn Host,
        config: &Oidc,
        code: &str,
        begun: &super::pending::Begun,
        now: Timestamp,
    ) -> Result<Map<String, Value>, Failure> {
        let metadata = self.metadata(host, config, now, false)?;
        let client = client(&metadata, config, &begun.redirect)?;
        let asker = Asker { host, config };
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| Failure::Provider(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request(&|request| asker.call(request))
            .map_err(refused)?;
        let untrue = |why: &str| Failure::Untrue(why.to_owned());
        let token = tokens.id_token().ok_or_else(|| untrue("there is no ID token in it"))?;
        let nonce = Nonce::new(begun.nonce.clone());
        let verify = |metadata: &CoreProviderMetadata| {
            token.claims(&verifier(metadata, config, now), &nonce).cloned()
        };
        let claims = match verify(&metadata) {
            // The provider may sign with a key that it did not have an hour ago.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => verify(&*self.metadata(host, config, now, true)?),
            claims => claims,
        };
        let claims = claims.map_err(|error| Failure::Untrue(chain(&error)))?;
        if claims.authorized_party().is_some_and(|party| party.as_str() != config.client_id) {
            return Err(untrue("its azp names another client"));
        }
        let claims = serde_json::to_value(&claims).map_err(|error| untrue(&error.to_string()))?;
        let Value::Object(claims) = claims else { return Err(untrue("it has no claims")) };
        let skew = i64::try_from(SKEW.as_secs()).expect("a minute");
        let from = claims.get("nbf").map(Value::as_f64);
        if from.is_some_and(|from| from.is_none_or(|at| at > (now.as_second() + skew) as f64)) {
            return Err(untrue("its nbf says that it is not good yet"));
        }
        Ok(claims)
    }

    /// Returns what the provider says of itself; `anew`: asked now, whatever is kept.
    fn metadata(
        &self,
        host: &dyn Host,
        config: &Oidc,
        now: Timestamp,
        anew: bool,
    ) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let now = now.as_second();
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, metadata)) = kept
            && !anew
            && (0..KEPT_S).contains(&(now - at))
        {
            return Ok(metadata);
        }
        let failure = |why: String| Failure::Provider(why);
        let issuer = issuer(config)?;
        let asker = Asker { host, config };
        let metadata = CoreProviderMetadata::discover(&issuer, &|request| asker.call(request))
            .map_err(|error| match error {
                // The answer itself may be anything: it is not logged.
                DiscoveryError::Response(status, ..) => failure(format!("it answers {status}")),
                error => failure(chain(&error)),
            })?;
        let metadata = Arc::new(metadata);
        let kept = Some((now, Arc::clone(&metadata)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(metadata)
    }
}

fn issuer(config: &Oidc) -> Result<IssuerUrl, Failure> {
    IssuerUrl::new(config.issuer.clone()).map_err(|error| Failure::Provider(error.to_string()))
}

fn client(
    metadata: &CoreProviderMetadata,
    config: &Oidc,
    redirect: &str,
) -> Result<OurClient, Failure> {
    let secret = config.client_secret_file.as_deref().map(secret).transpose()?;
    let redirect = RedirectUrl::new(redirect.to_owned())
        .map_err(|error| Failure::Provider(format!("{redirect}: {error}")))?;
    let client_id = ClientId::new(config.client_id.clone());
    let client = Client::from_provider_metadata(metadata.clone(), client_id, secret);
    let methods = metadata.token_endpoint_auth_methods_supported();
    let has_basic =
        methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
    let how = if has_basic { AuthType::BasicAuth } else { AuthType::RequestBody };
    Ok(client.set_redirect_uri(redirect).set_auth_type(how))
}

/// Reads our secret, anew each time, since it may be rotated under us.
fn secret(path: &Path) -> Result<ClientSecret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Provider(format!("client_secret_file {}: {error}", path.display()))
    })?;
    match text.trim() {
        "" => Err(Failure::Provider(format!("client_secret_file {} is empty", path.display()))),
        secret => Ok(ClientSecret::new(secret.to_owned())),
    }
}

/// Returns what believes a token: signed by one of the provider's public keys, never with a secret that others share;
/// of this provider and for us alone; neither expired nor from the future.
fn verifier<'v>(
    metadata: &CoreProviderMetadata,
    config: &Oidc,
    now: Timestamp,
) -> IdTokenVerifier<'v, CoreJsonWebKey> {
    let client_id = ClientId::new(config.client_id.clone());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_second().unsigned_abs());
    IdTokenVerifier::new_public_client(
        client_id,
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    )
    .set_allowed_algs([
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    ])
    .set_time_fn(move || (now - SKEW).into())
    .set_issue_time_verifier_fn(move |at| match SystemTime::from(at) <= now + SKEW {
        true => Ok(()),
        false => Err("it was issued later than now: compare the clocks".to_owned()),
    })
}

type Refused = RequestTokenError<io::Error, StandardErrorResponse<CoreErrorResponseType>>;

/// What became of the code; never the body, which may hold tokens.
fn refused(error: Refused) -> Failure {
    match error {
        RequestTokenError::ServerResponse(says) => Failure::Refused(says.to_string()),
        RequestTokenError::Request(error) => Failure::Provider(chain(&error)),
        RequestTokenError::Parse(..) => Failure::Untrue("it is no token response".to_owned()),
        RequestTokenError::Other(why) => Failure::Provider(why),
    }
}

/// Returns an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
