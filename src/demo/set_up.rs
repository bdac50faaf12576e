//! The walk-through: what an operator sets up in a new secrets server, done with the root token.
//!
//! Policies name what each may do; Kubernetes, AppRole and user/password logins give identities;
//! a database role gives credentials that expire; a namespace belongs to another team.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::client::{Answer, CORRELATION_HEADER, Call, Client, Who};
use super::postgres::{ADMINISTRATOR, Postgres};
use super::random;
use super::server::DemoServer;
use super::token_review::{AUTHORITY, Issued};

/// Service accounts of the cluster: Kubernetes namespace, name (also that of role and policy), and
/// the address of its pod.
pub(crate) const ACCOUNTS: [(&str, &str, &str); 4] = [
    ("my-app", "my-app", "10.0.1.7"),
    ("payments", "payments-api", "10.0.2.14"),
    ("web", "storefront", "10.0.3.21"),
    ("monitoring", "prometheus", "10.0.4.3"),
];

/// People: user name, policy, and the address of their machine.
pub(crate) const PEOPLE: [(&str, &str, &str); 4] = [
    ("alice", "operator", "192.168.1.20"),
    ("bob", "developer", "192.168.1.31"),
    ("carol", "auditor", "192.168.1.42"),
    ("mallory", "developer", "192.168.1.66"),
];

/// AppRoles: name and address; the policy is of the same name.
pub(crate) const PIPELINES: [(&str, &str); 2] =
    [("ci-deploy", "172.16.0.9"), ("backup-agent", "172.16.0.30")];

/// The namespace of another team, and the one user in it.
pub(crate) const TEAM: (&str, &str, &str) = ("team-a", "tenant", "192.168.9.5");

/// The policies, by name.
const POLICIES: [(&str, &str); 10] = [
    (
        "my-app",
        r#"path "secret/data/my-app/*" { capabilities = ["read"] }
path "secret/metadata/my-app/*" { capabilities = ["read", "list"] }
path "database/creds/my-app" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }"#,
    ),
    (
        "payments-api",
        r#"path "secret/data/payments-api/*" { capabilities = ["read"] }
path "transit/encrypt/orders" { capabilities = ["update"] }
path "transit/decrypt/orders" { capabilities = ["update"] }"#,
    ),
    (
        "storefront",
        r#"path "secret/data/storefront/*" { capabilities = ["read"] }
path "secret/metadata/storefront/*" { capabilities = ["read", "list"] }
path "transit/encrypt/orders" { capabilities = ["update"] }"#,
    ),
    (
        "prometheus",
        r#"path "sys/metrics" { capabilities = ["read"] }
path "secret/data/prometheus/*" { capabilities = ["read"] }"#,
    ),
    (
        "developer",
        r#"path "secret/data/dev/*" { capabilities = ["create", "update", "read", "delete", "patch"] }
path "secret/metadata/dev/*" { capabilities = ["create", "update", "read", "list", "delete"] }
path "secret/undelete/dev/*" { capabilities = ["update"] }
path "secret/destroy/dev/*" { capabilities = ["update"] }
path "secret/data/dev/prod-only/*" { capabilities = ["deny"] }
path "transit/encrypt/orders" { capabilities = ["update"] }"#,
    ),
    (
        "operator",
        r#"path "sys/*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }
path "auth/*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }
path "identity/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#,
    ),
    (
        "auditor",
        r#"path "sys/audit" { capabilities = ["read", "sudo"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/mounts" { capabilities = ["read"] }
path "sys/policies/acl/*" { capabilities = ["read", "list"] }
path "sys/policies/acl" { capabilities = ["list"] }"#,
    ),
    (
        "ci-deploy",
        r#"path "secret/data/my-app/*" { capabilities = ["create", "update", "read"] }
path "secret/data/odd/*" { capabilities = ["create", "update", "read"] }
path "auth/token/create" { capabilities = ["update"] }"#,
    ),
    ("backup-agent", r#"path "secret/metadata/*" { capabilities = ["list"] }"#),
    ("team", r#"path "secret/data/*" { capabilities = ["create", "update", "read", "delete"] }"#),
];

/// How somebody logs in.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// As a pod, in this role, with a token of this service account.
    Kubernetes {
        /// The role asked for.
        role: String,
        /// The service account's Kubernetes namespace.
        namespace: String,
        /// The service account's name.
        account: String,
    },
    /// With user name and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// With an AppRole's two ids.
    AppRole {
        /// Names the role.
        role_id: String,
        /// Proves it.
        secret_id: String,
    },
}

