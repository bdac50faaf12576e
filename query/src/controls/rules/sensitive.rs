//! Sensitive paths, by the register, and who read them without being allowed to.

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::run::Run;
use crate::error::QueryError;
use crate::filter::{Filter, quoted};

pub(super) fn reader(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let base = run.filter(&rule.query);
    // With tickets it is about people on paths of production, whoever else may read them.
    let by_ticket = rule.needs.iter().any(|name| name == "tickets");
    let mut all = Outcome::default();
    for sensitive in &run.registers.sensitive_paths.rows {
        if by_ticket && !sensitive.is_production {
            continue;
        }
        let mut filters = vec![base.clone(), sensitive.filter.clone()];
        let listed =
            |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
        for (key, names) in [("identity", &sensitive.allowed), ("policy", &sensitive.policies)] {
            if !names.is_empty() && !by_ticket {
                let others = Filter::parse(&format!("-{key}:{}", listed(names)), run.now);
                filters.push(others.expect("names in quotes"));
            }
        }
        let filter = Filter::all_of(filters);
        let mut found = each_of(run, rule, &filter, run.span, &mut |_, _| Ok(true))?;
        for draft in &mut found.drafts {
            draft.apart = vec![("sensitive_path", sensitive.path.clone())];
            draft.said.insert("owner", sensitive.owner.clone());
        }
        // What was looked at is every reading of the path.
        let looked = Filter::all_of([base.clone(), sensitive.filter.clone()]);
        all.events += crate::controls::hits::count(run, &looked, run.span)?;
        all.drafts.append(&mut found.drafts);
        all.notes.extend(found.notes);
    }
    all.notes.dedup();
    Ok(all)
}
