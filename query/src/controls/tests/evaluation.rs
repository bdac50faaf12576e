//! Controls over a few made-up requests: forms, registers, parameters, periods.

use std::collections::BTreeMap;

use ingest::pipeline::import;
use ingest::source::SourceId;
use ingest::tail::Input;
use proptest::prelude::*;

use super::*;
use crate::turn::Turn;

/// 2026-10-05T08:00:00Z.
const BEGIN_S: i64 = 1_791_187_200;

fn time(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(BEGIN_S * 1_000 + milliseconds).expect("a time");
    time.to_string()
}

/// Both lines of a request that a policy granted, or refused if it has an error.
fn request(
    number: usize,
    at: i64,
    who: &str,
    address: &str,
    operation: &str,
    path: &str,
    error: &str,
) -> String {
    let auth = |allowed: bool| {
        format!(
            r#""auth":{{"client_token":"hmac-sha256:{0:064}","accessor":"hmac-sha256:{0:063}a","display_name":"userpass-{who}","policies":["app"],"policy_results":{{"allowed":{allowed},"granting_policies":[{{"name":"app","namespace_id":"root","type":"acl"}}]}},"metadata":{{"username":"{who}"}},"entity_id":"e-{who}","token_type":"service"}}"#,
            who.len()
        )
    };
    let mount = match path.split_once('/') {
        Some(("sys", _)) => r#""mount_point":"sys/","mount_type":"system""#,
        _ => r#""mount_point":"secret/","mount_type":"kv""#,
    };
    let of = format!(
        r#""request":{{"id":"id-{number}","operation":"{operation}",{mount},"namespace":{{"id":"root"}},"path":"{path}","remote_address":"{address}","remote_port":40112}}"#
    );
    let (sent, answered) = (time(at), time(at + 1));
    match error {
        "" => format!(
            "{{\"time\":\"{sent}\",\"type\":\"request\",{auth},{of}}}\n{{\"time\":\"{answered}\",\"type\":\"response\",{auth},{of},\"response\":{{\"data\":{{\"keys\":1}}}}}}\n",
            auth = auth(true)
        ),
        error => format!(
            "{{\"time\":\"{sent}\",\"type\":\"request\",{auth},{of},\"error\":\"{error}\"}}\n{{\"time\":\"{answered}\",\"type\":\"response\",{auth},{of},\"error\":\"{error}\"}}\n",
            auth = auth(false)
        ),
    }
}

struct Case {
    _folder: tempfile::TempDir,
    trail: Trail,
    registers: Registers,
}

impl Case {
    fn of(lines: &str, registers: &[(&str, &str)]) -> Case {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("audit.log");
        fs::write(&log, lines).expect("written");
        let data = folder.path().join("data");
        let source = SourceId::new("c", "n", "file").expect("a source");
        import(&data, &source, &[Input::File(log)], false, &|_| {}).expect("imported");
        let context = folder.path().join("context");
        fs::create_dir(&context).expect("made");
        for (name, text) in registers {
            fs::write(context.join(name), text).expect("written");
        }
        let registers = Registers::read(&context, Timestamp::UNIX_EPOCH).expect("registers");
        Case { trail: Trail::open(&data).expect("a trail"), _folder: folder, registers }
    }

