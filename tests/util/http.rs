//! A browser's least: one GET over plain HTTP, and what a reader sees of a page.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::util::DEADLINE;

/// A server's answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// Returns the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Asks for a page under the address's own name.
///
/// # Panics
/// If the status is not 200.
pub(crate) fn get(address: &str, target: &str) -> Reply {
    let reply = get_with_host(address, target, address);
    assert_eq!(reply.status, 200, "GET {target}:\n{}", reply.body);
    reply
}

/// Asks for a page under any name. HTTP/1.0, so that the body ends with the connection.
pub(crate) fn get_with_host(address: &str, target: &str, host: &str) -> Reply {
    let head = format!("GET {target} HTTP/1.0\r\nHost: {host}\r\nAccept: text/html, */*\r\n\r\n");
    sent(address, &head)
}

/// Asks for a page with one more header, such as a cookie.
pub(crate) fn get_with_header(address: &str, target: &str, header: &str) -> Reply {
    sent(address, &format!("GET {target} HTTP/1.0\r\nHost: {address}\r\n{header}\r\n\r\n"))
}

/// Sends a form, as a browser does for a page of this address.
pub(crate) fn post(address: &str, target: &str, form: &str) -> Reply {
    post_with_header(address, target, form, "Accept: text/html")
}

/// Sends a form with one more header, such as a cookie.
pub(crate) fn post_with_header(address: &str, target: &str, form: &str, header: &str) -> Reply {
    let length = form.len();
    let head = format!(
        "POST {target} HTTP/1.0\r\nHost: {address}\r\nOrigin: http://{address}\r\n{header}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    );
    sent(address, &head)
}

fn sent(address: &str, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).expect("the answer is UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a status line")
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Reply { status, headers: headers.collect(), body: body.to_owned() }
}

/// Returns what a page shows: its text without tags, references resolved, white space as it stands.
pub(crate) fn visible_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_tag, after)| after);
    }
    text.push_str(rest);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        shown.push_str(before);
        match after.split_once(';').and_then(|(name, after)| Some((reference(name)?, after))) {
            Some((character, after)) => {
                shown.push(character);
                rest = after;
            }
            None => {
                shown.push('&');
                rest = after;
            }
        }
    }
    shown + rest
}

/// Returns the character that a reference of HTML stands for.
fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => match name.strip_prefix('#')?.strip_prefix('x') {
            Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
            None => char::from_u32(name[1..].parse().ok()?),
        },
    }
}

#[test]
fn text_of_a_page() {
    for (html, text) in [
        ("<p class=\"x\">a <b>b</b></p>", "a b"),
        ("{&quot;a&quot;:&#34;&#x27;&lt;&amp;&quot;}", "{\"a\":\"'<&\"}"),
        ("a & b &unknown; c", "a & b &unknown; c"),
    ] {
        assert_eq!(visible_text(html), text);
    }
}
