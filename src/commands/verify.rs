//! `keytrail verify`: is the ledger what was signed, and does the index say what the ledger says?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ingest::indexer::Indexer;
use ingest::ledger::{
    Checkpoint, Handover, KeyChain, LedgerReader, Outside, Standing, Verification, VerifierKey,
    VerifyOptions, WitnessKey, key_fingerprint, verify,
};
use ingest::normalise::Rules;
use ingest::retention;
use query::count::count;
use query::filter::CountField;
use query::question::Question;
use query::trail::Trail;

use crate::args::VerifyArgs;
use crate::commands::known_key::{
    describe_checkpoint, describe_signer, known_key, read_checkpoint, witness_key,
};
use crate::commands::{verify_pack, verify_proof};
use crate::failure::Failure;
use crate::output::stdout;
use crate::outside::export::EXTENSION;
use crate::progress::count_bar;

/// Runs the command.
pub(crate) fn run(args: VerifyArgs) -> Result<(), Failure> {
    // The parts of a pack may be a folder's.
    let is_pack = |path: &Path| path.is_dir() || path.extension().is_some_and(|of| of == "zip");
    if let Some(pack) = args.proof.as_ref().filter(|path| is_pack(path)) {
        return verify_pack::run(pack, &args);
    }
    if let Some(proof) = &args.proof {
        return verify_proof::run(proof, &args);
    }
    let data = args.data.existing()?;
    let key = args.key.as_deref().map(known_key).transpose()?;
    let mut against = outside_checkpoints(&args.against, &data)?;
    let witnesses =
        args.witness.iter().map(|given| witness_key(given)).collect::<Result<Vec<_>, _>>()?;
    let mut cosigned = Vec::new();
    if !witnesses.is_empty() {
        against.extend(read_checkpoint(&data.join("ledger/cosigned")).ok());
        cosigned = witnesses.iter().map(|key| cosignature(key, &against)).collect();
    }
    let removed =
        LedgerReader::open(&data).and_then(|ledger| Ok(retention::told(&ledger)?.removed));
    // What cannot be read vouches for nothing; the verification names it.
    let removed = removed.unwrap_or_default();
    let bar = count_bar("verifying");
    let verification = verify(
        &data,
        &VerifyOptions { key, against, removed, threads: None },
        &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        },
    )?;
    bar.finish_and_clear();
    let mut text = describe(&verification);
    let mut failed = !verification.intact
        || verification.signer_known == Some(false)
        || verification.leaves_without_tile > 0
        || !verification.wrong_footers.is_empty()
        || verification.outside.iter().any(|outside| outside.standing != Standing::Extends)
        || cosigned.iter().any(Option::is_none);
    for (key, cosigned) in witnesses.iter().zip(&cosigned) {
        let told = match cosigned {
            Some((leaves, time)) => format!("has cosigned {leaves} leaves at {time}"),
            None => "has cosigned NONE of these checkpoints".to_owned(),
        };
        let _ = writeln!(text, "witness      {} {told}", key.name());
    }
    if args.index && verification.intact {
        let differences = compare_index(&data)?;
        failed |= !differences.is_empty();
        if differences.is_empty() {
            let _ = writeln!(text, "index        equal to a fresh one made from the ledger");
        }
        for difference in differences {
            let _ = writeln!(text, "index        {difference}; `keytrail rebuild` makes it anew");
        }
    }
    stdout().write_all(text.as_bytes())?;
    if failed {
        Err(Failure::CheckFailed(format!("{}: verification failed", data.display())))
    } else {
        Ok(())
    }
}

/// Returns the leaves of the newest checkpoint that a witness has cosigned, and when.
fn cosignature(key: &WitnessKey, checkpoints: &[Checkpoint]) -> Option<(u64, String)> {
    let cosigned = checkpoints
        .iter()
        .filter_map(|checkpoint| Some((checkpoint.size, key.cosigned_at(&checkpoint.note)?)));
    let (leaves, seconds) = cosigned.max()?;
    let time = i64::try_from(seconds).ok().and_then(|at| jiff::Timestamp::from_second(at).ok())?;
    Some((leaves, time.to_string()))
}

/// Reads checkpoints: files, and of folders the ones of this ledger.
fn outside_checkpoints(paths: &[PathBuf], data: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let mut checkpoints = Vec::new();
    for path in paths {
        if !path.is_dir() {
            checkpoints.push(read_checkpoint(path)?);
            continue;
        }
        let keys = KeyChain::of_folder(data)?;
        let names: Vec<&str> = std::iter::once(keys.current())
            .chain(keys.handovers().iter().map(|handover| &handover.from))
            .map(VerifierKey::name)
            .collect();
        let before = checkpoints.len();
        for entry in std::fs::read_dir(path).with_context(|| format!("{}", path.display()))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == EXTENSION) {
                let checkpoint = read_checkpoint(&file)?;
                checkpoints.extend(Some(checkpoint).filter(|of| names.contains(&&*of.origin)));
            }
        }
        if checkpoints.len() == before {
            return Err(Failure::Usage(format!(
                "{} holds no checkpoint of {} (files NAME.{EXTENSION})",
                path.display(),
                keys.current().name()
            )));
        }
    }
    Ok(checkpoints)
}

