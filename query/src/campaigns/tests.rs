//! How a campaign stands, whose word counts, and what the log shows of it afterwards.

use std::fs;
use std::path::PathBuf;

use ingest::custody::append_line;
use ingest::ledger::Ledger;
use ingest::pipeline::{import, rebuild};
use ingest::source::SourceId;
use ingest::tail::Input;

use super::*;
use crate::controls::{Asking, Finding, Given, Verdict, evaluate};
use crate::period::Period;
use crate::registers::Registers;
use crate::report::catalogue::Catalogue;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Both lines of a request of somebody with these policies, of which the last granted it.
fn request(number: usize, at: &str, who: &str, policies: &[&str], path: &str) -> String {
    let policies_json = serde_json::to_string(policies).expect("texts");
    let granting = policies.last().expect("one");
    let kind = if who == "root" { "root" } else { "userpass" };
    let auth = format!(
        r#""auth":{{"client_token":"hmac-sha256:{0:064}","accessor":"hmac-sha256:{0:063}a","display_name":"{kind}-{who}","policies":{policies_json},"policy_results":{{"allowed":true,"granting_policies":[{{"name":"{granting}","namespace_id":"root","type":"acl"}}]}},"metadata":{{"username":"{who}"}},"entity_id":"e-{who}","token_type":"service"}}"#,
        who.len()
    );
    let mount = match path.split_once('/') {
        Some(("sys", _)) => r#""mount_point":"sys/","mount_type":"system""#,
        _ => r#""mount_point":"secret/","mount_type":"kv""#,
    };
    let of = format!(
        r#""request":{{"id":"id-{number}","operation":"update",{mount},"namespace":{{"id":"root"}},"path":"{path}","remote_address":"10.0.0.1","remote_port":40112}}"#
    );
    let line = |kind: &str, rest: &str| {
        format!("{{\"time\":\"{at}\",\"type\":\"{kind}\",{auth},{of}{rest}}}\n")
    };
    line("request", "") + &line("response", r#","response":{"data":{"keys":1}}"#)
}

/// A log in which ann and bob hold `app`, bob also `admin`, and both go on for a month.
fn log() -> String {
    [
        request(1, "2026-10-01T08:00:00Z", "ann", &["default", "app"], "secret/data/a"),
        request(2, "2026-10-01T09:00:00Z", "bob", &["app", "admin"], "sys/policies/acl/p"),
        request(3, "2026-10-02T09:00:00Z", "bob", &["admin", "app"], "secret/data/b"),
        request(4, "2026-10-20T08:00:00Z", "ann", &["default", "app"], "secret/data/a"),
        request(5, "2026-10-30T08:00:00Z", "bob", &["app"], "secret/data/a"),
    ]
    .concat()
}

struct Case {
    _folder: tempfile::TempDir,
    data: PathBuf,
}

impl Case {
    fn new() -> Case {
        let folder = tempfile::tempdir().expect("a folder");
        let log_file = folder.path().join("audit.log");
        fs::write(&log_file, log()).expect("written");
        let data = folder.path().join("data");
        let source = SourceId::new("c", "n", "file").expect("a source");
        import(&data, &source, &[Input::File(log_file)], false, &|_| {}).expect("imported");
        Case { _folder: folder, data }
    }

    fn trail(&self) -> Trail {
        Trail::open(&self.data).expect("a trail")
    }

    fn write(&self, at: &str, fact: Fact) {
        let mut ledger = Ledger::open(&self.data, "c").expect("a ledger");
        append_line(&mut ledger, &OwnLine { time: time(at), fact }).expect("written");
        drop(ledger);
        rebuild(&self.data, &|_| ()).expect("an index");
    }

    /// Opens a campaign about the first ten days of October, due on the 12th.
    fn open(&self) {
        let trail = self.trail();
        let to = Some(time("2026-10-10T00:00:00Z"));
        let at = trail.view().leaf();
        let question = Question {
            to: to.map(|to| to.as_nanosecond() as i64),
            at: Some(at),
            ..Question::everything()
        };
        let found = Entitlements::of(&trail.view(), &question).expect("found");
        self.write(
            "2026-10-05T08:00:00Z",
            Fact::CampaignOpened {
                by: "user:carol".to_owned(),
                address: "127.0.0.1".to_owned(),
                campaign: "2026-q4".to_owned(),
                scope: String::new(),
                from: None,
                to,
                at,
                due: time("2026-10-12T00:00:00Z"),
                reviewers: Vec::new(),
                items: found.rows.len() as u64,
                items_sha256: found.sha256(),
            },
        );
    }

    fn decide(&self, at: &str, by: &str, items: &[Held], decision: Decision) {
        self.write(
            at,
            Fact::CampaignDecided {
                by: by.to_owned(),
                address: "127.0.0.1".to_owned(),
                campaign: "2026-q4".to_owned(),
                items: items.to_vec(),
                decision: decision.as_str().to_owned(),
                reason: "as the owner of the service says".to_owned(),
            },
        );
    }

    fn campaign(&self) -> (Campaign, Entitlements) {
        let trail = self.trail();
        let mut campaigns = Campaigns::default();
        campaigns.read_on(&trail).expect("read");
        let campaign = campaigns.named("2026-q4").expect("opened").clone();
        let found = campaign.entitlements(&trail.view()).expect("found");
        (campaign, found)
    }

    fn finding(&self, from: &str, to: &str) -> Finding {
        let ns = |text: &str| Some(time(text).as_nanosecond() as i64);
        let period = Period {
            from: ns(from),
            to: ns(to),
            zone: jiff::tz::TimeZone::UTC,
            label: "a while".to_owned(),
        };
        let registers = Registers::read(&self.data.join("context"), Timestamp::UNIX_EPOCH);
        let asking = Asking {
            catalogue: &Catalogue::built_in(),
            registers: &registers.expect("registers"),
            period: &period,
            at: None,
            params: &Given::new(),
            only: &["KT-ENT-05".to_owned()],
            now: Timestamp::UNIX_EPOCH,
        };
        evaluate(&self.trail(), &asking).expect("evaluated").findings.remove(0)
    }
}

fn row<'a>(found: &'a Entitlements, name: &str, policy: &str) -> &'a Entitlement {
    let is = |row: &&Entitlement| row.name.as_deref() == Some(name) && row.held.policy == policy;
    found.rows.iter().find(is).expect("such a row")
}

