//! The catalogue: frameworks, their requirements in our own words, and which report is evidence for
//! which. Data, so that an auditor can read it; compiled in, so that it is always there.

use serde::{Deserialize, Serialize};

const FRAMEWORKS: &str = include_str!("../../../assets/catalogue/frameworks.toml");
const REPORTS: &str = include_str!("../../../assets/catalogue/reports.toml");

/// Frameworks and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// In the order of the file.
    pub frameworks: Vec<Framework>,
    /// In the order of the file.
    pub reports: Vec<ReportEntry>,
}

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Our short name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Which edition the requirements are numbered after.
    pub version: String,
    /// Those for which keytrail has evidence.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// A requirement of a framework.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its number in the standard.
    pub id: String,
    /// What it is about, in our own words.
    pub words: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportEntry {
    /// Its name on the command line.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The question it answers.
    pub subject: String,
    /// What it is evidence for.
    pub evidence: Vec<EvidenceEntry>,
}

/// That a report is evidence for a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
        Catalogue::parse(FRAMEWORKS, REPORTS).expect("a test reads the built-in catalogue")
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
        Ok(Catalogue { frameworks: framework, reports: report })
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
    fn unknown_keys_are_refused() {
        let more = format!("{FRAMEWORKS}\ncolour = \"red\"\n");
        let error = Catalogue::parse(&more, REPORTS).expect_err("an unknown key").to_string();
        assert!(error.contains("unknown field `colour`"), "{error}");
    }
}
