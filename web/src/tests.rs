//! The pages as a browser gets them: over a trail that was made from lines, an attacker's among them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use ingest::own::Fact;
use ingest::pipeline::import;
use ingest::source::SourceId;
use ingest::tail::Input;
use query::trail::Trail;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::app::App;
use crate::door::{Door, Reach, SignedIn};
use crate::listening::Listening;
use crate::routes::routes;

/// What an attacker may write into any field: markup, an attribute's end, a turned direction, a
/// terminal's escape.
const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' \u{202e}gpj\u{1b}[31m &amp; \\";

/// A process that has nothing to tell, and hashes nothing.
pub(crate) struct Alone {
    pub(crate) data: PathBuf,
    pub(crate) recorded: Mutex<Vec<Fact>>,
    pub(crate) provider: Mutex<Option<Provider>>,
}

/// Answers in place of a sign-in provider.
pub(crate) type Provider = Box<dyn FnMut(Request<Vec<u8>>) -> Response<Vec<u8>> + Send>;

impl Alone {
    pub(crate) fn over(data: PathBuf) -> Arc<Alone> {
        Arc::new(Alone { data, recorded: Mutex::default(), provider: Mutex::default() })
    }
}

impl crate::Host for Alone {
    fn data(&self) -> PathBuf {
        self.data.clone()
    }

    fn metrics(&self) -> String {
        "keytrail_events 1\n".to_owned()
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn verified(&self) -> Option<crate::Verified> {
        None
    }

    fn record(&self, fact: Fact) -> Result<(), String> {
        self.recorded.lock().expect("no panic").push(fact);
        Ok(())
    }

    fn hashes_of(&self, _: &str) -> Result<Vec<String>, String> {
        Err("no server is configured".to_owned())
    }

    fn ask_provider(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let mut provider = self.provider.lock().expect("no panic");
        let provider = provider.as_mut().ok_or("it is not there")?;
        Ok(provider(request))
    }

    fn answered(&self, _: &str, _: u16, _: Duration) {}
}

/// The door of a data folder, by this machine's clock.
pub(crate) fn door(data: &Path) -> Door {
    let reach = Reach::new([127, 0, 0, 1].into(), &Listening::default());
    Door::new(data.to_owned(), reach, None, &SignedIn::default(), Arc::new(jiff::Timestamp::now))
}

/// The same, by a clock that is ahead by so many seconds.
fn door_later(data: &Path, listening: &Listening, later: Arc<AtomicI64>) -> Door {
    let reach = Reach::new([127, 0, 0, 1].into(), listening);
    let now = move || {
        let later = jiff::SignedDuration::from_secs(later.load(Ordering::Relaxed));
        jiff::Timestamp::now() + later
    };
    Door::new(data.to_owned(), reach, listening.oidc.clone(), &SignedIn::default(), Arc::new(now))
}

/// A trail and the pages over it.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) host: Arc<Alone>,
    /// How many seconds its clock is ahead.
    pub(crate) later: Arc<AtomicI64>,
    _data: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    pub(crate) fn of(lines: &str) -> Site {
        let data = tempfile::tempdir().expect("a folder");
        let file = data.path().join("audit.log");
        std::fs::write(&file, lines).expect("written");
        Site::importing(data, &file, &Listening::default())
    }

    pub(crate) fn of_recording() -> Site {
        Site::reached(&Listening::default())
    }

    /// The same recording, reached otherwise.
    pub(crate) fn reached(listening: &Listening) -> Site {
        let recording = "../fixtures/openbao-2.7.2/ha/node-3.audit.jsonl.gz";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(recording);
        Site::importing(tempfile::tempdir().expect("a folder"), &file, listening)
    }

    fn importing(data: TempDir, file: &Path, listening: &Listening) -> Site {
        let folder = data.path().join("data");
        let source = SourceId::new("prod", "bao-0", "file").expect("a source");
        import(&folder, &source, &[Input::File(file.to_owned())], false, &|_| ())
            .expect("imported");
        let trail = Trail::open(&folder).expect("a trail");
        let later = Arc::new(AtomicI64::new(0));
        let door = door_later(&folder, listening, later.clone());
        let host = Alone::over(folder);
        let app = App::new(trail, Arc::clone(&host) as Arc<dyn crate::Host>, door);
        Site { router: routes(app), host, later, _data: data }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Request::get(target).header("host", "127.0.0.1:8088")).await
    }

    async fn ask(&self, request: axum::http::request::Builder) -> Answer {
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) =
            self.router.clone().oneshot(request).await.expect("an answer").into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a body");
        // Arrow is none; what can be read of it is of interest all the same.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: head.status, headers: head.headers, text }
    }
}

