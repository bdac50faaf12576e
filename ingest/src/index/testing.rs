//! Events for tests of the index.

use std::collections::BTreeMap;

use crate::event::{
    AuditEvent, Decision, Identity, IdentityKind, Issued, Outcome, Reason, Time, Uid,
};
use crate::source::{LeafIndex, SourceId};

/// Returns an answered read of a secret whose lines are the leaves `2 * number` and `2 * number + 1`.
pub(super) fn event(number: u64) -> AuditEvent {
    let source = SourceId::new("prod", "bao-0", "file").expect("three names");
    AuditEvent {
        uid: Uid::of_halves(number, number),
        request_id: Some(format!("request-{number}")),
        leaves: vec![LeafIndex(2 * number), LeafIndex(2 * number + 1)],
        issued: Issued(LeafIndex(2 * number + 1), 0),
        origin: "keytrail/prod".to_owned(),
        time: Some(time(number as i64)),
        completed: None,
        latency_us: None,
        cluster: source.cluster.clone(),
        node: source.node.clone(),
        device: source.device.clone(),
        source,
        namespace: None,
        identity: Identity {
            key: Some("prod|entity|1".to_owned()),
            name: Some("my-app/my-app".to_owned()),
            names: vec!["my-app/my-app".to_owned(), "kubernetes-my-app".to_owned()],
            kind: IdentityKind::Workload,
            method: None,
            mount: None,
            entity_id: None,
            role: None,
            display_name: None,
            metadata: BTreeMap::new(),
            accessor: None,
            token: None,
            token_type: None,
            token_issued: None,
            token_ttl_s: None,
            former_name: None,
            claimed: None,
        },
        operation: Some("read".to_owned()),
        action: "secret.read".to_owned(),
        path: Some("secret/data/my-app/config".to_owned()),
        mount: Some("secret/".to_owned()),
        mount_type: Some("kv".to_owned()),
        object: None,
        decision: Decision::Allowed,
        reason: Reason::Policy,
        outcome: Outcome::Success,
        error: None,
        flags: Vec::new(),
        policies: Vec::new(),
        granting: Vec::new(),
        remote_address: None,
        remote_port: None,
        issued_token: None,
        lease_id: None,
        wrap_ttl_s: None,
        hmacs: BTreeMap::new(),
        salt: None,
        headers: BTreeMap::new(),
        data_keys: Vec::new(),
        server_version: None,
        rules: "v1".to_owned(),
    }
}

/// Returns this many seconds after 2026-11-24T09:00:00Z.
pub(super) fn time(seconds: i64) -> Time {
    let unix_ns = (1_795_510_800 + seconds) * 1_000_000_000;
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).expect("this century");
    Time { text: stamp.to_string(), unix_ns }
}
