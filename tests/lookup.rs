//! Whose is this? Asked of a real log about values whose owners are known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::util::{
    Bao, DEADLINE, Data, Run, Server, files_below, fixture, fixture_text, keytrail, pair, post,
    real_servers_are_wanted, until,
};

fn recorded() -> Data {
    let data = Data::new();
    let file = |name: &str| fixture(&format!("openbao-2.7.2/{name}"));
    data.import_as("prod", "bao-0", [file("audit.jsonl.1.gz"), file("audit.jsonl.gz")]);
    data
}

/// The server's own answers: values and their hashes, by device.
fn hashes() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(&fixture_text("openbao-2.7.2/audit-hash.json")).unwrap()
}

fn look_up(data: &Data, hash: &str) -> (i32, Value) {
    let run = data.run("lookup", ["--hmac", hash, "--format", "json"]);
    let mut answers = run.json();
    assert_eq!(answers.len(), 1);
    (run.code, answers.remove(0))
}

#[test]
fn each_database_user_leads_to_its_pod_its_lease_and_all_that_its_token_did() {
    let data = recorded();
    let everything = data.search("");
    let users: Vec<(String, String)> = hashes()
        .remove("file")
        .unwrap()
        .into_iter()
        .filter(|(value, _)| value.starts_with("v-kubernet"))
        .collect();
    assert_eq!(users.len(), 5);
    for (user, hash) in users {
        let (code, answer) = look_up(&data, &hash);
        assert_eq!((code, &answer["what"]), (0, &"credential".into()), "{user}");
        let holder = &answer["holder"];
        assert_eq!(holder["name"], "my-app/my-app");
        assert_eq!(holder["metadata"]["service_account_name"], "my-app");
        assert_eq!(holder["metadata"]["service_account_namespace"], "my-app");
        // A look through every event, without an index.
        let given: Vec<&Value> = everything
            .iter()
            .filter(|event| event["hmacs"]["response.username"] == *hash)
            .collect();
        let [given] = given[..] else { panic!("{user}: {} events", given.len()) };
        assert_eq!(answer["given"]["uid"], given["uid"]);
        assert_eq!(answer["lease"]["id"], given["lease_id"]);
        let token = &given["identity"]["token"];
        assert_eq!(answer["token"]["hash"], *token);
        let did: Vec<&Value> =
            everything.iter().filter(|event| event["identity"]["token"] == *token).collect();
        let used = &answer["token"]["used"];
        assert_eq!(used["requests"], did.len());
        let mut by_path: BTreeMap<(String, String), u64> = BTreeMap::new();
        for event in &did {
            let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            *by_path.entry((word("action"), word("path"))).or_default() += 1;
        }
        let told = used["by_path"].as_array().unwrap().iter().map(|row| {
            let word = |at: usize| row[at].as_str().unwrap().to_owned();
            ((word(0), word(1)), row[2].as_u64().unwrap())
        });
        assert_eq!(told.collect::<BTreeMap<_, _>>(), by_path, "{user}");
        let times: BTreeSet<&str> = did.iter().filter_map(|event| event["time"].as_str()).collect();
        assert_eq!(used["first"].as_str(), times.first().copied());
    }
    // The one that was renewed and looked up.
    let (_, answer) =
        look_up(&data, &hashes()["file"]["v-kubernet-my-app-r-bGrGGorRK8t7MOQrAldH-1795529793"]);
    assert_eq!(answer["lease"]["renewals"], 1);
    assert_eq!(answer["lease"]["expires"], "2026-11-24T16:16:35.228672954Z");
}

#[test]
fn refused_tokens_lead_to_who_held_them() {
    let data = recorded();
    let refused: BTreeSet<String> = data
        .search("reason:token")
        .iter()
        .filter_map(|event| Some(event["identity"]["token"].as_str()?.to_owned()))
        .collect();
    assert_eq!(refused.len(), 6);
    let named = refused.iter().filter(|token| {
        let (code, answer) = look_up(&data, token);
        assert_eq!((code, &answer["what"]), (0, &"token".into()));
        assert!(answer["token"]["refused"].is_string(), "{answer}");
        answer["holder"]["name"].is_string()
    });
    assert_eq!(named.count(), 5, "one was never a token of this server");
}

