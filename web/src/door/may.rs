//! A right, as an argument of a handler: the signature is the check.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::reader::Reader;
use crate::api::Problem;
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
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Right::Look => "look at the trail",
            Right::Export => "export",
            Right::RawLine => "see raw lines and proofs",
            Right::LookUp => "look up values, tokens and leases",
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

grants! { Look Export RawLine LookUp }

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
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if self.is_api { Problem::from(self.why).into_response() } else { self.why.into_response() }
    }
}

impl<G: Grant, S: Sync> FromRequestParts<S> for May<G> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<May<G>, Refused> {
        let refused = |why| Refused { why, is_api: parts.uri.path().starts_with("/api/") };
        let Some(reader) = parts.extensions.get::<Reader>() else {
            return Err(refused(PageError::SignIn));
        };
        reader.check(G::RIGHT).map_err(refused)?;
        Ok(May { reader: reader.clone(), right: PhantomData })
    }
}
