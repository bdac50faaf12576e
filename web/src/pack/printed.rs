//! `report.pdf`: what the pack says, as a document to read, print and sign.

use pdf::{Chapter, ControlPack, Fact};
use query::as_of::AsOf;
use query::evidence::Assessment;
use query::report::document::{Document, Section};
use query::table::grouped;

use super::PackError;

/// What controls found has chapters of its own.
const OF_CONTROLS: [&str; 2] = ["controls", "exceptions"];

/// Returns under which name the rows of a section stand in the pack, without its ending.
pub(super) fn stem(document: &Document, section: &Section) -> String {
    let heading = &document.heading;
    match heading.parameters.iter().find(|parameter| parameter.name == "by") {
        Some(by) => format!("reports/access-by-{}", by.value),
        None => format!("reports/{}/{}", heading.report, section.id),
    }
}

/// Returns the document. Nothing in it depends on when and by whom the pack is made.
pub(super) fn printed(
    as_of: &AsOf,
    assessment: &Assessment,
    mut documents: Vec<Document>,
    population: u64,
) -> Result<Vec<u8>, PackError> {
    for document in &mut documents {
        document.sections.retain(|section| !OF_CONTROLS.contains(&section.id));
    }
    documents.retain(|document| !document.sections.is_empty());
    let [first, ..] = &documents[..] else {
        return Err(PackError::Empty("a pack without a report has nothing to print".to_owned()));
    };
    let requirements = assessment.requirements();
    let (findings, exceptions) = (assessment.findings(), assessment.exceptions());
    let dispositions = assessment.dispositions();
    let chapter = |title, words: &str, table, stem: &str| Chapter {
        title,
        words: vec![words.to_owned()],
        table,
        file: format!("controls/{stem}.csv"),
    };
    let paper = pdf::pack(&ControlPack {
        framework: &assessment.framework_name,
        heading: &first.heading,
        facts: vec![Fact::new("Population", format!("{} events", grouped(population)))],
        as_of: as_of.time()?,
        verdicts: vec![
            chapter(
                "Requirements",
                "Each requirement, in our own words, with what its controls say together. The last column is the auditor's.",
                &requirements,
                "requirements",
            ),
            chapter(
                "Controls",
                "What each control found. A finding of keytrail is no conclusion of an auditor, who has columns of his own.",
                &findings,
                "findings",
            ),
        ],
        documents: &documents,
        file: &|document, section| format!("{}.csv", stem(document, section)),
        exceptions: vec![
            chapter("Exceptions", "Each exception and how it stands.", &exceptions, "exceptions"),
            chapter(
                "Reviews of exceptions",
                "What reviewers said of them, each as a line of the ledger.",
                &dispositions,
                "dispositions",
            ),
        ],
    });
    Ok(pdf::render(&paper)?)
}
