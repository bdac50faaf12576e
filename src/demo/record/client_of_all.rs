//! One client of a recording: it makes requests of every kind in a seeded order.
//!
//! Each kind is a function that makes one to four requests which belong together. What a kind
//! needs is its own (paths end in the client's number), so that the clients do not disturb each other.

use anyhow::Result;
use serde_json::{Value, json};

use crate::demo::client::{Answer, Call, Who};
use crate::demo::random::Random;
use crate::demo::set_up::{ACCOUNTS, Login, PEOPLE, PIPELINES, Walkthrough};

/// A client that plays everybody.
pub(super) struct ClientOfAll {
    walkthrough: Walkthrough,
    random: Random,
    /// Makes paths and names this client's own.
    number: u64,
    sent: usize,
    pods: Vec<Who>,
    people: Vec<Who>,
    pipelines: Vec<Who>,
    tenant: Who,
}

impl ClientOfAll {
    /// Returns a client that has not done anything yet.
    pub(super) fn new(walkthrough: Walkthrough, random: Random, number: u64) -> ClientOfAll {
        ClientOfAll {
            pods: (0..ACCOUNTS.len()).map(|account| walkthrough.pod(account).0).collect(),
            people: (0..PEOPLE.len()).map(|person| walkthrough.person(person).0).collect(),
            pipelines: (0..PIPELINES.len())
                .map(|pipeline| walkthrough.pipeline(pipeline).0)
                .collect(),
            tenant: walkthrough.tenant().0,
            walkthrough,
            random,
            number,
            sent: 0,
        }
    }

    /// Makes at least this many requests, the logins of everybody among them.
    pub(super) async fn run(mut self, requests: usize) -> Result<()> {
        self.everybody_logs_in().await?;
        while self.sent < requests {
            match self.random.below(14) {
                0 | 1 => self.reads().await?,
                2 => self.writes().await?,
                3 => self.denied().await?,
                4 => self.failed_logins().await?,
                5 => self.logins().await?,
                6 => self.tokens().await?,
                7 => self.refused_tokens().await?,
                8 => self.wrapping().await?,
                9 => self.transit().await?,
                10 => self.database().await?,
                11 => self.system().await?,
                12 => self.tenant().await?,
                _ => self.odd().await?,
            }
        }
        Ok(())
    }

    async fn send(&mut self, call: Call) -> Result<Answer> {
        self.sent += 1;
        self.walkthrough.client.send(call).await
    }

    async fn log_in(&mut self, mut who: Who, login: &Login) -> Result<Who> {
        self.sent += 1;
        self.walkthrough.log_in(&mut who, login).await?;
        Ok(who)
    }

    async fn everybody_logs_in(&mut self) -> Result<()> {
        for account in 0..self.pods.len() {
            let (who, login) = self.walkthrough.pod(account);
            self.pods[account] = self.log_in(who, &login).await?;
        }
        for person in 0..self.people.len() {
            let (who, login) = self.walkthrough.person(person);
            self.people[person] = self.log_in(who, &login).await?;
        }
        for pipeline in 0..self.pipelines.len() {
            let (who, login) = self.walkthrough.pipeline(pipeline);
            self.pipelines[pipeline] = self.log_in(who, &login).await?;
        }
        let (who, login) = self.walkthrough.tenant();
        self.tenant = self.log_in(who, &login).await?;
        Ok(())
    }

    fn app(&self) -> Who {
        self.pods[0].clone()
    }

    fn alice(&self) -> Who {
        self.people[0].clone()
    }

    fn bob(&self) -> Who {
        self.people[1].clone()
    }

    fn deploy(&self) -> Who {
        self.pipelines[0].clone()
    }

