//! No clear secret leaves, and what a client may choose breaks no format.

use proptest::prelude::*;
use serde_json::json;

use super::super::recorded::of_lines;
use super::*;

const HASH: &str = "hmac-sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A KV write and its answer, with a secret wherever a server has been seen to write one in clear, and `chosen` wherever a client may write what it likes.
fn lines(secret: &str, number: u64, chosen: &str, mount_type: &str, path: &str) -> [String; 2] {
    let auth = json!({
        "client_token": secret, "accessor": HASH, "display_name": chosen, "policies": ["default", chosen],
        "metadata": {"role_name": chosen, "service_account_name": chosen, "service_account_namespace": chosen},
        "entity_id": chosen, "token_type": "service",
        "policy_results": {"allowed": true, "granting_policies": [{"name": chosen, "type": "acl"}]},
    });
    let request = json!({
        "id": "5c1f0a6e-0000-0000-0000-000000000001", "operation": "update", "mount_point": "secret/",
        "mount_type": mount_type, "client_token": secret, "path": format!("{path}{chosen}"),
        "remote_address": "10.1.2.3", "remote_port": 4711,
        "data": {"data": {"password": secret, "pin": number, chosen: {"deep": [secret, number]}}, "note": secret},
        "headers": {"authorization": [secret], "x-request": [chosen], "user-agent": [chosen]},
        "request_uri": format!("/v1/{path}?secret={secret}"),
    });
    let response = json!({
        "mount_type": mount_type, "data": {"data": {"key": secret, "pin": number}},
        "wrap_info": {"ttl": 60, "token": secret, "accessor": secret, "creation_path": path},
        "auth": {"client_token": secret, "accessor": secret, "display_name": chosen, "policies": [chosen]},
    });
    let error = format!("1 error occurred: {chosen}");
    [
        json!({"time": "2026-11-24T14:16:58.245546605Z", "type": "request", "auth": auth, "request": request, "error": error}),
        json!({"time": "2026-11-24T14:16:58.3Z", "type": "response", "auth": auth, "request": request, "response": response, "error": error}),
    ]
    .map(|line| format!("{line}\n"))
}

/// What clients may try to break a format with.
const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "|",
    "\\",
    "=",
    "\"",
    "]",
    "[x@1 uid=\"0\"]",
    "CEF:0|a|b|c|d|e|9|src=1.1.1.1",
    " suser=root",
    "\0",
    "\u{2028}",
    "\u{85}",
    "<13>1 ",
    "{\"a\":1}",
    "ä",
    "𝄞",
    "x",
    " ",
    "\u{1b}[31m",
];

fn chosen() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(PIECES);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// Events in which a client chose each of these, for parsers of other people.
pub(super) fn hostile() -> Vec<Outgoing> {
    let mut items = Vec::new();
    for piece in PIECES {
        let lines = lines("s3cr3t", 1, &format!("a{piece}b"), "kv", "secret/data/");
        items.extend(of_lines(lines.iter().map(|line| line.as_bytes())));
    }
    assert_eq!(items.len(), PIECES.len());
    items
}

/// Every format that withholds, and messages around them.
fn all(item: &Outgoing) -> Vec<(String, Vec<u8>)> {
    let options = Options::default();
    let formats = || Format::ALL.iter().filter(|format| format.check(&options).is_ok());
    let plain = formats().map(|&format| (format.to_string(), encode(format, item, &options)));
    let wrapped = formats()
        .map(|&format| (format!("{format} wrapped"), wrap(Wrap::Syslog, format, item, &options).0));
    plain.chain(wrapped).collect()
}

proptest! {
    #[test]
    fn no_secret_leaves_and_nothing_chosen_breaks_out(
        secret in "s3cr3t[a-z]{16}", number in 100_000_000_000_u64..999_999_999_999, chosen in chosen(),
        mount in prop::sample::select(vec![("kv", "secret/data/"), ("generic", "secret/"), ("cubbyhole", "cubbyhole/"), ("system", "sys/wrapping/wrap")]),
        which in 0..3_usize,
    ) {
        let lines = lines(&secret, number, &chosen, mount.0, mount.1);
        let chosen_lines = match which { 0 => &lines[..1], 1 => &lines[1..], _ => &lines[..] };
        let items = of_lines(chosen_lines.iter().map(|line| line.as_bytes()));
        prop_assert_eq!(items.len(), 1);
        for &format in Format::ALL {
            // Protobuf holds texts as they are.
            let record = wrap(Wrap::LogRecord, format, &items[0], &Options::default()).0;
            let text = String::from_utf8_lossy(&record).into_owned();
            prop_assert!(!text.contains(&secret), "{}: {}", format, text);
            prop_assert!(!text.contains(&number.to_string()), "{}: {}", format, text);
        }
        for (format, bytes) in all(&items[0]) {
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(!text.contains(&secret), "{}: {}", format, text);
            prop_assert!(!text.contains(&number.to_string()), "{}: {}", format, text);
            prop_assert!(!text.contains(['\n', '\r', '\0']), "{}: {}", format, text);
            if !format.contains("syslog") && !format.contains("cef") && !format.contains("wrapped") {
                serde_json::from_str::<Value>(&text).unwrap();
            }
            if format == "cef" {
                // Seven bars that are none of a value's; the eighth part is the extension.
                let bars = text.replace("\\\\", "").replace("\\|", "");
                let header: Vec<&str> = bars.splitn(8, '|').collect();
                prop_assert_eq!(header.len(), 8);
                prop_assert!(header[7].starts_with("rt="), "{}", text);
            }
        }
    }
}

#[test]
fn clear_values_leave_only_where_they_may() {
    let lines = lines("s3cr3t", 123_456, "x", "kv", "secret/data/");
    let item = of_lines(lines.iter().map(|line| line.as_bytes())).remove(0);
    let refused = Format::Raw.check(&Options::default()).unwrap_err().to_string();
    assert!(refused.contains("include_clear_values = true"), "{refused}");
    assert_eq!(encode(Format::Raw, &item, &Options::default()), b"");
    let options = Options { include_clear_values: true, ..Options::default() };
    assert_eq!(Format::Raw.check(&options), Ok(()));
    assert_eq!(encode(Format::Raw, &item, &options), lines.concat().trim_end().as_bytes());
    for format in [Format::Ocsf, Format::Ecs] {
        let text = String::from_utf8(encode(format, &item, &options)).unwrap();
        assert!(text.contains("s3cr3t"), "{format}");
    }
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let long = "y".repeat(200 << 10);
    let lines = lines("s3cr3t", 1, &long, "kv", "secret/data/");
    let item = of_lines(lines.iter().map(|line| line.as_bytes())).remove(0);
    let sent = json(Format::Ocsf, &item);
    assert_eq!(sent["metadata"]["is_truncated"], true);
    assert_eq!(sent["metadata"]["untruncated_size"], lines.concat().len());
    assert!(sent["raw_data"].as_str().unwrap().len() < 140 << 10);
    assert_eq!(json(Format::Ecs, &item)["keytrail"]["original_is_cut"], true);
    for format in [Format::Cef, Format::Syslog] {
        assert!(encode(format, &item, &Options::default()).len() < 24 << 10, "{format}");
    }
}
