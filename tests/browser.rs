//! The pages in a real browser: they load, they show something, and the browser has nothing to say against
//! them. Their policy forbids every script, so what is seen here is seen with scripts off.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::util::{Data, Run, Server, fixture, missing_tool};

fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--enable-logging=stderr",
            "--v=0",
            "--window-size=1280,900",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

#[test]
fn pages_load_without_scripts() {
    if missing_tool(&Command::new("chromium"), "install chromium") {
        return;
    }
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let server = Server::start(&data, &[]);
    let uid = data.search("path:secret/data/other/x")[0]["uid"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    for (name, page, shows) in [
        ("start", "/".to_owned(), "keytrail"),
        ("explore", "/explore".to_owned(), "secret/data/my-app/n0-0"),
        ("filtered", "/explore?q=decision%3Adenied".to_owned(), "secret/data/other/x"),
        ("event", format!("/event/{uid}"), "secret/data/other/x"),
        ("report", "/reports/access".to_owned(), "CC6.1"),
    ] {
        let url = format!("http://{}{page}", server.address);
        let profile = folder.path().join(format!("profile-{name}"));
        let dom = Run::of(chromium(&profile).arg("--dump-dom").arg(&url)).expect(0);
        assert!(dom.text().contains(shows), "{page} does not show {shows:?}:\n{}", dom.text());
        let complaints: Vec<&str> = dom
            .stderr
            .lines()
            .filter(|line| {
                line.contains("Content Security Policy")
                    || line.contains("Refused to")
                    || line.contains("CONSOLE")
            })
            .collect();
        assert!(complaints.is_empty(), "{page}:\n{}", complaints.join("\n"));

        let picture = folder.path().join(format!("{name}.png"));
        Run::of(chromium(&profile).arg(format!("--screenshot={}", picture.display())).arg(&url))
            .expect(0);
        let bytes =
            fs::read(&picture).unwrap_or_else(|error| panic!("no picture of {page}: {error}"));
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 8_000,
            "the picture of {page} is empty: {} bytes",
            bytes.len()
        );
    }
}
