//! What an attacker writes into the log is text, wherever it is shown.

use serde_json::{Value, json};

use super::{Site, encoded};
use crate::util::{Browser, Run, Scripts, keytrail, python};

/// Values that mean something to a page, an address, a terminal, a sheet or an eye.
fn hostile() -> Vec<String> {
    [
        "<script>document.title='owned'</script>",
        "<img src=x onerror=document.title='owned'>",
        "\"><svg onload=document.title='owned'>",
        "' autofocus onfocus='document.title=1",
        "javascript:document.title='owned'",
        "{{7*7}} {% block main %} ${7*7}",
        "=HYPERLINK(\"http://evil.example\")",
        "+1+cmd|' /C calc'!A0",
        "\u{202e}gpj.exe\u{202c}",
        "\u{1b}[31mred\u{1b}[0m\u{7}",
        "nul\u{0}byte",
        "line\r\nbreak\u{2028}more",
        "p\u{430}yp\u{430}l",
        "&amp;&lt;&#34;",
        "%3Cscript%3E",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["x".repeat(10_000)])
    .collect()
}

/// A log in which each value stands as path, name, metadata, policy and error.
fn log() -> String {
    let event = |(at, value): (usize, &String)| {
        let auth = json!({
            "client_token": format!("hmac-sha256:{at:064}"), "accessor": format!("hmac-sha256:{:064}", at + 100),
            "display_name": value, "policies": ["default", value], "token_type": "service",
            "entity_id": format!("entity-{at}"), "metadata": {"username": value, "note": value},
            "policy_results": {"allowed": true, "granting_policies": [{"name": value, "namespace_id": "root", "type": "acl"}]},
        });
        let request = json!({
            "id": format!("request-{at}"), "operation": "read", "mount_point": "secret/", "mount_type": "kv",
            "mount_class": "secret", "namespace": {"id": "root"}, "path": format!("secret/data/{value}"),
            "remote_address": "10.0.0.7", "remote_port": 4011, "headers": {"user-agent": [value]},
        });
        let second = |second: usize| format!("2026-10-05T08:{:02}:{:02}Z", at % 60, second);
        let lines = [
            json!({"time": second(0), "type": "request", "auth": auth, "request": request}),
            json!({"time": second(1), "type": "response", "auth": auth, "request": request, "error": value,
                "response": {"data": {value: 1}}}),
        ];
        lines.map(|line| format!("{line}\n")).concat()
    };
    hostile().iter().enumerate().map(event).collect()
}