    /// Secrets that are there, secrets that are not, lists.
    async fn reads(&mut self) -> Result<()> {
        let app = self.app();
        let secret = *self.random.pick(&["config", "db", "api-key", "missing"]);
        let call = match self.random.below(4) {
            0 => Call::new("LIST", "secret/metadata/my-app/"),
            1 => Call::new("GET", "secret/metadata/my-app/").query("list=true"),
            2 => Call::new("GET", format!("secret/data/my-app/{secret}")).query("version=1"),
            _ => Call::new("GET", format!("secret/data/my-app/{secret}")),
        };
        self.send(call.by(&app)).await?;
        Ok(())
    }

    /// The life of a secret: written, a version conflict, patched, deleted, back again.
    async fn writes(&mut self) -> Result<()> {
        let bob = self.bob();
        let name = format!("client-{}-{}", self.number, self.random.below(5));
        let (data, metadata) =
            (format!("secret/data/dev/{name}"), format!("secret/metadata/dev/{name}"));
        let value = json!({"password": format!("{:016x}", self.random.bits()), "pin": self.random.below(10_000), "tls": true});
        self.send(Call::new("POST", &data).body(&json!({"data": value})).by(&bob)).await?;
        let call = match self.random.below(9) {
            0 => Call::new("POST", &data).body(&json!({"data": value, "options": {"cas": 99_999}})),
            1 => Call::new("PATCH", &data)
                .body(&json!({"data": {"extra": "more"}}))
                .content_type("application/merge-patch+json"),
            2 => Call::new("DELETE", &data),
            3 => Call::new("POST", format!("secret/undelete/dev/{name}"))
                .body(&json!({"versions": [1]})),
            4 => Call::new("PUT", format!("secret/destroy/dev/{name}"))
                .body(&json!({"versions": [1]})),
            5 => Call::new("POST", &metadata)
                .body(&json!({"max_versions": 5, "custom_metadata": {"owner": "bob"}})),
            6 => Call::new("GET", &metadata),
            7 => Call::new("DELETE", &metadata),
            _ => Call::new("POST", format!("{data}-big"))
                .body(&json!({"data": {"blob": "abcdefgh".repeat(4000)}})),
        };
        self.send(call.by(&bob)).await?;
        self.send(Call::new("GET", &data).by(&bob)).await?;
        Ok(())
    }

