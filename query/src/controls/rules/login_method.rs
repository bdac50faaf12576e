//! Logins by a way that the register of approved ways does not have.

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::run::Run;
use crate::error::QueryError;

/// Runs the rule, which groups by method, auth, kind in this order.
pub(super) fn login_method(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let methods = &run.registers.login_methods.rows;
    each_of(run, rule, &run.filter(&rule.query), run.span, &mut |hit, words| {
        let [method, auth, kind] = [0, 1, 2].map(|at| words.text(hit.values[at]));
        Ok(!methods.iter().any(|approved| {
            Some(approved.method.as_str()) == method
                && approved.mount.as_deref().is_none_or(|mount| Some(mount) == auth)
                && (approved.kinds.is_empty()
                    || approved.kinds.iter().any(|approved| Some(approved.as_str()) == kind))
        }))
    })
}