#[test]
fn a_token_an_accessor_and_a_lease_tell_where_they_came_from_and_how_they_ended() {
    let data = recorded();
    let of_file = &hashes()["file"];
    let token = &of_file["s.RVNe33hqwBD0IPLb6GQ5Ty9a"];
    let (_, answer) = look_up(&data, token);
    assert_eq!(answer["what"], "token");
    assert_eq!(answer["given"]["action"], "auth.login");
    assert_eq!(answer["token"]["renewals"], 42);
    assert_eq!(answer["token"]["ttl_s"], 3600);
    let (_, of_accessor) = look_up(&data, &of_file["madfBXGg0sQsv9i5SXmKKThm"]);
    assert_eq!(of_accessor["what"], "accessor");
    assert_eq!(of_accessor["token"]["hash"], **token);
    assert_eq!(
        of_accessor["given"],
        answer["given"]
            .as_object()
            .map(|given| {
                let mut given = given.clone();
                given["places"] = serde_json::json!(["accessor", "issued_token.accessor"]);
                Value::Object(given)
            })
            .unwrap()
    );
    // A token that another one made, and that was revoked.
    let child = data.search("action:token.create outcome:success is:root");
    let child = child.iter().find_map(|event| event["issued_token"]["token"].as_str()).unwrap();
    let (_, answer) = look_up(&data, child);
    assert_eq!(answer["given"]["action"], "token.create");
    let revoked = data.search("action:lease.revoke outcome:success");
    let lease = revoked[0]["hmacs"]["request.lease_id"].as_str().unwrap();
    let (_, answer) = look_up(&data, lease);
    assert_eq!(answer["what"], "lease");
    assert_eq!(answer["lease"]["end"]["state"], "ended");
    assert_eq!(answer["lease"]["end"]["known_by"], "seen");
    assert_eq!(answer["lease"]["revoked"]["uid"], revoked[0]["uid"]);
}

#[test]
fn a_hash_of_another_device_is_said_to_be_nowhere_here() {
    let data = recorded();
    let other = &hashes()["raw"]["v-kubernet-my-app-r-bGrGGorRK8t7MOQrAldH-1795529793"];
    let (code, answer) = look_up(&data, other);
    assert_eq!((code, &answer["what"]), (1, &"not_found".into()));
    assert_eq!(answer["devices"], serde_json::json!(["prod/file/1"]));
    let run = data.run("lookup", ["--hmac", other]).expect(1);
    assert!(run.text().contains("no line has it"), "{}", run.text());
    assert!(run.text().contains("prod/file/1: each device"), "{}", run.text());
    for wrong in ["hunter2", "hmac-sha256:abc", "hmac-sha256:"] {
        let run = data.run("lookup", ["--hmac", wrong]).expect(2);
        assert!(run.stderr.contains("--value-stdin"), "{}", run.stderr);
    }
    data.run("lookup", [""; 0]).expect(2);
}

#[test]
fn a_look_up_is_recorded_also_while_another_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let data = Data::new();
    let server = Server::follow(&data, &log);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    let token = format!("hmac-sha256:{}", "1".repeat(64));
    let (code, answer) = look_up(&data, &token);
    assert_eq!((code, &answer["token"]["used"]["requests"]), (0, &1.into()));
    let recorded = || {
        let own = String::from_utf8(data.cat("keytrail")).unwrap();
        own.lines()
            .filter(|line| line.contains("\"type\":\"looked_up\"") && line.contains(&token))
            .count()
    };
    until("it is recorded", DEADLINE, || (recorded() == 1).then_some(()));
    until("nothing is left to be taken up", DEADLINE, || {
        fs::read_dir(data.path().join("deeds")).unwrap().next().is_none().then_some(())
    });
    // What is no line of ours is told of once, and kept.
    fs::write(data.path().join("deeds/foreign.json"), "{\"type\":\"stopped\"}").unwrap();
    until("it is put aside", DEADLINE, || {
        data.path().join("deeds/foreign.refused").exists().then_some(())
    });
    server.terminate();
    look_up(&data, &token);
    assert_eq!(recorded(), 2);
    data.run("verify", ["--index"]).expect(0);
}

#[test]
fn an_auditors_copy_can_be_asked_and_records_nothing() {
    let data = recorded();
    fs::remove_file(data.path().join("keys/signing.key")).unwrap();
    let before = data.cat("keytrail");
    let token = &hashes()["file"]["s.RVNe33hqwBD0IPLb6GQ5Ty9a"];
    let run = data.run("lookup", ["--hmac", token]).expect(0);
    assert!(run.stderr.contains("not recorded"), "{}", run.stderr);
    assert_eq!(data.cat("keytrail"), before);
}

