//! Events for tests: one by hand, and any number by chance.

use std::collections::BTreeMap;

use ingest::event::{
    AuditEvent, Decision, Flag, Identity, IdentityKind, Issued, IssuedToken, Outcome, Reason, Time,
    Uid,
};
use ingest::source::{LeafIndex, SourceId};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::period::rfc3339;

/// 2026-11-24T11:00:00Z.
pub(crate) const ELEVEN_NS: i64 = 1_795_518_000_000_000_000;

pub(crate) fn time(unix_ns: i64) -> Time {
    Time { text: rfc3339(unix_ns), unix_ns }
}

/// A workload reads a secret.
pub(crate) fn example() -> AuditEvent {
    let text = |text: &str| Some(text.to_owned());
    AuditEvent {
        uid: Uid([7; 16]),
        request_id: text("request-1"),
        leaves: vec![LeafIndex(1), LeafIndex(2)],
        issued: Issued(LeafIndex(2), 0),
        origin: "keytrail/prod".to_owned(),
        time: Some(time(ELEVEN_NS)),
        completed: Some(time(ELEVEN_NS + 800_000)),
        latency_us: Some(800),
        cluster: "prod".to_owned(),
        node: "bao-0".to_owned(),
        device: "file".to_owned(),
        source: SourceId::new("prod", "bao-0", "file").expect("a source"),
        namespace: text("team-a/"),
        identity: Identity {
            key: text("prod entity-1"),
            name: text("my-app/my-app"),
            names: vec![
                "my-app/my-app".to_owned(),
                "kubernetes-my-app".to_owned(),
                "entity-1".to_owned(),
            ],
            kind: IdentityKind::Workload,
            method: text("kubernetes"),
            mount: text("auth/kubernetes/"),
            entity_id: text("entity-1"),
            role: text("my-app"),
            display_name: text("kubernetes-my-app"),
            metadata: BTreeMap::new(),
            accessor: text("hmac-sha256:aa"),
            token: text("hmac-sha256:bb"),
            token_type: text("service"),
            token_issued: Some(time(ELEVEN_NS - 600_000_000_000)),
            token_ttl_s: Some(3_600),
            former_name: None,
            claimed: None,
        },
        operation: text("read"),
        action: "secret.read".to_owned(),
        path: text("secret/data/my-app/config"),
        mount: text("secret/"),
        mount_type: text("kv"),
        object: text("my-app/config"),
        decision: Decision::Allowed,
        reason: Reason::Policy,
        outcome: Outcome::Success,
        error: None,
        flags: vec![Flag::Privileged],
        policies: vec!["default".to_owned(), "my-app".to_owned()],
        granting: vec!["my-app".to_owned()],
        remote_address: text("10.0.1.7"),
        remote_port: Some(40_112),
        issued_token: None,
        lease_id: text("database/creds/my-app/abc"),
        wrap_ttl_s: None,
        hmacs: BTreeMap::from([("request.role".to_owned(), "hmac-sha256:cc".to_owned())]),
        salt: None,
        headers: BTreeMap::from([("x-correlation-id".to_owned(), vec!["abc".to_owned()])]),
        data_keys: vec!["request.data.password".to_owned()],
        server_version: None,
        rules: "V".to_owned(),
    }
}

/// Texts of few letters, so that filters meet them, and some that try to break a reading.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        "(a|b|ab)(/(a|b|ab|\\*)){0,3}/?",
        select(vec![
            "a b", "A,b", "a\"b", "a\\b", "(a)", "-a", "é/ü", "a..b", ">a", "*", "a\u{1b}b"
        ])
        .prop_map(str::to_owned),
        // Too long for a word: it parts phrases.
        Just(format!("a {} b", "x".repeat(45))),
    ]
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "ab", "a/b", "a-b", "ci-1"]).prop_map(str::to_owned)
}

fn hash() -> impl Strategy<Value = String> {
    select(vec!["hmac-sha256:1", "hmac-sha256:2", "hmac-sha256:3"]).prop_map(str::to_owned)
}

