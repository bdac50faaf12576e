//! Lines that no server should write, and some that servers do: kept to the byte, counted, shown, and
//! without harm to their neighbours.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};

use flate2::write::GzEncoder;

use crate::util::{
    DEADLINE, Data, Run, Server, keytrail, login_response, pair, request, response, until,
    with_error,
};

const LOGIN: &str = "auth/userpass/login/alice";

/// Imports `before`, the odd bytes and `after`, and asserts that the ledger has each byte, the status the
/// count and the neighbours their events.
#[track_caller]
fn check(what: &str, odd: &[u8], undecodable: std::ops::RangeInclusive<u64>, events: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let (before, after) =
        (pair("before", "secret/data/before", 0), pair("after", "secret/data/after", 5000));
    let mut file = BufWriter::new(fs::File::create(&path).unwrap());
    for part in [before.as_bytes(), odd, after.as_bytes()] {
        file.write_all(part).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
    let data = Data::new();
    data.import([&path]);
    assert!(
        data.cat("c/n/file") == fs::read(&path).unwrap(),
        "{what}: the ledger does not hold the file's bytes"
    );
    let counted = data.status_of("undecodable");
    assert!(
        undecodable.contains(&counted),
        "{what}: undecodable is {counted}, not {undecodable:?}"
    );
    assert_eq!(data.total(""), 2 + events, "{what}");
    for path in ["before", "after"] {
        let filter = format!("path:secret/data/{path} decision:allowed outcome:success");
        assert_eq!(data.total(&filter), 1, "{what}: {filter}");
    }
    data.run("verify", [] as [&str; 0]).expect(0);
}

#[test]
fn odd_lines_are_kept_counted_and_harm_nobody() {
    let whole = pair("odd", "secret/data/odd", 1000);
    let (torn, glued) = (&whole[..60], pair("glued", "secret/data/glued", 2000));
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let utf8 = [&whole.as_bytes()[..40], b"\xff\xfe", b"\n"].concat();
    let nul_within =
        whole.lines().next().unwrap().replacen("userpass-alice", "user\0pass", 1) + "\n";
    for (what, odd, undecodable, events) in [
        ("no JSON", b"level=info msg=\"core: security barrier not initialized\"\n".to_vec(), 1, 0),
        ("JSON of another kind", b"{\"@level\":\"info\",\"@message\":\"x\"}\n".to_vec(), 1, 0),
        ("a list", b"[1,2,3]\n".to_vec(), 1, 0),
        ("nested too deeply", deep.into_bytes(), 1, 0),
        ("NUL bytes", [&[0; 4096][..], b"\n"].concat(), 1, 0),
        ("a NUL within a string", nul_within.into_bytes(), 1, 0),
        ("invalid UTF-8", utf8, 1, 0),
        (
            "a torn line with the next one glued to it",
            [torn.as_bytes(), glued.as_bytes()].concat(),
            1,
            1,
        ),
        ("two torn lines", format!("{torn}\n{torn}\n").into_bytes(), 2, 0),
        (
            "a prefix before the entry",
            whole.lines().map(|line| format!("@cee: {line}\n")).collect::<String>().into_bytes(),
            0,
            1,
        ),
        ("Windows line ends", whole.replace('\n', "\r\n").into_bytes(), 0, 1),
        (
            "a request line twice",
            (whole.lines().next().unwrap().to_owned() + "\n" + &whole).into_bytes(),
            0,
            1,
        ),
    ] {
        check(what, &odd, undecodable..=undecodable, events);
    }
}

#[test]
fn a_line_of_a_hundred_mebibytes() {
    // Cut into two leaves at 64 MiB; whether that counts as one or as two, it is no event.
    let mut odd = vec![b'x'; 100 << 20];
    odd.push(b'\n');
    check("100 MiB", &odd, 1..=2, 0);
}

#[test]
fn the_last_line_of_an_imported_file_needs_no_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let text = pair("a", "secret/data/a", 0);
    fs::write(&path, text.trim_end()).unwrap();
    let data = Data::new();
    data.import([&path]);
    assert_eq!(data.cat("c/n/file"), text.trim_end().as_bytes());
    assert_eq!((data.total("outcome:success"), data.status_of("undecodable")), (1, 0));
}

