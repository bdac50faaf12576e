//! A believable day in small: pods read their secrets and renew their tokens, people develop and
//! operate, a pipeline deploys, and now and then somebody is refused.
//!
//! A few requests a second, without end but for [`STEPS_MAX`]. Early on the initial root token is used
//! once and then revoked, as it should be; later somebody tries it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::{Answer, Call, Who};
use super::random::{self, Random};
use super::set_up::{ACCOUNTS, Login, PEOPLE, PIPELINES, Walkthrough};
use super::stopped;

/// The demo's log grows by about 5 KB a step, in a temporary folder that may be in memory: after some
/// ten hours and half a gigabyte it falls silent.
pub(crate) const STEPS_MAX: u64 = 100_000;

/// A pod or person logs in anew after this time; tokens live for half an hour at least.
const SESSION: Duration = Duration::from_secs(15 * 60);

/// Leases that the application still remembers.
const LEASES_MAX: usize = 4;

/// Keeps the traffic going until told to stop.
///
/// # Errors
/// The server does not answer any more.
pub(crate) async fn traffic(
    walkthrough: Walkthrough,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let mut seed = [0; 8];
    random::fill(&mut seed)?;
    let mut day = Day::new(walkthrough, Random::seeded(u64::from_le_bytes(seed)));
    for step in 0..STEPS_MAX {
        let pause = Duration::from_millis(100 + day.random.below(500));
        let next = async {
            sleep(pause).await;
            day.step(step).await
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(()),
            result = next => result?,
        }
    }
    tracing::info!(
        "the demo's traffic ends after {STEPS_MAX} steps, so that its log does not fill the disk"
    );
    stopped(&mut stop).await;
    Ok(())
}

/// Somebody with a way to log in.
struct Actor {
    who: Who,
    login: Login,
    since: Option<Instant>,
}

impl From<(Who, Login)> for Actor {
    fn from((who, login): (Who, Login)) -> Actor {
        Actor { who, login, since: None }
    }
}

/// Everybody, and what they remember.
struct Day {
    walkthrough: Walkthrough,
    random: Random,
    pods: Vec<Actor>,
    people: Vec<Actor>,
    pipelines: Vec<Actor>,
    tenant: Actor,
    leases: VecDeque<String>,
    ciphertext: Option<String>,
    root_lives: bool,
}

/// The places of some of them in their lists.
const MY_APP: usize = 0;
const PAYMENTS: usize = 1;
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DEPLOY: usize = 0;
const BACKUP: usize = 1;

impl Day {
    fn new(walkthrough: Walkthrough, random: Random) -> Day {
        Day {
            pods: (0..ACCOUNTS.len()).map(|account| walkthrough.pod(account).into()).collect(),
            people: (0..PEOPLE.len()).map(|person| walkthrough.person(person).into()).collect(),
            pipelines: (0..PIPELINES.len())
                .map(|pipeline| walkthrough.pipeline(pipeline).into())
                .collect(),
            tenant: walkthrough.tenant().into(),
            walkthrough,
            random,
            leases: VecDeque::new(),
            ciphertext: None,
            root_lives: true,
        }
    }

    /// One thing that happens: mostly one request, at most a handful.
    async fn step(&mut self, step: u64) -> Result<()> {
        match step {
            8 => self.root(Call::new("GET", "sys/mounts")).await,
            12 => {
                self.root(Call::new("POST", "auth/token/revoke-self")).await?;
                self.root_lives = false;
                Ok(())
            }
            50 => self.root(Call::new("GET", "secret/data/payments-api/db")).await,
            _ if step % 250 == 60 => self.guessing().await,
            _ if step % 120 == 20 => self.wrong_service_account().await,
            _ => self.usual().await,
        }
    }

    async fn usual(&mut self) -> Result<()> {
        match self.random.below(100) {
            0..45 => self.pod_reads().await,
            45..52 => self.database().await,
            52..58 => self.tokens().await,
            58..67 => self.transit().await,
            67..78 => self.developer().await,
            78..82 => self.operator().await,
            82..85 => self.auditor().await,
            85..89 => self.pipeline().await,
            89..93 => self.tenant().await,
            93..97 => self.denied().await,
            _ => self.mistakes().await,
        }
    }

    /// Sends a request with the initial root token, which proves nobody once it is revoked.
    async fn root(&mut self, call: Call) -> Result<()> {
        let call = call.by(&self.walkthrough.root);
        let call = if self.root_lives { call } else { call.unproven() };
        self.walkthrough.client.send(call).await?;
        Ok(())
    }

