//! What somebody is, as a command's arguments or the configuration say it.

use jiff::Timestamp;
use query::period::Period;
use web::{Role, Standing};

/// Returns what is meant: an auditor has a filter and a period, typed as everywhere, nobody else has.
///
/// # Errors
/// It cannot be so; in words.
pub(crate) fn standing(
    role: Role,
    scope: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Standing, String> {
    let period =
        Period::new(None, from, to, None, Timestamp::now()).map_err(|error| error.to_string())?;
    let at = |ns: Option<i64>| ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    Standing::new(role, scope, at(period.from), at(period.to)).map_err(|error| error.to_string())
}