fn identity() -> impl Strategy<Value = Identity> {
    (
        (of(name()), of(name()), vec(name(), 0..3), select(IdentityKind::ALL), of(name())),
        (of(select(vec!["auth/a/", "auth/ab/", "a/auth/a/"])), of(name()), of(name()), of(name())),
        (
            of(hash()),
            of(hash()),
            of(0..3_i64),
            of(prop_oneof![0..4_u64, Just(3_600), Just(u64::MAX)]),
        ),
    )
        .prop_map(
            |((key, name, names, kind, method), (mount, entity_id, role, claimed), last)| {
                let (accessor, token, token_issued, token_ttl_s) = last;
                Identity {
                    key,
                    name,
                    names,
                    kind,
                    method,
                    mount: mount.map(str::to_owned),
                    entity_id,
                    role,
                    claimed,
                    accessor,
                    token,
                    token_issued: token_issued
                        .map(|seconds| time(ELEVEN_NS + seconds * 1_000_000_000)),
                    token_ttl_s,
                    ..example().identity
                }
            },
        )
}

/// Any event, with this uid.
pub(crate) fn event(uid: u8) -> impl Strategy<Value = AuditEvent> {
    let seconds = of(prop_oneof![0..3_000_000_000_i64, Just(86_400_000_000_000), Just(0)]);
    let address =
        select(vec!["10.0.0.1", "10.1.0.1", "::ffff:10.0.0.1", "2001:db8::1", "@", "10.0.0.1:80"]);
    let issued = (of(hash()), of(hash())).prop_map(|(token, accessor)| IssuedToken {
        token,
        accessor,
        policies: Vec::new(),
        ttl_s: None,
    });
    (
        (
            seconds,
            of(name()),
            of(select(vec!["a/", "b/", "a/b/"])),
            identity(),
            select(vec!["a", "b"]),
        ),
        (
            of(select(vec!["read", "update", "create", "patch", "delete", "list"])),
            name(),
            of(path()),
            of(select(vec!["a/", "ab/"])),
        ),
        (select(Decision::ALL), select(Reason::ALL), select(Outcome::ALL), of(path())),
        (
            subsequence(Flag::ALL.to_vec(), 0..3),
            vec(name(), 0..3),
            vec(name(), 0..2),
            of(address),
            of(issued),
        ),
        (
            of(path()),
            of(0..2_u64),
            btree_map(select(vec!["request.role", "request.x"]), hash(), 0..3),
        ),
        (btree_map(select(vec!["x-a", "x-b"]), vec(name(), 0..3), 0..2), vec(path(), 0..2)),
    )
        .prop_map(move |(who, what, decided, how, more, last)| {
            let (time_ns, request_id, namespace, identity, node) = who;
            let (operation, action, path, mount) = what;
            let (decision, reason, outcome, error) = decided;
            let (flags, policies, granting, remote_address, issued_token) = how;
            let (lease_id, wrap_ttl_s, hmacs) = more;
            let (headers, data_keys) = last;
            AuditEvent {
                uid: Uid([uid; 16]),
                request_id,
                time: time_ns.map(|ns| time(ELEVEN_NS + ns)),
                node: node.to_owned(),
                source: SourceId::new("prod", node, "file").expect("a source"),
                namespace: namespace.map(str::to_owned),
                identity,
                operation: operation.map(str::to_owned),
                action,
                object: path.clone(),
                path,
                mount: mount.map(str::to_owned),
                decision,
                reason,
                outcome,
                error,
                flags,
                policies,
                granting,
                remote_address: remote_address.map(str::to_owned),
                issued_token,
                lease_id,
                wrap_ttl_s,
                hmacs: hmacs.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect(),
                headers: headers
                    .into_iter()
                    .map(|(name, values)| (name.to_owned(), values))
                    .collect(),
                data_keys,
                ..example()
            }
        })
}

/// Events with uids of their own.
pub(crate) fn events(count: u8) -> impl Strategy<Value = Vec<AuditEvent>> {
    (0..count).map(event).collect::<Vec<_>>()
}
