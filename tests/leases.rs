//! Which leases and tokens were in force, asked of logs and of a look through every line.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

mod story;

use crate::util::{Data, fixture_text, generated, json_lines, main_recording};

/// What stands in the lines, without an index, an event or a rule of keytrail's.
#[derive(Default)]
struct Lines {
    /// Lease id: when it was given out, and to which token.
    leases: BTreeMap<String, (Timestamp, String)>,
    /// Lease id by hash, as renewals show it.
    named: HashMap<String, String>,
    /// Hash of a lease: when the server accepted it.
    accepted: Vec<(String, Timestamp)>,
    renewed: Vec<(String, Timestamp)>,
    /// Hash of a lease: looked up when, to end when.
    told: Vec<(String, Timestamp, Timestamp)>,
    revoked: Vec<(String, Timestamp)>,
    revoked_below: Vec<(String, Timestamp)>,
    /// Token: when it was given a lifetime, and until when, if that is told.
    lifetimes: Vec<(String, Timestamp, Option<Timestamp>)>,
    token_revoked: HashMap<String, Timestamp>,
    /// Token: when it was accepted.
    used: Vec<(String, Timestamp)>,
    end: Timestamp,
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

impl Lines {
    fn read(text: &str) -> Lines {
        let mut all = Lines::default();
        for line in json_lines(text) {
            let at = time(&line["time"]);
            all.end = all.end.max(at);
            let failed = line["error"].is_string() || line["response"]["data"]["error"].is_string();
            if line["type"] != "response" {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let token = text(&line["request"]["client_token"]);
            let path = text(&line["request"]["path"]);
            let lease = text(&line["request"]["data"]["lease_id"]);
            let decided = line["auth"]["policy_results"].is_object()
                || line["auth"]["policies"] == json!(["root"]);
            if decided && !path.contains("/login") && !token.is_empty() {
                all.used.push((token.clone(), at));
            }
            if failed {
                continue;
            }
            let given = &line["response"]["auth"];
            let until = |from: Timestamp| {
                given["token_ttl"].as_i64().map(|ttl| from + SignedDuration::from_secs(ttl))
            };
            match path.as_str() {
                "sys/leases/renew" => {
                    all.named.insert(lease.clone(), text(&line["response"]["secret"]["lease_id"]));
                    all.accepted.push((lease.clone(), at));
                    all.renewed.push((lease, at));
                }
                "sys/leases/lookup" => {
                    all.accepted.push((lease.clone(), at));
                    all.told.push((lease, at, time(&line["response"]["data"]["expire_time"])));
                }
                "sys/leases/revoke" => all.revoked.push((lease, at)),
                "auth/token/renew-self" => {
                    // Of one that tells no lifetime nothing is known after that.
                    all.lifetimes.push((token, at, until(at)));
                }
                "auth/token/lookup-self" => {
                    let told = line["response"]["data"]["expire_time"].as_str();
                    let told = told.map(|told| told.parse().unwrap());
                    all.lifetimes.extend(told.map(|until| (token, at, Some(until))));
                }
                "auth/token/revoke-self" => {
                    all.token_revoked.insert(token, at);
                }
                _ => {
                    if let Some(below) = path.strip_prefix("sys/leases/revoke-prefix/") {
                        all.revoked_below.push((format!("{below}/"), at));
                    }
                    if let Some(id) = line["response"]["secret"]["lease_id"].as_str() {
                        all.leases.insert(id.to_owned(), (at, token.clone()));
                    }
                    let login = given["client_token"].as_str().filter(|_| token.is_empty());
                    if let (Some(login), Some(until)) = (login, until(at)) {
                        all.lifetimes.push((login.to_owned(), at, Some(until)));
                    }
                }
            }
        }
        all
    }

    /// `None`: no line of this token tells anything.
    fn token(&self, token: &str, at: Timestamp) -> Option<&'static str> {
        if self.used.iter().any(|(used, time)| used == token && *time > at) {
            return Some("open");
        }
        if self.token_revoked.get(token).is_some_and(|time| *time <= at) {
            return Some("ended");
        }
        let told = self.lifetimes.iter().filter(|(of, told, _)| of == token && *told <= at);
        let (_, _, until) = told.max_by_key(|(_, told, _)| *told)?;
        let until = (*until)?;
        Some(if until <= at { "ended" } else { "open" })
    }

