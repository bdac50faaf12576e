//! What stands behind the question mark of an address: read whole or refused, never passed over.

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use ingest::index::schema::Fields;
use jiff::Timestamp;
use query::filter::{CountField, Filter};
use query::period::Period;
use query::question::Question;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::asked::{NotUnderstood, given};

/// The parameters of a request. A name that there is not, or a value that is none, is an error.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Params<T>, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Params(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let said = text.split_once("query string: ").map_or(&*text, |(_, said)| said);
                Err(Problem::bad_request(said))
            }
        }
    }
}

/// Declares the parameters of a question together with those that are an address's own.
macro_rules! asked {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
        #[serde(default, deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// Which events, in the filter grammar; empty: every event.
            #[param(example = "decision:denied path:secret/**")]
            pub(crate) q: String,
            /// Not before this: RFC 3339, a date, a month, or so long ago as `-24h`; empty: from the first event.
            #[param(example = "-30d")]
            pub(crate) from: String,
            /// Before this; empty: to the last event.
            pub(crate) to: String,
            /// The time zone of dates and of days in intervals; empty: UTC.
            #[param(example = "Europe/Berlin")]
            pub(crate) tz: String,
            /// Also what counts leave out: copies of other audit devices, handed-on, late and system events.
            pub(crate) all: bool,
            /// Only events that a leaf below this one issued, so that the answer stays what it is.
            #[param(nullable = false)]
            pub(crate) at: Option<u64>,
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl $name {
            /// Returns what is meant.
            fn meant(&self) -> Result<$crate::api::params::Meant, $crate::api::problem::Problem> {
                let typed = [&*self.q, &*self.from, &*self.to, &*self.tz];
                $crate::api::params::Meant::new(typed, self.all, self.at)
            }
        }
    };
}

pub(super) use asked;

/// A question as it is meant, and its zone.
pub(crate) struct Meant {
    pub(crate) question: Question,
    pub(crate) period: Period,
}

impl Meant {
    /// Reads filter, from, to and zone as they were typed.
    pub(crate) fn new(
        [q, from, to, tz]: [&str; 4],
        all: bool,
        at: Option<u64>,
    ) -> Result<Meant, Problem> {
        let now = Timestamp::now();
        let filter = Filter::parse(q, now).map_err(NotUnderstood::Filter)?;
        let period = Period::new(None, given(from), given(to), given(tz), now)
            .map_err(NotUnderstood::Time)?;
        let question = Question { filter, from: period.from, to: period.to, all, at };
        Ok(Meant { question, period })
    }
}

/// Reads the fields of a list such as `identity,decision`.
pub(crate) fn fields(name: &'static str, list: &str) -> Result<Vec<CountField>, Problem> {
    let (_, fields) = Fields::schema();
    list.split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .map(|field| {
            CountField::parse(field, &fields).map_err(|error| Problem::filter(name, &error))
        })
        .collect()
}