fn told(finding: &Finding) -> Vec<(&str, &str)> {
    finding.exceptions.iter().map(|it| (&*it.rule, &*it.words)).collect()
}

#[test]
fn who_holds_what_and_used_it() {
    let case = Case::new();
    let found = Entitlements::of(&case.trail().view(), &Question::everything()).expect("found");
    let rows: Vec<(&str, &str, u64, u64, bool)> = found
        .rows
        .iter()
        .map(|row| {
            let name = row.name.as_deref().expect("a name");
            (name, &*row.held.policy, row.requests, row.granted, row.is_privileged)
        })
        .collect();
    let expected =
        [("ann", "app", 2, 2, false), ("bob", "admin", 2, 1, true), ("bob", "app", 3, 2, false)];
    assert_eq!(rows, expected);
    assert_eq!((found.events, found.without_identity), (5, 0));
    let last = row(&found, "bob", "admin").last_granted.map(rfc3339_of);
    assert_eq!(last.as_deref(), Some("2026-10-01T09:00:00Z"));
}

fn rfc3339_of(time: i64) -> String {
    crate::period::rfc3339(time)
}

#[test]
fn a_campaign_is_the_rights_of_its_leaf_whatever_comes_after() {
    let case = Case::new();
    case.open();
    let (campaign, found) = case.campaign();
    assert_eq!(campaign.items, 3);
    assert_eq!(campaign.items_sha256, found.sha256());
    assert_eq!(campaign.undecided(&found, Timestamp::MAX), 3);
}

