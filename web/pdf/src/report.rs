//! A report's document as a paper, in the order in which an auditor asks: what was asked, is it all, how was it made, what came out.

use query::report::document::{Document, Section};
use query::report::{Heading, SourceCoverage};
use query::table::{Cell, Column, Form, Kind, Table, grouped};
use sha2::{Digest, Sha256};

use crate::error::PdfError;
use crate::heading::{
    CLAIM, capital, completeness, facts, frameworks, instant, period, proof, requirements, scope,
    sentence, ties, title,
};
use crate::paper::{Block, Cover, Fact, File, Paper, Part, Relation, Role, Rows};

/// Rows that are printed of one document. More are no reading for people, and each is more than a kilobyte: the attached file has them.
pub(crate) const ROWS_PRINTED: u64 = 2_000;
/// Longer tables stand in an appendix, behind the signatures; their first rows stand among the results.
const ROWS_WITHIN: usize = 40;
const ROWS_FIRST: usize = 15;
/// Columns that only a program can use.
const FOR_PROGRAMS: [&str; 1] = ["filter"];
/// Columns in which an auditor writes.
const CONCLUSIONS: [(&str, &[&str]); 3] =
    [("conclusion_of_auditor", &[]), ("auditor", &[]), ("concluded_on", &[])];
/// Columns in which a reviewer of access ticks and writes, where nobody did so with keytrail.
const DECISIONS: [(&str, &[&str]); 3] =
    [("decision", &["keep", "revoke"]), ("decided_by", &[]), ("reason", &[])];

/// Returns a report as a paper, with its data attached: as JSON, and each table as CSV.
///
/// # Errors
/// The data cannot be written as JSON or CSV, which only a bug can cause.
pub fn report(document: &Document) -> Result<Paper, PdfError> {
    let heading = &document.heading;
    let mut files = vec![File {
        name: format!("{}.json", heading.report),
        mime: "application/json",
        description: "The whole report as data; what is printed was made from it".to_owned(),
        relation: Relation::Source,
        bytes: serde_json::to_vec(document)?,
    }];
    for section in &document.sections {
        let mut bytes = Vec::new();
        section.table.write(Form::Csv, &mut bytes)?;
        files.push(File {
            name: csv_name(document, section),
            mime: "text/csv",
            description: format!("All rows of: {}", section.title),
            relation: Relation::Data,
            bytes,
        });
    }
    let mut parts = vec![scope(heading), completeness_part(heading), method(heading)];
    let file = |section: &Section| csv_name(document, section);
    let (mut results, appendix) = results(document, ROWS_PRINTED, &file);
    parts.push(population(heading));
    parts.push(chapter("Results", vec![Block::Words(sentence(&heading.subject))]));
    parts.append(&mut results);
    parts.push(exceptions(heading));
    parts.push(requirements(heading));
    parts.push(chapter("Sign-off", sign_off(title(document))));
    if !appendix.is_empty() {
        parts.push(chapter("Appendix: rows", Vec::new()));
        parts.extend(appendix);
    }
    parts.push(verify(heading, document, &files));
    Ok(Paper { cover: cover(document, &files[0]), parts, files })
}

/// Returns the results of a document, section by section, and the tables that are too long to stand among them: together at
/// most so many rows. `file` names the file that has all rows of a section.
pub(crate) fn results(
    document: &Document,
    rows_most: u64,
    file: &dyn Fn(&Section) -> String,
) -> (Vec<Part>, Vec<Part>) {
    let lengths = document.sections.iter().map(|section| section.table.rows.len() as u64);
    let printed = shares(rows_most, lengths);
    let (mut results, mut appendix) = (Vec::new(), Vec::new());
    for (section, printed) in document.sections.iter().zip(printed) {
        let mut blocks: Vec<Block> =
            section.words.iter().map(|words| Block::Words(sentence(words))).collect();
        if let Some(chart) = &section.chart {
            blocks.push(Block::Bars { alt: chart.alt.clone(), bars: chart.bars.clone() });
        }
        let rows = |count: usize, appendix: bool| {
            let rows = first_rows(&section.table, count, file(section));
            Block::Rows(Rows { appendix, ..rows })
        };
        let printed = usize::try_from(printed).unwrap_or(usize::MAX);
        if printed > ROWS_WITHIN {
            blocks.push(rows(ROWS_FIRST, true));
            let title = format!("Rows: {}", section.title);
            appendix.push(Part { level: 2, title, blocks: vec![rows(printed, false)] });
        } else {
            blocks.push(rows(printed, false));
        }
        results.push(Part { level: 2, title: section.title.clone(), blocks });
    }
    (results, appendix)
}

