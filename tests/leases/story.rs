//! What ends with what: parents and children, orphans, mounts, auth methods, numbers of uses.

use serde_json::{Value, json};

use super::list;
use crate::util::Data;

/// Lines of one server, a request each ten seconds.
#[derive(Default)]
struct Story {
    text: String,
    requests: u32,
}

fn hash(of: &str) -> String {
    let digits: String = of.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("hmac-sha256:{digits:0>64}")
}

impl Story {
    /// Adds both lines of a request made with a token.
    fn request(&mut self, token: &str, operation: &str, path: &str, data: Value, response: Value) {
        let auth = json!({
            "client_token": hash(token), "accessor": hash(&format!("a{token}")), "display_name": token,
            "policies": ["app"], "token_type": "service", "entity_id": format!("e-{token}"),
            "policy_results": {"allowed": true, "granting_policies": [{"name": "app", "namespace_id": "root", "type": "acl"}]},
        });
        let mut request = json!({"client_token": hash(token), "data": data});
        if path.contains("/login") {
            request = json!({"data": data});
        }
        self.lines(auth, operation, path, request, response);
    }

    fn lines(
        &mut self,
        auth: Value,
        operation: &str,
        path: &str,
        mut request: Value,
        response: Value,
    ) {
        self.requests += 1;
        request["id"] = json!(format!("r-{}", self.requests));
        request["operation"] = json!(operation);
        request["path"] = json!(path);
        request["namespace"] = json!({"id": "root"});
        let mount = if path.starts_with("auth/") { 2 } else { 1 };
        let mount: Vec<&str> = path.split('/').take(mount).collect();
        request["mount_point"] = json!(format!("{}/", mount.join("/")));
        for (kind, millisecond) in [("request", 0), ("response", 1)] {
            let (minutes, seconds) = (self.requests / 6, self.requests % 6 * 10);
            let mut line = json!({
                "time": format!("2026-10-05T08:{minutes:02}:{seconds:02}.00{millisecond}Z"),
                "type": kind, "auth": auth, "request": request,
            });
            if kind == "response" {
                line["response"] = response.clone();
            }
            self.text += &format!("{line}\n");
        }
    }

    fn login(&mut self, path: &str, token: &str) {
        let given = json!({
            "client_token": hash(token), "accessor": hash(&format!("a{token}")), "display_name": token,
            "policies": ["app"], "token_type": "service", "token_ttl": 36_000, "entity_id": format!("e-{token}"),
        });
        let request = json!({"data": {}});
        self.lines(given.clone(), "update", path, request, json!({"auth": given}));
    }

    fn create(&mut self, with: &str, path: &str, data: Value, token: &str, uses: u32) {
        let given = json!({
            "client_token": hash(token), "accessor": hash(&format!("a{token}")), "display_name": token,
            "policies": ["app"], "token_type": "service", "token_ttl": 36_000, "num_uses": uses,
        });
        self.request(with, "update", path, data, json!({"auth": given}));
    }

    fn lease(&mut self, token: &str, id: &str) {
        let (path, _) = id.rsplit_once('/').unwrap();
        let answer = json!({"secret": {"lease_id": id}, "data": {"username": hash(id)}});
        self.request(token, "read", path, Value::Null, answer);
    }

    fn renew(&mut self, token: &str, id: &str) {
        let data = json!({"lease_id": hash(id)});
        let answer = json!({"secret": {"lease_id": id}});
        self.request(token, "update", "sys/leases/renew", data, answer);
    }

    fn revoke(&mut self, token: &str, id: &str) {
        let data = json!({"lease_id": hash(id)});
        self.request(token, "update", "sys/leases/revoke", data, Value::Null);
    }

    fn import(&self) -> Data {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        std::fs::write(&file, &self.text).unwrap();
        let data = Data::new();
        data.import([file]);
        data
    }
}

/// Returns state and known_by of the one whose column has this value.
fn standing(rows: &[Value], column: &str, value: &str) -> (String, String) {
    let row = rows.iter().find(|row| row[column] == value);
    let row = row.unwrap_or_else(|| panic!("no {column} {value} in {rows:?}"));
    let word = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
    (word("state"), word("known_by"))
}

fn is(state: &str, known_by: &str) -> (String, String) {
    (state.to_owned(), known_by.to_owned())
}