    fn with(self, registers: &[(&str, &str)]) -> Case {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in registers {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let registers = Registers::read(folder.path(), Timestamp::UNIX_EPOCH).expect("registers");
        Case { registers, ..self }
    }

    fn asked(
        &self,
        control: &str,
        params: &[(&str, &str)],
        from: Option<i64>,
        to: Option<i64>,
    ) -> Finding {
        let of = |milliseconds: i64| (BEGIN_S * 1_000 + milliseconds) * 1_000_000;
        let zone = jiff::tz::TimeZone::UTC;
        let period =
            Period { from: from.map(of), to: to.map(of), zone, label: "a while".to_owned() };
        let params: Given = params
            .iter()
            .map(|(name, value)| ((control.to_owned(), (*name).to_owned()), (*value).to_owned()))
            .collect();
        let catalogue = Catalogue::built_in();
        let only = [control.to_owned()];
        let asking = Asking {
            catalogue: &catalogue,
            registers: &self.registers,
            period: &period,
            at: None,
            params: &params,
            only: &only,
            now: Timestamp::UNIX_EPOCH,
        };
        evaluate(&self.trail, &asking).expect("evaluated").findings.remove(0)
    }

    fn verdict(&self, control: &str, params: &[(&str, &str)]) -> String {
        self.asked(control, params, None, None).verdict.to_string()
    }
}

/// Rule, subject and count of each exception.
fn told(finding: &Finding) -> BTreeMap<String, u64> {
    let told = finding.exceptions.iter().map(|it| {
        let subject: Vec<&str> = it.subject.values().flatten().map(String::as_str).collect();
        (format!("{} {}", it.rule, subject.join(" ")), it.count)
    });
    told.collect()
}

const TICKETS: &str = "ticket,actor,approver,filter,from,to\n";

fn policy_writes() -> String {
    let write =
        |number, at, who| request(number, at, who, "10.0.0.1", "update", "sys/policies/acl/p", "");
    write(1, 0, "alice") + &write(2, 3_600_000, "alice") + &write(3, 7_200_000, "bob")
}

#[test]
fn a_needed_register_that_is_absent_or_empty_is_no_data() {
    let case = Case::of(&policy_writes(), &[]);
    let finding = case.asked("KT-ENT-01", &[("window", "1m")], None, None);
    assert_eq!(finding.verdict, Verdict::NoData);
    assert_eq!(
        finding.missing,
        ["ticket: there is no register tickets", "human: there is no register deployers"]
    );
    let case = case.with(&[("tickets.csv", TICKETS), ("deployers.csv", "identity\nalice\nbob\n")]);
    let finding = case.asked("KT-ENT-01", &[("window", "1m")], None, None);
    assert_eq!(finding.verdict, Verdict::NoData);
    assert_eq!(finding.missing, ["ticket: the register tickets is empty"]);
    assert_eq!(finding.evaluated.events["human"], 3, "deployers are there, so this was looked at");
}

#[test]
fn a_ticket_covers_its_actor_its_filter_and_its_time() {
    let case = Case::of(&policy_writes(), &[]);
    let deployers = ("deployers.csv", "identity\nalice\nbob\n");
    let open = |case: Case, tickets: &str| {
        let case = case.with(&[("tickets.csv", &format!("{TICKETS}{tickets}")), deployers]);
        let finding = case.asked("KT-ENT-01", &[("window", "1m")], None, None);
        assert_eq!(finding.missing, Vec::<String>::new());
        let counts: Vec<u64> = finding.exceptions.iter().map(|it| it.count).collect();
        (case, counts)
    };
    // A ticket of another time, another actor, another filter excuses nothing.
    let (case, counts) = open(case, "T,alice,carol,,2026-10-04,2026-10-05T08:00:00Z\n");
    assert_eq!(counts, [2, 1]);
    let (case, counts) = open(case, "T,carol,bob,,2026-10-05,2026-10-06\n");
    assert_eq!(counts, [2, 1]);
    let (case, counts) = open(case, "T,alice,carol,object:q,2026-10-05,2026-10-06\n");
    assert_eq!(counts, [2, 1]);
    // Its first instant belongs to it, its last does not.
    let (case, counts) = open(case, "T,alice,carol,,2026-10-05T08:00:00Z,2026-10-05T09:00:00Z\n");
    assert_eq!(counts, [1, 1]);
    let (case, counts) =
        open(case, "T,alice,carol,,2026-10-05T08:00:00Z,2026-10-05T09:00:00.001Z\n");
    assert_eq!(counts, [1]);
    let (case, counts) = open(case, "T,,carol,object:p,2026-10-05,2026-10-06\n");
    assert_eq!(counts, [0_u64; 0]);
    // Whoever approves himself is not excused.
    let (_, counts) = open(case, "T,alice,alice,,2026-10-05,2026-10-06\n");
    assert_eq!(counts, [2, 1]);
}

#[test]
fn weakened_is_said_only_where_nothing_was_found() {
    let reads = |count: usize| -> String {
        let read = |number| {
            let path = format!("secret/data/s{number:02}");
            request(number, number as i64 * 10, "alice", "10.0.0.1", "read", &path, "")
        };
        (0..count).map(read).collect()
    };
    let case = Case::of(&reads(50), &[]);
    assert_eq!(case.verdict("KT-SEC-05", &[]), "no exceptions found");
    assert_eq!(case.verdict("KT-SEC-05", &[("paths", "200")]), "no exceptions found");
    assert_eq!(case.verdict("KT-SEC-05", &[("paths", "201")]), "weakened");
    assert_eq!(case.verdict("KT-SEC-05", &[("window", "4m")]), "weakened");
    assert_eq!(
        case.verdict("KT-SEC-05", &[("window", "4m"), ("paths", "50")]),
        "exceptions (1 open, 0 dispositioned)"
    );
    let case = Case::of(&reads(51), &[]);
    let finding = case.asked("KT-SEC-05", &[], None, None);
    assert_eq!(
        told(&finding),
        BTreeMap::from([("bulk c/entity/e-alice alice 2026-10-05T08:00:00Z".to_owned(), 51)])
    );
    assert_eq!(finding.exceptions[0].uids.len(), 51);
}

#[test]
fn a_window_over_the_periods_edge_is_seen() {
    // Twenty refusals, one a second, of which the period has the last five or one, or none.
    let refused = |number: usize| {
        request(
            number,
            number as i64 * 1_000,
            "alice",
            "10.0.0.1",
            "read",
            "secret/data/x",
            "permission denied",
        )
    };
    let lines: String = (0..20).map(refused).collect();
    let case = Case::of(
        &(lines + &request(20, 60_000, "bob", "10.0.0.1", "read", "secret/data/y", "")),
        &[],
    );
    let count = |from, to| {
        let finding = case.asked("KT-ENT-08", &[], from, to);
        let counts: Vec<u64> = finding.exceptions.iter().map(|it| it.count).collect();
        (counts, finding.evaluated.events["often"])
    };
    assert_eq!(count(None, None), (vec![20], 20));
    assert_eq!(count(Some(15_000), None), (vec![20], 5));
    assert_eq!(count(Some(19_000), None), (vec![20], 1));
    assert_eq!(count(Some(19_001), None), (vec![], 0));
    assert_eq!(count(None, Some(19_000)), (vec![], 19));
    assert_eq!(count(None, Some(19_001)), (vec![20], 20));
    let finding = case.asked("KT-ENT-08", &[("denials", "21")], None, None);
    assert_eq!(finding.verdict, Verdict::NoExceptionsFound);
}

#[test]
fn a_statement_makes_a_control_not_applicable_and_an_empty_period_no_data() {
    let statement =
        [("not_applicable.csv", "control,reason,by\nKT-ENT-08,nobody is refused,carol\n")];
    let case = Case::of(&policy_writes(), &statement);
    assert_eq!(case.verdict("KT-ENT-08", &[]), "not applicable (nobody is refused, says carol)");
    assert_eq!(case.verdict("KT-SEC-05", &[]), "no exceptions found");
    let before = case.asked("KT-SEC-05", &[], Some(-10_000), Some(-5_000));
    assert_eq!((before.verdict, before.missing.len()), (Verdict::NoData, 1));
    let after = case.asked("KT-SEC-05", &[], Some(8_000_000), Some(9_000_000));
    assert_eq!(after.verdict, Verdict::NoData);
}

#[test]
fn an_answer_ends_with_its_turn_and_names_what_it_does_not_know() {
    let case = Case::of(&policy_writes(), &[]);
    let turn = Turn::default();
    turn.cancel();
    let catalogue = Catalogue::built_in();
    let period =
        Period { from: None, to: None, zone: jiff::tz::TimeZone::UTC, label: String::new() };
    let asked = |trail: &Trail, only: &[String], params: &Given| {
        let asking = Asking {
            catalogue: &catalogue,
            registers: &case.registers,
            period: &period,
            at: None,
            params,
            only,
            now: Timestamp::UNIX_EPOCH,
        };
        evaluate(trail, &asking)
            .map(|evaluation| evaluation.findings.len())
            .map_err(|error| error.to_string())
    };
    let none = Given::new();
    assert_eq!(asked(&case.trail, &[], &none), Ok(36));
    assert_eq!(
        asked(&case.trail.within(turn), &[], &none),
        Err("the question was called off".to_owned())
    );
    let unknown = asked(&case.trail, &["KT-NO-01".to_owned()], &none).expect_err("no such control");
    assert!(unknown.contains("there is no control KT-NO-01"), "{unknown}");
    let given = |control: &str, name: &str, value: &str| {
        let given = Given::from([((control.to_owned(), name.to_owned()), value.to_owned())]);
        asked(&case.trail, &[], &given).expect_err("a mistake")
    };
    assert_eq!(
        given("KT-SEC-05", "path", "3"),
        "KT-SEC-05: it has no parameter \"path\", only least, paths, share, window"
    );
    assert_eq!(
        given("KT-SEC-05", "paths", "many"),
        "KT-SEC-05: paths: \"many\" is no number of things: write a whole number from 1 on"
    );
}

#[test]
fn an_exceptions_key_is_the_same_whenever_it_is_found() {
    let case = Case::of(
        &policy_writes(),
        &[("tickets.csv", &format!("{TICKETS}T,,x,,2020-01-01,2020-01-02\n"))],
    );
    let hashes = |from| -> Vec<String> {
        let finding = case.asked("KT-ENT-01", &[("window", "1m")], from, None);
        finding.exceptions.into_iter().map(|it| it.hash).collect()
    };
    let (whole, part) = (hashes(None), hashes(Some(3_600_000)));
    assert_eq!((whole.len(), &whole), (2, &part));
    let mut finding = case.asked("KT-ENT-01", &[("window", "1m")], None, None);
    finding.settle(|it| it.hash == whole[0]);
    assert_eq!(finding.verdict, Verdict::Exceptions { open: 1, dispositioned: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// From lines to exceptions, piece by piece, against the definition over the list of requests.
    #[test]
    fn bursts_of_refusals_are_those_of_the_list(
        requests in prop::collection::vec((0..120_i64, 0..3_usize, any::<bool>()), 1..60),
        from in prop::option::of(0..120_i64),
        length in 1..120_i64,
        at_least in 1..5_u64,
        window in 2..30_i64,
    ) {
        let who = ["alice", "bob", "caroline"];
        let mut lines = String::new();
        let mut refused: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        let (mut events, to) = (0, from.map_or(length, |from| from + length) * 1_000);
        for (number, (second, who_at, is_refused)) in requests.iter().enumerate() {
            // No two at the same instant.
            let at = second * 1_000 + number as i64;
            let error = if *is_refused { "permission denied" } else { "" };
            lines += &request(number, at, who[*who_at], "10.0.0.1", "read", "secret/data/x", error);
            if *is_refused {
                refused.entry(*who_at).or_default().push(at);
            }
        }
        let first = requests.iter().enumerate().map(|(number, it)| it.0 * 1_000 + number as i64).min();
        let start = from.map_or(first.expect("one request at least"), |from| from * 1_000);
        let mut wanted: Vec<(i64, u64)> = Vec::new();
        for times in refused.values_mut() {
            times.sort_unstable();
            // What is looked at: the period, and a window before it.
            times.retain(|at| start - window * 1_000 <= *at && *at < to);
            events += times.iter().filter(|at| start <= **at).count() as u64;
            let mut episodes: Vec<(usize, usize)> = Vec::new();
            for (first, &begin) in times.iter().enumerate() {
                let end = times.partition_point(|at| *at < begin + window * 1_000);
                if (end - first) as u64 >= at_least {
                    match episodes.last_mut() {
                        Some(last) if first < last.1 => last.1 = end,
                        _ => episodes.push((first, end)),
                    }
                }
            }
            // The last event of an episode is one at which the threshold holds.
            let within = episodes.into_iter().filter(|(_, end)| start <= times[end - 1]);
            wanted.extend(within.map(|(first, end)| (times[first], (end - first) as u64)));
        }
        wanted.sort_unstable();
        let case = Case::of(&lines, &[]);
        let (denials, length) = (at_least.to_string(), format!("{window}s"));
        let params = [("denials", denials.as_str()), ("window", &length), ("places", "9")];
        let finding = case.asked("KT-ENT-08", &params, from.map(|from| from * 1_000), Some(to));
        let mut found: Vec<(i64, u64)> = finding
            .exceptions
            .iter()
            .map(|it| (it.first.expect("a time") / 1_000_000 - BEGIN_S * 1_000, it.count))
            .collect();
        found.sort_unstable();
        prop_assert_eq!(&found, &wanted);
        let looked_at = finding.evaluated.events.get("often").copied().unwrap_or(0);
        prop_assert_eq!(looked_at, events);
    }
}

/// Both lines of a request by a root token, which is known by one digit.
fn by_root(number: usize, at: i64, token: char, operation: &str, path: &str) -> String {
    let hash =
        |what: char| format!("hmac-sha256:{}", [token, what].iter().collect::<String>().repeat(32));
    let auth = format!(
        r#""auth":{{"client_token":"{}","accessor":"{}","display_name":"root","policies":["root"],"policy_results":{{"allowed":true,"granting_policies":[{{"name":"root","namespace_id":"root","type":"acl"}}]}},"token_type":"service"}}"#,
        hash('0'),
        hash('a'),
    );
    let of = format!(
        r#""request":{{"id":"root-{number}","operation":"{operation}","mount_point":"sys/","mount_type":"system","namespace":{{"id":"root"}},"path":"{path}","remote_address":"10.0.0.9","remote_port":40112}}"#
    );
    let of = if path.starts_with("auth/") {
        of.replace("sys/\",\"mount_type\":\"system", "auth/token/\",\"mount_type\":\"token")
    } else {
        of
    };
    format!(
        "{{\"time\":\"{}\",\"type\":\"request\",{auth},{of}}}\n{{\"time\":\"{}\",\"type\":\"response\",{auth},{of},\"response\":{{}}}}\n",
        time(at),
        time(at + 1)
    )
}

/// The line that an audit device writes when it is enabled.
fn probe(at: i64) -> String {
    format!(
        "{{\"time\":\"{}\",\"type\":\"request\",\"auth\":{{}},\"request\":{{\"id\":\"probe-{at}\",\"operation\":\"update\",\"namespace\":{{\"id\":\"root\"}},\"path\":\"sys/audit/test\"}}}}\n",
        time(at)
    )
}

#[test]
fn a_root_token_is_followed_as_far_as_its_hash_goes() {
    let hour = 3_600_000;
    let used = by_root(1, 0, '1', "read", "sys/mounts");
    let revoked = |at| by_root(2, at, '1', "update", "auth/token/revoke-self");
    let end = |at| request(9, at, "alice", "10.0.0.1", "read", "secret/data/x", "");
    let verdict = |lines: String| {
        let finding = Case::of(&lines, &[]).asked("KT-ROOT-03", &[], None, None);
        (finding.verdict.to_string(), finding.missing.concat())
    };
    let none = |words: &str| (words.to_owned(), String::new());
    let raised = "exceptions (1 open, 0 dispositioned)";
    // An hour is allowed, to the nanosecond.
    assert_eq!(
        verdict(used.clone() + &revoked(hour) + &end(3 * hour)),
        none("no exceptions found")
    );
    assert_eq!(verdict(used.clone() + &revoked(hour + 1) + &end(3 * hour)), none(raised));
    assert_eq!(verdict(used.clone() + &end(hour)), none(raised));
    // Its time is not over when the log ends.
    let (words, missing) = verdict(used.clone() + &end(hour - 2));
    assert_eq!(
        (words.as_str(), missing.contains("their time is not over")),
        ("no data", true),
        "{missing}"
    );
    // After a new salt it has another hash, and whether it was revoked is not known.
    let (words, missing) = verdict(used.clone() + &probe(hour / 2) + &end(3 * hour));
    assert_eq!(
        (words.as_str(), missing.contains("do not compare")),
        ("no data", true),
        "{missing}"
    );
    // A revocation that was seen is one whatever comes after.
    assert_eq!(
        verdict(used.clone() + &revoked(1_000) + &probe(hour / 2) + &end(3 * hour)),
        none("no exceptions found")
    );
    assert_eq!(verdict(used + &probe(2 * hour) + &end(3 * hour)), none(raised));
}

#[test]
fn a_period_that_ends_before_the_log_does_sees_what_came_after() {
    let used = by_root(1, 0, '1', "read", "sys/mounts");
    let revoked = by_root(2, 60_000, '1', "update", "auth/token/revoke-self");
    let case = Case::of(&(used + &revoked), &[]);
    let finding = case.asked("KT-ROOT-03", &[], None, Some(30_000));
    assert_eq!(
        (finding.verdict, finding.evaluated.events["kept"]),
        (Verdict::NoExceptionsFound, 1)
    );
}

#[test]
fn leavers_and_readers_are_known_by_every_name() {
    let read =
        |number, at, who| request(number, at, who, "10.0.0.1", "read", "secret/data/prod/a", "");
    let lines = read(1, 0, "alice") + &read(2, 1_000, "alice") + &read(3, 2_000, "bob");
    // She left a day before the second reading: the day of grace is over from that instant on.
    let left = [("leavers.csv", "name,aliases,left\nAlice A.,x;alice,2026-10-04T08:00:01Z\n")];
    let case = Case::of(&lines, &left);
    let finding = case.asked("KT-ENT-07", &[], None, None);
    assert_eq!(
        told(&finding),
        BTreeMap::from([("active c/entity/e-alice Alice A. alice".to_owned(), 1)])
    );
    let case = case.with(&[("leavers.csv", "name,left\ne-alice,2026-10-04T08:00:01.000000001Z\n")]);
    assert_eq!(case.verdict("KT-ENT-07", &[]), "no exceptions found");
    let readers = |case: Case, columns: &str| {
        let text = format!("path,owner,{columns}\n");
        let case = case.with(&[("sensitive_paths.csv", &text)]);
        let finding = case.asked("KT-SEC-06", &[], None, None);
        let counts: Vec<u64> = finding.exceptions.iter().map(|it| it.count).collect();
        // Without tickets nothing is known of people on paths of production.
        assert_eq!(finding.missing, ["production: there is no register tickets"]);
        (case, counts)
    };
    let (case, counts) = readers(case, "allowed\nsecret/data/prod/**,ops,alice");
    assert_eq!(counts, [1]);
    let (case, counts) = readers(case, "allowed\nsecret/data/prod/**,ops,c/entity/e-alice;bob");
    assert_eq!(counts, [0_u64; 0]);
    let (case, counts) = readers(case, "policies\nsecret/data/prod/**,ops,app");
    assert_eq!(counts, [0_u64; 0]);
    let (case, counts) = readers(case, "policies\nsecret/data/prod/**,ops,admin");
    assert_eq!(counts, [2, 1]);
    let (_, counts) = readers(case, "namespace\nsecret/data/prod/**,ops,team-a/");
    assert_eq!(counts, [0_u64; 0]);
}

#[test]
fn an_alarm_of_a_verification_is_an_exception_until_the_next_period() {
    let case = Case::of(&policy_writes(), &[]);
    let data = case._folder.path().join("data");
    let at = |hours: i64| Timestamp::from_second(BEGIN_S + hours * 3_600).expect("a time");
    let raised = |on: &str, hours: i64, resolved: bool| ingest::own::OwnLine {
        time: at(hours),
        fact: ingest::own::Fact::Alarm {
            name: "ledger".to_owned(),
            on: on.to_owned(),
            subject: "the ledger".to_owned(),
            resolved,
            text: format!("leaf {hours} is not what was signed"),
        },
    };
    let mut ledger = ingest::ledger::Ledger::open(&data, "c").expect("a ledger");
    for line in [
        raised("verify", 1, false),
        raised("verify", 1, true),
        raised("lag", 1, false),
        raised("verify", 30, false),
    ] {
        ingest::custody::append_line(&mut ledger, &line).expect("written");
    }
    drop(ledger);
    ingest::pipeline::rebuild(&data, &|_| ()).expect("an index");
    let case = Case { trail: Trail::open(&data).expect("a trail"), ..case };
    let finding = case.asked("KT-LOG-04", &[], None, None);
    let words: Vec<&str> = finding.exceptions.iter().map(|it| &*it.words).collect();
    assert_eq!(words, ["the ledger: leaf 1 is not what was signed"]);
    let before = case.asked("KT-LOG-04", &[], None, Some(1_800_000));
    assert_eq!(before.exceptions.len(), 0);
}
