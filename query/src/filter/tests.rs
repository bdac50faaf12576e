use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

pub(crate) mod documents;
pub(crate) mod events;
mod readings;

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, now())
}

#[test]
fn the_page_of_the_grammar_has_every_key_and_word_and_only_filters_that_are_read() {
    let page = include_str!("../../../docs/filter.md");
    let codes: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    for key in Key::ALL {
        assert!(codes.contains(&key.name()), "{} is not on the page", key.name());
        for word in key.words() {
            let shown = match key {
                Key::Is | Key::Has => format!("{}:{word}", key.name()),
                _ => word.to_owned(),
            };
            assert!(codes.contains(&&*shown), "{shown} is not on the page");
        }
    }
    for filter in codes.iter().filter(|code| code.contains(':')) {
        if let Err(error) = parse(filter) {
            panic!("{filter}: {error}");
        }
    }
}

#[test]
fn canonical_text() {
    for (text, canonical) in [
        ("", ""),
        ("  ", ""),
        ("decision:denied   path:secret/data/prod/**", "decision:denied path:secret/data/prod/**"),
        ("a AND b", "a b"),
        ("a OR b c", "a OR b c"),
        ("(a OR b) c", "(a OR b) c"),
        ("((a) (b c))", "a b c"),
        ("NOT a", "-a"),
        ("-(a b)", "-(a b)"),
        ("-(NOT (a))", "a"),
        ("\"permission denied\"", "\"permission denied\""),
        ("\"word\"", "word"),
        ("\"OR\"", "\"OR\""),
        ("\"-a\"", "\"-a\""),
        ("op:read,update,read", "op:read,update"),
        ("path:\"a b\",c", "path:\"a b\",c"),
        ("path:\"a*\"", "path:\"a*\""),
        ("path:\"say \\\"x\\\" \\\\\"", "path:\"say \\\"x\\\" \\\\\""),
        ("path:a\\b", "path:a\\b"),
        ("mount:secret", "mount:secret/"),
        ("mount:\"secret\"", "mount:\"secret\""),
        ("mount:sec*", "mount:sec*/"),
        ("auth:kubernetes", "auth:auth/kubernetes/"),
        ("auth:kube*,*", "auth:auth/kube*/,*"),
        ("auth:team1/auth/jwt", "auth:team1/auth/jwt/"),
        ("-ns:*", "-ns:*"),
        ("ip:10.0.0.0/8,::1", "ip:10.0.0.0/8,::1"),
        ("ip:\"@\"", "ip:\"@\""),
        ("ttl:>1h token_age:1h..30d", "ttl:>1h token_age:1h..30d"),
        (
            "after:-24h before:2026-Q4 on:2026-10-01..2026-10-03",
            "after:-24h before:2026-Q4 on:2026-10-01..2026-10-03",
        ),
        ("after:\"2026-10-12 08:00Z\"", "after:\"2026-10-12 08:00Z\""),
        ("header:X-Request-Id=Ab", "header:x-request-id=Ab"),
        ("hash:hmac-sha256:00ff", "hash:hmac-sha256:00ff"),
        ("op:write", "op:write"),
        ("op:\"raed\"", "op:\"raed\""),
        ("outcome:*_error", "outcome:*_error"),
        ("path:..", "path:.."),
    ] {
        assert_eq!(
            parse(text).map(|filter| filter.to_string()),
            Ok(canonical.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn mistakes_are_named_at_their_place() {
    let errors = [
        "decison:denied",
        "path:secret/** user:x",
        "decision:denyed",
        "kind:wrokload",
        "outcome:zebra",
        "outcome:z*",
        "is:rooot",
        "is:*",
        "has:mfa",
        "is:first-seen",
        "control:CC6.1",
        "op:raed",
        "decision:",
        "path: x",
        "path:\"\"",
        "path:(a OR b)",
        "path:a\"b\"",
        "path:\"a\"b",
        "\"open",
        "path:\"open",
        "a\"b",
        "(a",
        "a)",
        "()",
        "a OR",
        "OR a",
        "a or b",
        "- a",
        "-",
        ":x",
        "ci-*",
        "---",
        "...",
        "hmac-sha256:00ff",
        "0123456789012345678901234567890123456789",
        "ip:10.0.0.0/33",
        "ip:10.0.0",
        "ttl:5y",
        "ttl:2h..1h",
        "path:>a",
        "after:yesterday",
        "after:2026,2027",
        "on:-24h",
        "on:2026-10..2026-09",
        "ns:root",
    ]
    .map(|text| parse(text).expect_err(text).caret());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn filters_are_bounded() {
    for (text, message) in [
        ("a ".repeat(5_000), "a filter has at most 8192 bytes, this one 10000"),
        (format!("{}a{}", "(".repeat(65), ")".repeat(65)), "nested deeper than 64"),
        (format!("{}a", "NOT ".repeat(65)), "nested deeper than 64"),
        (format!("path:{}", ["a"; 1_001].join(",")), ""),
        (
            format!("path:{}", (0..1_001).map(|n| n.to_string()).collect::<Vec<_>>().join(",")),
            "more than 1000 words and values",
        ),
        (format!("path:{}*", "a".repeat(512)), "a pattern may have at most 512 bytes"),
    ] {
        match parse(&text) {
            Err(error) if message.is_empty() => assert!(error.to_string().starts_with("more than")),
            Err(error) => assert_eq!(error.to_string(), message),
            Ok(_) => panic!("not bounded: {message}"),
        }
    }
    assert!(parse(&format!("{}a{}", "(".repeat(63), ")".repeat(63))).is_ok());
}

#[test]
fn a_filter_tells_what_it_asks_for() {
    for (text, word, asks) in [
        ("", "forwarded", false),
        ("is:forwarded", "forwarded", true),
        ("reason:forwarded path:x", "forwarded", true),
        ("path:x OR outcome:forwarded", "forwarded", true),
        ("is:no_twin", "forwarded", true),
        ("-is:forwarded", "forwarded", false),
        ("-(a -is:late)", "late", true),
        ("-(a is:late)", "late", false),
        ("is:root,late", "late", true),
        ("reason:system", "system", true),
        ("reason:system", "forwarded", false),
        ("reason:*", "system", false),
        ("path:system", "system", false),
    ] {
        assert_eq!(parse(text).expect(text).asks_for(word), asks, "{text} {word}");
    }
}

#[test]
fn events_that_pass() {
    let event = events::example();
    for (text, passes) in [
        ("", true),
        ("path:secret/data/my-app/config", true),
        ("path:secret/data/my-app", false),
        ("path:secret/*/config", false),
        ("path:secret/**", true),
        ("identity:my-app/my-app", true),
        ("identity:my-app/*", true),
        ("identity:entity-1", true),
        ("identity:my-app", false),
        ("CONFIG", true),
        ("conf", false),
        ("\"data my app\"", true),
        ("\"app data\"", false),
        ("\"config my\"", false),
        ("policy:my-app -policy:default held:default", true),
        ("ip:10.0.0.0/16 -ip:10.1.0.0/16 -ip:2001:db8::/32", true),
        ("ip:0.0.0.0/0 ip:::/0", true),
        ("ttl:1h ttl:>59m ttl:<=3600 -ttl:<1h ttl:1h..2h", true),
        ("token_age:600s", true),
        ("token_age:>600", false),
        ("after:2026-11-24T11:00:00Z", true),
        ("before:2026-11-24T11:00:00Z", false),
        ("on:2026-11-24", true),
        ("on:2026-11-23..2026-11-24", true),
        ("on:2026-11-25", false),
        ("after:-1h", true),
        ("after:-59m", false),
        ("op:read -op:write", true),
        ("mount:secret engine:kv ns:team-a", true),
        ("auth:kubernetes method:kubernetes", true),
        ("has:error", false),
        ("has:lease", true),
        ("lease_prefix:database/creds/my-app", true),
        ("header:x-correlation-id", true),
        ("header:X-Correlation-Id=abc", true),
        ("hash:hmac-sha256:aa", true),
        ("hash:hmac-sha256:cc", true),
        ("is:privileged", true),
        ("is:no_twin", false),
        ("data_key:request.data.*", true),
        ("source:prod/bao-0/file", true),
        ("role:my-app", true),
        ("role:my-*", true),
        ("decision:allowed,denied -(outcome:refused OR reason:root)", true),
    ] {
        assert_eq!(parse(text).expect(text).matches(&event, &NoSets), passes, "{text}");
    }
}

#[test]
fn filters_come_apart_and_together() {
    for (text, parts) in [
        ("", &[][..]),
        ("decision:denied", &["decision:denied"]),
        ("a (b OR c) -path:x/**", &["a", "b OR c", "-path:x/**"]),
        ("a OR b", &["a OR b"]),
    ] {
        let filter = parse(text).expect(text);
        let apart: Vec<String> = filter.parts().iter().map(Filter::to_string).collect();
        assert_eq!(apart, parts);
        assert_eq!(Filter::all_of(filter.parts()), filter);
        assert_eq!(Filter::all_of([filter.clone(), filter.clone()]), filter);
    }
    let both = Filter::all_of([parse("a OR b").expect("a OR b"), parse("c").expect("c")]);
    assert_eq!(both.to_string(), "(a OR b) c");
}

proptest! {
    #[test]
    fn whatever_is_typed_is_read_or_refused(text in "[-a-z:*\"\\\\(), >.OR/0-9é\u{1b}]{0,60}") {
        match parse(&text) {
            Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
            Err(error) => prop_assert!(!error.caret().contains(27 as char)),
        }
    }

    #[test]
    fn the_text_of_a_filter_is_that_filter(text in readings::filter_text()) {
        let filter = parse(&text).expect("generated filters are sound");
        let again = parse(&filter.to_string()).expect("canonical text is sound");
        prop_assert_eq!(again.to_string(), filter.to_string());
        prop_assert_eq!(again, filter);
    }

    #[test]
    fn quoted_values_are_literal(value in "\\PC{1,12}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = parse(&format!("path:\"{quoted}\"")).expect("a quoted value");
        let event = AuditEvent { path: Some(value), ..events::example() };
        prop_assert!(filter.matches(&event, &NoSets));
        let again = parse(&filter.to_string()).expect("canonical text is sound");
        prop_assert!(again.matches(&event, &NoSets));
    }
}
