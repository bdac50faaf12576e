//! Rotations at the very moment in which the tail looks: a folder that is listed while its files are renamed shows some
//! of them twice and others not at all.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use super::bench::Bench;

/// Rotated files in the folder.
const ROTATED: usize = 40;
/// Looks, each in the middle of two rotations.
const LOOKS: usize = 100;

/// Names all files anew as logrotate does, from the oldest on, and begins a file with this line.
fn rotate(folder: &Path, line: usize) {
    let name = |number: usize| match number {
        0 => folder.join("audit.log"),
        number => folder.join(format!("audit.log.{number}")),
    };
    for number in (0..ROTATED).rev() {
        fs::rename(name(number), name(number + 1)).expect("renaming");
    }
    fs::write(name(0), format!("line-{line}\n")).expect("writing");
}

/// Has two rotations happen while the tail looks, over and over, and returns what it said. Each starts anew, or goes on.
fn looks(pattern: &str, restarts: bool) -> Vec<String> {
    let mut bench = Bench::new(&[pattern]);
    bench.play("append audit.log line-0;");
    bench.poll();
    for number in (1..=ROTATED).rev() {
        bench.play(&format!("append audit.log.{number} before-{number};"));
    }
    bench.play("wait");
    bench.poll();
    let mut said = Vec::new();
    for look in 0..LOOKS {
        if restarts {
            bench.play("restart");
        }
        let (folder, together) = (bench.folder.path().to_owned(), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                rotate(&folder, look * 2 + 1);
                rotate(&folder, look * 2 + 2);
            });
            together.wait();
            said.extend(bench.poll());
        });
        said.extend(bench.poll());
    }
    let lines: Vec<Vec<u8>> =
        bench.model.leaves().into_iter().filter(|line| line.starts_with(b"line-")).collect();
    let wanted: Vec<Vec<u8>> =
        (0..=LOOKS * 2).map(|line| format!("line-{line}\n").into_bytes()).collect();
    assert!(lines == wanted, "not each line once and in its order: {}", text(&lines));
    said
}

fn text(lines: &[Vec<u8>]) -> String {
    lines.iter().map(|line| line.escape_ascii().to_string()).collect()
}

#[test]
fn a_start_finds_each_file_in_its_order() {
    for pattern in ["audit.log", "audit.log*"] {
        let said = looks(pattern, true);
        let doubtful: Vec<&String> =
            said.iter().filter(|said| said.starts_with("continuity not proven")).collect();
        assert!(doubtful.is_empty(), "{pattern}: {doubtful:?}");
        let proven = said.iter().filter(|said| said.starts_with("continuity proven")).count();
        assert!(proven >= LOOKS, "{proven} starts go on after what was read last");
    }
}

#[test]
fn who_follows_finds_each_file_in_its_order() {
    for pattern in ["audit.log", "audit.log*"] {
        let said = looks(pattern, false);
        let lost: Vec<&String> = said.iter().filter(|said| said.starts_with("truncated")).collect();
        assert!(lost.is_empty(), "{pattern}: {lost:?}");
    }
}