#[test]
fn children_and_leases_end_with_their_token_and_orphans_do_not() {
    let mut story = Story::default();
    story.login("auth/userpass/login/p", "parent");
    story.login("auth/userpass/login/q", "other");
    story.create("parent", "auth/token/create", json!({}), "child", 0);
    story.create("child", "auth/token/create", json!({}), "grandchild", 0);
    story.create("parent", "auth/token/create", json!({"no_parent": true}), "orphan", 0);
    story.create("parent", "auth/token/create/role", json!({}), "perhaps", 0);
    story.create("other", "auth/token/create", json!({}), "left", 0);
    story.create("other", "auth/token/create", json!({}), "twice", 2);
    story.lease("child", "database/creds/r/1");
    story.lease("orphan", "database/creds/r/2");
    story.request("twice", "read", "secret/a", Value::Null, json!({}));
    let before = "2026-10-05T08:01:55Z";
    story.request("twice", "read", "secret/a", Value::Null, json!({}));
    let accessor = json!({"accessor": hash("aparent")});
    story.request("other", "update", "auth/token/revoke-accessor", accessor, Value::Null);
    let other = json!({"token": hash("other")});
    story.request("orphan", "update", "auth/token/revoke-orphan", other, Value::Null);
    story.request("orphan", "read", "secret/a", Value::Null, json!({}));
    let data = story.import();

    let tokens = list(&data, "tokens", &[]);
    let of = |token: &str| standing(&tokens, "token", &hash(token));
    assert_eq!(of("parent"), is("ended", "seen"));
    assert_eq!(of("child"), is("ended", "seen"), "with its parent");
    assert_eq!(of("grandchild"), is("ended", "seen"), "with its parent's parent");
    assert_eq!(of("orphan"), is("open", "inferred"));
    assert_eq!(of("perhaps"), is("unknown", "-"), "the role may make orphans");
    assert_eq!(of("other"), is("ended", "seen"));
    assert_eq!(of("left"), is("open", "inferred"), "revoke-orphan leaves children");
    assert_eq!(of("twice"), is("ended", "inferred"), "used twice");
    let row = tokens.iter().find(|row| row["token"] == hash("parent")).unwrap();
    assert_eq!((&row["children"], &row["leases"]), (&json!(3), &json!(0)));

    let leases = list(&data, "leases", &[]);
    assert_eq!(standing(&leases, "lease", "database/creds/r/1"), is("ended", "seen"));
    assert_eq!(standing(&leases, "lease", "database/creds/r/2").0, "unknown");
    let earlier = list(&data, "tokens", &["--at", before]);
    assert_eq!(standing(&earlier, "token", &hash("twice")), is("open", "seen"));
    assert_eq!(standing(&earlier, "token", &hash("child")).0, "open");
}

#[test]
fn a_disabled_mount_or_auth_method_ends_what_it_gave_out() {
    let mut story = Story::default();
    story.login("auth/userpass/login/p", "admin");
    story.login("auth/approle/login", "service");
    story.lease("admin", "database/creds/r/1");
    story.lease("admin", "database-2/creds/r/2");
    story.lease("service", "database-2/creds/r/3");
    story.request("admin", "delete", "sys/mounts/database", Value::Null, Value::Null);
    story.request("admin", "delete", "sys/auth/approle", Value::Null, Value::Null);
    let data = story.import();
    let leases = list(&data, "leases", &[]);
    let of = |id: &str| standing(&leases, "lease", id);
    assert_eq!(of("database/creds/r/1"), is("ended", "seen"));
    assert_eq!(of("database-2/creds/r/2"), is("unknown", "-"), "another mount");
    assert_eq!(of("database-2/creds/r/3"), is("ended", "seen"), "its token's method is gone");
    let tokens = list(&data, "tokens", &[]);
    assert_eq!(standing(&tokens, "token", &hash("service")), is("ended", "seen"));
    assert_eq!(standing(&tokens, "token", &hash("admin")), is("open", "inferred"));
}

#[test]
fn a_revocation_is_of_the_lease_whose_hash_a_renewal_showed() {
    let mut story = Story::default();
    story.login("auth/userpass/login/p", "holder");
    story.lease("holder", "database/creds/r/1");
    story.lease("holder", "database/creds/r/2");
    story.renew("holder", "database/creds/r/1");
    story.revoke("holder", "database/creds/r/1");
    story.revoke("holder", "database/creds/r/2");
    let data = story.import();
    let leases = list(&data, "leases", &["path:database/creds/r"]);
    let why = |id: &str| {
        let row = leases.iter().find(|row| row["lease"] == id).unwrap();
        (row["state"].as_str().unwrap().to_owned(), row["why"].as_str().unwrap().to_owned())
    };
    assert_eq!(why("database/creds/r/1").0, "ended");
    assert!(why("database/creds/r/1").1.starts_with("revoked at 2026-10-05T08:00:50"));
    assert_eq!(why("database/creds/r/2").0, "unknown");
    let run = data.run("leases", ["--limit", "1"]).expect(0);
    assert!(run.stderr.contains("of the newest 1 of 2 (--limit)"), "{}", run.stderr);
    let run = data.run("leases", ["path:nowhere"]).expect(0);
    assert!(run.stderr.contains("none of 0, exact"), "{}", run.stderr);
    data.run("leases", ["--at", "yesterday"]).expect(2);
}
