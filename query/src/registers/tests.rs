use std::fs;

use super::*;

fn read(files: &[(&str, &str)]) -> Result<Registers, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    Registers::read(folder.path(), Timestamp::UNIX_EPOCH)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

const TICKET: &str = r#"
# approved changes
[[ticket]]
ticket = "CHG-1"
actor = "alice"
approver = "bob"
filter = "action:policy.write"
from = 2026-10-12T08:00:00Z
to = "2026-10-13"
"#;

#[test]
fn absent_empty_and_damaged_are_three_things() {
    let absent = Registers::read(Path::new("/nowhere/at/all"), Timestamp::UNIX_EPOCH);
    let absent = absent.expect("a folder that does not exist has no registers");
    assert_eq!(absent.lacks("tickets").as_deref(), Some("there is no register tickets"));
    for empty in [("tickets.toml", "# none yet\n"), ("tickets.csv", "ticket,approver,from,to\n")] {
        let registers = read(&[empty]).expect("an empty register");
        assert_eq!(registers.lacks("tickets").as_deref(), Some("the register tickets is empty"));
        assert!(registers.tickets.sha256.is_some());
    }
    let there = read(&[("tickets.toml", TICKET)]).expect("a register");
    assert_eq!(there.lacks("tickets"), None);
    assert_eq!(there.lacks("leavers").as_deref(), Some("there is no register leavers"));
    let ticket = &there.tickets.rows[0];
    assert_eq!((ticket.actor.as_deref(), ticket.is_self_approved), (Some("alice"), false));
    assert!(ticket.may_cover(ticket.from, &["alice"]) && !ticket.may_cover(ticket.to, &["alice"]));
    assert_eq!(ticket.to - ticket.from, 16 * 3_600_000_000_000);
}

#[test]
fn mistakes_are_named_with_file_line_and_remedy() {
    let toml = |from: &str, to: &str| TICKET.replace(from, to);
    for (name, text, expected) in [
        (
            "tickets.toml",
            toml("actor", "actr"),
            "tickets.toml line 3: a ticket has no column \"actr\", did you mean actor?; it has ticket, filter, from, to, actor, approver",
        ),
        (
            "tickets.toml",
            toml("approver = \"bob\"", ""),
            "tickets.toml line 3: a ticket has a approver: write approver = …",
        ),
        (
            "tickets.toml",
            toml("\"2026-10-13\"", "\"soon\""),
            "tickets.toml line 3: to: \"soon\" is no time: write 2026-10-12T08:00:00Z, or 2026-10-12 for its beginning (UTC)",
        ),
        (
            "tickets.toml",
            toml("\"2026-10-13\"", "\"2026-10-12\""),
            "tickets.toml line 3: from is not before to: the end itself does not belong to the stretch",
        ),
        (
            "tickets.toml",
            toml("action:", "acton:"),
            "tickets.toml line 3: filter:\nacton:policy.write\n^^^^^\n\"acton\" is no key, did you mean \"action\"?",
        ),
        (
            "tickets.toml",
            toml("[[ticket]]", "[[tickets]]"),
            "tickets.toml line 3: \"tickets\" is no row of this register: write [[ticket]]",
        ),
        ("tickets.toml", toml("[[ticket]]", "[[ticket"), "tickets.toml line 3: "),
        (
            "ticket.toml",
            TICKET.to_owned(),
            "ticket.toml is no register, did you mean tickets?; there are tickets, ",
        ),
        ("leavers.csv", "name,left\nmallory\n".to_owned(), "leavers.csv line 2: "),
        (
            "leavers.csv",
            "name,left,aliasses\nmallory,2026-10-12,m;x\n".to_owned(),
            "leavers.csv line 2: a leaver has no column \"aliasses\", did you mean aliases?",
        ),
        (
            "address_ranges.csv",
            "name,cidr\npods,10.0.0.0/33\n".to_owned(),
            "address_ranges.csv line 2: cidr: \"10.0.0.0/33\" is no address or network",
        ),
    ] {
        let error = read(&[(name, &text)]).expect_err(expected);
        assert!(error.starts_with(expected), "{error}\n{expected}");
    }
    let twice = read(&[("leavers.csv", "name,left\n"), ("leavers.toml", "")]).expect_err("twice");
    assert!(twice.contains("are the same register: keep one of them"), "{twice}");
}

#[test]
fn the_hash_is_of_what_is_said_and_not_of_its_form() {
    let toml = "[[leaver]]\nleft = \"2026-10-12\"\nname = \"mallory\"\naliases = [\"m\", \"x\"]\n\
                [[leaver]]\nname = \"eve\"\nleft = \"2026-10-13\"\n";
    let csv = "name,aliases,left\neve,,2026-10-13\nmallory,m;x,2026-10-12\n";
    let hash = |name, text| read(&[(name, text)]).expect("a register").leavers.sha256;
    assert_eq!(hash("leavers.toml", toml), hash("leavers.csv", csv));
    assert_ne!(hash("leavers.toml", toml), hash("leavers.csv", &csv.replace("eve", "eva")));
}

#[test]
fn whoever_approves_himself_is_not_approved() {
    let own = TICKET.replace("\"bob\"", "\"alice\"");
    assert!(read(&[("tickets.toml", &own)]).expect("read").tickets.rows[0].is_self_approved);
    let glass = "ticket,requester,approver,from,to\nB-1,alice,alice,2026-10-12,2026-10-13\nB-2,alice,bob,2026-10-12,2026-10-13\n";
    let glass = read(&[("break_glass.csv", glass)]).expect("read").break_glass.rows;
    assert_eq!([true, false], [glass[0].is_self_approved, glass[1].is_self_approved]);
}

#[test]
fn ranges_have_their_addresses() {
    let ranges =
        read(&[("address_ranges.csv", "name,cidr,nat\npods,10.1.0.0/16;2001:db8::/32,true\n")]);
    let range = &ranges.expect("read").address_ranges.rows[0];
    assert!(range.is_nat);
    for (address, is_in) in [
        ("10.1.255.255", true),
        ("10.2.0.0", false),
        ("::ffff:10.1.0.1", true),
        ("2001:db8:1::", true),
        ("2001:db9::", false),
    ] {
        assert_eq!(range.has(address.parse().expect("an address")), is_in, "{address}");
    }
}
