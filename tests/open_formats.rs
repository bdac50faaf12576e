//! What other engines make of the exports is what keytrail counts.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::util::{Run, json_lines, main_recording, python, tools_required};

/// Counts by identity, path and decision with DuckDB over Parquet and with pandas over the Arrow stream; one JSON
/// object a row, and the engine's name.
const ENGINES: &str = r#"
import json, sys
import duckdb, pandas, pyarrow
parquet, arrow = sys.argv[1:]
keys = ["identity_key", "path", "decision"]
counted = duckdb.sql(f"select {', '.join(keys)}, count(*) as count, min(epoch_ns(time)) as first from read_parquet('{parquet}') group by all").fetchall()
rows = [("duckdb", *row) for row in counted]
with pyarrow.ipc.open_stream(arrow) as stream:
    frame = stream.read_pandas()
frame["first"] = frame["time"].astype("int64")
for key, group in frame.groupby(keys, dropna=False):
    key = [None if pandas.isna(value) else value for value in key]
    rows.append(("pandas", *key, len(group), int(group["first"].min())))
for row in rows:
    print(json.dumps(dict(zip(["engine", *keys, "count", "first"], row))))
"#;

fn has_engines() -> bool {
    let imports = python().args(["-c", "import duckdb, pandas, pyarrow"]).output();
    let has = imports.is_ok_and(|output| output.status.success());
    if !has {
        assert!(!tools_required(), "no duckdb, pandas and pyarrow for Python");
        eprintln!(
            "no duckdb, pandas and pyarrow: nothing was checked; `cargo xtask test` installs them"
        );
    }
    has
}

#[test]
fn duckdb_over_parquet_and_pandas_over_arrow_count_as_keytrail_does() {
    if !has_engines() {
        return;
    }
    let data = main_recording();
    let folder = tempfile::tempdir().unwrap();
    let export = |format: &str| {
        let file = folder.path().join(format!("events.{format}"));
        let run = data.run("search", ["", "--limit", "0", "--format", format]).expect(0);
        fs::write(&file, run.stdout).unwrap();
        file
    };
    let mut engines = python();
    engines.args(["-c", ENGINES]).args([export("parquet"), export("arrow")]);
    let counted = json_lines(Run::of(&mut engines).expect(0).text());
    let keys = ["identity_key", "path", "decision"];
    let group = |row: &Value| keys.map(|key| row[key].as_str().map(str::to_owned));
    let counts = data.run("count", ["", "--by", "identity,path,decision", "--format", "parquet"]);
    let file = folder.path().join("counts.parquet");
    fs::write(&file, counts.expect(0).stdout).unwrap();
    // Counted here from the events themselves, keys and all; and below from what `count` wrote as Parquet.
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for event in data.run("search", ["", "--limit", "0", "--format", "json"]).expect(0).json() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let group =
            [text(&event["identity"]["key"]), text(&event["path"]), text(&event["decision"])];
        *expected.entry(group).or_default() += 1;
    }
    assert!(expected.len() > 100, "{} groups", expected.len());
    for engine in ["duckdb", "pandas"] {
        let of_engine = counted.iter().filter(|row| row["engine"] == engine);
        let of_engine: BTreeMap<_, _> =
            of_engine.map(|row| (group(row), row["count"].as_u64().unwrap())).collect();
        assert_eq!(of_engine, expected, "{engine}");
    }
    let mut sum = python();
    sum.args(["-c", "import duckdb, sys; print(*duckdb.sql(f\"select sum(count), count(*) from read_parquet('{sys.argv[1]}')\").fetchall()[0])"]);
    let sum = Run::of(sum.arg(file)).expect(0);
    let rows = data
        .run("count", ["", "--by", "identity,path,decision", "--format", "json"])
        .expect(0)
        .json();
    let total: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(sum.text().trim(), format!("{total} {}", rows.len()));
    assert_eq!(total, expected.values().sum::<u64>());
}
