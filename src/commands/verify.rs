//! `keytrail verify`: is the ledger what was signed, and does the index say what the ledger says?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use ingest::indexer::Indexer;
use ingest::ledger::{LedgerReader, Verification, VerifierKey, key_fingerprint, verify};
use ingest::normalise::Rules;
use query::count::count;
use query::filter::CountField;
use query::question::Question;
use query::trail::Trail;

use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::output::stdout;
use crate::progress::count_bar;

/// Runs the command.
pub(crate) fn run(args: VerifyArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let own = VerifierKey::of_folder(&data).ok();
    let key = args.key.as_deref().map(|given| expected_key(given, own.as_ref())).transpose()?;
    let bar = count_bar("verifying");
    let verification = verify(&data, key.as_ref().and_then(Option::as_ref), &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    // A fingerprint that is not the folder's own key's: whoever signed, it was not that key.
    let signer_known =
        if matches!(key, Some(None)) { Some(false) } else { verification.signer_known };
    let mut text = describe(&verification, signer_known, own.as_ref());
    let mut failed =
        !verification.intact || signer_known == Some(false) || verification.leaves_without_tile > 0;
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

/// Returns the key meant: read from a file, or the folder's own if it has the given fingerprint. None:
/// it has another.
fn expected_key(given: &str, own: Option<&VerifierKey>) -> Result<Option<VerifierKey>, Failure> {
    if given.starts_with("sha256:") {
        return Ok(own.filter(|own| key_fingerprint(own) == given).cloned());
    }
    let text = std::fs::read_to_string(given).with_context(|| {
        format!("key {given}: neither a sha256: fingerprint nor a readable file")
    })?;
    let key = text.trim().parse().map_err(|error| Failure::Usage(format!("{given}: {error}")))?;
    Ok(Some(key))
}

fn describe(
    verification: &Verification,
    signer_known: Option<bool>,
    own: Option<&VerifierKey>,
) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:12} {value}");
    };
    line("intact", if verification.intact { "yes".into() } else { "no".into() });
    line(
        "signer",
        match signer_known {
            Some(true) => "known: the key given has signed the checkpoint".into(),
            Some(false) => "NOT the key given".into(),
            None => {
                "not established: give the fingerprint that you had beforehand with --key".into()
            }
        },
    );
    line("key", own.map_or_else(|| "the keys folder cannot be read".to_owned(), key_fingerprint));
    line("population", "recomputed: every leaf was read and hashed".into());
    line(
        "leaves",
        format!(
            "{} ({} lines, {} bytes)",
            verification.leaves, verification.lines, verification.bytes
        ),
    );
    if let Some(checkpoint) = &verification.checkpoint {
        let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
        line(
            "checkpoint",
            format!("{} at {} leaves, root {root}", checkpoint.origin, checkpoint.size),
        );
    }
    if let Some(leaf) = verification.first_wrong_leaf {
        line("first wrong", format!("leaf {leaf}"));
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
    text
}

/// Makes an index anew in a folder of its own, and returns how its counts differ from the present one's.
fn compare_index(data: &Path) -> Result<Vec<String>, Failure> {
    let fresh_dir = tempfile::Builder::new()
        .prefix("verify-index-")
        .tempdir_in(data)
        .context("no room for a second index")?;
    let ledger = LedgerReader::open(data)?;
    let mut fresh = Indexer::open(&fresh_dir.path().join("index"), ledger, Rules::builtin())?;
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
