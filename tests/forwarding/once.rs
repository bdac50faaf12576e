//! Real recordings of a cluster of three and of one node's three audit devices: each request goes out once.

use serde_json::Value;

use super::{Setup, events, set, uids, webhook};
use crate::util::{Data, Siem, SiemReply, fixture};

/// Sends what is imported, and returns it.
fn sent(setup: &Setup) -> Vec<Value> {
    let siem = Siem::start(|_| SiemReply::status(200));
    let server = setup.run(&webhook("soc", &siem, ""));
    let all = setup.data.status_of("events");
    setup.done("soc", all);
    server.terminate();
    events(&siem.taken())
}

/// What counts leave out is not sent, but for what was handed on and no other node tells of. Requests of which the server writes one line alone
/// wait in case another one comes, since these logs end before it could no longer.
fn counting(data: &Data) -> Vec<String> {
    let alone =
        "-is:copy -reason:system -is:pending -reason:not_recorded -reason:quota -reason:wrapping";
    let mut wanted = uids(&data.search(&format!("{alone} -is:forwarded")));
    wanted.extend(uids(&data.search("is:no_twin")));
    wanted
}

#[test]
fn of_a_cluster_what_a_standby_handed_on_goes_out_as_its_leader_tells_it() {
    let setup = Setup::new("");
    for node in ["node-1", "node-2", "node-3"] {
        let file = fixture(&format!("openbao-2.7.2/ha/{node}.audit.jsonl.gz"));
        setup.data.import_as("c", node, [file]);
    }
    let sent = uids(&sent(&setup));
    let wanted = counting(&setup.data);
    assert_eq!(sent.len(), set(&sent).len());
    assert_eq!(set(&sent), set(&wanted));
    let handed_on = uids(&setup.data.search("is:forwarded"));
    // 58 of them, 18 of which no other node tells of, as `three_nodes` has it.
    assert_eq!(set(&sent).intersection(&set(&handed_on)).count(), 18);
}

#[test]
fn of_several_devices_of_a_node_each_request_goes_out_once() {
    let setup = Setup::new("");
    for device in ["hashed", "elide_clear_accessor", "raw"] {
        let file = fixture(&format!("samples/openbao-2.7.2-recorded/{device}.ndjson"));
        let file = file.to_str().unwrap();
        let options = ["--cluster", "c", "--node", "n", "--device", device, "--allow-raw", file];
        setup.data.run("import", options).expect(0);
    }
    let sent = sent(&setup);
    let wanted = counting(&setup.data);
    assert_eq!(set(&uids(&sent)), set(&wanted));
    let requests: Vec<String> =
        sent.iter().map(|event| event["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((requests.len(), set(&requests).len()), (wanted.len(), requests.len()));
}
