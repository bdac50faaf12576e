//! A control pack as a paper: what the controls of a framework say of each requirement, then the reports behind it.
//!
//! Nothing in it depends on when and by whom the pack was made, so that a pack of the same leaf has the same bytes.

use jiff::Timestamp;
use query::report::Heading;
use query::report::document::{Document, Section};
use query::table::Table;

use crate::heading::{
    CLAIM, capital, completeness, facts, limits, period, proof, sentence, ties, title,
};
use crate::paper::{Block, Cover, Fact, Paper, Part};
use crate::report::{
    ROWS_PRINTED, chapter, completeness_part, first_rows, results, shares, sign_off,
};

/// What a pack says.
pub struct ControlPack<'a> {
    /// The framework's name and edition.
    pub framework: &'a str,
    /// The heading of one of its reports: the ledger, the period, and how complete the log is.
    pub heading: &'a Heading,
    /// What else stands on the cover, such as the organisation, or the rows of the population and their hash.
    pub facts: Vec<Fact>,
    /// The point in time that the pack is of, such as that of its leaf. It is the date of the file.
    pub as_of: Timestamp,
    /// What the controls say, above the reports: requirements, those of them that nothing here addresses, findings.
    pub verdicts: Vec<Chapter<'a>>,
    /// The reports.
    pub documents: &'a [Document],
    /// Which file of the pack has all rows of a section.
    pub file: &'a dyn Fn(&Document, &Section) -> String,
    /// Exceptions, and what reviewers say of them.
    pub exceptions: Vec<Chapter<'a>>,
}

/// A table of a pack, as a chapter.
pub struct Chapter<'a> {
    /// Its heading.
    pub title: &'a str,
    /// Paragraphs above the table.
    pub words: Vec<String>,
    /// The table.
    pub table: &'a Table,
    /// The file of the pack that has all its rows.
    pub file: String,
}

/// Returns a pack as a paper. Nothing is attached, since the pack has the files beside it.
pub fn pack(pack: &ControlPack<'_>) -> Paper {
    let heading = pack.heading;
    let name = pack.framework.split_once(',').map_or(pack.framework, |(name, _)| name);
    let title = format!("Control pack: {name}");
    let mut parts = vec![completeness_part(heading)];
    parts.extend(pack.verdicts.iter().map(part));
    let mut appendix = Vec::new();
    let rows = |of: &Document| of.sections.iter().map(|of| of.table.rows.len() as u64).sum();
    let shares = shares(ROWS_PRINTED, pack.documents.iter().map(rows));
    for (document, rows_most) in pack.documents.iter().zip(shares) {
        let file = |section: &Section| (pack.file)(document, section);
        let (results, rows) = results(document, rows_most, &file);
        parts.push(opening(document));
        parts.extend(results);
        appendix.extend(rows.into_iter().map(|part| Part {
            title: match &document.heading.title {
                report if document.sections.len() == 1 || part.title.ends_with(report) => {
                    part.title
                }
                report => format!("{} ({report})", part.title),
            },
            ..part
        }));
    }
    parts.extend(pack.exceptions.iter().map(part));
    parts.push(chapter("Limits", vec![limits(heading)]));
    parts.push(chapter("Sign-off", sign_off(&title)));
    if !appendix.is_empty() {
        parts.push(chapter("Appendix: rows", Vec::new()));
        parts.extend(appendix);
    }
    parts.push(verify());
    Paper { cover: cover(pack, title), parts, files: Vec::new() }
}

fn cover(pack: &ControlPack<'_>, title: String) -> Cover {
    let heading = pack.heading;
    let mut list = facts(heading);
    list.extend(pack.facts.iter().cloned());
    Cover {
        kind: "Control pack".to_owned(),
        title,
        subject: format!("What the audit log of a secrets server shows for {}.", pack.framework),
        period: period(heading),
        state: capital(heading.state.as_str()),
        completeness: completeness(heading),
        facts: list,
        claim: CLAIM.to_owned(),
        proof: format!("{} · root {}", proof(heading), heading.root),
        generator: heading.generator.clone(),
        generated: pack.as_of,
    }
}

fn part(of: &Chapter<'_>) -> Part {
    let mut blocks: Vec<Block> =
        of.words.iter().map(|words| Block::Words(sentence(words))).collect();
    let count = of.table.rows.len().min(ROWS_PRINTED as usize);
    blocks.push(Block::Rows(first_rows(of.table, count, of.file.clone())));
    chapter(of.title, blocks)
}

/// What stands above the sections of a report in a pack.
fn opening(document: &Document) -> Part {
    let heading = &document.heading;
    let mut blocks = vec![Block::Words(sentence(&heading.subject))];
    if !heading.filter.is_empty() {
        blocks.push(Block::Exact(heading.filter.clone()));
    }
    // The equations before it are of the whole log, and stand once.
    blocks.push(Block::Sums(ties(heading).into_iter().rev().take(1).collect()));
    chapter(&format!("Report: {}", title(document)), blocks)
}

fn verify() -> Part {
    let steps = [
        "Verify the pack offline: keytrail verify PACK.zip --key FINGERPRINT, with a fingerprint that you had beforehand. Every file of the payload, this one among them, is in the signed manifest with its SHA-256.",
        "Verify it with a second program, which is in the pack and short enough to read: python3 verify.py PACK.zip --key FINGERPRINT.",
        "Make the pack again with the same leaf and options: the payload has the same bytes.",
    ];
    chapter("How to verify", vec![Block::Points(steps.map(str::to_owned).into())])
}
