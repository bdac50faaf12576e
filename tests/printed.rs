//! Reports as PDF: another program reads in them what their data say, and a validator finds the standards kept.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::packs::pack;
use crate::util::{
    Data, Run, Server, fixture, get, main_recording, missing_tool, python, real_servers_are_wanted,
};

/// Writes a report as PDF.
fn pdf(folder: &Path, by: &str, more: &[&str]) -> std::path::PathBuf {
    let file = folder.join(format!("{by}.pdf"));
    let mut arguments = vec!["access", "--by", by, "--tz", "Asia/Kathmandu", "--format", "pdf"];
    arguments.extend(["-o", file.to_str().unwrap()]);
    arguments.extend(more);
    main_recording().run("report", arguments).expect(0);
    file
}

/// Returns what poppler reads in it, line by line as it stands on paper.
fn text(file: &Path) -> Option<String> {
    let mut poppler = Command::new("pdftotext");
    if missing_tool(&poppler, "install Debian's package poppler-utils") {
        return None;
    }
    Some(Run::of(poppler.arg("-layout").arg(file).arg("-")).expect(0).text().to_owned())
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.to_owned() } else { format!("{head},{tail}") }
}

#[test]
fn what_is_printed_is_what_is_attached_and_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    // Before the first line of a source and behind its last nothing is known, so of a month the log is incomplete.
    let asked: [(&str, &[&str], _); 2] =
        [("decision", &["--period", "2026-11"], "Incomplete"), ("identity", &[], "No gap seen")];
    for (by, more, grade) in asked {
        let file = pdf(folder.path(), by, more);
        let Some(text) = text(&file) else { return };
        let attached = folder.path().join(format!("{by}-attached"));
        fs::create_dir(&attached).unwrap();
        let mut detach = Command::new("pdfdetach");
        Run::of(detach.args(["-saveall", "-o"]).arg(&attached).arg(&file)).expect(0);

        // The data in the file are those of the report as JSON.
        let data: Value =
            serde_json::from_slice(&fs::read(attached.join("access.json")).unwrap()).unwrap();
        let json = folder.path().join("access.json");
        let mut arguments = vec!["access", "--by", by, "--format", "json"];
        arguments.extend(["-o", json.to_str().unwrap()]);
        arguments.extend(more);
        main_recording().run("report", arguments).expect(0);
        let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        assert_eq!(data["heading"]["counted"], report["heading"]["counted"]);
        assert_eq!(data["heading"]["root"], report["heading"]["root"]);
        let rows = data["sections"][0]["table"]["rows"].as_array().unwrap();
        assert_eq!(rows.len(), report["rows"].as_array().unwrap().len());
        let csv = fs::read_to_string(attached.join("access-rows.csv")).unwrap();
        assert_eq!(csv.lines().count(), 1 + rows.len());

        // And those on paper: each row's numbers stand on one line.
        let columns = data["sections"][0]["table"]["columns"].as_array().unwrap();
        let column = |name: &str| columns.iter().position(|of| of["name"] == name).unwrap();
        let (requests, access) = (column("requests"), column("access"));
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = text.lines().map(words).collect();
        for row in rows {
            let wanted = [&row[requests], &row[access]].map(|n| grouped(n.as_u64().unwrap()));
            let found = lines.iter().any(|line| line.windows(2).any(|pair| pair == wanted));
            assert!(found, "{wanted:?} of {row} are nowhere on paper");
        }

        // The cover says what may be said of completeness, and what the file can be held against.
        let cover = text.split('\x0c').next().unwrap();
        assert!(cover.contains(grade) && cover.contains("nodes not declared"), "{cover}");
        assert!(!text.contains("Complete: proven"));
        let root = report["heading"]["root"].as_str().unwrap();
        assert!(cover.contains(root), "{root} is not on the cover");
        let pages = text.matches('\x0c').count();
        assert!(text.contains(&format!("Page {pages} of {pages}")));
    }
}

#[test]
fn the_page_leads_to_the_same_document() {
    let server = Server::start(main_recording(), &[]);
    let page = get(&server.address, "/reports/access?by=decision");
    assert!(page.body.contains("href=\"/reports/access.pdf?by=decision\""), "no link to the PDF");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.pdf");
    let script = "import sys, urllib.request as r; a = r.urlopen(sys.argv[1]); print(a.headers['content-type']); open(sys.argv[2], 'wb').write(a.read())";
    let url = format!("http://{}/reports/access.pdf?by=decision", server.address);
    let asked = Run::of(python().args(["-c", script, &url]).arg(&file)).expect(0);
    assert_eq!(asked.text().trim(), "application/pdf");
    let Some(text) = text(&file) else { return };
    assert!(text.contains("Access by decision"));
}

/// Returns the document of a pack.
fn pdf_of_pack(folder: &Path) -> std::path::PathBuf {
    let data = Data::new();
    data.import_as("c", "node-1", [fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let whole = pack(&data, folder, "pack.zip", &[]);
    let script = "import sys, zipfile; open(sys.argv[2], 'wb').write(zipfile.ZipFile(sys.argv[1]).read('payload/report.pdf'))";
    let file = folder.join("pack.pdf");
    Run::of(python().args(["-c", script]).arg(whole).arg(&file)).expect(0);
    file
}

#[test]
fn a_packs_document_has_a_chapter_for_each_report() {
    let folder = tempfile::tempdir().unwrap();
    let Some(text) = text(&pdf_of_pack(folder.path())) else { return };
    for title in [
        "Access by identity",
        "Access by path",
        "Access by decision",
        "Access review",
        "Privileged and root use",
        "Change register",
        "Joiners, leavers, movers",
        "Credentials and leases",
        "Log assurance",
        "Access to the trail",
    ] {
        let count = text.matches(&format!("Report: {title}")).count();
        assert_eq!(count, 2, "{title}: among the contents and above the chapter");
    }
    // What controls found has chapters of its own, and stands there once.
    assert!(!text.contains("Report: Detections"));
    assert!(text.contains("reports/privileged/use.csv"), "which file has all rows is said");
}

#[test]
fn archives_and_readers_who_cannot_see_it_are_served() {
    if !real_servers_are_wanted() {
        return;
    }
    let validator = std::env::var_os("KEYTRAIL_VERAPDF");
    let validator =
        validator.expect("KEYTRAIL_VERAPDF names no veraPDF: `cargo xtask test --full`");
    let folder = tempfile::tempdir().unwrap();
    let asked: [(&str, &[&str]); 2] =
        [("identity", &[]), ("path", &["--scope", "path:secret/data/my-app/**"])];
    let reports = asked.map(|(by, more)| pdf(folder.path(), by, more));
    for file in reports.into_iter().chain([pdf_of_pack(folder.path())]) {
        for standard in ["3a", "ua1"] {
            let mut java = Command::new("java");
            java.arg("-cp").arg(Path::new(&validator).join("*"));
            java.args(["org.verapdf.apps.GreenfieldCliWrapper", "--flavour", standard]);
            let found = Run::of(java.args(["--format", "text"]).arg(&file)).expect(0);
            assert!(
                found.text().starts_with("PASS"),
                "{standard}, {}: {}",
                file.display(),
                found.text()
            );
        }
    }
}