fn describe(verification: &Verification) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:12} {value}");
    };
    line("intact", if verification.intact { "yes".into() } else { "no".into() });
    line("signer", describe_signer(verification.signer_known).to_owned());
    match &verification.keys {
        None => line("key", "the keys folder cannot be read".to_owned()),
        Some(keys) => {
            line("key", key_fingerprint(keys.current()));
            for Handover { from, size, agreed, .. } in keys.handovers().iter().rev() {
                let how = if *agreed { "handed over" } else { "was lost and replaced" };
                line("key before", format!("{}, {how} at {size} leaves", key_fingerprint(from)));
            }
        }
    }
    line(
        "population",
        match verification.removed_lines {
            0 => "recomputed: every leaf was read and hashed".into(),
            lines => format!(
                "recomputed from leaf {} on; before it {lines} lines are asserted by {} tombstone(s): removed by retention, their hashes are left",
                verification.recomputed_from, verification.tombstones
            ),
        },
    );
    line(
        "leaves",
        format!(
            "{} ({} lines, {} bytes)",
            verification.leaves, verification.lines, verification.bytes
        ),
    );
    if let Some(checkpoint) = &verification.checkpoint {
        line("checkpoint", describe_checkpoint(checkpoint));
    }
    describe_outside(verification, &mut line);
    if let Some(leaf) = verification.first_wrong_leaf {
        // Where tiles cannot be believed, the leaf is only where doubt begins.
        let or_later = if verification.leaves_without_tile > 0 { ", or one after it" } else { "" };
        line("first wrong", format!("leaf {leaf}{or_later}"));
    }
    if let Some(problem) = &verification.problem {
        line("problem", problem.clone());
    }
    if verification.leaves_without_tile > 0 {
        line(
            "tiles",
            format!(
                "{} leaves without a right hash tile: the lines are what was signed, the folder is not what keytrail wrote; its next start makes the tiles anew",
                verification.leaves_without_tile
            ),
        );
    }
    for path in &verification.wrong_footers {
        line(
            "footer",
            format!(
                "{} ends with a footer that is not what its frames make: the lines are what was signed, the folder is not what keytrail wrote; restore this file from a copy",
                path.display()
            ),
        );
    }
    text
}

/// Tells how the ledger stands to checkpoints from outside: those that it extends as one number.
fn describe_outside(verification: &Verification, line: &mut dyn FnMut(&str, String)) {
    let extended = verification.outside.iter().filter(|of| of.standing == Standing::Extends);
    if let Some(last) = extended.clone().next_back() {
        line(
            "outside",
            format!(
                "extends {} checkpoint(s) from outside, the last of {} leaves",
                extended.count(),
                last.checkpoint.size
            ),
        );
    }
    let leaves = verification.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    for Outside { checkpoint: Checkpoint { size, .. }, standing } in &verification.outside {
        let value = match standing {
            Standing::Extends => continue,
            Standing::RolledBack => format!(
                "rolled back to {leaves} leaves: the checkpoint has {size}, so leaf {leaves} and all after it are gone"
            ),
            Standing::OtherHistory => {
                format!("ANOTHER HISTORY: the first {size} leaves are not those of the checkpoint")
            }
            Standing::OtherSigner => format!(
                "signer not established: the checkpoint of {size} leaves is signed by NO key of this ledger"
            ),
            Standing::Unknown => {
                format!("the checkpoint of {size} leaves could not be compared, see the problem")
            }
        };
        line("outside", value);
    }
    if let Some((from, to)) = verification.differs_within() {
        line("first wrong", format!("one of the leaves {from} to {}", to - 1));
    }
}

/// Makes an index anew in a folder of its own, and returns how its counts differ from the present one's.
fn compare_index(data: &Path) -> Result<Vec<String>, Failure> {
    let fresh_dir = tempfile::Builder::new()
        .prefix("verify-index-")
        .tempdir_in(data)
        .context("no room for a second index")?;
    let ledger = LedgerReader::open(data)?;
    let mut fresh =
        Indexer::open(&fresh_dir.path().join("index"), ledger, Rules::builtin())?.in_bulk()?;
    let trail = Trail::open(data)?;
    let covered = trail.view().leaf();
    let bar = count_bar("indexing");
    bar.set_length(covered);
    fresh.catch_up(&mut |done| {
        bar.set_position(done);
        done < covered
    })?;
    fresh.commit()?;
    fresh.finish()?;
    bar.finish_and_clear();
    let fresh = Trail::open_with(data, &fresh_dir.path().join("index"))?;
    let (present, fresh) = (counts(&trail)?, counts(&fresh)?);
    let mut differences = Vec::new();
    for group in present.keys().chain(fresh.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (has, should) =
            (present.get(group).copied().unwrap_or(0), fresh.get(group).copied().unwrap_or(0));
        if has != should {
            differences.push(format!("{group}: {has} events where the ledger gives {should}"));
        }
    }
    Ok(differences)
}

fn counts(trail: &Trail) -> Result<BTreeMap<String, u64>, Failure> {
    let view = trail.view();
    let question = Question { all: true, ..Question::everything() };
    let by = ["decision", "reason", "outcome", "action"]
        .map(|name| CountField::parse(name, view.fields()).expect("a field of the index"));
    let counted = count(trail, &question, &by, None)?;
    let mut counts: BTreeMap<String, u64> = counted
        .rows
        .into_iter()
        .map(|row| {
            (
                row.values
                    .iter()
                    .map(|value| value.as_deref().unwrap_or("-"))
                    .collect::<Vec<_>>()
                    .join(" "),
                row.count,
            )
        })
        .collect();
    counts.insert("undecodable".to_owned(), view.totals()?.undecodable);
    Ok(counts)
}
