//! Users and tokens: added by commands, noticed by a running keytrail, recorded in its ledger.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::util::{
    DEADLINE, Data, Run, Server, get, get_with_header, get_with_host, keytrail, pair, post, until,
};

const PASSWORD: &str = "correct horse battery";

/// Runs `keytrail user` or `keytrail token`, with a password on standard input.
fn account(data: &Data, words: &[&str], arguments: &[&str], password: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    writeln!(fs::File::create(&file).unwrap(), "{password}").unwrap();
    let mut command = keytrail();
    command.args(words).arg("-d").arg(data.path()).args(arguments);
    Run::of(command.stdin(Stdio::from(fs::File::open(&file).unwrap())))
}

fn add_user(data: &Data, name: &str, role: &str) -> Run {
    account(data, &["user", "add"], &[name, "--role", role, "--password-stdin"], PASSWORD)
}

fn own_lines(data: &Data) -> String {
    String::from_utf8(data.cat("keytrail")).unwrap()
}

#[test]
fn the_first_user_shuts_the_door_of_a_running_keytrail() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let data = Data::new();
    let server = Server::follow(&data, &log);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    let address = server.address.clone();
    assert!(get(&address, "/").body.contains("No sign-in"));
    add_user(&data, "ann", "analyst").expect(0);
    assert_eq!(get_with_host(&address, "/", &address).status, 401);
    let form = format!("name=ann&password={}&next=%2Fexplore", PASSWORD.replace(' ', "+"));
    let signed_in = post(&address, "/sign-in", &form);
    assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/explore")));
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page =
        get_with_header(&address, "/explore?q=decision:allowed", &format!("Cookie: {cookie}"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("signed in as <bdi>ann, analyst</bdi>"), "{}", page.body);

    // A program sends a token in place of signing in.
    let url = format!("http://{address}");
    let count = |more: &[&str]| Run::of(keytrail().args(["count", "--url", &url]).args(more));
    let refused = count(&[]).expect(3);
    assert!(
        refused.stderr.contains("401") && refused.stderr.contains("token"),
        "{}",
        refused.stderr
    );
    let added =
        account(&data, &["token", "add"], &["ci", "--role", "viewer", "--expires", "1d"], "");
    let token = added.expect(0).text().trim().to_owned();
    assert!(token.starts_with("keytrail_"), "{token}");
    let file = folder.path().join("token");
    fs::write(&file, &token).unwrap();
    let counted = count(&["--token-file", file.to_str().unwrap(), "--format", "json"]).expect(0);
    assert_eq!(counted.json()[0]["count"], 1);
    let look_up = Run::of(keytrail().env("KEYTRAIL_TOKEN", &token).args([
        "lookup",
        "--url",
        &url,
        "--hmac",
        &format!("hmac-sha256:{}", "1".repeat(64)),
    ]));
    assert!(look_up.expect(3).stderr.contains("the role viewer may not look up"));
    account(&data, &["token", "remove"], &["ci"], "").expect(0);
    count(&["--token-file", file.to_str().unwrap()]).expect(3);

    // All of it is recorded, by whom, and without a secret.
    let expected = ["user added", "token added", "token removed", "signed_in", "asked"];
    let (own, _) = until("it is recorded", DEADLINE, || {
        let own = own_lines(&data);
        expected.iter().all(|word| own.contains(word)).then_some(own)
    });
    assert!(own.contains("\"by\":\"os:") && own.contains("\"by\":\"user:ann\""), "{own}");
    assert!(own.contains("\"address\":\"127.0.0.1\""), "{own}");
    assert!(own.contains("\"filter\":\"decision:allowed\""), "{own}");
    assert!(!own.contains(PASSWORD) && !own.contains(&token[9..]), "{own}");
    server.terminate();
    data.run("verify", ["--index"]).expect(0);
}

#[test]
fn users_can_be_there_before_the_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let data = Data::new();
    let made = account(&data, &["user", "add"], &["ann", "--role", "admin"], "").expect(0);
    let password = made.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    let server = Server::follow(&data, &log);
    assert_eq!(get_with_host(&server.address, "/", &server.address).status, 401);
    let form = format!("name=ann&password={password}");
    assert_eq!(post(&server.address, "/sign-in", &form).status, 303);
    until("it is recorded", DEADLINE, || own_lines(&data).contains("user added").then_some(()));
}

