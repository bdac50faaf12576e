#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ingest::event::Uid;
use query::listing::COLUMNS;
use query::table::{Cell, Kind};

use super::*;
use crate::batch::{Beside, Item, testing};

const DAY_NS: i64 = 24 * 3_600_000_000_000;

/// An event of this day after 1970, or of none.
fn item(number: u8, day: Option<i64>) -> Item {
    let uid = Uid([number; 16]);
    let cell = |kind| match kind {
        Kind::List => Cell::List(Vec::new()),
        _ => Cell::Absent,
    };
    let mut cells: Vec<Cell> = COLUMNS.iter().map(|column| cell(column.kind)).collect();
    let at = COLUMNS.iter().position(|column| column.name == "uid").unwrap();
    cells[at] = Cell::Text(uid.to_string());
    Item {
        time_unix_ns: day.map(|day| day * DAY_NS + 5),
        bytes: format!("{{\"uid\":\"{uid}\"}}").into_bytes().into(),
        beside: Beside::Row(cells.into()),
        ..testing::item(number)
    }
}

fn store(folder: &Path, form: Form) -> ObjectStore {
    let store = StoreConfig::Folder(folder.to_owned());
    let config = ObjectStoreConfig { store, form, format: Format::Event, room: None };
    ObjectStore::new("lake", &config).unwrap()
}

fn run<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what)
}

fn held(store: &ObjectStore) -> (Vec<Uid>, Held) {
    let mut uids = Vec::new();
    let held = run(store.uids(&mut |uid| {
        uids.push(uid);
        Ok(())
    }));
    uids.sort_unstable();
    (uids, held.unwrap())
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found.sort();
    found
}

fn batches() -> [Batch; 2] {
    let first = Batch::new("lake", vec![item(1, Some(1)), item(2, None), item(3, Some(1))]);
    let mut second = Batch::new("lake", vec![item(4, Some(2))]);
    second.previous = Some(first.id.clone());
    [first, second]
}

#[test]
fn a_batch_is_an_object_a_day_and_one_that_is_sent_again_meets_its_own() {
    for form in [Form::NdjsonGzip, Form::NdjsonZstd, Form::Parquet] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), form);
        for _ in 0..2 {
            for batch in batches() {
                assert_eq!(run(store.send(&batch)), Answer::Taken(DeliveryState::Confirmed));
            }
        }
        let (uids, held) = held(&store);
        assert_eq!(uids, [1, 2, 3, 4].map(|number| Uid([number; 16])), "{form:?}");
        let counts = (held.manifests, held.objects, held.problems_count);
        assert_eq!(counts, (2, 3, 0), "{:?}", held.problems);
        let lake = folder.path().join("lake");
        let days = std::fs::read_dir(&lake).unwrap();
        let mut days: Vec<String> =
            days.map(|day| day.unwrap().file_name().into_string().unwrap()).collect();
        days.sort();
        let expected =
            ["day=1970-01-02", "day=1970-01-03", "day=__HIVE_DEFAULT_PARTITION__", "manifests"];
        assert_eq!(days, expected);
    }
}

#[test]
fn what_is_gone_altered_or_somebody_elses_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), Form::NdjsonGzip);
    let [first, second] = batches();
    for batch in [&first, &second] {
        run(store.send(batch));
    }
    let all = files(folder.path());
    let find = |part: &str| all.iter().find(|path| path.contains(part)).unwrap();
    let names = |held: Held| -> Vec<String> {
        held.problems.into_iter().map(|problem| problem.what).collect()
    };
    // The same events, packed anew: sent again it is taken, since nothing is overwritten.
    let object = find("day=1970-01-03");
    let kept = std::fs::read(object).unwrap();
    let mut other = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut other, &[&second.items[0].bytes[..], b"\n"].concat()).unwrap();
    std::fs::write(object, other.finish().unwrap()).unwrap();
    assert!(names(held(&store).1)[0].contains("altered: it had 1 events, has 1"));
    assert_eq!(run(store.send(&second)), Answer::Taken(DeliveryState::Confirmed));
    // Something else under its name.
    std::fs::write(object, "nonsense").unwrap();
    let Answer::Stop(why) = run(store.send(&second)) else { panic!("it stops") };
    assert!(why.contains("stands there and is something else"), "{why}");
    let (uids, found) = held(&store);
    assert_eq!((uids.len(), names(found).len()), (3, 1));
    std::fs::write(object, kept).unwrap();
    std::fs::remove_file(find("day=1970-01-02")).unwrap();
    let (uids, found) = held(&store);
    assert_eq!(uids.len(), 2);
    assert_eq!(names(found), ["it is gone, and its manifest is there"]);
    // A batch that is gone altogether is missed by the next one.
    std::fs::remove_file(find("day=__HIVE")).unwrap();
    let first_manifest =
        all.iter().find(|path| path.contains("manifests/00000000000000000001")).unwrap();
    std::fs::remove_file(first_manifest).unwrap();
    assert_eq!(names(held(&store).1), [format!("the manifest before it is gone, of {}", first.id)]);
}

#[test]
fn what_a_store_has_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), Form::NdjsonGzip);
    let day = folder.path().join("lake/day=1970-01-01");
    std::fs::create_dir_all(&day).unwrap();
    std::fs::create_dir_all(folder.path().join("lake/manifests")).unwrap();
    for name in ["a.ndjson.gz", "b.ndjson.zst", "c.parquet", "README"] {
        std::fs::write(day.join(name), b"\x1f\x8bnonsense").unwrap();
    }
    std::fs::write(folder.path().join("lake/manifests/x.json"), "{\"version\":1}").unwrap();
    let (uids, held) = held(&store);
    assert_eq!((uids.len(), held.objects, held.problems_count), (0, 3, 4), "{:?}", held.problems);
}
