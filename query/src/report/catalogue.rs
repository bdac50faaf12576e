//! The catalogue: controls, frameworks, their requirements in our own words, and which control and report is evidence
//! for which. Data, so that an auditor can read it; compiled in, so that it is always there.

use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::NotAddressed;
use crate::controls::{self, CatalogueError, Control};
use crate::evidence::hex;

const FRAMEWORKS: &str = include_str!("../../../assets/catalogue/frameworks.toml");
const REPORTS: &str = include_str!("../../../assets/catalogue/reports.toml");

/// Controls, frameworks and reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Catalogue {
    /// In the order of the files; those of an operator that are new come last.
    pub controls: Vec<Control>,
    /// In the order of the file.
    pub frameworks: Vec<Framework>,
    /// In the order of the file.
    pub reports: Vec<ReportEntry>,
}

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Our short name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Which edition the requirements are numbered after.
    pub version: String,
    /// It is a column beside others: nobody is reported to by it.
    #[serde(default)]
    pub crosswalk: bool,
    /// Those for which keytrail has evidence.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// A requirement of a framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its number in the standard.
    pub id: String,
    /// Its numbers in the edition before.
    #[serde(default)]
    pub alias_2013: Vec<String>,
    /// What it is about, in our own words; "" of a crosswalk.
    #[serde(default)]
    pub words: String,
    /// The controls that are evidence for it.
    #[serde(default)]
    pub controls: Vec<String>,
    /// How much they show of it.
    #[serde(default)]
    pub fit: Fit,
    /// What they do not show.
    #[serde(default)]
    pub limits: String,
    /// The number was compared with the standard's text.
    #[serde(default = "yes")]
    pub checked: bool,
}

/// How much controls show of a requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// They are evidence for it.
    Direct,
    /// They are evidence beside other.
    #[default]
    Supporting,
    /// They say something about what it stands in.
    Context,
}

impl Fit {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Fit::Direct => "direct",
            Fit::Supporting => "supporting",
            Fit::Context => "context",
        }
    }
}

fn yes() -> bool {
    true
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportEntry {
    /// Its name on the command line.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The question it answers.
    pub subject: String,
    /// Which events it counts, in the grammar; empty: everything.
    #[serde(default)]
    pub query: String,
    /// It is about the whole log, and takes no scope.
    #[serde(default)]
    pub whole_log: bool,
    /// The controls whose findings it shows; empty: none, but for a report whose subject they are.
    #[serde(default)]
    pub controls: Vec<String>,
    /// What it is evidence for.
    pub evidence: Vec<EvidenceEntry>,
}

/// That a report is evidence for a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEntry {
    /// The framework's short name.
    pub framework: String,
    /// The requirement's number.
    pub requirement: String,
    /// What the report shows for it.
    pub shows: String,
    /// What it does not show.
    pub not_shown: String,
}

/// The same with names in place of references: what a report's heading prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceFor {
    /// The framework's name.
    pub framework: String,
    /// Its edition.
    pub version: String,
    /// The requirement's number.
    pub requirement: String,
    /// What it is about, in our own words.
    pub words: String,
    /// What the report shows for it.
    pub shows: String,
    /// What it does not show.
    pub not_shown: String,
}

impl Catalogue {
    /// Returns the catalogue that is part of the program.
    pub fn built_in() -> Catalogue {
        static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
            let read =
                Catalogue::parse(FRAMEWORKS, REPORTS).expect("a test reads the built-in catalogue");
            let controls = controls::built_in().expect("a test reads the built-in controls");
            Catalogue { controls, ..read }
        });
        BUILT_IN.clone()
    }

    /// Returns the catalogue with the controls of an operator's folder over it: the same id replaces the whole control.
    ///
    /// # Errors
    /// A file that cannot be read or used; the message names file, control and place.
    pub fn overridden_by(mut self, folder: &Path) -> Result<Catalogue, CatalogueError> {
        controls::override_by(&mut self.controls, folder)?;
        Ok(self)
    }

    /// Returns all that it says as JSON, whatever the order of controls.
    pub fn canonical(&self) -> String {
        let mut sorted = self.clone();
        sorted.controls.sort_by(|one, other| one.id.cmp(&other.id));
        serde_json::to_string(&sorted).expect("texts, numbers and lists of them")
    }

    /// Returns the SHA-256 of that, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.canonical()))
    }

    /// Returns the ids of the controls that are evidence for a framework, in the catalogue's order; `None` if there is no
    /// such framework.
    pub fn controls_for(&self, framework: &str) -> Option<Vec<String>> {
        let framework = self.frameworks.iter().find(|known| known.id == framework)?;
        let named = |id: &String| framework.requirements.iter().any(|it| it.controls.contains(id));
        let ids = self.controls.iter().map(|control| &control.id);
        Some(ids.filter(|id| named(id)).cloned().collect())
    }

    /// Returns the numbers of a framework's requirements for which a control is evidence.
    pub fn requirements_of<'a>(&'a self, framework: &str, control: &str) -> Vec<&'a Requirement> {
        let framework = self.frameworks.iter().find(|known| known.id == framework);
        let requirements = framework.map_or(&[][..], |framework| &framework.requirements);
        requirements.iter().filter(|it| it.controls.iter().any(|id| id == control)).collect()
    }

    fn parse(frameworks: &str, reports: &str) -> Result<Catalogue, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Frameworks {
            framework: Vec<Framework>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Reports {
            report: Vec<ReportEntry>,
        }
        let Frameworks { framework } = toml::from_str(frameworks)?;
        let Reports { report } = toml::from_str(reports)?;
        Ok(Catalogue { controls: Vec::new(), frameworks: framework, reports: report })
    }

    /// Returns the report of this name.
    pub fn report(&self, id: &str) -> Option<&ReportEntry> {
        self.reports.iter().find(|report| report.id == id)
    }

    /// Returns what a report is evidence for. A reference to nothing is left out; a test holds that
    /// the built-in catalogue has none.
    pub fn evidence(&self, report: &ReportEntry) -> Vec<EvidenceFor> {
        report.evidence.iter().filter_map(|entry| self.resolved(entry)).collect()
    }

    /// Returns the requirements for which a report is no evidence, of each framework that is no mere crosswalk.
    pub fn not_addressed(&self, report: &ReportEntry) -> Vec<NotAddressed> {
        let mut not = Vec::new();
        for framework in self.frameworks.iter().filter(|framework| !framework.crosswalk) {
            let is_evidence = |id: &String| {
                let of_both =
                    |it: &EvidenceEntry| it.framework == framework.id && it.requirement == *id;
                report.evidence.iter().any(of_both)
            };
            let requirements = framework.requirements.iter().filter(|it| !is_evidence(&it.id));
            not.extend(requirements.map(|requirement| NotAddressed {
                framework: framework.name.clone(),
                version: framework.version.clone(),
                requirement: requirement.id.clone(),
                words: requirement.words.clone(),
            }));
        }
        not
    }

    fn resolved(&self, entry: &EvidenceEntry) -> Option<EvidenceFor> {
        let framework = self.frameworks.iter().find(|framework| framework.id == entry.framework)?;
        let requirement = framework.requirements.iter().find(|it| it.id == entry.requirement)?;
        Some(EvidenceFor {
            framework: framework.name.clone(),
            version: framework.version.clone(),
            requirement: requirement.id.clone(),
            words: requirement.words.clone(),
            shows: entry.shows.clone(),
            not_shown: entry.not_shown.clone(),
        })
    }
}

