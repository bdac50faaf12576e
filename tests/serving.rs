//! Who is served, and with which headers.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::util::{
    DEADLINE, Data, Person, Run, Server, fixture, get, get_with_host, keytrail, pair, until,
};

#[test]
fn only_the_loopback_is_listened_on() {
    let data = Data::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8088"] {
        let mut command: Command = keytrail();
        command.arg("run").arg("-d").arg(data.path()).args(["--listen", address]);
        let run = Run::of(&mut command);
        assert!(run.code == 2 || run.code == 3, "{address}: exit code {}", run.code);
        assert!(
            run.stderr.contains("loopback") || run.stderr.contains("127.0.0.1"),
            "{address}:\n{}",
            run.stderr
        );
    }
}

#[test]
fn a_server_prepares_the_index_before_anybody_asks() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    let mut command = keytrail();
    command.env("KEYTRAIL_LOG", "web=debug");
    Server::start_as(command, &data, &[]).says("the index is prepared");
}

#[test]
fn pages_are_served_to_this_machines_browser_only() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    let server = Server::start(&data, &[]);
    let port = server.address.rsplit(':').next().unwrap();
    for host in [server.address.clone(), format!("localhost:{port}")] {
        assert_eq!(get_with_host(&server.address, "/explore", &host).status, 200, "{host}");
    }
    // DNS rebinding: a page of evil.example that has made its name point here.
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
    ] {
        let reply = get_with_host(&server.address, "/explore", &host);
        assert!((400..500).contains(&reply.status), "{host}: {}", reply.status);
        assert!(!reply.body.contains("secret/data"), "{host} was shown events");
    }
    for page in ["/", "/explore"] {
        let reply = get(&server.address, page);
        let policy = reply
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{page} has no policy"));
        assert!(
            policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let typo = get_with_host(&server.address, "/explore?q=decison%3Aallowed", &server.address);
    assert_eq!(typo.status, 400);
    assert!(typo.body.contains("decision"), "no suggestion on the page");
    let missing =
        get_with_host(&server.address, "/event/00000000000000000000000000000000", &server.address);
    assert_eq!(missing.status, 404);
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00not http at all\r\n\r\n").unwrap();
    drop(stream);
    assert_eq!(get(&server.address, "/").status, 200, "after a client that speaks no HTTP");
}

#[test]
fn a_hangup_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.log"), folder.path().join("two.log"));
    let config = folder.path().join("keytrail.toml");
    fs::write(&one, pair("a", "secret/data/x", 0)).unwrap();
    fs::write(&two, pair("b", "secret/data/x", 0)).unwrap();
    let of = |node: &str, path: &Path| {
        format!("[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"{node}\"\n", path.display())
    };
    fs::write(&config, of("n1", &one)).unwrap();
    let data = Data::new();
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("the first file is in", DEADLINE, || (data.total("") == 1).then_some(()));
    Person::add(&data, "ann", "analyst");
    let ann = Person::signed_in(&server.address, "ann");
    let hangup = || {
        let status = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status();
        assert!(status.unwrap().success());
    };
    fs::write(&config, of("n1", &one) + "[[sourc]]\n").unwrap();
    hangup();
    until("the bad file is told", DEADLINE, || {
        server.said().contains("the last good configuration stays").then_some(())
    });
    server.says("did you mean `source`?");
    let mut file = OpenOptions::new().append(true).open(&one).unwrap();
    file.write_all(pair("c", "secret/data/x", 10).as_bytes()).unwrap();
    until("the first file is still followed", DEADLINE, || (data.total("") == 2).then_some(()));
    fs::write(&config, of("n1", &one) + &of("n2", &two)).unwrap();
    hangup();
    until("the second file is followed too", DEADLINE, || (data.total("") == 3).then_some(()));
    assert_eq!(ann.get("/explore").status, 200, "who was signed in still is");
    file.write_all(pair("d", "secret/data/x", 20).as_bytes()).unwrap();
    until("and so is the first", DEADLINE, || (data.total("") == 4).then_some(()));
    // The same address, and nothing twice.
    assert_eq!(get(&server.address, "/livez").status, 200);
    assert_eq!(data.cat("c/n1/file").len() as u64, fs::metadata(&one).unwrap().len());
    drop(server);
}
