//! `oscal/assessment-results.json`: findings for programs that governance is done with, in OSCAL 1.2.1.
//!
//! Targets are our own control ids; requirements of standards stand beside them as references, never with their texts. A
//! control is an observation (what was run, over which evidence) and a finding; an exception is a risk, and what reviewers
//! said of it the risk's log. Each uuid is made of what it names, so that the same leaf gives the same file.

use query::controls::{Control, Exception, Finding, Verdict};
use query::evidence::{Assessment, ExceptionStanding};
use query::period::rfc3339;
use query::report::catalogue::Catalogue;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::Entry;

const VERSION: &str = "1.2.1";
/// Whose the names of our properties are.
const NAMESPACE: &str = "urn:keytrail:oscal";
/// The namespace of names that are URLs (RFC 9562, appendix), below which ours are made.
const URL: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

/// What is written, and what it rests on.
pub(super) struct Results<'a> {
    pub(super) assessment: &'a Assessment,
    pub(super) catalogue: &'a Catalogue,
    /// When the leaf was, RFC 3339.
    pub(super) as_of: &'a str,
    /// The files of the payload so far.
    pub(super) files: &'a [Entry],
}

impl Results<'_> {
    /// Returns the document.
    pub(super) fn document(&self) -> Value {
        let evaluation = &self.assessment.evaluation;
        let plan = self.uuid("plan", &evaluation.catalogue);
        let title = format!(
            "{} of {}, {}",
            self.assessment.framework_name, evaluation.origin, evaluation.period
        );
        let rows = || evaluation.findings.iter().zip(self.standings());
        let risks: Vec<Value> =
            rows().flat_map(|(finding, standings)| self.risks(finding, standings)).collect();
        let findings: Vec<Value> =
            rows().filter_map(|(finding, standings)| self.finding(finding, standings)).collect();
        let controls: Vec<Value> = evaluation
            .findings
            .iter()
            .map(|finding| json!({"control-id": finding.control}))
            .collect();
        let mut result = json!({
            "uuid": self.uuid("result", ""),
            "title": line(&title),
            "description": format!(
                "What keytrail found in the audit log of a secrets server, as of leaf {} of its ledger. It says what was found, never that anybody complies; the auditor's conclusion is not in it. {}",
                evaluation.leaf, evaluation.coverage
            ),
            "start": evaluation.from.or(evaluation.first).map_or(self.as_of.to_owned(), rfc3339),
            "end": evaluation.to.or(evaluation.last).map_or(self.as_of.to_owned(), rfc3339),
            "props": [
                prop("ledger", &evaluation.origin),
                prop("leaf", &evaluation.leaf.to_string()),
                prop("catalogue-sha256", &evaluation.catalogue),
                prop("events", &evaluation.events.to_string()),
            ],
            "reviewed-controls": {"control-selections": [selection(controls)]},
            "observations": evaluation.findings.iter().map(|it| self.observation(it)).collect::<Vec<_>>(),
        });
        // A list without members is none in this form.
        for (name, members) in [("findings", findings), ("risks", risks)] {
            if !members.is_empty() {
                result[name] = Value::Array(members);
            }
        }
        json!({"assessment-results": {
            "uuid": self.uuid("assessment-results", ""),
            "metadata": {
                "title": line(&title),
                "last-modified": self.as_of,
                "version": format!("leaf-{}", evaluation.leaf),
                "oscal-version": VERSION,
            },
            "import-ap": {"href": format!("#{plan}")},
            "results": [result],
            "back-matter": {"resources": [{
                "uuid": plan,
                "title": "The catalogue that was run",
                "description": "Controls, frameworks and reports as keytrail ran them: it stands for an assessment plan.",
                "rlinks": [{
                    "href": "../catalogue/catalogue.json",
                    "hashes": [{"algorithm": "SHA-256", "value": evaluation.catalogue}],
                }],
            }]},
        }})
    }

    /// The standings of each finding's exceptions.
    fn standings(&self) -> impl Iterator<Item = &[ExceptionStanding]> {
        let mut rest = &self.assessment.exceptions[..];
        self.assessment.evaluation.findings.iter().map(move |finding| {
            let (of, after) = rest.split_at(finding.exceptions.len());
            rest = after;
            of
        })
    }

    fn control(&self, finding: &Finding) -> Option<&Control> {
        self.catalogue.controls.iter().find(|control| control.id == finding.control)
    }

    fn observation(&self, finding: &Finding) -> Value {
        let question = self.control(finding).map_or(&finding.title, |control| &control.question);
        let looked: Vec<String> = finding
            .evaluated
            .events
            .iter()
            .map(|(rule, events)| format!("{rule}: {events} looked at"))
            .collect();
        let missing = finding.missing.iter().map(|missing| format!("missing: {missing}"));
        let notes = finding.notes.iter().cloned();
        let told: Vec<String> =
            looked.into_iter().chain(missing).chain(notes).map(|text| line(&text)).collect();
        let mut observation = json!({
            "uuid": self.uuid("observation", &finding.control),
            "title": line(&format!("{} {}", finding.control, finding.title)),
            "description": line(&format!("{question} Found: {}", finding.verdict)),
            "methods": ["TEST"],
            "types": ["control-objective"],
            "collected": self.as_of,
            "props": [prop("control-version", &finding.version.to_string()), prop("verdict", verdict(&finding.verdict))],
        });
        if !told.is_empty() {
            observation["remarks"] = told.join("\n").into();
        }
        let wanted = ["controls/findings.csv", "controls/exception-events.csv"];
        let evidence: Vec<Value> = self
            .files
            .iter()
            .filter(|file| wanted.contains(&&*file.path))
            .map(|file| {
                json!({
                    "href": format!("../{}", file.path),
                    "description": format!("rows of {}", finding.control),
                    "props": [prop("sha256", &file.sha256)],
                })
            })
            .collect();
        if !evidence.is_empty() {
            observation["relevant-evidence"] = Value::Array(evidence);
        }
        observation
    }

    /// One that a register says does not apply is observed, and is no finding.
    fn finding(&self, finding: &Finding, standings: &[ExceptionStanding]) -> Option<Value> {
        let (state, reason) = match &finding.verdict {
            Verdict::NoExceptionsFound => ("satisfied", "pass"),
            Verdict::Exceptions { open, .. } if *open > 0 => ("not-satisfied", "fail"),
            Verdict::NotApplicable { .. } => return None,
            // Nobody can say that it is: what is not known, not run or too loose is no pass.
            Verdict::Exceptions { .. }
            | Verdict::NoData
            | Verdict::Weakened
            | Verdict::NotRun { .. } => ("not-satisfied", "other"),
        };
        let requirements = self.assessment.requirements.iter();
        let named = requirements
            .filter(|it| it.controls.iter().any(|(control, _)| *control == finding.control));
        let mut props = vec![
            prop("severity", finding.severity.as_str()),
            prop("verdict", verdict(&finding.verdict)),
        ];
        props.extend(named.map(|requirement| {
            let mut of = prop("requirement", &requirement.id);
            of["class"] = self.assessment.framework.clone().into();
            of
        }));
        let mut made = json!({
            "uuid": self.uuid("finding", &finding.control),
            "title": line(&format!("{} {}", finding.control, finding.title)),
            "description": line(&finding.verdict.to_string()),
            "props": props,
            "target": {
                "type": "objective-id",
                "target-id": finding.control,
                "status": {"state": state, "reason": reason, "remarks": line(&finding.verdict.to_string())},
            },
            "related-observations": [{"observation-uuid": self.uuid("observation", &finding.control)}],
        });
        if !standings.is_empty() {
            let risks = standings
                .iter()
                .map(|standing| json!({"risk-uuid": self.uuid("risk", &standing.exception)}));
            made["related-risks"] = risks.collect();
        }
        Some(made)
    }

    fn risks(&self, finding: &Finding, standings: &[ExceptionStanding]) -> Vec<Value> {
        let risk = |(exception, standing): (&Exception, &ExceptionStanding)| {
            let why = self.control(finding).map_or(&finding.title, |control| &control.why);
            let mut risk = json!({
                "uuid": self.uuid("risk", &exception.hash),
                "title": line(&format!("{} {}", finding.control, finding.title)),
                "description": line(&exception.words),
                "statement": line(why),
                "status": status(standing),
                "props": [
                    prop("exception", &exception.hash),
                    prop("severity", exception.severity.as_str()),
                    prop("standing", standing.standing),
                    prop("events", &exception.count.to_string()),
                ],
                "related-observations": [{"observation-uuid": self.uuid("observation", &finding.control)}],
            });
            if !standing.reviews.is_empty() {
                let entries = standing.reviews.iter().map(|review| {
                    let mut said =
                        format!("{} says {}: {}", review.by, review.state.as_str(), review.reason);
                    if let Some(ticket) = &review.ticket {
                        said += &format!(" ({ticket})");
                    }
                    json!({
                        "uuid": self.uuid("review", &review.leaf.to_string()),
                        "title": review.state.as_str(),
                        "description": line(&said),
                        "start": review.at.to_string(),
                        "props": [prop("leaf", &review.leaf.to_string())],
                    })
                });
                risk["risk-log"] = json!({"entries": entries.collect::<Vec<_>>()});
            }
            risk
        };
        finding.exceptions.iter().zip(standings).map(risk).collect()
    }

    /// Returns the uuid of what has this name: version 5, below a namespace of this ledger, question and leaf.
    pub(super) fn uuid(&self, kind: &str, name: &str) -> String {
        let evaluation = &self.assessment.evaluation;
        let of = format!(
            "{}/{}/{}/{:?}-{:?}",
            evaluation.origin,
            evaluation.leaf,
            self.assessment.framework,
            evaluation.from,
            evaluation.to
        );
        text(uuid(uuid(URL, &format!("urn:keytrail:pack:{of}")), &format!("{kind}/{name}")))
    }
}

