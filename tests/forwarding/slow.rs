//! A sink whose receiver is a thousand times too slow, and one that is away: neither the tail nor another sink waits for them, they need memory for a
//! batch, and catch up once they can.

use std::fs;
use std::time::Duration;

use super::{Setup, events, pairs, set, uids, webhook};
use crate::util::{DEADLINE, Server, Siem, SiemReply, until};

const EVENTS: i64 = 20_000;
const MORE: i64 = 2_000;
/// An answer of a receiver on this machine takes a thousandth of that.
const SLOW: Duration = Duration::from_secs(1);

/// The most memory that it has ever had, in MiB.
fn most_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn who_is_slow_or_away_is_waited_for_by_nobody_and_gets_everything_in_the_end() {
    let setup = Setup::new(&pairs(0..EVENTS));
    let slow = Siem::start(|_| {
        std::thread::sleep(SLOW);
        SiemReply::status(200)
    });
    let away = Siem::start(|_| SiemReply::Reset);
    let here = Siem::start(|_| SiemReply::status(200));
    let sinks =
        webhook("slow", &slow, "") + &webhook("away", &away, "") + &webhook("here", &here, "");
    let server = setup.run(&sinks);
    setup.done("here", EVENTS as u64);
    // All are recorded and with the one, and the other has had hardly any.
    let before = setup.status("slow")["delivered"].as_u64().unwrap();
    assert!(before < EVENTS as u64 / 4, "{before}");
    let memory = most_memory(&server);
    setup.append(&pairs(EVENTS..EVENTS + MORE));
    setup.done("here", (EVENTS + MORE) as u64);
    assert!(setup.status("slow")["waiting"].as_u64().unwrap() > EVENTS as u64 / 2);
    assert_eq!(setup.status("away")["waiting"], EVENTS + MORE);
    // What waits is in the ledger, not in memory.
    let grown = most_memory(&server) - memory;
    assert!(grown < 64, "{grown} MiB more");
    for siem in [&slow, &away] {
        siem.obey(|_| SiemReply::status(200));
    }
    for (name, siem) in [("slow", &slow), ("away", &away), ("here", &here)] {
        until("all are there", DEADLINE * 4, || {
            (setup.status(name)["waiting"] == 0 && setup.status(name)["in_flight"].is_null())
                .then_some(())
        });
        let taken = uids(&events(&siem.taken()));
        assert_eq!(
            (taken.len(), set(&taken).len()),
            ((EVENTS + MORE) as usize, taken.len()),
            "{name}"
        );
    }
    server.terminate();
}
