//! What scripts add: keys, the drawer, the brush, completion, the live tail.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::json;

use super::Site;
use crate::util::{Browser, DEADLINE, DOWN, Data, ENTER, ESCAPE, Scripts, Server, pair, until};

#[test]
fn keys_walk_the_rows_and_the_pages() {
    let site = Site::of_recording();
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    browser.go(&site.url("/explore?q=decision%3Adenied"));
    browser.keys("jj");
    browser.wait(
        "the second row",
        "return document.activeElement === document.querySelectorAll('.when a')[1]",
    );
    browser.keys("o");
    browser.wait("the drawer", "return Boolean(document.querySelector('#drawer[open] h1'))");
    // Letters work in it too, on what has the focus.
    browser.tab_to("#drawer [data-narrow=for][href*='path%3A']");
    let path = browser.run("return document.activeElement.textContent");
    browser.keys(ESCAPE);
    browser.wait("it closes", "return !document.querySelector('#drawer').open");
    browser.wait(
        "back at the row",
        "return document.activeElement === document.querySelectorAll('.when a')[1]",
    );
    browser.keys("o");
    browser.wait("the drawer", "return Boolean(document.querySelector('#drawer[open] h1'))");
    browser.tab_to("#drawer [data-narrow=for][href*='path%3A']");
    browser.keys("x");
    browser.wait("left out", "return location.search.includes('-path%3A')");
    let shown = browser
        .run("return [...document.querySelectorAll('.what bdi')].map((path) => path.textContent)");
    assert!(!shown.as_array().unwrap().is_empty() && !shown.as_array().unwrap().contains(&path));

    browser.keys("/");
    browser.wait("the filter", "return document.activeElement.name === 'q'");
    // In a field letters are letters.
    browser.keys("gi?");
    assert_eq!(browser.run("return location.pathname"), json!("/explore"));
    browser.keys(ESCAPE);
    browser.run("document.activeElement.blur()");
    browser.keys("?");
    browser.wait("the sheet", "return document.getElementById('keys').open");
    browser.click("#keys-off");
    browser.keys(ESCAPE);
    browser.keys("gi");
    assert_eq!(browser.run("return location.pathname"), json!("/explore"), "keys are off");
    browser.click("#keys-open");
    browser.click("#keys-off");
    browser.keys(ESCAPE);
    browser.keys("gi");
    browser.wait("identities", "return location.pathname === '/identities'");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_stretch_of_the_histogram_is_drawn_with_the_pointer() {
    let site = Site::of_recording();
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    for page in ["/explore?q=decision%3Adenied", "/"] {
        browser.looks(1280, false);
        browser.go(&site.url(page));
        let bars = "[...document.querySelectorAll('.chart svg')[0].querySelectorAll('a')]";
        let place = |at: usize| {
            let script = format!(
                "const box = {bars}[{at}].querySelector('.hit').getBoundingClientRect();
                 return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)]"
            );
            serde_json::from_value::<(i64, i64)>(browser.run(&script)).expect("a place")
        };
        browser.run("document.querySelector('.chart svg').scrollIntoView({block: 'center'})");
        let ends = browser.run(&format!(
            "const of = (at) => new URL({bars}[at].getAttribute('href'), location.href).searchParams;
             return [of(2).get('from'), of(8).get('to')]"
        ));
        browser.drag(place(8), place(2));
        browser.wait(
            "the stretch",
            "return location.pathname === '/explore' && location.search.includes('to=')",
        );
        let chosen = browser.run("const of = new URLSearchParams(location.search); return [of.get('from'), of.get('to')]");
        assert_eq!(chosen, ends, "{page}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_filter_is_completed() {
    let site = Site::of_recording();
    let Some(browser) = Browser::start(Scripts::On, &site.downloads()) else { return };
    browser.go(&site.url("/explore"));
    browser.click("input[name=q]");
    let options = "return [...document.querySelectorAll('#completion li code')].map((one) => one.textContent)";
    let type_and_wait = |keys: &str, expected: &str| {
        browser.keys(keys);
        until(expected, DEADLINE, || (browser.run(options)[0] == expected).then_some(()));
    };
    type_and_wait("decis", "decision:");
    browser.keys(DOWN);
    browser.keys(ENTER);
    type_and_wait("de", "decision:denied");
    browser.keys(DOWN);
    browser.keys(ENTER);
    let value = || browser.run("return document.querySelector('input[name=q]').value");
    assert_eq!(value(), json!("decision:denied "));
    type_and_wait("-op:read,li", "op:list");
    browser.keys(DOWN);
    browser.keys(ENTER);
    assert_eq!(value(), json!("decision:denied -op:read,list "));
    assert_eq!(
        browser.run("return document.querySelector('input[name=q]').getAttribute('aria-expanded')"),
        json!("false")
    );
    browser.keys(ENTER);
    browser.wait("the answer", "return location.search.includes('-op%3Aread%2Clist')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_live_tail_shows_what_comes_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    std::fs::write(&log, pair("a", "secret/data/first", 0)).unwrap();
    let data = Data::new();
    let server = Server::follow(&data, &log);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    let Some(browser) = Browser::start(Scripts::On, folder.path()) else { return };
    let write = |id: &str, path: &str, at: i64| {
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(pair(id, path, at).as_bytes()).unwrap();
    };
    browser.go(&format!("http://{}/live?q=path%3Asecret%2F**", server.address));
    // The pointer rests nowhere above the rows, which would hold them back.
    browser.drag((2, 2), (3, 3));
    assert!(browser.text("#live tbody").contains("secret/data/first"));
    let paths = || {
        browser.run("return [...document.querySelectorAll('#live .what bdi')].map((one) => one.textContent)")
    };
    write("b", "secret/data/second", 1_000);
    until("the second", DEADLINE, || {
        (paths() == json!(["secret/data/second", "secret/data/first"])).then_some(())
    });
    browser.wait(
        "its verdict",
        "return document.querySelector('#live .verdict').textContent.includes('allowed')",
    );
    // What does not fit is not shown; what fits has its drawer.
    write("c", "sys/other", 2_000);
    browser.click("#live-pause");
    write("d", "secret/data/third", 3_000);
    browser.wait(
        "it is told",
        "return document.getElementById('live-fresh').textContent === '1 new, show'",
    );
    assert_eq!(paths().as_array().unwrap().len(), 2, "nothing moves while it is paused");
    browser.click("#live-fresh");
    until("the third", DEADLINE, || (paths().as_array().unwrap().len() == 3).then_some(()));
    browser.click("#live .when a");
    browser.wait("the drawer", "return Boolean(document.querySelector('#drawer[open] h1'))");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
