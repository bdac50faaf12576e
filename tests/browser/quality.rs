//! What every page keeps: no barrier, no complaint of the browser, nothing that jumps, little to load.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Site;
use crate::util::{Browser, DEADLINE, ENTER, Run, Scripts, fixture_text, keytrail, pair, until};

#[test]
fn every_page_is_open_to_everybody_and_the_browser_has_nothing_against_it() {
    let site = Site::of_recording();
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    let mut wrong = Vec::new();
    let door = shut();
    let pages = site.pages().into_iter().map(|(name, page)| (name, site.url(&page)));
    let inside = ["/settings", "/settings/trail"].map(|page| (page, door.url(page)));
    for (name, page) in pages.chain([("sign-in", door.url("/sign-in"))]).chain(inside) {
        if name == "/settings" {
            enter(&browser, &door);
        }
        for (width, dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
            browser.looks(width, dark);
            browser.go(&page);
            let look = format!("{name}, {width} px, {}", if dark { "dark" } else { "light" });
            wrong
                .extend(browser.barriers().into_iter().map(|barrier| format!("{look}: {barrier}")));
            // Tables scroll within their own regions, the page does not.
            let wide = browser.run("return document.documentElement.scrollWidth");
            if wide.as_u64() > Some(width.into()) {
                wrong.push(format!("{look}: the page is {wide} wide"));
            }
            let jumps = browser.run_async(
                "const done = arguments[arguments.length - 1];
                 let sum = 0;
                 new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; })
                     .observe({type: 'layout-shift', buffered: true});
                 requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));",
            );
            if jumps.as_f64() != Some(0.0) {
                wrong.push(format!("{look}: it jumps by {jumps}"));
            }
            let complaints = browser.complaints();
            // A page that says 400, 401 or 404 is told of by the browser, and is as it should be.
            let meant =
                |line: &String| line.contains("Failed to load resource") && line.contains(&page);
            let others = complaints.into_iter().filter(|line| !meant(line));
            wrong.extend(others.map(|line| format!("{look}: the browser says {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PASSWORD: &str = "correct horse battery";

/// A keytrail that wants a sign-in, of an admin.
fn shut() -> Site {
    let site = Site::of_lines(&pair("a", "secret/data/x", 0));
    let password = site.folder().join("password");
    fs::write(&password, PASSWORD).unwrap();
    let mut add = keytrail();
    add.args(["user", "add", "ann", "--role", "admin", "--password-stdin", "-d"]);
    add.arg(site.data.path()).stdin(fs::File::open(&password).unwrap());
    Run::of(&mut add).expect(0);
    site
}

/// Signs the admin in.
fn enter(browser: &Browser, door: &Site) {
    browser.go(&door.url("/sign-in?next=%2Fsettings"));
    browser.click("input[name=name]");
    browser.keys("ann");
    browser.click("input[name=password]");
    browser.keys(PASSWORD);
    browser.keys(ENTER);
    until("the settings", DEADLINE, || browser.url().ends_with("/settings").then_some(()));
}

#[test]
fn a_cold_page_is_light() {
    let site = Site::of_recording();
    let mut heavy = Vec::new();
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    browser.forgets();
    for (name, page) in site.pages() {
        browser.go(&site.url(&page));
        let loaded = browser.run(
            "return performance.getEntries()
                 .filter((entry) => entry.entryType === 'navigation' || entry.entryType === 'resource')
                 .map((entry) => [entry.name, entry.transferSize])",
        );
        let loaded: Vec<(String, u64)> = serde_json::from_value(loaded).expect("names and sizes");
        let sum = |ends: &dyn Fn(&str) -> bool| -> u64 {
            loaded.iter().filter(|(name, _)| ends(name)).map(|(_, bytes)| bytes).sum()
        };
        let is_asset = |name: &str| name.contains("/static/");
        let html = sum(&|name| !is_asset(name));
        let css = sum(&|name| name.ends_with(".css"));
        let scripts = sum(&|name| name.ends_with(".js"));
        let all = sum(&|_| true);
        if html > 40 << 10 || css > 12 << 10 || scripts > 15 << 10 || all > 100 << 10 {
            heavy.push(format!("{name}: {html} HTML, {css} CSS, {scripts} scripts, {all} in all"));
        }
        assert!(html > 0 && css > 0, "{name}: {loaded:?}");
    }
    assert!(heavy.is_empty(), "{}", heavy.join("\n"));
}

/// `cargo xtask screenshots` has it keep the pictures, in the folder that KEYTRAIL_SCREENSHOTS names.
#[test]
fn every_page_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("KEYTRAIL_SCREENSHOTS").map(PathBuf::from);
    let pictures = kept.as_deref().unwrap_or(folder.path());
    // As it was recorded, times and all.
    let lines = ["audit.jsonl.1.gz", "audit.jsonl.gz"]
        .map(|name| fixture_text(&format!("openbao-2.7.2/{name}")));
    let site = Site::of_lines(&lines.concat());
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    let door = shut();
    let pages = site.pages().into_iter().map(|(name, page)| (name, site.url(&page)));
    let inside = ("users", door.url("/settings"));
    for (name, page) in pages.chain([("sign-in", door.url("/sign-in")), inside]) {
        if name == "users" {
            enter(&browser, &door);
        }
        for (scheme, dark) in [("light", false), ("dark", true)] {
            browser.looks(1280, dark);
            browser.go(&page);
            let picture = BASE64_STANDARD.decode(browser.picture()).unwrap();
            assert!(picture.starts_with(b"RIFF") && picture.len() > 4_000, "{name} is empty");
            fs::write(pictures.join(format!("{name}-{scheme}.webp")), picture).unwrap();
        }
    }
}
