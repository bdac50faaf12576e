//! The pages in a real browser with scripts switched off: they load, they show something, and the
//! browser has nothing to say against them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::util::{Data, Run, Server, fixture, missing_tool};

/// Makes a profile in which sites may not run scripts. The switch `--blink-settings=scriptEnabled=false`
/// will not do: it silences `--dump-dom` and `--screenshot` too.
fn profile(folder: &Path) {
    let settings = r#"{"profile":{"default_content_setting_values":{"javascript":2}}}"#;
    fs::create_dir_all(folder.join("Default")).unwrap();
    fs::write(folder.join("Default/Preferences"), settings).unwrap();
}

fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--enable-logging=stderr", "--v=0", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

#[test]
fn pages_load_without_scripts() {
    if missing_tool(&Command::new("chromium"), "install chromium") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profile_folder = folder.path().join("profile");
    profile(&profile_folder);

    // The browser does as it was told.
    let scripted = folder.path().join("scripted.html");
    fs::write(&scripted, "<p id=a>off</p><script>a.textContent='on'</script>").unwrap();
    let dom = Run::of(chromium(&profile_folder).arg("--dump-dom").arg(&scripted)).expect(0);
    assert!(dom.text().contains(">off<"), "scripts are not off:\n{}", dom.text());

    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let server = Server::start(&data, &[]);
    let denied = data.search("path:secret/data/other/x");
    let uid = denied[0]["uid"].as_str().unwrap();
    for (name, page, shows) in [
        ("start", "/".to_owned(), "keytrail"),
        ("explore", "/explore".to_owned(), "secret/data/my-app/s-2"),
        ("filtered", "/explore?q=decision%3Adenied".to_owned(), "secret/data/other/x"),
        ("event", format!("/event/{uid}"), "secret/data/other/x"),
        ("identities", "/identities".to_owned(), "alice"),
        ("path", "/path/secret%2Fdata%2Fother%2Fx".to_owned(), "Who asked for it"),
        ("integrity", "/integrity".to_owned(), "Newest checkpoint"),
        ("sources", "/sources".to_owned(), "no gap seen"),
        ("report", "/reports/access".to_owned(), "CC6.1"),
    ] {
        let url = format!("http://{}{page}", server.address);
        let dom = Run::of(chromium(&profile_folder).arg("--dump-dom").arg(&url)).expect(0);
        assert!(dom.text().contains(shows), "{page} does not show {shows:?}:\n{}", dom.text());
        let complaints: Vec<&str> = dom
            .stderr
            .lines()
            .filter(|line| {
                ["Content Security Policy", "Refused to", "CONSOLE"]
                    .iter()
                    .any(|word| line.contains(word))
            })
            .collect();
        assert!(complaints.is_empty(), "{page}:\n{}", complaints.join("\n"));

        let picture = folder.path().join(format!("{name}.png"));
        let screenshot = format!("--screenshot={}", picture.display());
        Run::of(chromium(&profile_folder).arg(screenshot).arg(&url)).expect(0);
        let bytes = fs::read(&picture).unwrap_or_else(|error| panic!("no picture: {error}"));
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 8_000,
            "the picture of {page} is empty: {} bytes",
            bytes.len()
        );
    }
}
