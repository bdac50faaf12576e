//! A real browser, driven over WebDriver (chromedriver): pages are used as people use them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::util::{DEADLINE, missing_tool, until};

/// By what WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as WebDriver writes them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const DOWN: &str = "\u{e015}";

/// A browser of its own profile; it ends with this.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Held open, so that the driver can go on to speak.
    _said: BufReader<ChildStdout>,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

impl Browser {
    /// Starts one; `None` if there is none on this machine and none is required.
    /// Files that pages give go to `downloads`.
    pub(crate) fn start(scripts: Scripts, downloads: &Path) -> Option<Browser> {
        let remedy = "install chromium and chromium-driver";
        if missing_tool(&Command::new("chromium"), remedy)
            || missing_tool(&Command::new("chromedriver"), remedy)
        {
            return None;
        }
        let mut driver = Command::new("chromedriver");
        driver.args(["--port=0", "--log-level=WARNING"]);
        let mut driver = driver.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = said.by_ref().lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let Some(port) = port else {
            let _ = driver.kill();
            let _ = driver.wait();
            panic!("chromedriver named no port");
        };
        let mut browser = Browser { driver, port, session: String::new(), _said: said };
        let javascript = if scripts == Scripts::On { 1 } else { 2 };
        let made = browser.command("POST", "/session", &json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--no-first-run", "--window-size=1280,900"],
                "prefs": {
                    "profile.managed_default_content_settings.javascript": javascript,
                    "download.default_directory": downloads,
                    "download.prompt_for_download": false,
                },
            },
        }}}));
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Returns the address that is open.
    pub(crate) fn url(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().expect("an address").to_owned()
    }

    /// Runs the body of a function in the page.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs the body of a function whose last argument is called with the result.
    pub(crate) fn run_async(&self, script: &str) -> Value {
        self.ask("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// Returns the text of the first element that a selector finds, as it is shown.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.ask("GET", &format!("/element/{}/text", self.find(selector)), &Value::Null);
        text.as_str().expect("a text").to_owned()
    }

    /// Tells whether a selector finds anything.
    pub(crate) fn has(&self, selector: &str) -> bool {
        let found = self.ask("POST", "/elements", &css(selector));
        !found.as_array().expect("a list").is_empty()
    }

    /// Presses the pointer's button on an element.
    pub(crate) fn click(&self, selector: &str) {
        self.ask("POST", &format!("/element/{}/click", self.find(selector)), &json!({}));
    }

    /// Presses keys, whatever has the focus.
    pub(crate) fn keys(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        self.ask(
            "POST",
            "/actions",
            &json!({"actions": [
                {"type": "key", "id": "keys", "actions": actions}
            ]}),
        );
    }

    /// Draws the pointer from one place of the window to another with its button down.
    pub(crate) fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let at = |(x, y)| json!({"type": "pointerMove", "duration": 50, "x": x, "y": y});
        let half = (i64::midpoint(from.0, to.0), i64::midpoint(from.1, to.1));
        self.ask(
            "POST",
            "/actions",
            &json!({"actions": [{
                "type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                "actions": [at(from), {"type": "pointerDown", "button": 0}, at(half), at(to),
                    {"type": "pointerUp", "button": 0}],
            }]}),
        );
    }

    /// Moves the focus from stop to stop, as the Tab key does, until it stands on what a selector finds.
    pub(crate) fn tab_to(&self, selector: &str) {
        for _ in 0..400 {
            let script = format!(
                "return Boolean(document.activeElement && document.activeElement.matches({}))",
                json!(selector)
            );
            if self.run(&script) == json!(true) {
                return;
            }
            self.keys(TAB);
        }
        panic!("Tab does not lead to {selector} on {}", self.url());
    }

    /// Waits until a script gives true.
    pub(crate) fn wait(&self, what: &str, script: &str) {
        until(what, DEADLINE, || (self.run(script) == json!(true)).then_some(()));
    }

    /// Shows pages in a window of this width, light or dark.
    pub(crate) fn looks(&self, width: u32, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false
            }),
        );
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]}),
        );
    }

    /// Keeps nothing from one page to the next.
    pub(crate) fn forgets(&self) {
        self.devtools("Network.enable", &json!({}));
        self.devtools("Network.setCacheDisabled", &json!({"cacheDisabled": true}));
    }

    /// Returns the whole page as a WebP, in base64.
    pub(crate) fn picture(&self) -> String {
        let shot = self.devtools(
            "Page.captureScreenshot",
            &json!({
                "captureBeyondViewport": true, "format": "webp", "quality": 70
            }),
        );
        shot["data"].as_str().expect("a picture").to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Returns what the browser had to say since it was last asked: errors of scripts, what policies refused.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let said = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        let entries = said.as_array().expect("a list").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Returns what axe-core finds wrong with the page that is open.
    pub(crate) fn barriers(&self) -> Vec<String> {
        let mut axe = String::new();
        let packed: &[u8] = include_bytes!("../vendor/axe-core-4.14.1/axe.min.js.gz");
        GzDecoder::new(packed).read_to_string(&mut axe).unwrap();
        self.run(&axe);
        let found = self.run_async(
            "const done = arguments[arguments.length - 1];
             axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
                 resultTypes: ['violations']})
                 .then((result) => done(result.violations.map((violation) =>
                     `${violation.id}: ${violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} (${node.failureSummary})`).join(' | ')}`)),
                     (error) => done([String(error)]));",
        );
        let found = found.as_array().expect("a list").iter();
        found.map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    }

    fn find(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &css(selector));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn ask(&self, method: &str, target: &str, body: &Value) -> Value {
        self.command(method, &format!("/session/{}{target}", self.session), body)
    }

    /// Sends a command and returns its value.
    fn command(&self, method: &str, target: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(2 * DEADLINE)).unwrap();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .unwrap();
        let mut answer = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            assert!(answer.read_line(&mut head).unwrap() > 0, "{method} {target}: no answer");
            let line = head[start..].trim().to_ascii_lowercase();
            match line.strip_prefix("content-length:") {
                Some(bytes) => length = bytes.trim().parse().unwrap(),
                None if line.is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        let shown: String = body.chars().take(2_000).collect();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {target}: {shown}");
        value["value"].clone()
    }
}

fn css(selector: &str) -> Value {
    json!({"using": "css selector", "value": selector})
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; what is left of it ends with its driver.
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        } else if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = write!(
                stream,
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                self.session
            );
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