/// A server that is set up, and everything that one must know to use it.
#[derive(Clone)]
pub(crate) struct Walkthrough {
    /// Sends requests to it.
    pub(crate) client: Client,
    /// The holder of the initial root token.
    pub(crate) root: Who,
    /// Whether there is a database role `my-app`.
    pub(crate) database: bool,
    /// Role id and secret id of each of the [`PIPELINES`].
    pipelines: Vec<(String, String)>,
    /// Passwords are this and the user's name.
    password_salt: String,
    issued: Arc<Issued>,
}

/// Sets everything up through this client.
pub(super) async fn set_up(server: &DemoServer, client: Client) -> Result<Walkthrough> {
    let mut root = Who::new("root", "192.168.1.10");
    root.token = Some(server.root_token.clone());
    let step = Step { client: &client, root: &root };
    let password_salt = random::secret()?;

    // Not every line of this first request carries the header yet: no row of truth for it.
    let unseen = Client::new(client.address())?;
    let header = format!("sys/config/auditing/request-headers/{CORRELATION_HEADER}");
    unseen.must(Call::new("POST", header).body(&json!({"hmac": false})).by(&root)).await?;
    for (mount, options) in [
        (
            "secret",
            json!({"type": "kv", "options": {"version": "2"}, "description": "what the applications need"}),
        ),
        ("transit", json!({"type": "transit"})),
        ("legacy", json!({"type": "kv", "options": {"version": "1"}})),
    ] {
        step.write(&format!("sys/mounts/{mount}"), &options).await?;
    }
    for method in ["kubernetes", "approle", "userpass"] {
        step.write(&format!("sys/auth/{method}"), &json!({"type": method})).await?;
    }
    for (name, policy) in POLICIES {
        step.write(&format!("sys/policies/acl/{name}"), &json!({"policy": policy})).await?;
    }
    kubernetes(&step, &server.stand_in.address).await?;
    let pipelines = approle(&step).await?;
    for (user, policy, _) in PEOPLE {
        let password = format!("{password_salt}-{user}");
        let options = json!({"password": password, "token_policies": [policy], "token_ttl": "1h"});
        step.write(&format!("auth/userpass/users/{user}"), &options).await?;
    }
    if let Some(postgres) = &server.postgres {
        database(&step, postgres).await?;
    }
    step.write("transit/keys/orders", &json!({})).await?;
    secrets(&step).await?;
    team(&step, &password_salt).await?;

    let issued = server.stand_in.issued();
    let database = server.has_database();
    Ok(Walkthrough { client, root, database, pipelines, password_salt, issued })
}

/// Writes as root; every step must succeed.
struct Step<'a> {
    client: &'a Client,
    root: &'a Who,
}

impl Step<'_> {
    async fn write(&self, path: &str, body: &Value) -> Result<Answer> {
        self.client.must(Call::new("POST", path).body(body).by(self.root)).await
    }

    async fn write_in(&self, namespace: &str, path: &str, body: &Value) -> Result<Answer> {
        self.client
            .must(Call::new("POST", path).body(body).by(self.root).namespace(namespace))
            .await
    }
}

async fn kubernetes(step: &Step<'_>, api_server: &str) -> Result<()> {
    // Without a reviewer's token the server sends each pod's own token with the review.
    let options = json!({"kubernetes_host": api_server, "kubernetes_ca_cert": AUTHORITY, "disable_local_ca_jwt": true});
    step.write("auth/kubernetes/config", &options).await?;
    for (namespace, name, _) in ACCOUNTS {
        let options = json!({
            "bound_service_account_names": [name], "bound_service_account_namespaces": [namespace],
            "token_policies": [name], "token_ttl": "1h",
        });
        step.write(&format!("auth/kubernetes/role/{name}"), &options).await?;
    }
    Ok(())
}

async fn approle(step: &Step<'_>) -> Result<Vec<(String, String)>> {
    let mut pipelines = Vec::new();
    for (name, _) in PIPELINES {
        let role = format!("auth/approle/role/{name}");
        step.write(&role, &json!({"token_policies": [name], "token_ttl": "30m"})).await?;
        let role_id =
            step.client.must(Call::new("GET", format!("{role}/role-id")).by(step.root)).await?;
        let secret_id = step.write(&format!("{role}/secret-id"), &json!({})).await?;
        pipelines.push((
            role_id.text("/data/role_id")?.to_owned(),
            secret_id.text("/data/secret_id")?.to_owned(),
        ));
    }
    Ok(pipelines)
}

async fn database(step: &Step<'_>, postgres: &Postgres) -> Result<()> {
    step.write("sys/mounts/database", &json!({"type": "database"})).await?;
    let url = format!(
        "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
        postgres.port
    );
    let options = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": ["my-app", "broken"],
        "connection_url": url, "username": ADMINISTRATOR, "password": postgres.password,
    });
    step.write("database/config/orders", &options).await?;
    let create = [
        r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"#,
        r#"GRANT readonly TO "{{name}}";"#,
    ];
    // Short, so that a demo that runs for hours does not gather database users.
    let options = json!({"db_name": "orders", "creation_statements": create, "default_ttl": "2m", "max_ttl": "10m"});
    step.write("database/roles/my-app", &options).await?;
    let options = json!({"db_name": "orders", "creation_statements": ["CREATE NONSENSE {{name}}"]});
    step.write("database/roles/broken", &options).await?;
    Ok(())
}

