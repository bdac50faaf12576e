//! What is decodable, and what is read of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const ENTRY: &str = r#"{"time":"2026-11-24T14:16:15.95Z","type":"request","auth":{"token_type":"default"},"request":{"id":"1","path":"a/b"}}"#;

/// One line about a line: kind, id, whether a torn piece stands before it; or why it is none.
fn look(line: &[u8]) -> String {
    let Peek { kind, request_id, time_unix_ns, torn_prefix } = match peek(line) {
        Peeked::Entry(peek) => peek,
        Peeked::Undecodable(reason) => return format!("undecodable: {reason}"),
    };
    let Decoded::Entry(entry) = decode(line) else { panic!("peeks but does not decode") };
    assert_eq!(entry.request.id, request_id);
    let torn = if torn_prefix { " torn" } else { "" };
    let time = if time_unix_ns.is_some() { "" } else { " timeless" };
    format!("{kind:?} {}{torn}{time}", request_id.as_deref().unwrap_or("-"))
}

#[test]
fn the_entry_is_found_wherever_it_stands() {
    let glued = |torn: &str| format!("{torn}{ENTRY}\n").into_bytes();
    for (line, expected) in [
        (ENTRY.as_bytes().to_vec(), "Request 1"),
        (format!("{ENTRY}\r\n").into_bytes(), "Request 1"),
        (format!("@cee: {ENTRY}").into_bytes(), "Request 1"),
        (format!("<13>Nov 24 14:16:15 bao-0 bao[7]: {ENTRY}").into_bytes(), "Request 1"),
        (format!("\0\0\0\0{ENTRY}").into_bytes(), "Request 1"),
        // Torn in a key, in a string, after a colon, within an object, in a number, and in a character.
        (glued(r#"{"time":"2026-11-24T14:16:15Z","ty"#), "Request 1 torn"),
        (glued(r#"{"time":"2026-11-24T14:16:15Z","type":"requ"#), "Request 1 torn"),
        (glued(r#"{"time":"2026-11-24T14:16:15Z","type":"request","auth":"#), "Request 1 torn"),
        (glued(r#"{"time":"x","type":"request","request":{"data":{"#), "Request 1 torn"),
        (glued(r#"{"time":"x","type":"request","request":{"remote_port":42"#), "Request 1 torn"),
        ([&b"{\"time\":\"x\",\"request\":{\"path\":\"caf\xc3"[..], ENTRY.as_bytes()].concat(), "Request 1 torn"),
        // A whole entry whose line break alone was lost, and two torn pieces.
        (glued(&ENTRY.replace("\"1\"", "\"0\"")), "Request 1 torn"),
        (glued(r#"{"time":"x","ty{"time":"y","type":"re"#), "Request 1 torn"),
        // The alphabetical order of recent Vault.
        (br#"{"time":"2026-11-24T1{"auth":{},"request":{"id":"2"},"time":"2026-11-24T14:16:15Z","type":"response"}"#.to_vec(), "Response 2 torn"),
        // Client data may look like the start of an entry.
        (
            glued(r#"{"time":"x","type":"request","request":{"data":{"a":{"time":"y","type":"request","request":{"id":"evil"}}"#),
            "Request 1 torn",
        ),
        (br#"{"type":"kmip-request","request":{"data":{}}}"#.to_vec(), "Plugin { response: false } - timeless"),
        (br#"{"type":"kmip-response"}"#.to_vec(), "Plugin { response: true } - timeless"),
        (br#"{"type":"request","request":{"id":7},"time":3}"#.to_vec(), "Request - timeless"),
        (b"".to_vec(), "undecodable: empty line"),
        (b"\n".to_vec(), "undecodable: empty line"),
        (b"no json".to_vec(), "undecodable: no JSON object in it"),
        (b"\0\0\0".to_vec(), "undecodable: no JSON object in it"),
        (b"{}".to_vec(), "undecodable: a JSON object, but no audit entry"),
        (br#"{"type":"metrics"}"#.to_vec(), "undecodable: a JSON object, but no audit entry"),
        (br#"{"type":["request"]}"#.to_vec(), "undecodable: a JSON object, but no audit entry"),
        (ENTRY.as_bytes()[..60].to_vec(), "undecodable: cut short"),
        (br#"{"type":"request"} trailing"#.to_vec(), "undecodable: not one JSON object"),
        (b"{\"type\":\"request\",\"time\":\"\xff\"}".to_vec(), "undecodable: not UTF-8"),
    ] {
        assert_eq!(look(&line), expected, "{}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn every_field_is_read_in_any_order() {
    let line = r#"{"response":{"secret":{"lease_id":"l"},"wrap_info":{"ttl":60,"token":"w"},"warnings":["x"],"auth":{"num_uses":1}},
        "request":{"headers":{"user-agent":["a","b"]},"wrap_ttl":5,"remote_port":80,"namespace":{"path":"n/","id":"x"},"data":{"a":1},"path":"p\u0061th","id":"7"},
        "auth":{"metadata":{"role":"r"},"policies":["a","b"],"policy_results":{"granting_policies":[{"type":"acl","name":"a"}],"allowed":true},"token_ttl":9},
        "error":"e","type":"response","time":"t","unknown":{"deep":[1,{"x":null}]},"forwarded":true}"#;
    let Decoded::Entry(entry) = decode(line.as_bytes()) else { panic!() };
    let auth = entry.auth.as_ref().unwrap();
    let results = auth.policy_results.as_ref().unwrap();
    assert_eq!(entry.request.path.as_deref(), Some("path"));
    assert_eq!(
        (entry.request.wrap_ttl, entry.request.remote_port, entry.forwarded),
        (Some(5), Some(80), Some(true))
    );
    assert_eq!(entry.request.namespace.as_ref().unwrap().path.as_deref(), Some("n/"));
    assert_eq!(entry.request.headers, [("user-agent".into(), vec!["a".into(), "b".into()])]);
    assert_eq!(
        (auth.token_ttl, &auth.policies[..], &auth.metadata[..]),
        (Some(9), &["a".into(), "b".into()][..], &[("role".into(), "r".into())][..])
    );
    assert_eq!(
        (results.allowed, results.granting_policies[0].kind.as_deref()),
        (Some(true), Some("acl"))
    );
    assert_eq!(entry.response.secret.as_ref().unwrap().lease_id.as_deref(), Some("l"));
    assert_eq!(entry.response.auth.as_ref().unwrap().num_uses, Some(1));
    assert_eq!(entry.odd_fields, Vec::<&str>::new());
}

#[test]
fn empty_is_absent_and_odd_is_passed_over() {
    let empty = r#"{"type":"request","time":"","auth":null,"request":{"id":null,"path":"","data":{},"namespace":{},"headers":null},"response":{},"error":""}"#;
    let Decoded::Entry(entry) = decode(empty.as_bytes()) else { panic!() };
    assert!(
        entry.time.is_none()
            && entry.auth.is_none()
            && entry.error.is_none()
            && entry.request.namespace.is_none()
    );
    assert!(entry.request.data.is_absent() && entry.request.path.is_none());
    assert_eq!(entry.odd_fields, Vec::<&str>::new());

    let odd = r#"{"type":"request","auth":[1],"request":{"id":"1","path":{"a":1},"data":"text","remote_port":"80","headers":{"a":"b"}},"error":5}"#;
    let Decoded::Entry(entry) = decode(odd.as_bytes()) else { panic!() };
    assert_eq!(entry.odd_fields, ["auth", "path", "data", "remote_port", "headers", "error"]);
    assert_eq!(entry.request.id.as_deref(), Some("1"));
}

#[test]
fn what_peeks_decodes_even_where_a_text_is_no_text() {
    // Skipping is laxer than reading: lone surrogates, numbers out of range.
    for line in [
        r#"{"type":"request","time":"2026-11-24T14:16:15Z","request":{"id":"1","path":"\ud800"}}"#,
        r#"{"type":"request","time":"2026-11-24T14:16:15Z","request":{"id":"1","remote_port":1e999}}"#,
    ] {
        assert_eq!(look(line.as_bytes()), "Request 1");
        let Decoded::Entry(entry) = decode(line.as_bytes()) else { panic!() };
        assert!(entry.is_broken && entry.time.as_deref() == Some("2026-11-24T14:16:15Z"));
    }
    // In data neither matters: a client may write such a number.
    let line = r#"{"type":"request","request":{"id":"1","data":{"a":1e999,"b":"\ud800","c":"hmac-sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}}"#;
    let Decoded::Entry(entry) = decode(line.as_bytes()) else { panic!() };
    let facts = entry.request.data.facts();
    assert!(!entry.is_broken && facts.odd && facts.hmacs.len() == 1);
    assert_eq!(facts.keys, ["a", "b", "c"]);
}

#[test]
fn data_is_walked_without_its_values() {
    let hash = |digit: char| format!("hmac-sha256:{}", digit.to_string().repeat(64));
    let line = format!(
        r#"{{"type":"response","response":{{"data":{{"keys":["{a}","{b}"],"data":{{"n":{{"x":"{c}"}},"pin":12,"t":"2026-01-01T00:00:00Z"}},"error":"{a}","clear":["s","t"],"http_status_code":404}}}}}}"#,
        a = hash('a'),
        b = hash('b'),
        c = hash('c')
    );
    let Decoded::Entry(entry) = decode(line.as_bytes()) else { panic!() };
    let facts = entry.response.data.facts();
    let hmacs: Vec<_> =
        facts.hmacs.iter().map(|(path, hash)| format!("{path} {}", &hash[12..13])).collect();
    assert_eq!(hmacs, ["keys[0] a", "keys[1] b", "data.n.x c", "error a"]);
    assert_eq!(
        facts.keys,
        [
            "keys",
            "data",
            "data.n",
            "data.n.x",
            "data.pin",
            "data.t",
            "error",
            "clear",
            "http_status_code"
        ]
    );
    assert_eq!(facts.clear_strings, ["clear"]);
    assert_eq!(
        (facts.has_error, facts.http_status_code, facts.list_keys),
        (true, Some(404), Keys::Present)
    );
    let many = format!(
        r#"{{"type":"response","response":{{"data":{{"keys":[{}]}}}}}}"#,
        vec![format!("\"{}\"", hash('a')); 1500].join(",")
    );
    let Decoded::Entry(entry) = decode(many.as_bytes()) else { panic!() };
    let facts = entry.response.data.facts();
    assert_eq!(
        (facts.hmacs.len(), facts.hmacs_more, &*facts.hmacs[999].0),
        (HMACS_MAX, 500, "keys[999]")
    );
}

#[test]
fn huge_and_deep_lines_are_bounded() {
    let deep = format!(
        r#"{{"type":"request","request":{{"id":"1","data":{}{}}}}}"#,
        "[{\"a\":".repeat(100_000),
        "1".to_owned() + &"}]".repeat(100_000)
    );
    assert_eq!(
        look(deep.replace("\"data\":[", "\"data\":{\"x\":[").replace("]}}", "]}}}").as_bytes()),
        "Request 1 timeless"
    );
    // Starts of entries without end: trying them all would take hours.
    let hostile = r#"{"time":""#.repeat(1_000_000);
    assert_eq!(look(hostile.as_bytes()), "undecodable: not one JSON object");
    let nested = format!("{}{}", r#"{"auth":"#.repeat(200_000), "1");
    assert_eq!(look(nested.as_bytes()), "undecodable: cut short");
    let long = format!(
        r#"{{"type":"request","request":{{"id":"1","data":{{"a":"{}"}}}}}}"#,
        "x".repeat(100 << 20)
    );
    assert_eq!(look(long.as_bytes()), "Request 1 timeless");
}

#[test]
fn a_device_that_hashes_nothing_is_noticed() {
    for (line, expected) in [
        (
            r#"{"type":"request","auth":{"client_token":"hmac-sha256:tok1"},"request":{"client_token":"hmac-sha256:tok1"}}"#,
            false,
        ),
        (r#"{"type":"request","request":{"client_token":"s.abc"}}"#, true),
        (r#"{"type":"response","response":{"wrap_info":{"token":"s.abc"}}}"#, true),
        (
            r#"{"type":"request","request":{"path":"auth/userpass/login/bob","data":{"password":"x"}}}"#,
            true,
        ),
        (
            r#"{"type":"request","request":{"path":"auth/jwt/login","data":{"role":"tuned to be clear"}}}"#,
            false,
        ),
        ("s.abc", false),
    ] {
        assert_eq!(logs_clear_tokens(line.as_bytes()), expected, "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_and_peek_agrees_with_decode(
        mut line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
        cut in 0..ENTRY.len(),
        flip in 0..ENTRY.len(),
        byte: u8,
    ) {
        let mut entry = ENTRY.as_bytes().to_vec();
        entry[flip] = byte;
        line.extend_from_slice(&entry[..cut]);
        line.extend_from_slice(ENTRY.as_bytes());
        for line in [&line[..], &entry, &entry[..cut]] {
            let peeks = matches!(peek(line), Peeked::Entry(_));
            proptest::prop_assert_eq!(peeks, matches!(decode(line), Decoded::Entry(_)));
        }
        // Whatever stands before a whole entry, the entry is found.
        proptest::prop_assert!(matches!(peek(&line), Peeked::Entry(_)));
    }
}