#[test]
fn a_login_whose_response_is_lost_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let (lost, failed, good) = ("lost", "failed", "good");
    let login = |id, at| request(id, LOGIN, at);
    let text = [
        login(lost, 0),
        login(failed, 10) + &with_error(failed, LOGIN, 20, "invalid credentials"),
        login(good, 30) + &login_response(good, LOGIN, 40),
    ]
    .concat();
    fs::write(&path, &text).unwrap();
    let data = Data::new();
    data.import([&path]);
    let decided = |data: &Data| {
        [lost, failed, good].map(|id| {
            let events = data.search(&format!("request:{id}"));
            assert_eq!(events.len(), 1, "{id}");
            ["decision", "reason", "outcome"]
                .map(|field| events[0][field].as_str().unwrap().to_owned())
                .join(" ")
        })
    };
    // The end of an import closes nothing.
    assert_eq!(
        decided(&data),
        ["unknown pending unknown", "denied login refused", "allowed login success"]
    );
    assert_eq!(data.status_of("pending"), 1);

    // Eleven minutes on, by the file's own time, no response will come.
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    for number in 0..64 {
        file.write_all(
            pair(&format!("later-{number}"), "secret/data/later", 660_000 + number * 10).as_bytes(),
        )
        .unwrap();
    }
    data.import([&path]);
    assert_eq!(
        decided(&data),
        ["unknown unanswered unknown", "denied login refused", "allowed login success"]
    );
    assert_eq!((data.total("is:unanswered"), data.status_of("pending")), (1, 0));

    // And if it does, it is an event of its own that no count holds.
    file.write_all(with_error(lost, LOGIN, 670_000, "invalid credentials").as_bytes()).unwrap();
    data.import([&path]);
    assert_eq!((data.search("is:late").len(), data.total("action:auth.login")), (1, 3));
}

#[test]
fn one_line_stamped_a_day_ahead_makes_no_pair_unanswered() {
    const DAY: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut text = String::new();
    // Every request is answered only after the next one has come, and a line from tomorrow is in the middle.
    for number in 0..200 {
        text += &request(&format!("r{number}"), "secret/data/x", number * 100);
        if number == 100 {
            text += &pair("tomorrow", "secret/data/tomorrow", DAY);
        }
        if number > 0 {
            text += &response(&format!("r{}", number - 1), "secret/data/x", number * 100 + 1);
        }
    }
    text += &response("r199", "secret/data/x", 20_000);
    fs::write(&path, text).unwrap();
    let data = Data::new();
    data.import([path]);
    assert_eq!((data.total("is:unanswered"), data.search("is:late").len()), (0, 0));
    assert_eq!(data.total("decision:allowed outcome:success"), 201);
}

#[test]
fn old_files_and_the_tail_do_not_make_each_other_look_late() {
    const MONTH: i64 = 30 * 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    let file_of = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let many = |name: &str, from: i64| {
        (0..100)
            .map(|n| pair(&format!("{name}-{n}"), "secret/data/x", from + n))
            .collect::<String>()
    };
    let events_are = |count: u64| {
        until("the events are searchable", DEADLINE, || {
            (data.status_of("events") == count).then_some(())
        })
    };

    // A live request that waits for its response.
    fs::write(&log, many("live", 0) + &request("slow", "secret/data/slow", 1000)).unwrap();
    let server = Server::follow(&data, &log);
    until("the waiting request is known", DEADLINE, || {
        (data.total("is:pending") == 1).then_some(())
    });
    drop(server);

    // Two old files with a pair split between them, then one that is newer than the tail.
    data.import([file_of(
        "old-1",
        many("old", -MONTH) + &request("split", "secret/data/split", -MONTH + 1000),
    )]);
    data.import([file_of(
        "old-2",
        response("split", "secret/data/split", -MONTH + 1001) + &many("old-too", -MONTH + 2000),
    )]);
    data.import([file_of("newer", many("newer", MONTH))]);
    assert_eq!(data.total("is:unanswered"), 0);

    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(response("slow", "secret/data/slow", 2000).as_bytes()).unwrap();
    let server = Server::follow(&data, &log);
    until("the response is known", DEADLINE, || {
        (data.total("path:secret/data/slow outcome:success") == 1).then_some(())
    });
    events_are(402);
    drop(server);
    assert_eq!((data.total("path:secret/data/slow"), data.search("is:late").len()), (1, 0));
}

#[test]
fn an_import_goes_on_past_damaged_files_and_names_each() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let log = |name: &str| pair(name, &format!("secret/data/{name}"), 0);
    let (gzip, zstd) = (packed(&log("a")), zstd::encode_all(log("b").as_bytes(), 1).unwrap());
    let files = [
        write("audit.log.3.gz", &gzip[..gzip.len() - 8]),
        write("audit.log.2.zst", &zstd[..zstd.len() - 3]),
        write("audit.log.1.gz", &packed(&log("c"))),
        write("audit.log", log("d").as_bytes()),
    ];
    let data = Data::new();
    let import = |code| {
        let mut command = keytrail();
        command.args(["import", "--cluster", "c", "--node", "n", "-d"]).arg(data.path());
        Run::of(command.args(&files)).expect(code)
    };
    let refused = import(3).stderr;
    for name in ["audit.log.3.gz", "audit.log.2.zst"] {
        assert!(refused.contains(&format!("{name}: damaged or cut off: byte ")), "{refused}");
    }
    assert!(refused.contains("import an undamaged copy"), "{refused}");
    for name in ["c", "d"] {
        assert_eq!(data.total(&format!("path:secret/data/{name}")), 1, "{name}");
    }
    write("audit.log.3.gz", &gzip);
    write("audit.log.2.zst", &zstd);
    import(0);
    assert_eq!(data.total(""), 4);
}