async fn secrets(step: &Step<'_>) -> Result<()> {
    for (_, name, _) in ACCOUNTS {
        for secret in ["config", "db", "api-key"] {
            let data = json!({"username": format!("{name}-user"), "password": random::secret()?, "port": 5432});
            step.write(&format!("secret/data/{name}/{secret}"), &json!({"data": data})).await?;
        }
    }
    step.write("legacy/app", &json!({"user": "old", "password": random::secret()?})).await?;
    Ok(())
}

async fn team(step: &Step<'_>, password_salt: &str) -> Result<()> {
    let (namespace, user, _) = TEAM;
    step.write(&format!("sys/namespaces/{namespace}"), &json!({})).await?;
    step.write_in(
        namespace,
        "sys/mounts/secret",
        &json!({"type": "kv", "options": {"version": "2"}}),
    )
    .await?;
    step.write_in(namespace, "sys/auth/userpass", &json!({"type": "userpass"})).await?;
    let policy =
        POLICIES.iter().find(|(name, _)| *name == "team").context("the policy of the team")?.1;
    step.write_in(namespace, "sys/policies/acl/team", &json!({"policy": policy})).await?;
    let options =
        json!({"password": format!("{password_salt}-{user}"), "token_policies": ["team"]});
    step.write_in(namespace, &format!("auth/userpass/users/{user}"), &options).await?;
    Ok(())
}

impl Walkthrough {
    /// Returns the same walk-through for another client.
    pub(crate) fn with_client(&self, client: Client) -> Walkthrough {
        Walkthrough { client, ..self.clone() }
    }

    /// Returns the pod of one of the [`ACCOUNTS`], not logged in.
    pub(crate) fn pod(&self, account: usize) -> (Who, Login) {
        let (namespace, name, address) = ACCOUNTS[account];
        let login = Login::Kubernetes {
            role: name.to_owned(),
            namespace: namespace.to_owned(),
            account: name.to_owned(),
        };
        (Who::new(format!("{namespace}/{name}"), address), login)
    }

    /// Returns one of the [`PEOPLE`], not logged in.
    pub(crate) fn person(&self, person: usize) -> (Who, Login) {
        let (user, _, address) = PEOPLE[person];
        (Who::new(user, address), self.password(user))
    }

    /// Returns one of the [`PIPELINES`], not logged in.
    pub(crate) fn pipeline(&self, pipeline: usize) -> (Who, Login) {
        let (name, address) = PIPELINES[pipeline];
        let (role_id, secret_id) = self.pipelines[pipeline].clone();
        (Who::new(name, address), Login::AppRole { role_id, secret_id })
    }

    /// Returns the user of the other team's namespace, not logged in.
    pub(crate) fn tenant(&self) -> (Who, Login) {
        let (namespace, user, address) = TEAM;
        (Who { namespace, ..Who::new(user, address) }, self.password(user))
    }

    fn password(&self, user: &str) -> Login {
        Login::Password {
            user: user.to_owned(),
            password: format!("{}-{user}", self.password_salt),
        }
    }

    /// Tries to log somebody in; on success `who` has a new token.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn log_in(&self, who: &mut Who, login: &Login) -> Result<Answer> {
        let (path, body) = match login {
            Login::Kubernetes { role, namespace, account } => {
                let jwt = self.issued.token(namespace, account, 3600)?;
                ("auth/kubernetes/login".to_owned(), json!({"role": role, "jwt": jwt}))
            }
            Login::Password { user, password } => {
                (format!("auth/userpass/login/{user}"), json!({"password": password}))
            }
            Login::AppRole { role_id, secret_id } => (
                "auth/approle/login".to_owned(),
                json!({"role_id": role_id, "secret_id": secret_id}),
            ),
        };
        let answer =
            self.client.send(Call::new("POST", path).body(&body).from(who).proves(who)).await?;
        if let Ok(token) = answer.text("/auth/client_token") {
            who.token = Some(token.to_owned());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_policy() {
        let accounts = ACCOUNTS.map(|(_, name, _)| name);
        let people = PEOPLE.map(|(_, policy, _)| policy);
        let pipelines = PIPELINES.map(|(name, _)| name);
        for name in accounts.into_iter().chain(people).chain(pipelines) {
            assert!(POLICIES.iter().any(|(policy, _)| *policy == name), "{name}");
        }
    }
}