    async fn pod_reads(&mut self) -> Result<()> {
        let pod = *self.random.pick(&[MY_APP, MY_APP, MY_APP, PAYMENTS, PAYMENTS, 2, 3]);
        let secret = *self.random.pick(&["config", "config", "db", "api-key"]);
        let path = match ACCOUNTS[pod] {
            (_, "prometheus", _) => "sys/metrics".to_owned(),
            (_, name, _) => format!("secret/data/{name}/{secret}"),
        };
        send(&self.walkthrough, &mut self.pods[pod], Call::new("GET", path)).await?;
        Ok(())
    }

    /// The application gets database credentials, renews them, gives them back, or forgets them.
    async fn database(&mut self) -> Result<()> {
        if !self.walkthrough.database {
            return self.pod_reads().await;
        }
        let app = &mut self.pods[MY_APP];
        let lease = |lease: &String| json!({"lease_id": lease});
        match (self.random.below(4), self.leases.back()) {
            (0, Some(id)) => {
                let call = Call::new("POST", "sys/leases/renew").body(&lease(id));
                send(&self.walkthrough, app, call).await?;
            }
            (1, Some(id)) => {
                let call = Call::new("POST", "sys/leases/revoke").body(&lease(id));
                send(&self.walkthrough, app, call).await?;
                self.leases.pop_back();
            }
            _ => {
                let answer =
                    send(&self.walkthrough, app, Call::new("GET", "database/creds/my-app")).await?;
                if let Ok(id) = answer.text("/lease_id") {
                    self.leases.push_back(id.to_owned());
                    self.leases.drain(..self.leases.len().saturating_sub(LEASES_MAX));
                }
            }
        }
        Ok(())
    }

    async fn tokens(&mut self) -> Result<()> {
        let pod = self.random.below(ACCOUNTS.len() as u64) as usize;
        let call = match self.random.below(4) {
            // The pod was restarted.
            0 => return log_in(&self.walkthrough, &mut self.pods[pod]).await,
            1 => Call::new("GET", "auth/token/lookup-self"),
            _ => Call::new("POST", "auth/token/renew-self").body(&json!({"increment": "30m"})),
        };
        send(&self.walkthrough, &mut self.pods[pod], call).await?;
        Ok(())
    }

    async fn transit(&mut self) -> Result<()> {
        let payments = &mut self.pods[PAYMENTS];
        match self.ciphertext.take() {
            Some(ciphertext) => {
                let call = Call::new("POST", "transit/decrypt/orders")
                    .body(&json!({"ciphertext": ciphertext}));
                send(&self.walkthrough, payments, call).await?;
            }
            None => {
                let call = Call::new("POST", "transit/encrypt/orders")
                    .body(&json!({"plaintext": "b3JkZXIgNDI="}));
                let answer = send(&self.walkthrough, payments, call).await?;
                self.ciphertext = answer.text("/data/ciphertext").ok().map(str::to_owned);
            }
        }
        Ok(())
    }

    async fn developer(&mut self) -> Result<()> {
        let secret = format!("service-{}", self.random.below(8));
        let data = format!("secret/data/dev/{secret}");
        let call = match self.random.below(10) {
            0..4 => Call::new("GET", data),
            4..7 => Call::new("POST", data)
                .body(&json!({"data": {"password": format!("{:x}", self.random.bits())}})),
            7 | 8 => Call::new("LIST", "secret/metadata/dev/"),
            _ => Call::new("DELETE", data),
        };
        send(&self.walkthrough, &mut self.people[BOB], call).await?;
        Ok(())
    }

