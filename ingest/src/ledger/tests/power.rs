//! The power fails: whatever part of what was not synced is lost, nothing confirmed is.
//!
//! Each seed plays a few lives of one ledger. In each, batches are appended, flushed and signed at random; then
//! the power fails after any of the steps on disk, also those of opening, and leaves any part of what came
//! after the last syncs (`faults.rs`). The next life opens that.

use std::sync::Arc;

use super::*;
use crate::ledger::disk::Disk;
use crate::ledger::faults::Faults;

/// Seeds of the ordinary run; `KEYTRAIL_POWER_CUTS=N` runs N others (`cargo xtask soak --only power`).
const SEEDS: u64 = 200;
const LIVES: usize = 3;

/// A sequence of numbers that look random (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Returns a number below this one.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// Every leaf of a ledger: a line, or nothing for a header.
type Leaves = Vec<Option<Vec<u8>>>;

fn leaves(reader: &LedgerReader) -> Leaves {
    let mut leaves = Leaves::new();
    for batch in reader.batches(LeafIndex(0)) {
        let batch = batch.unwrap();
        leaves.push(None);
        leaves.extend(batch.lines.iter().map(|line| Some(line.to_vec())));
    }
    leaves
}

/// A batch with random lines for a stream, which keeps to what was appended before.
fn append_random(ledger: &mut Ledger, random: &mut Random, written: &mut Leaves) {
    let text: String = (0..=random.below(20))
        .map(|line| format!("{line} {}\n", "x".repeat(random.below(120))))
        .collect();
    let text = lines(&text);
    let stream = if random.below(5) == 0 { Stream::Own } else { Stream::Lines };
    let last = |source: &str| {
        let info = ledger.generations().filter(|info| &*info.source == source).last()?;
        Some((info.generation, info.end))
    };
    let new = match stream {
        Stream::Lines => batch(&text, None, 0),
        Stream::Own => own(&text),
    };
    // Now and then the server begins a new file.
    let known = last(new.source).filter(|_| stream == Stream::Own || random.below(12) > 0);
    let new = match known {
        Some((generation, offset)) => NewBatch { generation: Some(generation), offset, ..new },
        None => new,
    };
    ledger.append(&new).unwrap();
    written.push(None);
    written.extend(text.iter().map(|line| Some(line.to_vec())));
}

#[test]
fn nothing_confirmed_is_lost_and_no_checkpoint_is_ahead_of_its_bytes() {
    let seeds = match std::env::var("KEYTRAIL_POWER_CUTS") {
        // Another start each time a long run is made.
        Ok(number) => {
            let first = u64::from(std::process::id()) << 32;
            first..first + number.parse::<u64>().unwrap()
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        lives(seed);
    }
}

fn lives(seed: u64) {
    let mut random = Random(seed);
    let mut data = Data::in_memory();
    let mut written = Leaves::new();
    let mut confirmed = 0;
    for life in 0..LIVES {
        let faults = Arc::new(Faults::after(data.path()));
        let begun = faults.steps();
        // After so many steps, so many leaves had been confirmed.
        let mut confirmations = vec![(begun, confirmed)];
        let disk = Disk::with(Arc::clone(&faults));
        let mut ledger = Ledger::open_on(&disk, data.path(), "prod", 3000)
            .unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
        assert!(ledger.size() >= confirmed, "seed {seed}, life {life}");
        written.truncate(ledger.size() as usize);
        confirmations.push((faults.steps(), ledger.size()));
        for _ in 0..random.below(40) {
            match random.below(9) {
                0 => drop(ledger.checkpoint().unwrap()),
                1 | 2 => drop(ledger.flush().unwrap()),
                3 => drop(ledger.sealer().unwrap().seal_next().unwrap()),
                _ => append_random(&mut ledger, &mut random, &mut written),
            }
            confirmations.push((faults.steps(), ledger.durable()));
        }
        drop(ledger);
        let cut = begun + random.below(faults.steps() - begun + 1);
        let reached = |&&(steps, _): &&(usize, u64)| steps <= cut;
        (_, confirmed) = confirmations.iter().filter(reached).copied().last().unwrap();
        let after = Data::in_memory();
        faults.cut_power(data.path(), cut, after.path(), &mut |end| random.below(end));
        check(after.path(), &written, confirmed, &format!("seed {seed}, life {life}, cut {cut}"));
        data = after;
    }
}

/// What is signed is there before anything is recovered, and opening keeps what was confirmed.
fn check(data: &Path, written: &Leaves, confirmed: u64, when: &str) {
    if let Ok(reader) = LedgerReader::open(data) {
        let found = leaves(&reader);
        assert_eq!(found.len() as u64, reader.checkpoint().unwrap().size, "{when}");
        assert!(written.starts_with(&found), "{when}: signed is what was never written");
    }
    // On a copy, so that the next life recovers for itself.
    let copied = Data::in_memory();
    crash::copy(data, copied.path());
    let disk = Disk::with(Arc::new(Faults::default()));
    let ledger = Ledger::open_on(&disk, copied.path(), "prod", 3000)
        .unwrap_or_else(|error| panic!("{when}: {error}"));
    assert!(
        ledger.size() >= confirmed,
        "{when}: {confirmed} leaves were confirmed, {} are there",
        ledger.size()
    );
    let found = leaves(&copied.reader());
    assert!(written.starts_with(&found), "{when}: found what was never written");
    let verification = copied.verify();
    assert!(verification.intact, "{when}: {:?}", verification.problem);
}
