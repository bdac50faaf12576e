//! Signing in by a real Keycloak, its own login form filled in.

use std::fs;

use serde_json::json;

use crate::util::{
    DEADLINE, Data, Keycloak, Reply, Server, free_address, get_with_header, get_with_host, pair,
    post_with_header, real_servers_are_wanted, until,
};

const PASSWORD: &str = "correct horse battery";
const SECRET: &str = "b0a7c0de-of-this-test-only";

/// Returns the cookies that an answer sets, as a browser sends them back.
fn cookies(reply: &Reply) -> String {
    let set = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
    let pairs = set.filter_map(|(_, value)| value.split(';').next());
    format!("Cookie: {}", pairs.collect::<Vec<_>>().join("; "))
}

/// Splits `http://HOST/PATH` into host and path.
fn split(url: &str) -> (String, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"))
}

/// Signs in at Keycloak's page, and returns keytrail's answer to who comes back.
fn sign_in(address: &str, user: &str) -> Reply {
    let begun = get_with_host(address, "/sign-in/oidc?next=%2Fexplore%3Fq%3Dpath%3Ax", address);
    assert_eq!(begun.status, 303, "{}", begun.body);
    let ours = cookies(&begun);
    let (host, target) = split(begun.header("location").unwrap());
    let page = get_with_host(&host, &target, &host);
    assert_eq!(page.status, 200, "{}", page.body);
    let form = page.body.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
    let (host, target) = split(&form.expect("a login form").replace("&amp;", "&"));
    let fields = format!("username={user}&password={}", PASSWORD.replace(' ', "+"));
    let answer = post_with_header(&host, &target, &fields, &cookies(&page));
    assert_eq!(answer.status, 302, "Keycloak does not send {user} back: {}", answer.body);
    let (host, target) = split(answer.header("location").unwrap());
    assert_eq!(host, address);
    get_with_header(address, &target, &ours)
}

fn realm(address: &str) -> serde_json::Value {
    let user = |name: &str, groups: &[&str]| {
        json!({
            "username": name, "enabled": true, "email": format!("{name}@keytrail.example"),
            "emailVerified": true, "firstName": name, "lastName": "Test", "groups": groups,
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}],
        })
    };
    json!({
        "realm": "keytrail", "enabled": true, "sslRequired": "none",
        "groups": [{"name": "security"}, {"name": "auditors"}],
        "users": [
            user("ann", &["/security"]), user("eve", &["/auditors"]), user("bob", &[]),
        ],
        "clients": [{
            "clientId": "keytrail", "secret": SECRET, "enabled": true, "standardFlowEnabled": true,
            "directAccessGrantsEnabled": false,
            "redirectUris": [format!("http://{address}/sign-in/oidc/callback")],
            "attributes": {"pkce.code.challenge.method": "S256"},
            "protocolMappers": [{
                "name": "groups", "protocol": "openid-connect",
                "protocolMapper": "oidc-group-membership-mapper",
                "config": {
                    "claim.name": "groups", "full.path": "false", "id.token.claim": "true",
                },
            }],
        }],
    })
}

#[test]
fn people_of_a_real_keycloak_sign_in_with_the_role_of_their_group() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let issuer = free_address();
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "[[source]]\npath = \"{}\"\n[oidc]\nissuer = \"http://{issuer}/realms/keytrail\"\n\
         client_id = \"keytrail\"\nclient_secret_file = \"{}\"\n\
         [[oidc.role]]\ngroup = \"security\"\nrole = \"analyst\"\n\
         [[oidc.role]]\ngroup = \"auditors\"\nrole = \"auditor\"\nscope = \"path:other/**\"\n\
         from = \"2020\"\nto = \"2040\"\n",
        log.display(),
        secret.display()
    );
    fs::write(&config, text).unwrap();
    let data = Data::new();
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("the request is found", DEADLINE, || (data.status_of("events") == 1).then_some(()));
    let address = server.address.clone();
    assert_eq!(get_with_host(&address, "/", &address).status, 401, "no users, and no way in");
    let begun = get_with_host(&address, "/sign-in/oidc", &address);
    assert_eq!(begun.status, 502, "it is not there yet: {}", begun.body);

    let _keycloak = Keycloak::start(&issuer, &realm(&address));
    let signed_in = sign_in(&address, "ann");
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    assert_eq!(signed_in.header("location"), Some("/explore?q=path:x"));
    let page = get_with_header(&address, "/explore", &cookies(&signed_in));
    assert!(page.body.contains("signed in as <bdi>ann, analyst</bdi>"), "{}", page.body);
    assert!(page.body.contains("secret/data/x"));
    let auditor = sign_in(&address, "eve");
    let page = get_with_header(&address, "/explore", &cookies(&auditor));
    assert!(page.body.contains("<bdi>eve, auditor</bdi>"), "{}", page.body);
    assert!(!page.body.contains("secret/data/x"), "it is out of his bounds");
    let refused = sign_in(&address, "bob");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("none of the groups"), "{}", refused.body);

    let parts = [
        "\"type\":\"signed_in\",\"by\":\"oidc:ann\",\"address\":\"127.0.0.1\"",
        "\"role\":\"analyst\"",
        "\"type\":\"sign_in_failed\",\"user\":\"bob\",\"address\":\"127.0.0.1\",\"method\":\"oidc\"",
    ];
    // What is recorded waits for whoever writes the ledger.
    let (lines, _) = until("each sign-in is in the ledger", DEADLINE, || {
        let lines = String::from_utf8(data.cat("keytrail")).unwrap();
        parts.iter().all(|part| lines.contains(part)).then_some(lines)
    });
    assert!(!lines.contains(SECRET) && !server.said().contains(SECRET));
}