    /// Valid tokens whose policies do not reach that far.
    async fn denied(&mut self) -> Result<()> {
        let app = self.app();
        let (who, call) = match self.random.below(9) {
            0 => (app, Call::new("GET", "secret/data/payments-api/db")),
            1 => (app, Call::new("DELETE", "secret/data/my-app/config")),
            2 => (
                app,
                Call::new("POST", "secret/data/my-app/config")
                    .body(&json!({"data": {"password": "changed it"}})),
            ),
            3 => (app, Call::new("LIST", "secret/metadata/")),
            4 => (self.bob(), Call::new("GET", "secret/data/dev/prod-only/key")),
            5 => (
                self.bob(),
                Call::new("PUT", "sys/policies/acl/mine")
                    .body(&json!({"policy": r#"path "*" {}"#})),
            ),
            6 => (
                self.bob(),
                Call::new("POST", "auth/token/create").body(&json!({"policies": ["operator"]})),
            ),
            7 => (self.bob(), Call::new("GET", "no-such-mount/x")),
            _ => (self.people[2].clone(), Call::new("PUT", "sys/seal")),
        };
        self.send(call.by(&who)).await?;
        Ok(())
    }

    /// Logins again, each of a random method.
    async fn logins(&mut self) -> Result<()> {
        match self.random.below(3) {
            0 => {
                let account = self.random.below(self.pods.len() as u64) as usize;
                let (who, login) = self.walkthrough.pod(account);
                self.pods[account] = self.log_in(who, &login).await?;
            }
            1 => {
                // Not mallory, whose account the failed logins lock.
                let person = self.random.below(3) as usize;
                let (who, login) = self.walkthrough.person(person);
                self.people[person] = self.log_in(who, &login).await?;
            }
            _ => {
                let pipeline = self.random.below(self.pipelines.len() as u64) as usize;
                let (who, login) = self.walkthrough.pipeline(pipeline);
                self.pipelines[pipeline] = self.log_in(who, &login).await?;
            }
        }
        Ok(())
    }

    /// Logins that fail in each way.
    async fn failed_logins(&mut self) -> Result<()> {
        let stranger = Who::new("stranger", format!("203.0.113.{}", self.number));
        let pod = |role: &str, account: &str| Login::Kubernetes {
            role: role.to_owned(),
            namespace: "payments".to_owned(),
            account: account.to_owned(),
        };
        let person = |user: &str| Login::Password {
            user: user.to_owned(),
            password: "Summer2026!".to_owned(),
        };
        let login = match self.random.below(7) {
            0 => pod("my-app", "payments-api"),
            1 => pod("no-such-role", "payments-api"),
            2 => person("mallory"),
            3 => person("nobody-of-that-name"),
            4 => Login::AppRole { role_id: "none".to_owned(), secret_id: "none".to_owned() },
            5 => match self.walkthrough.pipeline(0).1 {
                Login::AppRole { role_id, secret_id: _ } => Login::AppRole {
                    role_id,
                    secret_id: "00000000-0000-0000-0000-000000000000".to_owned(),
                },
                other => other,
            },
            _ => {
                let body = json!({"role": "my-app", "jwt": "not.a.jwt"});
                self.send(Call::new("POST", "auth/kubernetes/login").body(&body).from(&stranger))
                    .await?;
                return Ok(());
            }
        };
        self.log_in(stranger, &login).await?;
        Ok(())
    }

    /// The life of a token: made, used, looked up, renewed, revoked, used again.
    async fn tokens(&mut self) -> Result<()> {
        let root = self.walkthrough.root.clone();
        let once = self.random.below(3) == 0;
        let kind = *self.random.pick(&["service", "batch"]);
        let name = format!("on-call-{}", self.number);
        let options = match once {
            true => {
                json!({"policies": ["developer"], "ttl": "1h", "display_name": name, "num_uses": 1})
            }
            false => {
                json!({"policies": ["developer"], "ttl": "1h", "display_name": name, "type": kind})
            }
        };
        let made =
            self.send(Call::new("POST", "auth/token/create").body(&options).by(&root)).await?;
        let mut child = Who::new(format!("token-{name}"), "192.168.1.77");
        child.token = Some(made.text("/auth/client_token")?.to_owned());
        self.send(Call::new("LIST", "secret/metadata/dev/").by(&child)).await?;
        if once {
            // Its only use is behind it.
            self.send(Call::new("GET", "auth/token/lookup-self").by(&child).unproven()).await?;
            return Ok(());
        }
        self.send(Call::new("GET", "auth/token/lookup-self").by(&child)).await?;
        self.send(
            Call::new("POST", "auth/token/renew-self")
                .body(&json!({"increment": "10m"}))
                .by(&child),
        )
        .await?;
        if kind == "service" {
            let accessor = json!({"accessor": made.text("/auth/accessor")?});
            self.send(Call::new("POST", "auth/token/lookup-accessor").body(&accessor).by(&root))
                .await?;
            self.send(Call::new("POST", "auth/token/revoke-self").by(&child)).await?;
            self.send(Call::new("LIST", "secret/metadata/dev/").by(&child).unproven()).await?;
        }
        Ok(())
    }

    /// No token, a made-up one, one of another namespace.
    async fn refused_tokens(&mut self) -> Result<()> {
        let app = self.app();
        let call = Call::new("GET", "secret/data/my-app/config");
        let call = match self.random.below(3) {
            0 => call.from(&app),
            1 => call.from(&app).token("s.ThisTokenNeverExisted000"),
            _ => call.by(&self.tenant).namespace(""),
        };
        self.send(call).await?;
        Ok(())
    }

    /// A wrapped answer, unwrapped once, and once more.
    async fn wrapping(&mut self) -> Result<()> {
        let app = self.app();
        let wrapped =
            self.send(Call::new("GET", "secret/data/my-app/db").wrapped("120s").by(&app)).await?;
        let token = wrapped.text("/wrap_info/token")?.to_owned();
        let lookup =
            Call::new("POST", "sys/wrapping/lookup").body(&json!({"token": token})).from(&app);
        self.send(lookup).await?;
        // The wrapping token names its creator, but whoever holds it may come.
        let unwrap = Call::new("POST", "sys/wrapping/unwrap").from(&app).token(token);
        self.send(unwrap.clone()).await?;
        self.send(unwrap).await?;
        Ok(())
    }

    /// Encryption as a service.
    async fn transit(&mut self) -> Result<()> {
        let payments = self.pods[1].clone();
        let plaintext = "b3JkZXIgNDI=";
        let encrypt =
            Call::new("POST", "transit/encrypt/orders").body(&json!({"plaintext": plaintext}));
        let answer = self.send(encrypt.by(&payments)).await?;
        let ciphertext = answer.text("/data/ciphertext")?.to_owned();
        let (body, who) = match self.random.below(3) {
            0 => (json!({"ciphertext": "vault:v1:AAAA"}), payments),
            1 => (json!({"ciphertext": ciphertext}), self.pods[2].clone()),
            _ => (json!({"ciphertext": ciphertext}), payments),
        };
        self.send(Call::new("POST", "transit/decrypt/orders").body(&body).by(&who)).await?;
        let batch = json!({"batch_input": [{"plaintext": plaintext}, {"plaintext": plaintext}]});
        let bob = self.bob();
        self.send(Call::new("POST", "transit/encrypt/orders").body(&batch).by(&bob)).await?;
        Ok(())
    }

    /// The life of a lease, and a role that the database refuses. Without a database, that is a mount
    /// that is not there.
    async fn database(&mut self) -> Result<()> {
        let (app, root) = (self.app(), self.walkthrough.root.clone());
        let issued = self.send(Call::new("GET", "database/creds/my-app").by(&app)).await?;
        if let Some(lease) =
            issued.body["lease_id"].as_str().map(|lease| json!({"lease_id": lease}))
        {
            self.send(Call::new("POST", "sys/leases/lookup").body(&lease).by(&app)).await?;
            self.send(Call::new("POST", "sys/leases/renew").body(&lease).by(&app)).await?;
            self.send(Call::new("PUT", "sys/leases/revoke").body(&lease).by(&app)).await?;
            self.send(Call::new("POST", "sys/leases/renew").body(&lease).by(&app)).await?;
        }
        let call = match self.random.below(2) {
            0 => Call::new("GET", "database/creds/broken").by(&root),
            _ => Call::new("GET", "database/creds/my-app").by(&self.pods[1]),
        };
        self.send(call).await?;
        Ok(())
    }

    /// What operators do.
    async fn system(&mut self) -> Result<()> {
        let (alice, number) = (self.alice(), self.number);
        let policy = |text: &str| json!({"policy": text});
        let (mount, acl) =
            (format!("sys/mounts/tmp-{number}"), format!("sys/policies/acl/tmp-{number}"));
        let call = match self.random.below(13) {
            0 => Call::new("POST", mount).body(&json!({"type": "kv"})),
            1 => Call::new("DELETE", mount),
            2 => Call::new("POST", mount).body(&json!({"type": "nonsense"})),
            3 => Call::new("PUT", acl).body(&policy(r#"path "x/*" { capabilities = ["read"] }"#)),
            4 => Call::new("PUT", acl).body(&policy(r#"path "x" { capabilities = ["fly"] }"#)),
            5 => Call::new("DELETE", acl),
            6 => Call::new("LIST", "sys/policies/acl/"),
            7 => Call::new("POST", "sys/audit-hash/file").body(&json!({"input": "config"})),
            8 => Call::new("PUT", "sys/audit/extra")
                .body(&json!({"type": "file", "options": {"file_path": "x"}})),
            9 => Call::new("LIST", "auth/token/accessors/"),
            10 => Call::new("POST", format!("auth/userpass/users/temp-{number}"))
                .body(&json!({"password": "short-lived", "token_policies": ["developer"]})),
            11 => Call::new("GET", "sys/metrics"),
            _ => Call::new("POST", "sys/capabilities-self")
                .body(&json!({"paths": ["secret/data/dev/x"]})),
        };
        self.send(call.by(&alice)).await?;
        Ok(())
    }

    /// Another team in its namespace, and outside of it.
    async fn tenant(&mut self) -> Result<()> {
        let (tenant, app) = (self.tenant.clone(), self.app());
        let path = format!("secret/data/ledger-{}", self.number);
        let body = json!({"data": {"password": format!("{:x}", self.random.bits())}});
        self.send(Call::new("POST", &path).body(&body).by(&tenant)).await?;
        let call = match self.random.below(4) {
            0 => Call::new("GET", &path).by(&app).namespace(tenant.namespace),
            1 => {
                Call::new("GET", format!("{}/{path}", tenant.namespace)).by(&self.walkthrough.root)
            }
            2 => Call::new("GET", &path)
                .by(&tenant)
                .namespace("no-such-team")
                .unproven()
                .not_audited(),
            _ => Call::new("GET", &path).by(&tenant),
        };
        self.send(call).await?;
        Ok(())
    }

    /// Strange paths, wrong methods, quotas, what needs no token, and what is not audited at all. Not
    /// among them: `?help=1`, which is audited without the header by which truth finds its lines.
    async fn odd(&mut self) -> Result<()> {
        let (root, deploy) = (self.walkthrough.root.clone(), self.deploy());
        let odd = *self.random.pick(&[
            "café/пароль",
            "quote\"d/it's",
            "sp ace/x",
            "back\\slash/{json}",
            "percent%2F/a+b",
        ]);
        let call = match self.random.below(14) {
            0 | 1 => {
                Call::new("POST", format!("secret/data/odd/{odd}")).body(&odd_data()).by(&deploy)
            }
            2 => Call::new("GET", format!("secret/data/odd/{odd}")).by(&deploy),
            3 => Call::new("DELETE", "sys/mounts").by(&root),
            4 => Call::new("GET", "no-such-mount/x").by(&root),
            5 => Call::new("SCAN", "secret/metadata/").by(&root),
            6 => Call::new("GET", "secret/oops").by(&root),
            7 => Call::new("GET", "legacy/app").by(&root),
            8 => {
                // More than the quota's two a second.
                for _ in 0..3 {
                    self.send(Call::new("GET", "legacy/app").by(&root)).await?;
                }
                Call::new("LIST", "legacy/").by(&root)
            }
            9 => Call::new("GET", "sys/internal/ui/mounts"),
            10 => Call::new("GET", "sys/health").not_audited(),
            11 => Call::new("GET", "sys/seal-status").not_audited(),
            12 => Call::new("POST", "secret/data/odd/bad")
                .text("{\"data\": {")
                .by(&deploy)
                .not_audited(),
            _ => Call::new("GET", "secret/data/odd/tab\tx").by(&deploy).not_audited(),
        };
        self.send(call).await?;
        Ok(())
    }
}

/// Values of every JSON type.
fn odd_data() -> Value {
    json!({"data": {
        "text": "<&>\u{2028}\u{0}é", "empty": "", "int": 42, "big": 9_007_199_254_740_993_u64, "float": 1.5,
        "no": false, "null": null, "list": ["a", 1, true], "nested": {"a": {"b": "c"}}, "naïve \"key\"": "x",
    }})
}