    async fn operator(&mut self) -> Result<()> {
        let call = match self.random.below(6) {
            0 => Call::new("GET", "sys/auth"),
            1 => Call::new("LIST", "sys/policies/acl"),
            2 => Call::new("PUT", "sys/policies/acl/reports").body(
                &json!({"policy": r#"path "secret/data/reports/*" { capabilities = ["read"] }"#}),
            ),
            3 => Call::new("DELETE", "sys/policies/acl/reports"),
            4 => Call::new("POST", "auth/userpass/users/dave")
                .body(&json!({"password": random::secret()?, "token_policies": ["developer"]})),
            _ => Call::new("DELETE", "auth/userpass/users/dave"),
        };
        send(&self.walkthrough, &mut self.people[ALICE], call).await?;
        Ok(())
    }

    async fn auditor(&mut self) -> Result<()> {
        let path =
            *self.random.pick(&["sys/audit", "sys/auth", "sys/mounts", "sys/policies/acl/my-app"]);
        send(&self.walkthrough, &mut self.people[CAROL], Call::new("GET", path)).await?;
        Ok(())
    }

    async fn pipeline(&mut self) -> Result<()> {
        if self.random.below(3) == 0 {
            let call = Call::new("LIST", "secret/metadata/my-app/");
            send(&self.walkthrough, &mut self.pipelines[BACKUP], call).await?;
            return Ok(());
        }
        let deploy = &mut self.pipelines[DEPLOY];
        // A pipeline logs in for each run.
        log_in(&self.walkthrough, deploy).await?;
        let data =
            json!({"data": {"build": self.random.below(10_000), "password": random::secret()?}});
        send(&self.walkthrough, deploy, Call::new("POST", "secret/data/my-app/config").body(&data))
            .await?;
        Ok(())
    }

    async fn tenant(&mut self) -> Result<()> {
        let path = format!("secret/data/ledger-{}", self.random.below(3));
        let call = match self.random.below(2) {
            0 => Call::new("GET", path),
            _ => Call::new("POST", path).body(&json!({"data": {"password": random::secret()?}})),
        };
        send(&self.walkthrough, &mut self.tenant, call).await?;
        Ok(())
    }

    /// Requests that a policy refuses.
    async fn denied(&mut self) -> Result<()> {
        let (actor, call) = match self.random.below(5) {
            0 => (&mut self.pods[MY_APP], Call::new("GET", "secret/data/payments-api/db")),
            1 => (
                &mut self.pods[2],
                Call::new("POST", "transit/decrypt/orders").body(&json!({"ciphertext": "?"})),
            ),
            2 => (&mut self.people[BOB], Call::new("GET", "secret/data/dev/prod-only/key")),
            3 => (&mut self.pipelines[BACKUP], Call::new("GET", "secret/data/my-app/db")),
            _ => (&mut self.people[BOB], Call::new("GET", "secret/data/my-app/db")),
        };
        send(&self.walkthrough, actor, call).await?;
        Ok(())
    }

    /// A missing secret, a password mistyped, a token forgotten or made up.
    async fn mistakes(&mut self) -> Result<()> {
        let pod = self.pods[MY_APP].who.clone();
        let call = Call::new("GET", "secret/data/my-app/config").from(&pod);
        match self.random.below(4) {
            0 => {
                let call = Call::new("GET", "secret/data/my-app/moved");
                send(&self.walkthrough, &mut self.pods[MY_APP], call).await?;
            }
            1 => {
                let bob = &self.people[BOB].who;
                let call = Call::new("POST", "auth/userpass/login/bob")
                    .body(&json!({"password": "correct horse"}));
                self.walkthrough.client.send(call.from(bob)).await?;
            }
            2 => {
                self.walkthrough.client.send(call).await?;
            }
            _ => {
                self.walkthrough.client.send(call.token("s.ThisTokenNeverExisted000")).await?;
            }
        }
        Ok(())
    }

    /// Somebody from outside guesses passwords.
    async fn guessing(&mut self) -> Result<()> {
        let stranger = Who::new("?", "203.0.113.66");
        for user in ["mallory", "mallory", "mallory", "admin", "oracle", "root"] {
            let guess = json!({"password": format!("Summer{}!", 2000 + self.random.below(30))});
            let call = Call::new("POST", format!("auth/userpass/login/{user}"))
                .body(&guess)
                .from(&stranger);
            self.walkthrough.client.send(call).await?;
        }
        Ok(())
    }

    /// A pod asks for another application's role.
    async fn wrong_service_account(&mut self) -> Result<()> {
        let login = Login::Kubernetes {
            role: "my-app".to_owned(),
            namespace: "payments".to_owned(),
            account: "payments-api".to_owned(),
        };
        let mut pod = Who::new("payments/payments-api", self.pods[PAYMENTS].who.address.clone());
        self.walkthrough.log_in(&mut pod, &login).await?;
        Ok(())
    }
}

/// Sends a request of this actor, who logs in first if the last login was too long ago.
async fn send(walkthrough: &Walkthrough, actor: &mut Actor, call: Call) -> Result<Answer> {
    if actor.since.is_none_or(|since| since.elapsed() > SESSION) {
        log_in(walkthrough, actor).await?;
    }
    walkthrough.client.send(call.by(&actor.who)).await
}

async fn log_in(walkthrough: &Walkthrough, actor: &mut Actor) -> Result<()> {
    walkthrough.log_in(&mut actor.who, &actor.login).await?;
    actor.since = Some(Instant::now());
    Ok(())
}
