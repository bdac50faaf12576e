//! From a line of a database's log to the pod: nothing of it is made up but the Kubernetes API.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::util::{Bao, Data, Postgres, Run, files_below, keytrail, real_servers_are_wanted};

const NAMESPACE: &str = "shop";
const ACCOUNT: &str = "orders";

/// Answers each TokenReview that the token is this account's; ends with the test's process.
fn api_server(token: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            review(&stream, &token);
        }
    });
    address
}

fn review(mut stream: &TcpStream, token: &str) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let user =
        json!({"username": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"), "uid": "uid-1"});
    let status = match asked["spec"]["token"] == token {
        true => {
            json!({"authenticated": true, "user": user, "audiences": asked["spec"]["audiences"]})
        }
        false => json!({"authenticated": false}),
    };
    let answer =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
            .to_string();
    write!(
        stream,
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
    .unwrap();
}

/// A service account's token as a pod has it; nobody but the API server judges its signature.
fn service_account_token() -> String {
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"),
        "iat": 1_790_000_000, "nbf": 1_790_000_000, "exp": 4_000_000_000_u64,
        "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": ACCOUNT, "uid": "uid-1"}},
    });
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#);
    [header, part(&claims.to_string()), part(&"s".repeat(256))].join(".")
}

/// Sends a request of the pod's; returns the answer's body.
fn ask(bao: &Bao, method: &str, path: &str, token: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(&bao.address).unwrap();
    let (address, length) = (&bao.address, body.len());
    write!(
        stream,
        "{method} /v1/{path} HTTP/1.0\r\nHost: {address}\r\n{token}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

fn set_up(bao: &Bao, postgres: &Postgres, admin: &str, api: &str, authority: &Path) {
    bao.run(&["auth", "enable", "kubernetes"]).expect("an auth method");
    let authority = fs::read_to_string(authority).unwrap();
    let config = json!({"kubernetes_host": api, "kubernetes_ca_cert": authority, "disable_local_ca_jwt": true});
    assert_eq!(bao.write("auth/kubernetes/config", &config.to_string()), 204);
    let role = json!({
        "bound_service_account_names": [ACCOUNT], "bound_service_account_namespaces": [NAMESPACE],
        "token_policies": ["orders"], "token_ttl": "1h",
    });
    assert_eq!(bao.write("auth/kubernetes/role/orders", &role.to_string()), 204);
    let policy = json!({"policy": "path \"database/creds/my-app\" { capabilities = [\"read\"] }"});
    assert_eq!(bao.write("sys/policies/acl/orders", &policy.to_string()), 204);
    bao.run(&["secrets", "enable", "database"]).expect("a mount");
    let url = format!(
        "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
        postgres.port
    );
    let connection = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": ["my-app"],
        "connection_url": url, "username": "admin", "password": admin,
    });
    let status = bao.write("database/config/orders", &connection.to_string());
    assert!(matches!(status, 200 | 204), "{status}");
    let create = r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"#;
    let role = json!({"db_name": "orders", "creation_statements": [create], "default_ttl": "1h", "max_ttl": "2h"});
    assert_eq!(bao.write("database/roles/my-app", &role.to_string()), 204);
}

#[test]
fn a_database_log_leads_to_the_pod() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // PostgreSQL's own user has to reach its folder.
    Run::of(std::process::Command::new("chmod").arg("755").arg(folder.path())).expect(0);
    let bao = Bao::start(folder.path());
    let admin = "administrator-of-a-test";
    let postgres = Postgres::start(&folder.path().join("postgres"), admin);
    let pod = service_account_token();
    let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/util/authority.pem");
    set_up(&bao, &postgres, admin, &api_server(pod.clone()), &authority);

    let login = json!({"role": "orders", "jwt": pod}).to_string();
    let login = ask(&bao, "POST", "auth/kubernetes/login", "", &login);
    let token = login["auth"]["client_token"].as_str().unwrap();
    let header = format!("X-Vault-Token: {token}\r\n");
    let given = ask(&bao, "GET", "database/creds/my-app", &header, "");
    let [user, password] =
        ["username", "password"].map(|key| given["data"][key].as_str().unwrap().to_owned());
    assert_eq!(postgres.ask(&user, &password, "select current_user"), user);

    let root = folder.path().join("token");
    fs::write(&root, bao.root_token()).unwrap();
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n\
         [[server]]\naddress = \"http://{}\"\ntoken_file = \"{}\"\ncounters = false\n",
        folder.path().join("audit.log").display(),
        bao.address,
        root.display()
    );
    fs::write(&config, text).unwrap();
    let data = Data::new();
    data.import([folder.path().join("audit.log")]);
    let mut look_up = keytrail();
    look_up.arg("lookup").arg("-d").arg(data.path()).arg("-c").arg(&config);
    let run = Run::of(look_up.arg("--postgres-log").arg(&postgres.log)).expect(0);
    let named: Vec<&str> = run.text().lines().filter(|line| line.contains(user.as_str())).collect();
    assert!(!named.is_empty(), "{}", run.text());
    let lease = given["lease_id"].as_str().unwrap();
    for line in named {
        let columns: Vec<&str> = line.split('\t').collect();
        let [.., holder, _, of_lease, uid] = columns[..] else { panic!("{line}") };
        assert_eq!((holder, of_lease), (&*format!("{NAMESPACE}/{ACCOUNT}"), lease), "{line}");
        let event = data.search(&format!("lease:\"{lease}\""));
        assert_eq!(event[0]["uid"], uid);
        let metadata = &event[0]["identity"]["metadata"];
        assert_eq!(metadata["service_account_name"], ACCOUNT);
        assert_eq!(metadata["service_account_namespace"], NAMESPACE);
    }
    assert!(run.stderr.contains("1 of "), "{}", run.stderr);

    let held =
        data.run("leases", ["path:database/creds/my-app", "--format", "json"]).expect(0).json();
    assert_eq!(held.len(), 1);
    assert_eq!((&held[0]["lease"], &held[0]["identity"]), (&json!(lease), &json!("shop/orders")));

    // The credential is in nothing that keytrail wrote or said, and in no command line.
    for secret in [&user, &password, &token.to_owned()] {
        let holds =
            |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        for file in files_below(data.path()) {
            assert!(!holds(&fs::read(&file).unwrap()), "{} holds it", file.display());
        }
        assert!(!holds(run.stderr.as_bytes()));
        let ps = Run::of(std::process::Command::new("ps").args(["-eo", "args"])).expect(0);
        let ours = ps.text().lines().filter(|line| line.contains("keytrail"));
        assert!(!ours.into_iter().any(|line| holds(line.as_bytes())), "a command line holds it");
    }
    assert!(!run.text().contains(&password));
}
