//! What a pack says of controls, held against its lines: the events of exceptions, what reviewers said, the registers and the
//! catalogue. Findings themselves are asserted: a control may look at what was long before the period.

use query::evidence::{EXCEPTION_COLUMNS, dispositions_row};
use query::trail::Trail;

use super::opened::Pack;
use super::shown::Shown;
use super::verify::wrong;
use super::{PackError, ScopeFile, compare};

const EVENTS: &str = "controls/exception-events";

/// Checks all of it, and says so in words.
pub(super) fn check(
    pack: &mut Pack,
    scope: &ScopeFile,
    shown: &Shown,
    trail: &Trail,
) -> Result<String, PackError> {
    catalogue(pack, scope)?;
    registers(pack, scope, shown)?;
    let said = dispositions(pack, shown)?;
    shown.check_rows(pack, EVENTS, EXCEPTION_COLUMNS, true)?;
    let events = compare::sample(trail, pack, scope, EVENTS, EXCEPTION_COLUMNS)?;
    Ok(format!(
        "asserted; events of exceptions {events}; what reviewers said ({said}), registers and catalogue are those of keytrail's own lines"
    ))
}

fn sha256_of(pack: &Pack, path: &str) -> Option<String> {
    pack.manifest.iter().find(|entry| entry.path == path).map(|entry| entry.sha256.clone())
}

fn catalogue(pack: &mut Pack, scope: &ScopeFile) -> Result<(), PackError> {
    let path = "catalogue/catalogue.json";
    let findings: serde_json::Value = pack.json("payload/controls/findings.json")?;
    let run = findings["evaluation"]["catalogue"].as_str().map(str::to_owned);
    let file = sha256_of(pack, path);
    match file.is_some() && file == scope.catalogue && file == run {
        true => Ok(()),
        false => wrong(&format!("{path}: it is not the catalogue that controls were run with")),
    }
}

/// The registers are those of which the last own line about them tells.
fn registers(pack: &Pack, scope: &ScopeFile, shown: &Shown) -> Result<(), PackError> {
    let Some(told) = &scope.registers else { return wrong("scope.json: it names no registers") };
    let is_recorded = match &shown.own.registers {
        Some((leaf, registers)) => told.leaf == Some(*leaf) && told.registers == *registers,
        None => told.leaf.is_none() && told.registers.iter().all(|of| of.sha256.is_none()),
    };
    if !is_recorded {
        return wrong("scope.json: its registers are not those of keytrail's own line");
    }
    let mut files = 0;
    for register in told.registers.iter().filter(|register| register.sha256.is_some()) {
        files += 1;
        let path = format!("registers/{}.txt", register.name);
        if sha256_of(pack, &path) != register.sha256 {
            return wrong(&format!(
                "{path}: it is not the register of which keytrail's own line tells"
            ));
        }
    }
    let there = pack.manifest.iter().filter(|entry| entry.path.starts_with("registers/"));
    match there.count() == files {
        true => Ok(()),
        false => wrong("registers/: a register of which keytrail's own line does not tell"),
    }
}

/// What reviewers said of the exceptions is what stands in own lines: all of it, nothing else.
fn dispositions(pack: &mut Pack, shown: &Shown) -> Result<u64, PackError> {
    let (mut exceptions, mut told) =
        (pack.rows("controls/exceptions")?, pack.rows("controls/dispositions")?);
    let mut count = 0;
    while let Some((at, exception)) = exceptions.next(pack)? {
        let (Some(control), Some(hash)) = (exception.get(0), exception.get(1)) else {
            return wrong(&format!("{at}: it names no exception"));
        };
        for review in shown.own.dispositions.of(hash) {
            let cells = dispositions_row(control, hash, review);
            let made = compare::texts(&cells);
            match told.next(pack)? {
                Some((_, told)) if told.iter().eq(made.iter().map(AsRef::as_ref)) => count += 1,
                Some((at, _)) => {
                    return wrong(&format!(
                        "{at}: keytrail's own line {} says otherwise",
                        review.leaf
                    ));
                }
                None => {
                    return wrong(&format!(
                        "controls/dispositions.csv: what keytrail's own line {} says is missing",
                        review.leaf
                    ));
                }
            }
        }
    }
    match told.next(pack)? {
        Some((at, _)) => wrong(&format!("{at}: no own line of keytrail says so")),
        None => Ok(count),
    }
}
