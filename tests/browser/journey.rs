//! One way through the product, by keyboard alone, with scripts and without: what an auditor's question takes.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::Site;
use crate::util::{Browser, DEADLINE, ENTER, Run, Scripts, keytrail, until};

const PASSWORD: &str = "correct horse battery";

#[test]
fn by_keyboard_alone_from_the_door_to_an_export() {
    journey(Scripts::On);
}

#[test]
fn by_keyboard_alone_and_without_scripts() {
    journey(Scripts::Off);
}

/// Find the denied reads of one identity in the last day, open one, see its lines and their proof, go to the path, freeze
/// the link, export it, sign out.
fn journey(scripts: Scripts) {
    let site = Site::of_recording();
    let password = site.folder().join("password");
    writeln!(fs::File::create(&password).unwrap(), "{PASSWORD}").unwrap();
    let mut add = keytrail();
    add.args(["user", "add", "ann", "--role", "analyst", "--password-stdin", "-d"]);
    add.arg(site.data.path()).stdin(Stdio::from(fs::File::open(&password).unwrap()));
    Run::of(&mut add).expect(0);
    let downloads = site.downloads();
    let Some(browser) = Browser::start(scripts, &downloads) else { return };
    let enter = |selector: &str| {
        let before = browser.url();
        browser.tab_to(selector);
        browser.keys(ENTER);
        before
    };
    let follow = |selector: &str| {
        let before = enter(selector);
        until(selector, DEADLINE, || (browser.url() != before).then_some(()));
    };

    browser.go(&site.url("/identities"));
    browser.tab_to("input[name=name]");
    browser.keys("ann");
    browser.tab_to("input[name=password]");
    browser.keys(PASSWORD);
    browser.keys(ENTER);
    // The page that was asked for comes after the door.
    until("an answer", DEADLINE, || (!browser.has("input[name=password]")).then_some(()));
    assert!(browser.has("table.subjects"), "{}", browser.text("body"));
    assert!(browser.url().ends_with("/identities"), "{}", browser.url());

    let someone = &site.data.search("identity:my-app/my-app")[0];
    let key = super::encoded(&super::word(&someone["identity"], "key"));
    follow(&format!("a[href='/identity/{key}']"));
    follow("a[href$='span=24h']");
    follow("a.tile[href*='decision%3Adenied']");
    follow(".facets a[href*='action%3Asecret.read']");
    let found = browser.text(".explore h2");
    let expected = site.data.total("identity:my-app/my-app decision:denied action:secret.read");
    assert_eq!(found, format!("{expected} events"));
    let answer = browser.url();

    // One of them, its lines and their proof.
    if scripts == Scripts::On {
        enter("table.events .when a");
        until("the drawer", DEADLINE, || browser.has("#drawer[open] .raw").then_some(()));
        assert_eq!(browser.url(), answer, "the rows stay");
        follow("#drawer .whole");
    } else {
        follow("table.events .when a");
    }
    let event = browser.url();
    assert!(browser.text(".raw").contains("hmac-sha256:"), "{}", browser.text(".raw"));
    follow("a[href^='/api/v1/proofs/leaf/']");
    assert!(browser.text("body").contains("keytrail/"), "{}", browser.text("body"));
    browser.go(&event);

    // The path, and all that was refused of it.
    follow("h1.sentence code a");
    assert!(browser.url().contains("/path/"), "{}", browser.url());
    follow("a.tile[href*='decision%3Adenied']");
    let count = browser.text(".explore h2");
    follow("[data-frozen]");
    let frozen = browser.url();
    assert!(frozen.contains("&at="), "{frozen}");
    assert_eq!(browser.text(".explore h2"), count);
    assert!(browser.text("#main").contains("Frozen at leaf"));

    enter("a[href^='/explore.csv']");
    let (csv, _) = until("the file", DEADLINE, || {
        let text = fs::read_to_string(downloads.join("keytrail-events.csv")).ok()?;
        (!text.is_empty()).then_some(text)
    });
    let rows = csv.lines().count() as u64 - 1;
    assert_eq!(count, if rows == 1 { "1 event".to_owned() } else { format!("{rows} events") });

    follow("form[action^='/sign-out'] button");
    assert!(browser.url().contains("/sign-in"), "{}", browser.url());
    browser.go(&frozen);
    assert!(browser.has("form[action^='/sign-in']"), "the door is shut");
}
