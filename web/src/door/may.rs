//! A right, as an argument of a handler: the signature is the check.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::reader::Reader;
use super::sign_in::{Ways, sign_in_first};
use crate::api::Problem;
use crate::app::App;
use crate::error::PageError;

/// What a reader may have a right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Pages and counts.
    Look,
    /// Answers as files, of any length.
    Export,
    /// Lines as the server wrote them, and proofs of them.
    RawLine,
    /// Whose a value is, and how tokens and leases stand.
    LookUp,
    /// Questions under a name, for everybody who is not bound.
    SaveViews,
    /// What controls find in the whole log.
    Controls,
    /// The same as files.
    ExportControls,
    /// Decisions about exceptions.
    Review,
    /// The figures of the process.
    Figures,
    /// Who may ask, and what was done with keytrail itself.
    Settings,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Right::Look => "look at the trail",
            Right::Export => "export",
            Right::RawLine => "see raw lines and proofs",
            Right::LookUp => "look up values, tokens and leases",
            Right::SaveViews => "see and save views",
            Right::Controls => "see what controls find in the whole log",
            Right::ExportControls => "export what controls find",
            Right::Review => "review exceptions",
            Right::Figures => "see the figures of the process",
            Right::Settings => "see and change settings",
        })
    }
}

/// A type for each right.
pub(crate) trait Grant: Send + Sync + 'static {
    /// The right.
    const RIGHT: Right;
}

macro_rules! grants {
    ($($right:ident)*) => {
        $(
            #[doc = concat!("See [`Right::", stringify!($right), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $right;

            impl Grant for $right {
                const RIGHT: Right = Right::$right;
            }
        )*
    };
}

grants! { Look Export RawLine LookUp SaveViews Controls ExportControls Review Settings }

/// A reader who has this right.
#[derive(Clone, Debug)]
pub(crate) struct May<G> {
    reader: Reader,
    right: PhantomData<G>,
}

impl<G> Deref for May<G> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// Why a handler is not called; a page or a problem, as the address asks for.
#[derive(Debug)]
pub(crate) struct Refused {
    why: PageError,
    is_api: bool,
    /// What was asked for.
    target: Box<str>,
    ways: Ways,
}

impl Refused {
    fn new(why: PageError, parts: &Parts) -> Refused {
        let is_api = parts.uri.path().starts_with("/api/");
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Refused { why, is_api, target: target.into(), ways: Ways::of(&parts.extensions) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = match self.why {
            why if self.is_api => Problem::from(why).into_response(),
            PageError::SignIn => sign_in_first(&self.ways, &self.target),
            why => why.into_response(),
        };
        if response.status() == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"keytrail\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, how);
        }
        response
    }
}

impl<G: Grant, S: Sync> FromRequestParts<S> for May<G> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<May<G>, Refused> {
        let reader = reader(parts, G::RIGHT)?;
        Ok(May { reader, right: PhantomData })
    }
}

fn reader(parts: &Parts, right: Right) -> Result<Reader, Refused> {
    let refused = |why| Refused::new(why, parts);
    let reader = parts.extensions.get::<Reader>().ok_or_else(|| refused(PageError::SignIn))?;
    reader.check(right).map_err(refused)?;
    Ok(reader.clone())
}

/// Whoever may see the process's figures: everybody at this machine, and readers who are not bound.
pub(crate) struct Metrics;

impl FromRequestParts<App> for Metrics {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Metrics, Refused> {
        if !app.door().is_local() {
            reader(parts, Right::Figures)?;
        }
        Ok(Metrics)
    }
}