    fn lease(&self, id: &str, at: Timestamp) -> &'static str {
        let (given, token) = &self.leases[id];
        let is_it = |hash: &String| self.named.get(hash).is_some_and(|named| named == id);
        let told = |times: &[(String, Timestamp)]| -> Vec<Timestamp> {
            times.iter().filter(|(hash, _)| is_it(hash)).map(|(_, time)| *time).collect()
        };
        let told_ends: Vec<_> = self.told.iter().filter(|(hash, ..)| is_it(hash)).collect();
        let last =
            told_ends.iter().filter(|(_, told, _)| *told <= at).max_by_key(|(_, told, _)| *told);
        let renewed = told(&self.renewed).into_iter().filter(|time| *time <= at).max();
        let since = last.map_or(Timestamp::MIN, |(_, told, _)| *told);
        let until =
            last.map(|(_, _, until)| *until).filter(|_| renewed.is_none_or(|time| time < since));
        let below = |(prefix, time): &(String, Timestamp)| {
            id.starts_with(prefix.as_str()) && *time <= at && time >= given
        };
        let is_named = self.named.values().any(|named| named == id);
        let may_be_it = |(hash, time): &(String, Timestamp)| {
            !is_named && !self.named.contains_key(hash) && time >= given && *time <= at
        };
        if told(&self.accepted).iter().any(|time| *time > at) {
            "open"
        } else if told(&self.revoked).iter().any(|time| *time <= at)
            || self.revoked_below.iter().any(below)
            || self.token(token, at) == Some("ended")
            || until.is_some_and(|until| until <= at)
        {
            "ended"
        } else if until.is_some()
            && self.token(token, at) == Some("open")
            && !self.revoked.iter().any(may_be_it)
        {
            "open"
        } else {
            "unknown"
        }
    }
}

/// Returns the state of each, by one column.
fn states(rows: &[Value], key: &str) -> BTreeMap<String, String> {
    let state = |row: &Value| {
        (row[key].as_str().unwrap().to_owned(), row["state"].as_str().unwrap().to_owned())
    };
    rows.iter().filter(|row| row[key].is_string()).map(state).collect()
}

fn list(data: &Data, what: &str, arguments: &[&str]) -> Vec<Value> {
    let more = ["--limit", "0", "--format", "json"];
    data.run(what, [arguments, &more].concat()).expect(0).json()
}