#[test]
fn a_privileged_row_takes_two_people_and_not_mine_gives_it_back() {
    let case = Case::new();
    case.open();
    let (_, found) = case.campaign();
    let (admin, app) = (row(&found, "bob", "admin").held.clone(), row(&found, "bob", "app"));
    let app = app.held.clone();
    let both = [admin.clone(), app.clone()];
    case.decide("2026-10-06T08:00:00Z", "user:carol", &both, Decision::Keep);
    let (campaign, found) = case.campaign();
    assert!(matches!(campaign.standing(row(&found, "bob", "admin")), Standing::Awaiting(_)));
    assert!(matches!(campaign.standing(row(&found, "bob", "app")), Standing::Decided(_, None)));
    // The same person again is no second one, and another opinion begins anew.
    case.decide("2026-10-06T09:00:00Z", "user:carol", std::slice::from_ref(&admin), Decision::Keep);
    case.decide(
        "2026-10-06T10:00:00Z",
        "user:dave",
        std::slice::from_ref(&admin),
        Decision::Revoke,
    );
    let (campaign, found) = case.campaign();
    assert!(matches!(campaign.standing(row(&found, "bob", "admin")), Standing::Awaiting(_)));
    case.decide("2026-10-06T11:00:00Z", "user:carol", &[admin], Decision::Revoke);
    case.decide("2026-10-06T12:00:00Z", "user:dave", &[app], Decision::NotMine);
    let (campaign, found) = case.campaign();
    let standing = campaign.standing(row(&found, "bob", "admin"));
    let Standing::Decided(first, Some(second)) = standing else { panic!("{standing:?}") };
    assert_eq!((&*first.by, &*second.by), ("user:dave", "user:carol"));
    assert!(matches!(campaign.standing(row(&found, "bob", "app")), Standing::Undecided(Some(_))));
    // Bob and ann: what nobody has decided, and what was given back.
    assert_eq!(campaign.undecided(&found, Timestamp::MAX), 2);
    assert_eq!(campaign.undecided(&found, time("2026-10-06T08:30:00Z")), 2);
}

#[test]
fn what_may_not_be_decided() {
    let case = Case::new();
    case.open();
    let (mut campaign, found) = case.campaign();
    let of = |name: &str, policy: &str| row(&found, name, policy).held.clone();
    let why = "the owner of the service asked for it";
    let check = |campaign: &Campaign, items: &[Held], by: &str, decision, reason: &str| {
        campaign.check(&found, items, by, decision, reason)
    };
    let keep = Decision::Keep;
    assert_eq!(check(&campaign, &[of("ann", "app")], "user:carol", keep, ""), Ok(()));
    let cases: [(&[Held], &str, Decision, &str, Refused); 6] = [
        (&[], "user:carol", keep, why, Refused::Number),
        (&[of("ann", "app")], "user:Ann", keep, why, Refused::Subject("Ann".to_owned())),
        (&[of("ann", "app")], "user:carol", Decision::Revoke, "no", Refused::Reason),
        (&[of("ann", "app"), of("bob", "app")], "user:carol", keep, "", Refused::Reason),
        (&[of("bob", "admin")], "user:carol", keep, "", Refused::Reason),
        (
            &[Held { identity: "x".to_owned(), policy: "app".to_owned() }],
            "user:carol",
            keep,
            why,
            Refused::NotThere { identity: "x".to_owned(), policy: "app".to_owned() },
        ),
    ];
    for (items, by, decision, reason, refused) in cases {
        assert_eq!(check(&campaign, items, by, decision, reason), Err(refused));
    }
    campaign.reviewers = vec!["user:dave".to_owned()];
    let refused = check(&campaign, &[of("ann", "app")], "user:carol", keep, why);
    assert!(matches!(refused, Err(Refused::NotReviewer { .. })), "{refused:?}");
    campaign.closed =
        Some(Closed { at: campaign.due, by: String::new(), undecided: 0, reason: String::new() });
    let refused = check(&campaign, &[of("ann", "app")], "user:dave", keep, why);
    assert!(matches!(refused, Err(Refused::Closed(_))), "{refused:?}");
}

