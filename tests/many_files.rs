//! A thousand files under one pattern, rotated and compressed ones among them: more than are held open.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use flate2::write::GzEncoder;

use crate::util::{DEADLINE, Data, Server, pair, until};

const FILES: usize = 1000;

#[test]
fn every_file_of_a_thousand_is_recorded_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted: Vec<String> = Vec::new();
    let mut lines_of = |name: &str| {
        let lines = pair(name, "secret/data/a", wanted.len() as i64);
        wanted.extend(lines.lines().map(str::to_owned));
        lines
    };
    // Each pod has its file, and every fourth one a rotated one, plain or compressed.
    let mut plain: Vec<PathBuf> = Vec::new();
    for number in 0..FILES {
        let pod = number / 5 * 4 + number % 5;
        let rotated = number % 5 == 4;
        let name = match (rotated, number % 10 == 4) {
            (false, _) => format!("pod-{pod}.log"),
            (true, true) => format!("pod-{}.log.1.gz", pod - 4),
            (true, false) => format!("pod-{}.log.1", pod - 4),
        };
        let (path, lines) = (folder.path().join(&name), lines_of(&name));
        if name.ends_with(".gz") {
            let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(lines.as_bytes()).unwrap();
            fs::write(&path, packed.finish().unwrap()).unwrap();
        } else {
            fs::write(&path, lines).unwrap();
        }
        if !rotated {
            plain.push(path);
        }
    }
    let config = folder.path().join("keytrail.toml");
    let pattern = folder.path().join("pod-*.log*");
    let text = format!("[[source]]\npath = {pattern:?}\ncluster = \"c\"\nnode = \"n\"\n");
    fs::write(&config, text).unwrap();
    let data = Data::at(&folder.path().join("data"));
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    let all = |wanted: usize| {
        until("each request is found", 4 * DEADLINE, || {
            (data.status_of("events") * 2 == wanted as u64).then_some(())
        });
    };
    all(2 * FILES);

    // Files that are open and files that were closed to make room, and one that is rotated now.
    for path in plain.iter().step_by(10) {
        let lines = lines_of(&format!("more of {}", path.display()));
        OpenOptions::new().append(true).open(path).unwrap().write_all(lines.as_bytes()).unwrap();
    }
    let rotated = folder.path().join("pod-1.log.1");
    fs::rename(folder.path().join("pod-1.log"), &rotated).unwrap();
    let late = lines_of("late in the rotated file");
    OpenOptions::new().append(true).open(&rotated).unwrap().write_all(late.as_bytes()).unwrap();
    fs::write(folder.path().join("pod-1.log"), lines_of("its successor")).unwrap();
    all(wanted.len());

    let recorded = String::from_utf8(data.cat("c/n/file")).unwrap();
    let mut recorded: Vec<&str> = recorded.lines().collect();
    recorded.sort_unstable();
    wanted.sort();
    assert!(recorded == wanted, "each line once");
    assert_eq!(data.status_of("gaps"), 0);
    server.terminate();
}
