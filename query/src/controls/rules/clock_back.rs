//! A clock that goes back: a request whose time is earlier than that of the request before it in the same source.

use std::collections::{HashMap, HashSet};

use tantivy::columnar::Column;

use crate::controls::control::Rule;
use crate::controls::draft::Outcome;
use crate::controls::each::each_of;
use crate::controls::run::Run;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::scan::Address;
use crate::select::Selection;

/// How many leaves are looked at together: of each at most one request is held.
const LEAVES: u64 = 4 << 20;

/// A request: its leaf, its source's number in the part, its time.
type Request = (u64, u32, i64, Address);

pub(super) fn clock_back(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let back = run.param_ns("back");
    let everything = Filter::everything();
    let mut found: HashSet<Address> = HashSet::new();
    let mut sources: Vec<String> = Vec::new();
    // The last request of each source, across stretches of leaves.
    let mut last: HashMap<u32, i64> = HashMap::new();
    let mut first_leaf = 0;
    while first_leaf < run.view.leaf() {
        let end = first_leaf + LEAVES;
        let mut requests = requests(run, &everything, first_leaf..end, &mut sources)?;
        requests.sort_unstable();
        for (_, source, time, address) in requests {
            if last.insert(source, time).is_some_and(|before| time < before.saturating_sub(back)) {
                found.insert(address);
            }
        }
        first_leaf = end;
    }
    each_of(run, rule, &everything, run.span, &mut |hit, _| Ok(found.contains(&hit.address)))
}

/// Returns the period's requests whose lines lie in a stretch of leaves.
fn requests(
    run: &Run<'_>,
    filter: &Filter,
    leaves: std::ops::Range<u64>,
    sources: &mut Vec<String>,
) -> Result<Vec<Request>, QueryError> {
    let question = run.question(filter, run.span);
    let selection = Selection::new(run.view, &question)?;
    let mut requests = Vec::new();
    for part in selection.parts()? {
        let columns = part.segment.fast_fields();
        let leaf: Option<Column<u64>> = columns.column_opt("leaf_request")?;
        let (Some(leaf), Some(source)) = (leaf, columns.str("source")?) else { continue };
        if leaf.max_value() < leaves.start || leaf.min_value() >= leaves.end {
            continue;
        }
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        part.blocks(|documents| {
            let places = part.places()?;
            for &document in documents {
                let Some(at) = leaf.first(document).filter(|at| leaves.contains(at)) else {
                    continue;
                };
                let (Some(time), Some(ordinal)) =
                    (places.time(document), source.ords().first(document))
                else {
                    continue;
                };
                let number = match numbers.get(&ordinal) {
                    Some(number) => *number,
                    None => {
                        let mut name = String::new();
                        source
                            .ord_to_str(ordinal, &mut name)
                            .map_err(tantivy::TantivyError::from)?;
                        let known = sources.iter().position(|known| *known == name);
                        let number = known.unwrap_or_else(|| {
                            sources.push(name);
                            sources.len() - 1
                        });
                        numbers.insert(ordinal, number as u32);
                        number as u32
                    }
                };
                requests.push((at, number, time, Address { segment: part.number, document }));
            }
            Ok(())
        })?;
    }
    Ok(requests)
}
