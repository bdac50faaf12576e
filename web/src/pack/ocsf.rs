//! `ocsf/findings.jsonl`: a compliance finding (OCSF 1.8.0, class 2003) for each control, for SIEMs.

use query::controls::{Finding, Severity, Verdict};
use query::report::catalogue::Catalogue;
use serde_json::{Value, json};

use super::oscal::{Results, verdict};

const VERSION: &str = "1.8.0";

/// Returns the lines.
pub(super) fn lines(results: &Results<'_>, as_of_ms: i64) -> Vec<Value> {
    let findings = results.assessment.evaluation.findings.iter();
    findings.map(|finding| of(results, finding, as_of_ms)).collect()
}

fn of(results: &Results<'_>, finding: &Finding, as_of_ms: i64) -> Value {
    let (assessment, evaluation) = (results.assessment, &results.assessment.evaluation);
    let control = results.catalogue.controls.iter().find(|control| control.id == finding.control);
    let (status_id, status) = compliance(&finding.verdict);
    let (severity_id, severity) = severity(finding);
    // New, or somebody has settled all of it.
    let (state_id, state) = match finding.verdict {
        Verdict::Exceptions { open: 0, .. } | Verdict::NotApplicable { .. } => (3, "Suppressed"),
        _ => (1, "New"),
    };
    let times = |pick: fn(&query::controls::Exception) -> Option<i64>| {
        finding.exceptions.iter().filter_map(pick).map(|time| time / 1_000_000)
    };
    let requirements: Vec<&String> = assessment
        .requirements
        .iter()
        .filter(|it| it.controls.iter().any(|(control, _)| *control == finding.control))
        .map(|it| &it.id)
        .collect();
    let mut details = vec![finding.verdict.to_string()];
    details.extend(finding.missing.iter().map(|missing| format!("missing: {missing}")));
    let mut info = json!({
        "uid": results.uuid("finding", &finding.control),
        "title": format!("{} {}", finding.control, finding.title),
        "created_time": as_of_ms,
        "types": ["control"],
    });
    if let Some(control) = control {
        info["desc"] = control.question.clone().into();
    }
    if let Some(first) = times(|it| it.first).min() {
        info["first_seen_time"] = first.into();
    }
    if let Some(last) = times(|it| it.last).max() {
        info["last_seen_time"] = last.into();
    }
    let mut event = json!({
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200_301,
        "type_name": "Compliance Finding: Create",
        "time": as_of_ms,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": state_id,
        "status": state,
        "message": format!("{}: {}", finding.control, finding.verdict),
        "metadata": {
            "version": VERSION,
            "uid": results.uuid("ocsf", &finding.control),
            "product": {"name": "keytrail", "vendor_name": "keytrail", "version": env!("CARGO_PKG_VERSION")},
        },
        "finding_info": info,
        "compliance": {
            "standards": [framework(results.catalogue, &assessment.framework)],
            "requirements": requirements,
            "control": finding.control,
            "status_id": status_id,
            "status": status,
            "status_code": verdict(&finding.verdict),
            "status_details": details,
        },
        "resources": [{"uid": evaluation.cluster, "name": evaluation.cluster, "type": "secrets server"}],
        "unmapped": {
            "ledger": evaluation.origin,
            "leaf": evaluation.leaf,
            "catalogue_sha256": evaluation.catalogue,
            "exceptions": finding.exceptions.iter().map(|it| &it.hash).collect::<Vec<_>>(),
        },
    });
    if let Some(remedy) = control.map(|control| &control.remedy).filter(|remedy| !remedy.is_empty())
    {
        event["remediation"] = json!({"desc": remedy});
    }
    event
}

/// What is not known is a warning, never a pass.
fn compliance(verdict: &Verdict) -> (u8, &'static str) {
    match verdict {
        Verdict::NoExceptionsFound => (1, "Pass"),
        Verdict::NoData | Verdict::Weakened | Verdict::NotRun { .. } => (2, "Warning"),
        Verdict::Exceptions { .. } => (3, "Fail"),
        Verdict::NotApplicable { .. } => (99, "Not applicable"),
    }
}

/// That of the gravest exception.
fn severity(finding: &Finding) -> (u8, &'static str) {
    match finding.exceptions.iter().map(|exception| exception.severity).max() {
        None => (1, "Informational"),
        Some(Severity::Low) => (2, "Low"),
        Some(Severity::Medium) => (3, "Medium"),
        Some(Severity::High) => (4, "High"),
        Some(Severity::Critical) => (5, "Critical"),
    }
}

fn framework(catalogue: &Catalogue, id: &str) -> String {
    let known = catalogue.frameworks.iter().find(|known| known.id == id);
    known.map_or_else(|| id.to_owned(), |known| known.name.clone())
}