/// RFC 9562, 5.5.
fn uuid(namespace: [u8; 16], name: &str) -> [u8; 16] {
    let hash = Sha1::new().chain_update(namespace).chain_update(name).finalize();
    let mut uuid: [u8; 16] = hash[..16].try_into().expect("sixteen of twenty");
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

fn text(uuid: [u8; 16]) -> String {
    let hex = query::evidence::hex(&uuid);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn prop(name: &str, value: &str) -> Value {
    json!({"name": name, "ns": NAMESPACE, "value": line(value)})
}

/// Values have no line breaks, and no space around them.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn selection(controls: Vec<Value>) -> Value {
    match controls.is_empty() {
        true => json!({"include-all": {}}),
        false => json!({"include-controls": controls}),
    }
}

/// The verdict as one word.
pub(super) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NoExceptionsFound => "no-exceptions-found",
        Verdict::Exceptions { .. } => "exceptions",
        Verdict::NoData => "no-data",
        Verdict::NotApplicable { .. } => "not-applicable",
        Verdict::Weakened => "weakened",
        Verdict::NotRun { .. } => "not-run",
    }
}

fn status(standing: &ExceptionStanding) -> &'static str {
    match standing.standing {
        "in_review" | "awaiting_second" => "investigating",
        "accepted_risk" => "deviation-approved",
        "expected" | "false_positive" | "remediated" => "closed",
        "incident" => "remediating",
        _ => "open",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_5() {
        // RFC 9562, A.4, with the namespace of names of hosts.
        let mut dns = URL;
        dns[3] = 0x10;
        assert_eq!(text(uuid(dns, "www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    }
}