#[test]
fn what_was_taken_away_and_is_held_all_the_same_is_found() {
    let case = Case::new();
    case.open();
    let (_, found) = case.campaign();
    let (ann, bob) = (row(&found, "ann", "app").held.clone(), row(&found, "bob", "app"));
    let bob = bob.held.clone();
    case.decide("2026-10-06T08:00:00Z", "user:carol", &[ann], Decision::Revoke);
    // Bob's last request comes more than a week after, ann's also.
    case.decide("2026-10-28T08:00:00Z", "user:carol", &[bob], Decision::Revoke);
    let (campaign, found) = case.campaign();
    let view = case.trail().view();
    let effect = |name, policy| {
        campaign.effect(&view, row(&found, name, policy)).expect("the log can be asked")
    };
    assert_eq!(effect("ann", "app"), Effect::StillHeld { requests: 1 });
    assert_eq!(effect("bob", "app"), Effect::NotDue, "nothing is known of a week later");
    assert_eq!(effect("bob", "admin"), Effect::None);
}

#[test]
fn the_control_says_what_is_late_without_effect_and_not_held() {
    let case = Case::new();
    let october = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let finding = case.finding(october.0, october.1);
    assert_eq!(finding.verdict, Verdict::NoData);
    assert!(finding.missing.iter().any(|text| text.contains("no reviews of access")));

    case.open();
    let finding = case.finding(october.0, october.1);
    assert_eq!(
        told(&finding),
        [("late", "3 of 3 rows of the review 2026-q4 were not decided by 2026-10-12T00:00:00Z")]
    );
    let (_, found) = case.campaign();
    let of = |name: &str, policy: &str| row(&found, name, policy).held.clone();
    let rest = [of("bob", "app"), of("bob", "admin")];
    case.decide("2026-10-06T08:00:00Z", "user:carol", &[of("ann", "app")], Decision::Revoke);
    case.decide("2026-10-06T09:00:00Z", "user:carol", &rest, Decision::Keep);
    case.decide("2026-10-07T09:00:00Z", "user:dave", &rest[1..], Decision::Keep);
    let finding = case.finding(october.0, october.1);
    assert_eq!(
        told(&finding),
        [(
            "effect",
            "ann held app in 1 requests more than a week after 2026-q4 decided revoke at 2026-10-06T08:00:00Z"
        )]
    );
    assert_eq!(finding.exceptions[0].uids.len(), 1);
    // Within its week nothing has to be gone, nothing was due, and one was opened lately.
    let finding = case.finding("2026-10-01T00:00:00Z", "2026-10-11T00:00:00Z");
    assert_eq!(finding.verdict, Verdict::NoExceptionsFound, "{:?}", told(&finding));
}

#[test]
fn a_campaign_stands_as_it_stood_at_a_leaf() {
    let case = Case::new();
    case.open();
    let (_, found) = case.campaign();
    let ann = row(&found, "ann", "app").held.clone();
    let before = case.trail().ledger().size();
    case.decide("2026-10-06T08:00:00Z", "user:carol", std::slice::from_ref(&ann), Decision::Keep);
    case.write(
        "2026-10-11T08:00:00Z",
        Fact::CampaignClosed {
            by: "user:carol".to_owned(),
            address: "127.0.0.1".to_owned(),
            campaign: "2026-q4".to_owned(),
            undecided: 2,
            reason: "the team was dissolved in between".to_owned(),
        },
    );
    // After its end nothing more is heard.
    case.decide("2026-10-11T09:00:00Z", "user:dave", std::slice::from_ref(&ann), Decision::Revoke);
    let trail = case.trail();
    let mut campaigns = Campaigns::default();
    campaigns.read_on(&trail).expect("read");
    let now = campaigns.named("2026-q4").expect("opened");
    assert!(now.closed.is_some());
    assert_eq!(now.said(&ann).len(), 1);
    let then = campaigns.as_of(before);
    let then = then.named("2026-q4").expect("opened");
    assert!(then.closed.is_none() && then.said(&ann).is_empty());
    assert!(campaigns.as_of(0).all().is_empty());
}