#[test]
fn pages_stay_intact() {
    let site = Site::of_lines(&log());
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    let events = site.data.search("");
    assert_eq!(events.len(), hostile().len());
    let mut pages = [
        "/",
        "/explore",
        "/identities",
        "/paths",
        "/leases",
        "/tokens",
        "/reports/access",
        "/reports/access?by=path",
        "/reports/privileged",
        "/reports/joiners-leavers",
        "/reports/credentials",
        "/live",
    ]
    .map(str::to_owned)
    .to_vec();
    for event in &events {
        pages.push(format!("/event/{}", super::word(event, "uid")));
        let key = super::word(&event["identity"], "key");
        pages.push(format!("/identity/{}", encoded(&key)));
        let path = super::word(event, "path");
        if path.len() < 1_000 {
            pages.push(format!("/path/{}", encoded(&path)));
            let quoted = path.replace('\\', "\\\\").replace('"', "\\\"");
            pages.push(format!("/explore?q={}", encoded(&format!("path:\"{quoted}\""))));
        }
    }
    let (one, other) = (super::word(&events[0], "uid"), super::word(&events[1], "uid"));
    pages.push(format!("/compare?one={one}&other={other}"));
    for page in pages {
        browser.go(&site.url(&page));
        let found = browser.run(
            "return {
                 title: document.title,
                 scripts: [...document.querySelectorAll('script')].filter((one) => !one.src.includes('/static/')).length,
                 handlers: [...document.querySelectorAll('*')].filter((one) => [...one.attributes].some((attribute) => attribute.name.startsWith('on') || attribute.name === 'style')).length,
                 foreign: [...document.querySelectorAll('[href], [src], [action]')].filter((one) => {
                     const address = one.getAttribute('href') ?? one.getAttribute('src') ?? one.getAttribute('action');
                     return !(address.startsWith('/') || address.startsWith('#') || address.startsWith('?') || address.startsWith(location.origin)) || address.startsWith('//');
                 }).map((one) => one.outerHTML.slice(0, 200)),
                 deceiving: /[\\u0000-\\u0008\\u000b-\\u001f\\u007f\\u202a-\\u202e\\u2028\\u2066-\\u2069]/.test(document.body.textContent),
                 ends: Boolean(document.querySelector('footer')),
             }",
        );
        assert!(found["title"].as_str().unwrap().ends_with("keytrail"), "{page}: {found}");
        assert_eq!(
            (
                &found["scripts"],
                &found["handlers"],
                &found["foreign"],
                &found["deceiving"],
                &found["ends"]
            ),
            (&json!(0), &json!(0), &json!([]), &json!(false), &json!(true)),
            "{page}: {found}"
        );
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn terminal_and_files_stay_intact() {
    let site = Site::of_lines(&log());
    let count = hostile().len();
    let search = |format: &str| {
        let mut command = keytrail();
        command
            .args(["search", "", "--format", format, "--limit", "0", "-d"])
            .arg(site.data.path());
        Run::of(&mut command).expect(0)
    };
    let table = search("table");
    let text = table.text();
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\0'),
        "{text:?}"
    );
    assert_eq!(search("json").json().len(), count);
    // Machines get what stands in the log; a sheet takes no cell of it for a formula.
    for csv in [
        search("csv").text().to_owned(),
        crate::util::get(&site.server.address, "/explore.csv").body,
    ] {
        let rows = records(&csv);
        assert_eq!(rows.len(), count + 1);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "each row has all columns");
        for cell in rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '@', '\t', '\r']), "{cell:?}");
            assert!(!cell.starts_with('-') || cell.parse::<f64>().is_ok(), "{cell:?}");
        }
    }
}

#[test]
fn a_workbook_holds_texts_and_says_what_it_is_of() {
    let site = Site::of_lines(&log());
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/workbook.py");
    let url = site.url("/explore.xlsx?q=path%3Asecret%2F**");
    let sheets = Run::of(python().arg(script).arg(url)).expect(0);
    let sheets: Value = serde_json::from_str(sheets.text()).unwrap();
    let [scope, events] = &sheets.as_array().unwrap()[..] else { panic!("two sheets: {sheets}") };
    let fact = |name: &str| {
        let rows = scope["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}"));
        row[1].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (fact("Filter"), fact("Events")),
        ("path:secret/**".to_owned(), hostile().len().to_string())
    );
    assert!(fact("Coverage").len() > 10);
    assert_eq!((&scope["formulas"], &events["formulas"]), (&json!(0), &json!(0)));
    let rows = events["rows"].as_array().unwrap();
    assert_eq!(rows.len(), hostile().len() + 1);
    let cells: Vec<&str> =
        rows.iter().flat_map(|row| row.as_array().unwrap()).filter_map(Value::as_str).collect();
    // Texts are what the log has, but for what deceives.
    assert!(cells.contains(&"secret/data/=HYPERLINK(\"http://evil.example\")"), "{cells:?}");
    assert!(cells.iter().any(|cell| cell.contains("\\u{202e}gpj.exe")), "{cells:?}");
    assert!(cells.iter().all(|cell| !cell.contains(['\u{202e}', '\u{1b}', '\0'])), "{cells:?}");
}

/// Reads CSV as RFC 4180 has it.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            char => cell.push(char),
        }
    }
    rows
}