/// A request and its response, with what an attacker wrote in each place that he reaches.
fn hostile_pair(id: usize, allowed: bool) -> String {
    let auth = serde_json::json!({
        "client_token": format!("hmac-sha256:{}", "ab".repeat(32)),
        "accessor": format!("hmac-sha256:{}", "cd".repeat(32)),
        "display_name": HOSTILE, "entity_id": format!("entity {HOSTILE}"), "token_type": "service",
        "policies": ["default", HOSTILE], "metadata": {"username": HOSTILE, (HOSTILE): HOSTILE},
        "policy_results": {"allowed": allowed, "granting_policies": if allowed {
            serde_json::json!([{"name": HOSTILE, "type": "acl"}])
        } else {
            serde_json::json!([])
        }},
    });
    let request = serde_json::json!({
        "id": format!("id-{id} {HOSTILE}"), "operation": "read", "path": format!("secret/data/{HOSTILE}"),
        "mount_point": "secret/", "mount_type": "kv", "remote_address": "10.0.0.1",
        "headers": {"user-agent": [HOSTILE]}, "data": {(HOSTILE): HOSTILE},
    });
    let line = |kind: &str, second: usize| {
        let mut line = serde_json::json!({
            "time": format!("2026-11-24T10:{id:02}:{second:02}Z"), "type": kind,
            "auth": auth, "request": request,
        });
        if !allowed {
            line["error"] = format!("1 error occurred:\n\t* permission denied {HOSTILE}").into();
        }
        if kind == "response" {
            line["response"] =
                serde_json::json!({"mount_type": "kv", "data": {"data": {"pin": 987_654}}});
        }
        format!("{line}\n")
    };
    line("request", 1) + &line("response", 2)
}

fn hostile() -> Site {
    Site::of(&(0..3).map(|id| hostile_pair(id, id != 1)).collect::<String>())
}

/// Returns the addresses that a page's links lead to, as a browser reads them.
fn links(html: &str, prefix: &str) -> Vec<String> {
    let each = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    each.map(unescaped).filter(|href| href.starts_with(prefix)).collect()
}

fn unescaped(html: &str) -> String {
    html.replace("&#38;", "&").replace("&amp;", "&").replace("&#34;", "\"").replace("&#39;", "'")
}

/// Returns how many events the explorer says there are.
fn total(html: &str) -> u64 {
    let at = html.find(" events</h2>").or_else(|| html.find(" event</h2>")).expect("a total");
    let digits = html[..at].rsplit('>').next().expect("a heading").replace(',', "");
    digits.parse().expect("a number")
}

#[tokio::test]
async fn every_answer_has_its_policies() {
    let site = hostile();
    let css = crate::assets::href("keytrail.css").to_owned();
    for (target, status) in [
        ("/", 200),
        ("/?span=7d", 200),
        ("/?span=x", 400),
        ("/explore", 200),
        ("/explore?q=decison:x", 400),
        ("/explore?from=never", 400),
        ("/explore?page=x", 400),
        ("/explore.csv", 200),
        ("/explore.json?q=(", 400),
        ("/event/00000000000000000000000000000000", 404),
        ("/event/nonsense", 404),
        ("/identities", 200),
        ("/identities?q=decison:x", 400),
        ("/identities?page=x", 400),
        ("/identity/nobody", 404),
        ("/paths", 200),
        ("/paths?from=never", 400),
        ("/path/secret%2Fnowhere?span=7d", 404),
        ("/path/x?span=x", 400),
        ("/leases", 200),
        ("/leases?as_of=never", 400),
        ("/tokens?open=true", 200),
        ("/tokens?q=(", 400),
        ("/integrity", 200),
        ("/sources", 200),
        ("/reports", 200),
        ("/reports/changes", 200),
        ("/reports/changes?period=never", 400),
        ("/reports/changes.csv?section=none", 400),
        ("/reports/detections?scope=op:read", 400),
        ("/reports/log-assurance-heading.csv", 200),
        ("/reports/nonsense", 404),
        ("/reports/access", 200),
        ("/reports/access?by=colour", 400),
        ("/reports/access.json?tz=Mars", 400),
        ("/reports/access-heading.csv", 200),
        ("/static/0/keytrail.css", 404),
        ("/livez", 200),
        ("/readyz", 200),
        ("/elsewhere", 404),
        (&*css, 200),
    ] {
        let answer = site.get(target).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text);
        let header = |name: &str| answer.headers[name].to_str().expect("text").to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
        assert!(policy.contains("require-trusted-types-for 'script'; trusted-types 'none'"));
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        let cached = if target == css { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(header("cache-control"), cached, "{target}");
        // What the policy would refuse is not there in the first place.
        let text = &answer.text;
        for refused in ["<script", " style=", " onload='", "javascript:"] {
            let is_file = target.contains(".csv") || target.contains(".json");
            let own = text.replace("<script type=\"module\" src=\"/static/", "");
            assert!(is_file || !own.contains(refused), "{target} has {refused}");
        }
    }
}

