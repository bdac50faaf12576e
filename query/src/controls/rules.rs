//! The rules: which form is which.

use super::control::{Form, Rule};
use super::draft::Outcome;
use super::run::Run;
use crate::error::QueryError;

mod campaigns;
mod clock_back;
mod device_start;
mod dormant;
mod duties;
mod elevated;
mod first_seen;
mod leases;
mod leaver;
mod login_method;
mod meta;
mod revoked;
mod root_born;
mod root_life;
mod secrets;
mod sensitive;
mod sweep;
mod unused_policy;

/// Returns what else a form says in words, beside fields, parameters and counts.
pub(super) fn said(form: Form) -> &'static [&'static str] {
    match form {
        Form::RootLife => &["known_since", "end"],
        Form::LeaseEnds => &["leases", "left", "share_found"],
        Form::NotWritten => &["written"],
        Form::SensitiveReader => &["sensitive_path", "owner"],
        Form::UnusedPolicy => &["policy", "since"],
        Form::SelfGranted => &["policy", "granted"],
        Form::SelfElevated => &["granted"],
        Form::SelfApproved => &["ticket"],
        Form::LeaverActive => &["leaver", "left"],
        Form::Sweep => &["read", "keys", "listed"],
        Form::ReviewHeld => &["campaign", "opened"],
        Form::ReviewLate => &["campaign", "due", "left", "items"],
        Form::ReviewEffect => &["campaign", "policy", "decision", "decided"],
        Form::Heartbeats | Form::Ties | Form::Altered | Form::Clock => &["source", "what"],
        _ => &[],
    }
}

/// Returns the parameters that a form asks for by name.
pub(super) fn params(form: Form) -> &'static [&'static str] {
    match form {
        Form::RootLife => &["lifetime"],
        Form::FirstSeen => &["learning"],
        Form::LeaseEnds => &["share", "min_leases", "due"],
        Form::NotWritten => &["age", "recent"],
        Form::UnusedPolicy => &["min_days"],
        Form::LeaverActive => &["grace"],
        Form::Clock => &["skew"],
        Form::ClockBack => &["back"],
        Form::Sweep => &["least", "share"],
        _ => &[],
    }
}

/// Runs a rule, if what it needs is there.
pub(super) fn run(run: &Run<'_>, rule: &Rule) -> Result<Outcome, QueryError> {
    let lacking: Vec<String> =
        rule.needs.iter().filter_map(|name| run.registers.lacks(name)).collect();
    if !lacking.is_empty() {
        return Ok(Outcome { missing: lacking, ..Outcome::default() });
    }
    match rule.form {
        Form::Each => super::each::each(run, rule),
        Form::Within => super::within::within(run, rule),
        Form::Outside => {
            Ok(Outcome::lacking(rule.source.map_or("", |source| source.lacks()).to_owned()))
        }
        Form::FirstSeen => first_seen::first_seen(run, rule),
        Form::DeviceStart => device_start::device_start(run, rule),
        Form::RootBorn => root_born::root_born(run, rule),
        Form::RootLife => root_life::root_life(run, rule),
        Form::LeaseEnds => leases::lease_ends(run, rule),
        Form::NotWritten => secrets::not_written(run, rule),
        Form::SensitiveReader => sensitive::reader(run, rule),
        Form::Dormant => dormant::dormant(run, rule),
        Form::UnusedPolicy => unused_policy::unused_policy(run, rule),
        Form::SelfGranted => duties::self_granted(run, rule),
        Form::SelfElevated => elevated::self_elevated(run, rule),
        Form::AuditorReads => duties::auditor_reads(run, rule),
        Form::SelfApproved => duties::self_approved(run, rule),
        Form::LeaverActive => leaver::leaver_active(run, rule),
        Form::LoginMethod => login_method::login_method(run, rule),
        Form::Heartbeats => meta::heartbeats(run),
        Form::Ties => meta::ties(run),
        Form::Altered => meta::altered(run),
        Form::Clock => meta::clock(run),
        Form::ClockBack => clock_back::clock_back(run, rule),
        Form::Sweep => sweep::sweep(run, rule),
        Form::ReviewHeld => campaigns::held(run, rule),
        Form::ReviewLate => campaigns::late(run),
        Form::ReviewEffect => campaigns::effect(run),
    }
}