impl ReportEntry {
    /// Returns the SHA-256 of all that the entry says, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        sha256(self)
    }
}

fn sha256(of: &impl Serialize) -> String {
    hex(&Sha256::digest(serde_json::to_vec(of).expect("texts, numbers and lists of them")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reference_of_the_built_in_catalogue_holds() {
        let catalogue = Catalogue::built_in();
        for report in &catalogue.reports {
            assert_eq!(catalogue.evidence(report).len(), report.evidence.len(), "{}", report.id);
        }
        let ids: BTreeSet<_> = catalogue.reports.iter().map(|report| &report.id).collect();
        assert_eq!(ids.len(), catalogue.reports.len(), "names of reports are unique");
        for framework in &catalogue.frameworks {
            let ids: BTreeSet<_> = framework.requirements.iter().map(|it| &it.id).collect();
            assert_eq!(ids.len(), framework.requirements.len(), "{}", framework.id);
        }
    }

    #[test]
    fn the_access_report_is_evidence_for_eight_requirements() {
        let catalogue = Catalogue::built_in();
        let access = catalogue.report("access").expect("in the catalogue");
        let requirements = catalogue.evidence(access);
        let requirements: Vec<_> = requirements.iter().map(|it| it.requirement.as_str()).collect();
        assert_eq!(
            requirements,
            ["CC6.1", "CC6.2", "CC6.3", "CC7.2", "A.5.15", "A.5.18", "A.8.3", "A.8.15"]
        );
    }

    #[test]
    fn frameworks_and_controls_know_each_other() {
        let catalogue = Catalogue::built_in();
        let ids: BTreeSet<&String> = catalogue.controls.iter().map(|control| &control.id).collect();
        for framework in &catalogue.frameworks {
            for requirement in &framework.requirements {
                let (of, id) = (&framework.id, &requirement.id);
                for control in &requirement.controls {
                    assert!(ids.contains(control), "{of} {id} names {control}");
                }
                assert!(requirement.words.chars().count() <= 140, "{of} {id}");
                assert_eq!(requirement.words.is_empty(), framework.crosswalk, "{of} {id}");
                assert!(!requirement.controls.is_empty(), "{of} {id}");
            }
        }
        for (framework, crosswalk) in
            [("soc2", false), ("iso27001", false), ("pci4", true), ("nist80053", true)]
        {
            let found = catalogue.frameworks.iter().find(|known| known.id == framework);
            assert_eq!(found.map(|found| found.crosswalk), Some(crosswalk), "{framework}");
            if !crosswalk {
                let of = catalogue.controls_for(framework).expect("a framework");
                assert_eq!(of.len(), catalogue.controls.len(), "{framework} has every control");
            }
        }
    }

    #[test]
    fn the_hash_is_of_what_is_said() {
        let catalogue = Catalogue::built_in();
        let (mut turned, mut changed) = (catalogue.clone(), catalogue.clone());
        turned.controls.reverse();
        changed.controls[0].rules[0].query.push_str(" decision:allowed");
        assert_eq!(catalogue.sha256(), turned.sha256());
        assert_ne!(catalogue.sha256(), changed.sha256());
    }

    #[test]
    fn unknown_keys_are_refused() {
        let more = format!("{FRAMEWORKS}\ncolour = \"red\"\n");
        let error = Catalogue::parse(&more, REPORTS).expect_err("an unknown key").to_string();
        assert!(error.contains("unknown field `colour`"), "{error}");
    }
}
