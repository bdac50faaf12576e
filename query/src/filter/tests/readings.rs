//! The two readings are one.

use std::collections::BTreeSet;

use ingest::event::{AuditEvent, Uid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tantivy::collector::DocSetCollector;

use super::documents::searcher;
use super::events::events;
use super::{Filter, Glob, Sets, now};

/// A trail in which the role `a` stands under two hashes, `ci-1` under one.
struct History;

impl Sets for History {
    fn role_hashes(&self, role: &str) -> Vec<String> {
        let hashes: &[&str] = match role {
            "a" => &["hmac-sha256:1", "hmac-sha256:2"],
            "ci-1" => &["hmac-sha256:3"],
            _ => &[],
        };
        hashes.iter().map(|hash| (*hash).to_owned()).collect()
    }

    fn role_hashes_like(&self, roles: &Glob) -> Vec<String> {
        ["a", "ci-1"]
            .iter()
            .filter(|role| roles.matches(role))
            .flat_map(|role| self.role_hashes(role))
            .collect()
    }

    fn no_twin(&self) -> Vec<Uid> {
        vec![Uid([1; 16]), Uid([4; 16]), Uid([99; 16])]
    }
}

/// Filters of sound grammar whose values events have.
pub(super) fn filter_text() -> impl Strategy<Value = String> {
    term().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(|parts| parts.join(" ")),
            vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.clone().prop_map(|part| format!("-({part})")),
            inner.prop_map(|part| format!("NOT ({part})")),
        ]
    })
}

fn term() -> impl Strategy<Value = String> {
    let keys = vec![
        "identity",
        "entity",
        "role",
        "method",
        "held",
        "policy",
        "action",
        "path",
        "object",
        "error",
        "accessor",
        "token",
        "lease",
        "lease_prefix",
        "request",
        "hash",
        "header",
        "source",
        "cluster",
        "node",
        "device",
        "data_key",
        "mount",
        "auth",
        "ns",
        "engine",
    ];
    let value = prop_oneof![
        4 => "(a|b|ab|\\*|\\*\\*)(/(a|b|ab|\\*|\\*\\*)){0,2}",
        2 => select(vec![
            "*", "**", "ci-*", "a-b", "a/", "a/b/", "auth/a/", "x-a", "x-b=ab", "x-*=*", "X-A", "prod/*/file",
            "prod", "file", "a..b", "hmac-sha256:1", "hmac-*", "kv", "\"a b\"", "\"A,b\"", "\"a\\\"b\"", "\"a\\\\b\"",
            "\"*\"", "\"(a)\"", "\">a\"", "\"-a\"", "\"a\u{1b}b\"", "é/*",
        ]).prop_map(str::to_owned),
    ];
    prop_oneof![
        6 => (select(keys), vec(value, 1..4)).prop_map(|(key, values)| format!("{key}:{}", values.join(","))),
        4 => select(vec![
            "op:write", "op:read,update", "op:*", "op:re*", "decision:allowed", "decision:denied,unknown", "decision:*",
            "reason:root,policy", "reason:forwarded", "outcome:*_error", "outcome:success", "kind:human,root", "kind:w*",
            "is:root", "is:privileged,wrapped", "is:late", "is:forwarded,system", "is:pending", "is:unanswered",
            "is:no_twin", "is:only_on", "has:error", "has:lease,wrap", "ip:10.0.0.1", "ip:10.0.0.0/8", "ip:10.0.0.0/15",
            "ip:0.0.0.0/0", "ip:::/0", "ip:2001:db8::/32", "ip:::ffff:10.0.0.1", "ip:*", "ip:\"@\"", "ip:\"10.0.0.1\"",
            "ip:\"10.0.0.1:80\",2001:db8::1", "ttl:3600", "ttl:1h", "ttl:>2", "ttl:<2", "ttl:<0", "ttl:0..3", "ttl:*",
            "ttl:>=1d", "token_age:0", "token_age:>0", "token_age:<0", "token_age:<=1", "token_age:*", "token_age:1..2",
            "after:2026-11-24T11:00:01Z", "before:2026-11-24T11:00:01Z", "before:2026-11-24T11:00:00Z", "on:2026-11-24",
            "on:2026-11-25", "on:2026-11", "on:2025..2026", "after:-1h", "after:2026-Q4", "before:2026-11-25",
        ]).prop_map(str::to_owned),
        2 => select(vec!["a", "b", "AB", "ci-1", "\"a b\"", "\"b a\"", "\"a/b/a\"", "é", "x", "\"a x b\""])
            .prop_map(str::to_owned),
    ]
}

fn by_stream(filter: &Filter, events: &[AuditEvent]) -> BTreeSet<usize> {
    (0..events.len()).filter(|&at| filter.matches(&events[at], &History)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_readings_keep_the_same_events(events in events(12), filters in vec(filter_text(), 40)) {
        let (first, second) = events.split_at(5);
        let (searcher, fields) = searcher(&[first, second]);
        // Segments come in no promised order.
        let offsets: Vec<usize> = searcher
            .segment_readers()
            .iter()
            .map(|segment| if segment.max_doc() == 5 { 0 } else { 5 })
            .collect();
        for text in filters {
            let filter = Filter::parse(&text, now()).expect("generated filters are sound");
            let found = searcher.search(&filter.query(&fields, &History), &DocSetCollector).expect("an index");
            let found: BTreeSet<usize> = found
                .iter()
                .map(|address| offsets[address.segment_ord as usize] + address.doc_id as usize)
                .collect();
            prop_assert_eq!(found, by_stream(&filter, &events), "{}", text);
        }
    }
}