#[tokio::test]
async fn other_hosts_and_other_methods_are_turned_away() {
    let site = hostile();
    for host in ["evil.example", "evil.example:8088", "127.0.0.1.evil.example", "10.0.0.1", ""] {
        let answer = site.ask(Request::get("/explore").header("host", host)).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!answer.text.contains("secret"));
    }
    let twice = Request::get("/").header("host", "localhost").header("host", "evil.example");
    assert_eq!(site.ask(twice).await.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(site.ask(Request::get("/")).await.status, StatusCode::MISDIRECTED_REQUEST);
    let absolute = Request::get("http://evil.example/").header("host", "localhost");
    assert_eq!(site.ask(absolute).await.status, StatusCode::MISDIRECTED_REQUEST);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = Request::builder().method(method).uri("/").header("host", "localhost");
        assert_eq!(site.ask(request).await.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let head = Request::head("/").header("host", "localhost:1");
    assert_eq!(site.ask(head).await.status, StatusCode::OK);
    let long = format!("/explore?q={}", "a".repeat(40_000));
    assert_eq!(site.get(&long).await.status, StatusCode::URI_TOO_LONG);
    let filter = format!("/explore?q={}", "a".repeat(9_000));
    assert_eq!(site.get(&filter).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_typo_is_shown_at_its_place_and_the_box_keeps_it() {
    let site = hostile();
    let page = site.get("/explore?q=decison:denied+%22a%22%3Cb%3E&from=-7d").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let text = unescaped(&page.text);
    assert!(text.contains("\n^^^^^^^\n"), "{text}");
    assert!(text.contains("did you mean \"decision\"?"), "{text}");
    assert!(page.text.contains("value=\"decison:denied &#34;a&#34;&#60;b&#62;\""), "{}", page.text);
    // The correction is one click away, and the stretch of time stays.
    let page = site.get("/explore?q=decison:denied&from=-7d").await;
    let meant = links(&page.text, "/explore?q=decision%3Adenied&from=-7d");
    assert_eq!(site.get(&meant[0]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_attacker_wrote_is_only_text() {
    let site = hostile();
    let explore = site.get("/explore").await;
    let event = links(&explore.text, "/event/");
    let identity = links(&site.get("/identities").await.text, "/identity/").remove(0);
    let path = links(&site.get("/paths").await.text, "/path/").remove(0);
    let targets = [
        "/",
        "/explore",
        "/identities",
        &identity,
        "/paths",
        &path,
        "/reports/access",
        "/reports/access?by=path",
        &event[0],
    ];
    for target in targets {
        let page = site.get(target).await;
        assert_eq!(page.status, StatusCode::OK, "{target}");
        assert!(page.text.contains("&#60;script&#62;"), "{target} shows the value");
        for raw in ["<script", "\u{202e}", "\u{1b}", "987654"] {
            let own = page.text.replace("<script type=\"module\" src=\"/static/", "");
            assert!(!own.contains(raw), "{target} has {raw:?}");
        }
        assert!(page.text.contains("\\u{202e}gpj"), "{target} makes the direction visible");
        // No value ends an attribute: each tag's attributes are those that templates write.
        assert!(!page.text.contains("onload='"), "{target}");
    }
}

#[tokio::test]
async fn every_link_asks_what_it_says() {
    let site = hostile();
    // Each facet's count is the number of rows behind its link; the same for the tiles' links.
    let explore = site.get("/explore?q=decision:allowed").await;
    assert_eq!(total(&explore.text), 2);
    let event = links(&explore.text, "/event/").remove(0);
    for target in ["/explore?q=decision:allowed", "/", &event, "/reports/access?by=path"] {
        let page = site.get(target).await;
        let links = links(&page.text, "/explore?");
        assert!(!links.is_empty(), "{target}");
        for link in links {
            let answer = site.get(&link).await;
            assert_eq!(answer.status, StatusCode::OK, "{target} -> {link}");
        }
    }
    let facets = explore.text.split("class=\"card facets\"").nth(1).expect("facets");
    for row in facets.split("<li>").skip(1) {
        let count: u64 = row
            .split("num soft\">")
            .nth(1)
            .and_then(|rest| rest.split('<').next())
            .and_then(|count| count.parse().ok())
            .expect("a count");
        let Some(link) = links(row, "/explore?").into_iter().next() else { continue };
        assert_eq!(total(&site.get(&link).await.text), count, "{link}");
    }
}

/// What stands in a tile or a cell that leads somewhere: where, and the count.
fn counts(html: &str) -> Vec<(String, u64)> {
    let number = |text: &str| text.split('<').next()?.replace(',', "").parse().ok();
    let all = |before: &str, inside: &str| -> Vec<(String, u64)> {
        let anchors = html.split(before).skip(1).filter(|anchor| anchor.starts_with("/explore?"));
        let counted = |anchor: &str| {
            let count = number(anchor.split(inside).nth(1)?)?;
            Some((unescaped(anchor.split('"').next()?), count))
        };
        anchors.filter_map(counted).collect()
    };
    [all("class=\"tile\" href=\"", "class=\"figure\">"), all("\"num\"><a href=\"", "<bdi>")]
        .concat()
}

#[tokio::test]
async fn every_number_of_an_identity_and_a_path_is_that_of_its_link() {
    let site = Site::of_recording();
    for (list, page) in [("/identities", "/identity/"), ("/paths", "/path/")] {
        let all = site.get(list).await;
        let pages = links(&all.text, page);
        assert!(!pages.is_empty(), "{list}");
        let of_page = site.get(&format!("{}?span=all", pages[0])).await;
        assert_eq!(of_page.status, StatusCode::OK, "{}", pages[0]);
        for (name, text) in [(list, &all.text), (&*pages[0], &of_page.text)] {
            let counts = counts(text);
            assert!(counts.len() > 5, "{name} has {} numbers", counts.len());
            for (href, count) in counts {
                assert_eq!(total_or_none(&site.get(&href).await.text), count, "{name} -> {href}");
            }
        }
        // The list's row and the page's tile say the same.
        let first = counts(&all.text)[0].1;
        assert_eq!(counts(&of_page.text)[0].1, first, "{}", pages[0]);
    }
}

/// Returns how many events the explorer says there are, none included.
fn total_or_none(html: &str) -> u64 {
    if html.contains("<h2>0 events</h2>") { 0 } else { total(html) }
}

/// Returns the marks of charts that lead to requests: the address and how many there are said to be.
fn marks(html: &str) -> Vec<(String, u64)> {
    let tags = html.split("<a href=\"").skip(1).filter_map(|rest| rest.split_once('>'));
    let mark = |tag: &str| {
        let (href, rest) = tag.split_once('"')?;
        let label = rest.strip_prefix(" aria-label=\"")?.strip_suffix('"')?;
        let (said, _) = label.rsplit_once(" request")?;
        let count = said.rsplit(": ").next()?.replace(',', "").parse().ok()?;
        Some((unescaped(href), count))
    };
    tags.filter_map(|(tag, _)| mark(tag)).collect()
}

#[tokio::test]
async fn every_mark_of_a_chart_leads_to_as_many_requests() {
    for site in [Site::of_recording(), hostile()] {
        let overview = site.get("/?span=all").await.text;
        assert!(!overview.contains(" style="), "the policy of the pages allows no styles");
        let marks = marks(&overview);
        // Of each of heat map, flow and matrix.
        assert!(marks.iter().any(|(href, _)| href.starts_with("/explore?from=")));
        assert!(marks.iter().any(|(href, _)| href.contains("kind%3A")), "{marks:?}");
        assert!(marks.iter().any(|(href, _)| href.contains("path%3A")), "{marks:?}");
        for (href, count) in marks.into_iter().filter(|mark| mark.1 > 0) {
            assert_eq!(total(&site.get(&href).await.text), count, "{href}");
        }
    }
}

#[tokio::test]
async fn before_the_first_event_and_after_the_last_of_an_import_is_no_data() {
    let overview = hostile().get("/?span=all").await.text;
    // Events are of 10:00 to 10:02; bars of five seconds go on for two minutes and a half at least.
    let bar = |from: &str| {
        let labels = overview.split("aria-label=\"").skip(1);
        labels.filter_map(|rest| rest.split('"').next()).find(|label| label.starts_with(from))
    };
    assert_eq!(
        bar("2026-11-24 10:00:00"),
        Some("2026-11-24 10:00:00: 1 allowed, 0 denied, 0 unknown")
    );
    assert_eq!(
        bar("2026-11-24 10:00:30"),
        Some("2026-11-24 10:00:30: 0 allowed, 0 denied, 0 unknown")
    );
    assert_eq!(bar("2026-11-24 09:59:55"), Some("2026-11-24 09:59:55: no data"));
    // The heat map says the same of hours.
    assert!(overview.contains("Tue 10:00: 3 requests"));
    assert!(overview.contains("Tue 11:00: outside of the time shown"));
}

#[tokio::test]
async fn a_source_shows_its_days() {
    let overview = hostile().get("/").await.text;
    let days = ["2026-11-23: no data, 0 lines", "2026-11-24: not proven, 6 lines"];
    assert!(days.iter().all(|day| overview.contains(day)), "{overview}");
    assert!(overview.contains("90 days since 2026-08-27: 1 not proven, 89 no data."));
    assert!(overview.contains("<td>2026-08-27 to 2026-11-23</td><td>no data</td>"));
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    let site = Site::of(
        &(0..130)
            .map(|id| hostile_pair(id % 60, true).replace("id-", &format!("id-{id}-")))
            .collect::<String>(),
    );
    let mut target = Some("/explore?q=decision:allowed&from=2026-11-24&to=2026-11-25".to_owned());
    let mut seen = Vec::new();
    while let Some(page) = target {
        let page = site.get(&page).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(total(&page.text), 130);
        seen.extend(links(&page.text, "/event/"));
        let older = page.text.split("button plain\" href=\"").nth(1);
        target = older.and_then(|rest| rest.split('"').next()).map(unescaped);
    }
    assert_eq!(seen.len(), 130);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 130);
    // A token belongs to its question.
    let page = site.get("/explore").await;
    let token =
        page.text.split("page=").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let other = site.get(&format!("/explore?q=decision:allowed&page={token}")).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn exports_hold_what_the_page_counts() {
    let site = Site::of_recording();
    let counted = total(&site.get("/explore").await.text);
    let all = total(&site.get("/explore?all=1").await.text);
    assert!(counted > 10 && all > counted, "{counted} of {all}");
    let csv = site.get("/explore.csv").await;
    assert_eq!(csv.text.lines().count() as u64, counted + 1);
    assert_eq!(csv.headers["keytrail-matched"], counted.to_string());
    assert!(csv.headers["keytrail-left-out"].to_str().expect("text").contains("forwarded="));
    let json = site.get("/explore.json?all=1").await;
    let mut uids = Vec::new();
    for line in json.text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event a line");
        uids.push(event["uid"].as_str().expect("a uid").to_owned());
    }
    assert_eq!(uids.len() as u64, all);
    for uid in uids {
        assert_eq!(site.get(&format!("/event/{uid}")).await.status, StatusCode::OK, "{uid}");
        let event = site.get(&format!("/event/{uid}.json")).await;
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&event.text).expect("JSON")["uid"],
            uid
        );
    }
    let report = site.get("/reports/access.json?by=decision").await;
    let report: serde_json::Value = serde_json::from_str(&report.text).expect("a report");
    assert_eq!(report["totals"]["requests"], counted);
}

#[tokio::test]
async fn a_trail_without_events_says_how_to_begin() {
    let page = Site::of("not a line of an audit log\n").get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Waiting for the first line"), "{}", page.text);
    assert!(page.text.contains("1 line has been taken in"), "{}", page.text);
    assert!(page.text.contains("vault audit enable file"));
}

#[tokio::test]
async fn beyond_this_machine_only_users_are_served_by_tls() {
    let site = hostile();
    let proxies = vec!["10.0.0.7/32".parse().expect("a network")];
    let hosts = vec!["keytrail.example".to_owned()];
    for (listening, address, says) in [
        (Listening::default(), "0.0.0.0:0", "[tls]"),
        (Listening { proxies: proxies.clone(), ..Listening::default() }, "0.0.0.0:0", "hosts"),
        (
            Listening { proxies: proxies.clone(), hosts, ..Listening::default() },
            "0.0.0.0:0",
            "user",
        ),
        // Behind a proxy this machine's address is reached by others.
        (Listening { proxies, ..Listening::default() }, "127.0.0.1:0", "user add"),
    ] {
        let listener = tokio::net::TcpListener::bind(address).await.expect("a port");
        let trail = Trail::open(&site.host.data).expect("a trail");
        let served =
            crate::serve(listener, trail, site.host.clone(), listening, &SignedIn::default()).await;
        let refused = served.expect_err("refused").to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn a_frozen_answer_is_the_same_later() {
    let site = hostile();
    let page = site.get("/explore?q=decision:allowed").await;
    let frozen = links(&page.text, "/explore?q=decision%3Aallowed&at=").remove(0);
    let answer = site.get(&frozen).await;
    assert_eq!(total(&answer.text), total(&page.text));
    assert!(answer.text.contains("Frozen at leaf"), "{}", answer.text);
    // As of an earlier leaf less was known.
    let earlier = site.get("/explore?q=decision:allowed&at=1").await;
    assert!(earlier.text.contains("No event fits"), "{}", earlier.text);
    // Files of a frozen page are as of its leaf.
    let csv = links(&earlier.text, "/explore.csv?").remove(0);
    assert!(csv.contains("at=1"), "{csv}");
    assert_eq!(site.get(&csv).await.text.lines().count(), 1);
    assert_eq!(site.get("/explore?at=tomorrow").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_zone_is_named_and_kept() {
    let site = hostile();
    for page in [
        "/",
        "/explore",
        "/identities",
        "/paths",
        "/leases",
        "/reports/access",
        "/reports",
        "/reports/changes",
    ] {
        let page = format!("{page}?tz=Asia/Kathmandu");
        let answer = site.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        let lost: Vec<String> = links(&answer.text, "/")
            .into_iter()
            .filter(|link| !link.contains("tz=Asia%2FKathmandu"))
            .filter(|link| {
                !["/static/", "/api/", "/reports/access.", "/reports/access-"]
                    .iter()
                    .any(|file| link.starts_with(file))
                    && ![".csv", ".json", ".xlsx", ".pdf"].iter().any(|file| link.contains(file))
            })
            .collect();
        assert!(lost.is_empty(), "{page} loses its zone at {lost:?}");
        assert!(answer.text.contains("those of Asia/Kathmandu"), "{page}");
    }
    let explore = site.get("/explore?tz=Asia/Kathmandu").await;
    // 10:00 UTC.
    assert!(explore.text.contains("2026-11-24 15:4") && explore.text.contains(" +05:45"));
    assert_eq!(site.get("/explore?tz=Mars").await.status, StatusCode::BAD_REQUEST);
    // A date is that zone's.
    let day = site.get("/explore?tz=Pacific/Kiritimati&from=2026-11-25").await;
    assert!(total(&day.text) > 0, "14 hours ahead it was the 25th");
    assert!(site.get("/explore?from=2026-11-25").await.text.contains("No event fits"));
}

#[tokio::test]
async fn a_view_is_saved_by_name_and_forgotten() {
    let site = hostile();
    let post = |target: &str, form: &'static str| {
        let request = Request::post(target.to_owned()).header("host", "127.0.0.1:8088");
        site.send(request.body(Body::from(form)).expect("a request"))
    };
    let saved = post("/explore/views", "name=Mine+%3Cb%3E&q=decision%3Aallowed&from=-7d").await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);
    assert_eq!(saved.headers["location"], "/explore?q=decision%3Aallowed&from=-7d");
    let page = site.get("/explore").await;
    assert!(page.text.contains("<bdi>Mine &#60;b&#62;</bdi>"), "{}", page.text);
    let wrong = post("/explore/views", "name=x&q=decison%3Ax").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let nameless = post("/explore/views", "name=&q=").await;
    assert_eq!(nameless.status, StatusCode::BAD_REQUEST);
    let forgotten = post("/explore/views/forget", "name=Mine+%3Cb%3E").await;
    assert_eq!(forgotten.status, StatusCode::SEE_OTHER);
    assert!(!site.get("/explore").await.text.contains("Mine"));
    let again = post("/explore/views/forget", "name=Mine").await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let recorded = site.host.recorded.lock().expect("no panic");
    let changes: Vec<bool> = recorded
        .iter()
        .filter_map(|fact| match fact {
            Fact::ViewChanged { removed, .. } => Some(*removed),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [false, true], "each is recorded before it is done");
}
