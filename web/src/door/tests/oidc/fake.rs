//! A sign-in provider of our own, in this process: it signs what a test tells it to, and takes a code once.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::{Request, Response};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64};
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer as _};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, pkcs8::EncodePublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const ISSUER: &str = "https://sso.example/realms/main";
pub(super) const CLIENT: &str = "keytrail";
/// What is in the file of our secret.
pub(super) const SECRET: &str = "s3cret";

/// Two keys of RSA: the second is the provider's only after a rotation.
static KEYS: LazyLock<[RsaPrivateKey; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key"))
});

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rs256,
    Es256,
    /// With a key that the provider has only after a rotation.
    Rotated,
    /// By a key that is none of the provider's, under the name of one.
    Stranger,
    /// Not at all.
    None,
    /// With the public key as if it were a shared secret.
    PublicKeyAsSecret,
    /// With the client's secret, which the provider shares with us.
    Hs256,
    Rs512,
    /// RS256, and then the claims are changed.
    Changed,
}

/// What the browser is sent to the provider with.
#[derive(Clone, Debug)]
struct Grant {
    nonce: String,
    challenge: String,
    redirect: String,
}

pub(super) struct Fake {
    grants: HashMap<String, Grant>,
    /// What the next token claims in place of the truth.
    pub(super) claims: Value,
    pub(super) by: By,
    pub(super) rotated: bool,
    /// What the discovery document says in place of the truth.
    pub(super) metadata: Value,
    /// What it was asked, by path.
    pub(super) asked: Vec<String>,
    /// The whole answer to the next code.
    pub(super) answer: Option<String>,
}

impl Fake {
    pub(super) fn new() -> Arc<Mutex<Fake>> {
        Arc::new(Mutex::new(Fake {
            grants: HashMap::new(),
            claims: json!({}),
            by: By::Rs256,
            rotated: false,
            metadata: json!({}),
            asked: Vec::new(),
            answer: None,
        }))
    }

    /// Somebody has signed in at the provider's page: returns the code that he comes back with.
    pub(super) fn grant(&mut self, query: &HashMap<String, String>) -> String {
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"), "{}", query["scope"]);
        let code = format!("code{}", self.grants.len());
        let [nonce, challenge, redirect] =
            ["nonce", "code_challenge", "redirect_uri"].map(|name| query[name].clone());
        self.grants.insert(code.clone(), Grant { nonce, challenge, redirect });
        code
    }

    pub(super) fn answer(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let path = request.uri().path().to_owned();
        self.asked.push(path.clone());
        let (status, body) = match &*path {
            "/realms/main/.well-known/openid-configuration" => (200, self.discovery().to_string()),
            "/keys" => (200, self.keys().to_string()),
            "/token" => self.token(request),
            _ => panic!("{path} is asked of the provider"),
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(body.into_bytes())
            .expect("an answer")
    }

    fn discovery(&self) -> Value {
        let mut says = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://sso.example/auth",
            "token_endpoint": "https://sso.example/token",
            "jwks_uri": "https://sso.example/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        });
        merge(&mut says, &self.metadata);
        says
    }

    fn keys(&self) -> Value {
        let rsa = |kid: &str, key: &RsaPrivateKey| {
            let (n, e) = (key.n().to_bytes_be(), key.e().to_bytes_be());
            let [n, e] = [n, e].map(|number| BASE64.encode(number));
            json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e})
        };
        let point = ec().verifying_key().to_sec1_point(false);
        let [x, y] = [point.x(), point.y()].map(|one| BASE64.encode(one.expect("a point")));
        let ec = json!({"kty": "EC", "use": "sig", "crv": "P-256", "kid": "ec", "x": x, "y": y});
        let mut keys = vec![rsa("one", &KEYS[0]), ec];
        if self.rotated {
            keys.push(rsa("two", &KEYS[1]));
        }
        json!({ "keys": keys })
    }

    fn token(&mut self, request: &Request<Vec<u8>>) -> (u16, String) {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        assert_eq!(request.headers()["authorization"], basic);
        let form: HashMap<String, String> =
            form_urlencoded::parse(request.body()).into_owned().collect();
        let refused = || (400, json!({"error": "invalid_grant"}).to_string());
        if let Some(answer) = self.answer.take() {
            return (200, answer);
        }
        // A code is good once.
        let Some(grant) = self.grants.remove(&form["code"]) else { return refused() };
        let challenge = BASE64.encode(Sha256::digest(form["code_verifier"].as_bytes()));
        if challenge != grant.challenge || form["redirect_uri"] != grant.redirect {
            return refused();
        }
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": ISSUER, "sub": "0815", "aud": CLIENT, "azp": CLIENT, "exp": now + 300, "iat": now,
            "nonce": grant.nonce, "preferred_username": "ann", "groups": ["all", "sec"],
        });
        merge(&mut claims, &self.claims);
        let says = json!({
            "access_token": "TOP-SECRET", "token_type": "Bearer", "id_token": signed(self.by, &claims),
        });
        (200, says.to_string())
    }
}

/// Puts values in place of others; null takes one away.
fn merge(into: &mut Value, other: &Value) {
    let into = into.as_object_mut().expect("an object");
    for (name, value) in other.as_object().expect("an object") {
        match value {
            Value::Null => into.remove(name),
            value => into.insert(name.clone(), value.clone()),
        };
    }
}

fn ec() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key")
}

fn signed(by: By, claims: &Value) -> String {
    let (alg, kid) = match by {
        By::Rs256 | By::Stranger | By::Changed => ("RS256", "one"),
        By::Rotated => ("RS256", "two"),
        By::Es256 => ("ES256", "ec"),
        By::None => ("none", "one"),
        By::PublicKeyAsSecret | By::Hs256 => ("HS256", "one"),
        By::Rs512 => ("RS512", "one"),
    };
    let encode = |value: &Value| BASE64.encode(value.to_string());
    let head = encode(&json!({"alg": alg, "kid": kid, "typ": "JWT"}));
    let text = format!("{head}.{}", encode(claims));
    let rsa = |key: usize| {
        SigningKey::<rsa::sha2::Sha256>::new(KEYS[key].clone()).sign(text.as_bytes()).to_vec()
    };
    let signature = match by {
        By::Rs256 | By::Changed => rsa(0),
        By::Rotated | By::Stranger => rsa(1),
        By::Es256 => {
            let signature: p256::ecdsa::Signature = ec().sign(text.as_bytes());
            signature.to_bytes().to_vec()
        }
        By::None => Vec::new(),
        By::PublicKeyAsSecret => {
            let public = KEYS[0].to_public_key().to_public_key_pem(Default::default());
            mac(public.expect("PEM").as_bytes(), &text)
        }
        By::Hs256 => mac(SECRET.as_bytes(), &text),
        By::Rs512 => {
            SigningKey::<rsa::sha2::Sha512>::new(KEYS[0].clone()).sign(text.as_bytes()).to_vec()
        }
    };
    let text = match by {
        By::Changed => {
            let mut claims = claims.clone();
            claims["preferred_username"] = json!("root");
            format!("{head}.{}", encode(&claims))
        }
        _ => text,
    };
    format!("{text}.{}", BASE64.encode(signature))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