#[test]
fn a_postgresql_log_comes_out_with_the_holders_of_its_users() {
    let data = recorded();
    let log = fixture_text("openbao-2.7.2/postgres.log");
    let (log_file, table) =
        (fixture("openbao-2.7.2/postgres.log"), fixture("openbao-2.7.2/audit-hash.json"));
    let arguments =
        ["--postgres-log", log_file.to_str().unwrap(), "--hashes", table.to_str().unwrap()];
    let run = data.run("lookup", arguments).expect(0);
    let users = hashes().remove("file").unwrap();
    let given = data.search("has:lease action:cred.issue");
    let mut named = 0;
    for (before, after) in log.lines().zip(run.text().lines()) {
        let Some(columns) = after.strip_prefix(before) else { panic!("{before} became {after}") };
        let Some(user) = users.keys().find(|user| user.starts_with("v-") && before.contains(*user))
        else {
            assert!(matches!(columns, "" | "\t-\t-\t-\t-"), "{after}");
            continue;
        };
        let event =
            given.iter().find(|event| event["hmacs"]["response.username"] == users[user]).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let [key, lease, uid] =
            [&event["identity"]["key"], &event["lease_id"], &event["uid"]].map(word);
        assert_eq!(columns, format!("\tmy-app/my-app\t{key}\t{lease}\t{uid}"));
        named += 1;
    }
    assert_eq!(log.lines().count(), run.text().lines().count());
    assert!(named > 50, "{named} lines");
    assert!(run.stderr.contains("5 of "), "{}", run.stderr);
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    assert_eq!(own.lines().filter(|line| line.contains("\"type\":\"looked_up\"")).count(), 1);
    assert!(!own.contains("v-kubernet"), "{own}");
}

/// The value goes to the server and nowhere else.
#[test]
fn a_value_is_asked_of_the_real_server_that_hashed_it() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bao = Bao::start(folder.path());
    bao.run(&["secrets", "enable", "-path=kv", "kv"]).expect("a mount");
    assert_eq!(bao.write("kv/mail", "{\"password\":\"correct horse battery\"}"), 204);
    let token = folder.path().join("token");
    fs::write(&token, bao.root_token()).unwrap();
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n\
         [[server]]\naddress = \"http://{}\"\ntoken_file = \"{}\"\ncounters = false\n",
        folder.path().join("audit.log").display(),
        bao.address,
        token.display()
    );
    fs::write(&config, text).unwrap();
    let data = Data::new();
    data.import([folder.path().join("audit.log")]);
    let ask = |from: &[&str], value: &str| {
        let mut command = keytrail();
        command.arg("lookup").args(from).args(["--value-stdin", "--format", "json"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let (folder_of_data, config) = (data.path().to_str().unwrap(), config.to_str().unwrap());
    let look_up = |value: &str| ask(&["-d", folder_of_data, "-c", config], value);
    let found = look_up("correct horse battery\n");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let answer: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(answer["what"], "value");
    assert_eq!(answer["seen"][0]["path"], "kv/mail");
    assert_eq!(answer["holder"]["kind"], "root");
    assert_eq!(look_up("never written").status.code(), Some(1));
    assert_eq!(look_up("").status.code(), Some(2));
    // The running keytrail has the server's token, and whoever asks it needs none.
    let server = Server::start(&data, &["-c", config]);
    let url = format!("http://{}", server.address);
    let found = ask(&["--url", &url], "correct horse battery");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let answer: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(answer["seen"][0]["path"], "kv/mail");
    let page = post(&server.address, "/lookup", "value=correct+horse+battery");
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("kv/mail") && !page.body.contains("correct"), "{}", page.body);
    drop(server);
    for file in files_below(data.path()) {
        let bytes = fs::read(&file).unwrap();
        let value = b"correct horse battery";
        let holds = bytes.windows(value.len()).any(|part| part == value);
        assert!(!holds, "{} holds the value", file.display());
    }
    // Without a server it is said how to ask one.
    let run =
        Run::of(keytrail().arg("lookup").arg("-d").arg(data.path()).arg("--value-stdin")).expect(2);
    assert!(run.stderr.contains("bao write -field=hash sys/audit-hash/"), "{}", run.stderr);
}