/// Compares the leases at an instant with a look through the lines; returns how many stood how.
fn compare(data: &Data, lines: &Lines, at: Timestamp) -> BTreeMap<String, usize> {
    let listed = states(&list(data, "leases", &["--at", &at.to_string()]), "lease");
    let given = lines.leases.iter().filter(|(_, (time, _))| *time <= at);
    let expected: BTreeMap<String, String> =
        given.map(|(id, _)| (id.clone(), lines.lease(id, at).to_owned())).collect();
    // What was asked for by then and given out later is listed too, and said to be.
    let known: BTreeMap<String, String> =
        listed.clone().into_iter().filter(|(id, _)| lines.leases[id].0 <= at).collect();
    assert_eq!(known, expected, "at {at}");
    let open = states(&list(data, "leases", &["--open-at", &at.to_string()]), "lease");
    let not_ended: BTreeMap<String, String> =
        listed.into_iter().filter(|(_, state)| state != "ended").collect();
    assert_eq!(open, not_ended, "at {at}");
    let mut counts = BTreeMap::new();
    for state in known.into_values() {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

#[test]
fn the_leases_of_a_recording_stood_as_its_lines_say_at_any_instant() {
    let text = ["audit.jsonl.1", "audit.jsonl"]
        .map(|name| fixture_text(&format!("openbao-2.7.2/{name}.gz")))
        .concat();
    let lines = Lines::read(&text);
    assert_eq!(lines.leases.len(), 27);
    let mut seen = BTreeSet::new();
    for at in [
        "2026-11-24T14:16:34.5Z",
        "2026-11-24T14:16:35.242337646Z",
        "2026-11-24T14:16:35.242337647Z",
        "2026-11-24T14:16:35.3Z",
        "2026-11-24T14:16:35.621786874Z",
        "2026-11-24T14:17:00Z",
        "2026-11-24T14:17:17Z",
    ] {
        seen.extend(compare(main_recording(), &lines, at.parse().unwrap()).into_keys());
    }
    assert_eq!(seen.len(), 3, "each state occurs: {seen:?}");
    // Who held a credential for this database then?
    let held = list(
        main_recording(),
        "leases",
        &["path:database/creds/my-app-role", "--open-at", "2026-11-24T14:16:35.3Z"],
    );
    assert_eq!(held.len(), 4);
    assert!(held.iter().all(|row| row["identity"] == "my-app/my-app"), "{held:?}");
    let looked_up = held.iter().find(|row| row["renewals"] == 1).unwrap();
    assert_eq!(looked_up["known_by"], "told");
    assert_eq!(looked_up["ends"], "2026-11-24T16:16:35.228672954Z");
}

#[test]
fn the_tokens_of_a_recording_stood_as_its_lines_say() {
    let text = ["audit.jsonl.1", "audit.jsonl"]
        .map(|name| fixture_text(&format!("openbao-2.7.2/{name}.gz")))
        .concat();
    let lines = Lines::read(&text);
    for at in ["2026-11-24T14:16:30Z", "2026-11-24T14:16:45Z", "2026-11-24T14:17:17Z"] {
        let rows = list(main_recording(), "tokens", &["action:auth.login", "--at", at]);
        let instant: Timestamp = at.parse().unwrap();
        let logins = lines.lifetimes.iter().filter(|(_, told, _)| *told <= instant);
        let logins: BTreeSet<&str> = logins.map(|(token, ..)| token.as_str()).collect();
        let mut compared = 0;
        for (token, state) in states(&rows, "token") {
            if logins.contains(token.as_str()) {
                assert_eq!(Some(state.as_str()), lines.token(&token, instant), "{token} at {at}");
                compared += 1;
            }
        }
        assert!(compared > 15, "{compared}");
    }
    // What its client knows: the token of two seconds, the one revoked by its accessor, the one made with another.
    let created = list(main_recording(), "tokens", &["action:token.create"]);
    let of = |name: &str| created.iter().find(|row| row["identity"] == name).unwrap();
    let told = |name: &str| (of(name)["state"].clone(), of(name)["known_by"].clone());
    assert_eq!(told("token-brief"), (json!("ended"), json!("inferred")));
    assert_eq!(told("token-orphan"), (json!("ended"), json!("seen")));
    assert_eq!(told("token-pipeline"), (json!("ended"), json!("seen")));
    // A login that carried another token: the log shows the carried one's hash in place of the new one's.
    let bob = list(main_recording(), "tokens", &["path:auth/userpass/login/bob"]);
    let tokens: BTreeSet<&str> = bob.iter().filter_map(|row| row["token"].as_str()).collect();
    assert_eq!(tokens.len(), 2, "{bob:?}");
    assert!(!tokens.iter().any(|token| token.starts_with("hmac-sha256:579d6d3c")), "{bob:?}");
}

#[test]
fn a_revocation_that_names_no_known_lease_makes_others_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = generated(folder.path(), 5, 6_000, &["--identities", "12", "--days", "2"]);
    let lines = Lines::read(&std::fs::read_to_string(&log).unwrap());
    let data = Data::new();
    data.import([&log]);
    assert!(lines.leases.len() > 20, "{} leases", lines.leases.len());
    let begin = lines.leases.values().map(|(time, _)| *time).min().unwrap();
    let span = lines.end.duration_since(begin);
    for part in 1..=4 {
        compare(&data, &lines, begin + span * part / 4);
    }
}
