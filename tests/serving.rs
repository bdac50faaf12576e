//! Who is served, and with which headers.

use std::io::Write;
use std::process::Command;

use crate::util::{Data, Run, Server, fixture, get, get_with_host, keytrail};

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
