use query::coverage::Grade;
use query::table::{Cell, Column, Kind, Table};

use super::*;

fn cover() -> Cover {
    Cover {
        kind: "Report".into(),
        title: "Access by identity".into(),
        subject: "Who reached which path, and was it allowed?".into(),
        period: "2026-07-01 to 2026-10-01, Europe/Berlin".into(),
        state: "Draft".into(),
        completeness: Completeness {
            grade: Grade::Incomplete,
            word: "Incomplete".into(),
            why: vec!["No lines from node-2.".into()],
        },
        facts: vec![Fact::exact("Ledger", "keytrail/prod"), Fact::new("Made by", "alice")],
        claim: "What the log shows.".into(),
        proof: "keytrail/prod · leaf 5,000".into(),
        generator: "keytrail 0.1.0".into(),
        generated: "2026-11-29T08:40:00Z".parse().expect("a time"),
    }
}

fn paper(blocks: Vec<Block>) -> Paper {
    let parts = vec![Part { level: 1, title: "Rows".into(), blocks }];
    let files = vec![File {
        name: "rows.csv".into(),
        mime: "text/csv",
        description: "All rows".into(),
        relation: Relation::Data,
        bytes: b"a,b\r\n1,2\r\n".to_vec(),
    }];
    Paper { cover: cover(), parts, files }
}

fn rows(columns: &[(&'static str, Kind)], rows: Vec<Vec<Cell>>) -> Rows {
    let columns = columns.iter().map(|&(name, kind)| Column::new(name, kind)).collect();
    let all = rows.len() as u64;
    Rows {
        table: Table { columns, rows },
        all,
        file: Some("rows.csv".into()),
        appendix: false,
        without: Vec::new(),
        choices: Vec::new(),
    }
}

fn has(pdf: &[u8], text: &str) -> bool {
    pdf.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_paper_is_tagged_says_its_standards_and_gives_the_same_bytes() {
    let paper = paper(vec![
        Block::Words("Words.".into()),
        Block::Points(vec!["one".into(), "two".into()]),
        Block::Exact("identity:my-app path:secret/**".into()),
        Block::Sums(vec![Sum {
            left: 3,
            words: "lines".into(),
            right: vec![("decoded".into(), 2), ("not".into(), 1)],
        }]),
        Block::Heading("Within".into()),
        Block::Bars { alt: "a 12".into(), bars: vec![("a".into(), 12), ("b".into(), 0)] },
        Block::Rows(rows(
            &[("name", Kind::Text), ("requests", Kind::Number)],
            vec![vec![Cell::Text("my-app".into()), Cell::Number(12_408)]],
        )),
        Block::SignOff(vec![Role { role: "Prepared by".into(), words: "I made it.".into() }]),
    ]);
    let pdf = render(&paper).expect("it is printed");
    assert!(pdf.starts_with(b"%PDF-1.7"));
    for said in [
        "/StructTreeRoot",
        "<pdfaid:part>3</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "<pdfuaid:part>1</pdfuaid:part>",
        "/AFRelationship/Data",
        "/EmbeddedFile",
        "keytrail 0.1.0",
    ] {
        assert!(has(&pdf, said), "the file does not say {said}");
    }
    assert!(render(&paper).expect("it is printed again") == pdf);
}

#[test]
fn nothing_that_a_log_says_is_markup_or_keeps_a_report_from_being_printed() {
    let long = "x".repeat(5_000);
    let spaces = " ".repeat(300);
    let nasty = [
        "#panic(\"run\") *bold* $x$ <label> @ref \\ // /* `raw` = heading",
        "#read(\"/etc/passwd\")",
        "\u{202e}txt.exe \u{0}\u{7}\u{1b}[31m \u{feff}\u{200b}",
        "שלום عربى 中文 🔑👩‍👩‍👧 e\u{301}\u{301}\u{301}",
        &long,
        &spaces,
        "",
        "\r\n\t",
        "\u{e000}\u{10ffff}\u{fffd}",
        "a/b/c/".repeat(60).leak(),
    ];
    let cells = |text: &str| {
        vec![Cell::Text(text.into()), Cell::List(vec![text.into(), text.into()]), Cell::Absent]
    };
    let table = rows(
        &[("path", Kind::Text), ("names", Kind::List), ("note", Kind::Text)],
        nasty.iter().map(|text| cells(text)).collect(),
    );
    let texts: Vec<String> = nasty.iter().map(|&text| text.to_owned()).collect();
    let mut paper = paper(vec![
        Block::Points(texts.clone()),
        Block::Facts(texts.iter().map(|text| Fact::exact(text, text)).collect()),
        Block::Bars {
            alt: texts.concat(),
            bars: texts.iter().map(|text| (text.clone(), 1)).collect(),
        },
        Block::Rows(table),
    ]);
    for text in nasty {
        paper.parts.push(Part { level: 2, title: format!("{text}."), blocks: Vec::new() });
    }
    paper.cover.subject = texts[..4].concat();
    paper.cover.title = texts[..4].concat();
    paper.cover.completeness.why = texts;
    render(&paper).expect("it is printed");
}

#[test]
fn tables_of_any_width_are_printed() {
    for width in [1, 4, 9, 17, 40] {
        let names: &[&'static str] = &["identity", "path", "requests", "first_seen", "ttl_s"];
        let kinds = [Kind::Text, Kind::Text, Kind::Number, Kind::Time, Kind::Number];
        let columns: Vec<_> = (0..width).map(|at| (names[at % 5], kinds[at % 5])).collect();
        let row = (0..width).map(|at| match kinds[at % 5] {
            Kind::Number => Cell::Number(i64::MIN),
            Kind::Time => Cell::Time(1_764_000_000_000_000_000),
            _ => Cell::Text("secret/data/team-a/0123456789abcdef0123456789abcdef".into()),
        });
        let table = rows(&columns, vec![row.collect(); 3]);
        render(&paper(vec![Block::Rows(table)])).expect("it is printed");
    }
}
