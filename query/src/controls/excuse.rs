//! What excuses an event: a ticket that covers it, a break-glass window, an office.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::control::Rule;
use super::field::Field;
use super::hits::{Hit, Words, scan};
use super::run::{Run, Span};
use crate::error::QueryError;
use crate::filter::Filter;
use crate::registers::Approval;
use crate::scan::Address;

/// The columns in which an identity is looked for.
pub(super) const NAMES: [Field; 4] =
    [Field::Identity, Field::Name, Field::Entity, Field::DisplayName];

/// What may excuse the events of a rule.
pub(super) struct Excuses<'a> {
    query: Filter,
    approvals: Vec<&'a Approval>,
    /// Of an approval with a filter: the events that it covers, once one was asked for.
    covered: HashMap<usize, HashSet<Address>>,
    identities: BTreeSet<&'a str>,
    /// Registers that are not there.
    pub(super) notes: Vec<String>,
}

impl<'a> Excuses<'a> {
    pub(super) fn of(run: &Run<'a>, rule: &Rule) -> Excuses<'a> {
        let registers = run.registers;
        let mut excuses = Excuses {
            query: run.filter(&rule.query),
            approvals: Vec::new(),
            covered: HashMap::new(),
            identities: BTreeSet::new(),
            notes: Vec::new(),
        };
        for name in &rule.excused_by {
            if let Some(lacks) = registers.lacks(name) {
                excuses.notes.push(format!("{lacks}, so nothing is excused by it"));
            }
            let approvals = match name.as_str() {
                "tickets" => &registers.tickets.rows,
                "break_glass" => &registers.break_glass.rows,
                "ceremonies" => &registers.ceremonies.rows,
                _ => {
                    let identities = match name.as_str() {
                        "deployers" => &registers.deployers.rows,
                        "backups" => &registers.backups.rows,
                        "platforms" => &registers.platforms.rows,
                        _ => continue,
                    };
                    excuses
                        .identities
                        .extend(identities.iter().map(|identity| identity.0.as_str()));
                    continue;
                }
            };
            // Those of other times excuse nothing here.
            excuses.approvals.extend(approvals.iter().filter(|approval| {
                !approval.is_self_approved
                    && approval.from < run.span.to
                    && run.span.from < approval.to
            }));
        }
        excuses
    }

    pub(super) fn is_none(&self) -> bool {
        self.approvals.is_empty() && self.identities.is_empty()
    }

    /// Returns the columns that tell whether an event is excused: none where nothing excuses.
    pub(super) fn names(&self) -> &'static [Field] {
        if self.is_none() { &[] } else { &NAMES }
    }

    /// Tells whether an event is excused; `names` are its values of [`NAMES`].
    pub(super) fn excuse(
        &mut self,
        run: &Run<'_>,
        hit: Hit<'_>,
        names: &[&str],
    ) -> Result<bool, QueryError> {
        if names.iter().any(|name| self.identities.contains(name)) {
            return Ok(true);
        }
        for at in 0..self.approvals.len() {
            let approval = self.approvals[at];
            if !approval.may_cover(hit.time, names) {
                continue;
            }
            let Some(filter) = &approval.filter else { return Ok(true) };
            if !self.covered.contains_key(&at) {
                let both = Filter::all_of([self.query.clone(), filter.clone()]);
                let span = Span { from: approval.from, to: approval.to };
                let mut covered = HashSet::new();
                scan(run, &both, span, &[], &mut Words::default(), &mut |hit, _| {
                    covered.insert(hit.address);
                    Ok(())
                })?;
                self.covered.insert(at, covered);
            }
            if self.covered[&at].contains(&hit.address) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