#[test]
fn what_cannot_be_is_refused_with_the_remedy() {
    let data = Data::new();
    add_user(&data, "ann", "viewer").expect(0);
    for (words, arguments, says) in [
        (["user", "add"], &["ann", "--role", "viewer"][..], "there already"),
        (["user", "add"], &["bob", "--role", "boss"], "no role"),
        (["user", "add"], &["bob", "--role", "auditor"], "--scope"),
        (["user", "role"], &["ann", "--role", "viewer", "--scope", "path:x"], "only an auditor"),
        (["user", "remove"], &["bob"], "no user"),
        (["user", "remove"], &["ann"], "the last user"),
        (["token", "remove"], &["ci"], "no token"),
    ] {
        let run = account(&data, &words, arguments, "").expect(2);
        assert!(run.stderr.contains(says), "{words:?}: {}", run.stderr);
    }
    let short = account(&data, &["user", "password"], &["ann", "--password-stdin"], "short");
    assert!(short.expect(2).stderr.contains("at least 12 characters"));
    let period = ["--scope", "path:secret/**", "--from", "2026-07", "--to", "2026-10"];
    let auditor = [&["bob", "--role", "auditor"][..], &period].concat();
    account(&data, &["user", "add"], &auditor, "").expect(0);
    let list = account(&data, &["user", "list"], &[], "").expect(0);
    assert!(list.text().contains("2026-07-01T00:00:00Z"), "{}", list.text());
    account(&data, &["user", "remove"], &["ann"], "").expect(0);
}

/// Writes a certificate of its own for localhost, and returns it.
fn certify(folder: &Path) -> reqwest::Certificate {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // As a renewal does: whole files, put in place of the old ones.
    for (name, text) in [("tls.key", signing_key.serialize_pem()), ("tls.crt", cert.pem())] {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
    reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

/// Asks over TLS, with one certificate trusted.
fn get_by_tls(
    address: &str,
    trusted: &reqwest::Certificate,
) -> Result<reqwest::Response, reqwest::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted.clone()]);
    let port = address.rsplit(':').next().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(client.build().unwrap().get(format!("https://localhost:{port}/explore")).send())
}

#[test]
fn tls_is_ended_here_and_a_renewed_certificate_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let first = certify(folder.path());
    let file = folder.path().join("keytrail.toml");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "hosts = [\"keytrail.example\"]\n[tls]\ncertificate = {:?}\nkey = {:?}\n[[source]]\npath = {:?}\n",
        at("tls.crt"),
        at("tls.key"),
        at("audit.log"),
    );
    fs::write(&file, config).unwrap();
    let data = Data::new();
    add_user(&data, "ann", "viewer").expect(0);
    let server = Server::start(&data, &["-c", file.to_str().unwrap()]);
    let asked = get_by_tls(&server.address, &first).unwrap();
    assert_eq!(asked.status(), 401);
    assert!(asked.headers().get("strict-transport-security").is_none(), "not of localhost");
    // What is no pair does not take the place of one that is.
    fs::write(folder.path().join("tls.key"), "nonsense").unwrap();
    assert_eq!(get_by_tls(&server.address, &first).unwrap().status(), 401);
    let second = certify(folder.path());
    assert_eq!(get_by_tls(&server.address, &second).unwrap().status(), 401);
    get_by_tls(&server.address, &first).unwrap_err();
    server.says("last good certificate stays");
}

#[test]
fn beyond_this_machine_there_is_no_way_in_without_tls_and_a_user() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let source = format!("[[source]]\npath = {:?}\n", at("audit.log"));
    let tls = format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", at("tls.crt"), at("tls.key"));
    let file = folder.path().join("keytrail.toml");
    let data = Data::new();
    for (listen, says) in [
        (format!("listen = \"0.0.0.0:0\"\n{source}"), "[tls]"),
        (format!("listen = \"0.0.0.0:0\"\n{tls}{source}"), "hosts ="),
        (format!("listen = \"0.0.0.0:0\"\nhosts = [\"k.example\"]\n{tls}{source}"), "user add"),
        (format!("[proxy]\ntrusted = [\"127.0.0.1\"]\n{source}"), "user add"),
        (format!("{}{source}", tls.replace("tls.key", "none")), "none: "),
    ] {
        fs::write(&file, listen).unwrap();
        let mut command = keytrail();
        command.args(["run", "-c", file.to_str().unwrap()]).arg("-d").arg(data.path());
        let run = Run::of(&mut command).expect(2);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        assert!(!data.path().join("ledger").exists(), "nothing was begun");
    }
}