/// Returns the first rows of a table as they are printed.
pub(crate) fn first_rows(table: &Table, count: usize, file: String) -> Rows {
    let rows = table.rows.iter().take(count).cloned().collect();
    Rows {
        table: Table { columns: table.columns.clone(), rows },
        all: table.rows.len() as u64,
        file: Some(file),
        appendix: false,
        without: FOR_PROGRAMS.into(),
        choices: choices(table),
    }
}

/// Returns the columns in which people write by hand.
fn choices(table: &Table) -> Vec<(&'static str, &'static [&'static str])> {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    let decides = DECISIONS.iter().all(|(name, _)| has(name));
    CONCLUSIONS.into_iter().chain(decides.then_some(DECISIONS).into_iter().flatten()).collect()
}

/// Shares the rows that are printed among tables: short ones whole, what they leave goes to the longer ones.
pub(crate) fn shares(rows_most: u64, lengths: impl Iterator<Item = u64>) -> Vec<u64> {
    let lengths: Vec<u64> = lengths.collect();
    let mut sorted = lengths.clone();
    sorted.sort_unstable();
    let (mut left, mut tables, mut most) = (rows_most, sorted.len() as u64, rows_most);
    for length in sorted {
        let share = left / tables;
        if length > share {
            most = share;
            break;
        }
        (left, tables) = (left - length, tables - 1);
    }
    lengths.into_iter().map(|length| length.min(most)).collect()
}

fn csv_name(document: &Document, section: &Section) -> String {
    format!("{}-{}.csv", document.heading.report, section.id)
}

fn cover(document: &Document, data: &File) -> Cover {
    let heading = &document.heading;
    let mut list = facts(heading);
    list.extend(frameworks(heading));
    list.push(Fact::new("Made at", format!("{} ({})", heading.generated, heading.generated_local)));
    list.push(Fact::new("Run by", heading.run_by.clone()));
    let hash = sha256(&data.bytes);
    list.push(Fact::exact(format!("SHA-256 of the data, {}", data.name), hash.clone()));
    Cover {
        kind: format!("Report {}", heading.report),
        title: title(document).to_owned(),
        subject: sentence(&heading.subject),
        period: period(heading),
        state: capital(heading.state.as_str()),
        completeness: completeness(heading),
        facts: list,
        claim: CLAIM.to_owned(),
        proof: format!("{} · data SHA-256 {hash}", proof(heading)),
        generator: heading.generator.clone(),
        // The text is of a program that writes times; if one could not be read, the report would still be right.
        generated: heading.generated.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    }
}

pub(crate) fn completeness_part(heading: &Heading) -> Part {
    let completeness = completeness(heading);
    let mut blocks = vec![
        Block::Words(format!("{}.", completeness.word)),
        Block::Points(heading.completeness.sentences.iter().map(|why| ended(why)).collect()),
        Block::Heading("Numbers that must agree".to_owned()),
        Block::Words(
            "Each number was counted apart, from the lines of the ledger to the rows of this report.".to_owned(),
        ),
        Block::Sums(ties(heading)),
        Block::Heading("Sources over the period".to_owned()),
    ];
    blocks.push(Block::Rows(whole(coverage_table(heading))));
    blocks.push(Block::Heading("What is or may be missing".to_owned()));
    blocks.push(Block::Rows(whole(missing_table(heading))));
    chapter("Completeness", blocks)
}

fn method(heading: &Heading) -> Part {
    let mut blocks = vec![
        Block::Words(
            "keytrail keeps every line that the server's audit device wrote in an append-only ledger. A request and its response make one event; who, what, where and whether it was allowed are derived from these two lines by stated rules, and from nothing else.".to_owned(),
        ),
        Block::Words(if heading.filter.is_empty() {
            "The query is empty: it keeps every event of the period.".to_owned()
        } else {
            "The query, word for word:".to_owned()
        }),
    ];
    if !heading.filter.is_empty() {
        blocks.push(Block::Exact(heading.filter.clone()));
    }
    blocks.push(Block::Heading("Definitions and notes".to_owned()));
    blocks.push(Block::Points(heading.notes.iter().map(|note| sentence(note)).collect()));
    blocks.push(Block::Heading("Made by".to_owned()));
    blocks.push(Block::Facts(vec![
        Fact::new("Program", heading.generator.clone()),
        Fact::exact("SHA-256 of the report's definition", heading.definition.clone()),
        Fact::exact("SHA-256 of the catalogue", heading.catalogue.clone()),
    ]));
    chapter("Method", blocks)
}

fn population(heading: &Heading) -> Part {
    let number = |name: &str, number: u64| Fact::new(name, grouped(number));
    let mut list = vec![
        number("Events that fit", heading.matched),
        number("Events that the rows count", heading.counted),
    ];
    list.extend(heading.left_out.iter().map(|(word, n)| number(&format!("Left out: {word}"), *n)));
    list.extend([
        number("Counted, response not come yet", heading.pending),
        number("Forwarded, no other node tells of it", heading.no_twin),
        number("Fit, but without a readable time", heading.without_time),
        number("Lines that could not be decoded", heading.undecodable),
    ]);
    let sources = Table {
        columns: vec![
            Column::new("source", Kind::Text),
            Column::new("events", Kind::Number),
            Column::new("first", Kind::Time),
            Column::new("last", Kind::Time),
        ],
        rows: heading.sources.iter().map(source_row).collect(),
    };
    let blocks = vec![
        Block::Facts(list),
        Block::Heading("Events by source".to_owned()),
        Block::Rows(whole(sources)),
    ];
    chapter("Population", blocks)
}

fn source_row(source: &SourceCoverage) -> Vec<Cell> {
    vec![
        Cell::Text(source.source.clone()),
        Cell::Number(source.events.cast_signed()),
        instant(source.first.as_deref()),
        instant(source.last.as_deref()),
    ]
}

fn exceptions(heading: &Heading) -> Part {
    let failed: Vec<String> = (heading.tie_out.iter())
        .filter(|equation| !equation.holds())
        .map(|equation| ended(&equation.sentence()))
        .collect();
    let words = "This report states what the log shows; what controls found in it stands on the controls' pages and in a control pack.";
    let mut blocks = vec![Block::Words(words.to_owned())];
    if failed.is_empty() {
        blocks.push(Block::Words("Of its own numbers: None. All that must agree do.".to_owned()));
    } else {
        blocks.push(Block::Points(failed));
    }
    chapter("Exceptions", blocks)
}

/// Room for those who put their names to it.
pub(crate) fn sign_off(title: &str) -> Vec<Block> {
    let role = |role: &str, words: String| Role { role: role.to_owned(), words };
    vec![Block::SignOff(vec![
        role("Prepared by", format!("I ran “{title}” with the scope and period that it states.")),
        role(
            "Reviewed by",
            "I read the results and its completeness. I am not the subject of any row.".to_owned(),
        ),
        role("Auditor", "My conclusion, which is not the program's:".to_owned()),
    ])]
}

fn verify(heading: &Heading, document: &Document, files: &[File]) -> Part {
    let rows_of = |name: &str| {
        let mut sections = document.sections.iter();
        sections.find(|section| csv_name(document, section) == name)
    };
    let row = |file: &File| {
        let rows = rows_of(&file.name)
            .map_or(Cell::Absent, |section| Cell::Number(section.table.rows.len() as i64));
        vec![
            Cell::Text(file.name.clone()),
            rows,
            Cell::Number(file.bytes.len() as i64),
            Cell::Text(sha256(&file.bytes)),
        ]
    };
    let table = Table {
        columns: vec![
            Column::new("file", Kind::Text),
            Column::new("rows", Kind::Number),
            Column::new("bytes", Kind::Number),
            Column::new("sha256", Kind::Text),
        ],
        rows: files.iter().map(row).collect(),
    };
    let steps = [
        "Take the attached files out of this PDF: pdfdetach -saveall FILE, or a reader's list of attachments. Their SHA-256 are those below.".to_owned(),
        format!(
            "Verify the ledger offline: keytrail verify -d DATA --key FINGERPRINT. The root of the tree over its first {} leaves is the one on the cover.",
            grouped(heading.leaf)
        ),
        format!(
            "Make the report again: keytrail report {} with the parameters above and --at {}. Rows and equations are the same, whoever runs it and when.",
            heading.report, heading.leaf
        ),
    ];
    let blocks = vec![
        Block::Points(steps.into()),
        Block::Heading("Attached files".to_owned()),
        Block::Rows(whole(table)),
    ];
    chapter("How to verify", blocks)
}

/// A table that is printed with all its rows and belongs to no file.
pub(crate) fn whole(table: Table) -> Rows {
    let all = table.rows.len() as u64;
    let choices = choices(&table);
    Rows { table, all, file: None, appendix: false, without: Vec::new(), choices }
}

fn coverage_table(heading: &Heading) -> Table {
    let number = |number: u64| Cell::Number(number.cast_signed());
    let row = |source: &query::coverage::Source| {
        vec![
            Cell::Text(source.source.clone()),
            Cell::Text(source.grade.words().to_owned()),
            number(source.lines),
            number(source.live_lines),
            number(source.undecodable),
            number(source.gaps),
            instant(source.first.as_deref()),
            instant(source.last.as_deref()),
        ]
    };
    Table {
        columns: vec![
            Column::new("source", Kind::Text),
            Column::new("grade", Kind::Text),
            Column::new("lines", Kind::Number),
            Column::new("followed_live", Kind::Number),
            Column::new("not_decodable", Kind::Number),
            Column::new("gaps", Kind::Number),
            Column::new("first", Kind::Time),
            Column::new("last", Kind::Time),
        ],
        rows: heading.coverage.sources.iter().map(row).collect(),
    }
}

fn missing_table(heading: &Heading) -> Table {
    let rows = heading.coverage.sources.iter().flat_map(|source| {
        source.incidents.iter().map(|missing| {
            vec![
                Cell::Text(source.source.clone()),
                missing.from_unix_ns.map_or(Cell::Absent, Cell::Time),
                Cell::Time(missing.to_unix_ns),
                Cell::Text(missing.text.clone()),
            ]
        })
    });
    Table {
        columns: vec![
            Column::new("source", Kind::Text),
            Column::new("from", Kind::Time),
            Column::new("to", Kind::Time),
            Column::new("what", Kind::Text),
        ],
        rows: rows.collect(),
    }
}

pub(crate) fn chapter(title: &str, blocks: Vec<Block>) -> Part {
    Part { level: 1, title: title.to_owned(), blocks }
}

/// Returns a sentence with its full stop, and its first word as it is: it may be a name.
fn ended(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tables_are_printed_whole_and_long_ones_share_what_is_left() {
        assert_eq!(shares(2_000, [10, 20].into_iter()), [10, 20]);
        assert_eq!(shares(2_000, [10, 5_000, 3_000].into_iter()), [10, 995, 995]);
        assert_eq!(shares(2_000, [2_000].into_iter()), [2_000]);
        assert_eq!(shares(2_000, [2_001].into_iter()), [2_000]);
        assert!(shares(2_000, std::iter::empty()).is_empty());
    }
}
