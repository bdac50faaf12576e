//! Somebody who has left, by the register, and whom the server still lets in.

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::{Filter, quoted};
use crate::period::rfc3339;

pub(super) fn leaver_active(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let grace = run.param_ns("grace");
    let base = run.filter(&rule.query);
    let mut all = Outcome::default();
    for leaver in &run.registers.leavers.rows {
        let from = run.span.from.max(leaver.left.saturating_add(grace));
        if from >= run.span.to {
            continue;
        }
        let names: Vec<String> = leaver.names.iter().map(|name| quoted(name)).collect();
        let his = Filter::parse(&format!("identity:{}", names.join(",")), run.now);
        let filter = Filter::all_of([base.clone(), his.expect("names in quotes")]);
        let span = Span { from, to: run.span.to };
        let mut found = each_of(run, rule, &filter, span, &mut |_, _| Ok(true))?;
        for draft in &mut found.drafts {
            draft.apart = vec![("leaver", leaver.names[0].clone())];
            draft.said.insert("leaver", leaver.names[0].clone());
            draft.said.insert("left", rfc3339(leaver.left));
        }
        all.events += found.events;
        all.drafts.append(&mut found.drafts);
    }
    Ok(all)
}
