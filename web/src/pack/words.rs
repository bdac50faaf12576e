//! What a pack says of itself, and whether its counts tie out.

use query::filter::Filter;
use query::history::View;
use query::question::Question;
use query::search::search_in;

use super::{Equation, PackError, ScopeFile};

/// Counts what must be equal in different ways.
pub(super) fn tie_out(
    view: &View,
    question: &Question,
    rows: u64,
    left_out: u64,
) -> Result<Vec<Equation>, PackError> {
    let count = |filter: Filter| -> Result<u64, PackError> {
        let question = Question { filter, all: true, ..question.clone() };
        Ok(search_in(view, &question, 1, None)?.matched)
    };
    let in_period = count(Filter::everything())?;
    let matched = count(question.filter.clone())?;
    let not_matched = match question.filter.to_string() {
        text if text.is_empty() => 0,
        text => {
            let not = Filter::parse(&format!("-({text})"), jiff::Timestamp::UNIX_EPOCH);
            count(not.map_err(|error| PackError::Wrong(format!("-({text}): {}", error.caret())))?)?
        }
    };
    let equations = vec![
        Equation {
            equation: "events in period = matched + not matched".to_owned(),
            left: in_period,
            right: vec![matched, not_matched],
        },
        Equation {
            equation: "matched = rows of the population + left out".to_owned(),
            left: matched,
            right: vec![rows, left_out],
        },
    ];
    match equations.iter().find(|equation| equation.left != equation.right.iter().sum::<u64>()) {
        Some(Equation { equation, left, right }) => {
            Err(PackError::TieOut(format!("{equation} does not hold: {left}, {right:?}")))
        }
        None => Ok(equations),
    }
}

/// `README.txt`: says only what is in this pack.
pub(super) fn readme(scope: &ScopeFile, sampled: usize, leaves: u64) -> String {
    let mut text = format!(
        "A pack of {}, as of leaf {}\n\n{leaves} leaves of the ledger are shown in raw/, and proven by raw/proof.txt to be in its tree of {} leaves.\n",
        scope.origin, scope.at, scope.at
    );
    if let Some(completeness) = &scope.completeness {
        text += &format!("\nCompleteness of the log over the period: {}\n", completeness.grade);
        text.extend(completeness.why.iter().map(|why| format!("  - {why}\n")));
    }
    if let Some(population) = &scope.population {
        let left_out: u64 = population.left_out.values().sum();
        text += &format!(
            "
populations/events.csv  {} events, {left_out} left out (see scope.json); .xlsx has the same rows
report.pdf              what follows, as a document to read, print and sign
reports/                the same events by identity, path and decision; every other report, section by section
controls/               what controls found (findings), requirement by requirement, each exception with its events, what
                        reviewers said of it; room for what the auditor concludes, which is another thing
catalogue/ registers/   with what the controls were run
own/lines.jsonl         keytrail's own lines up to that leaf, proven like the others
A table that is long goes on in NAME-0002.csv and so on; manifest.json says how many rows each file has.
",
            population.rows
        );
    }
    if sampled > 0 {
        text += &format!("samples/sample.csv      {sampled} rows\n");
    }
    if let Some(sample) = &scope.sample {
        text += &format!(
            "                        drawn with seed {:?}: {}\n",
            sample.seed, sample.algorithm
        );
    }
    text += "raw/lines-*.jsonl.gz    lines as the servers and keytrail wrote them, in the order of raw/leaves.csv; they may hold what is clear in the server's own log
raw/headers.txt         headers of batches: where the lines after them came from
scope.json              the question, and how the counts tie out
verify.py population.py check this pack with Python alone: python3 verify.py PACK.zip --key FINGERPRINT

Proven, with the fingerprint of the ledger's key had beforehand: that these lines are in the ledger, unchanged, with the
source and offset that stand beside them, and that the ledger's key signed this pack.
";
    text += match scope.raw.as_str() {
        "all" => {
            "With `keytrail verify PACK.zip` the population, sample and reports are made again from the raw lines and compared; verify.py makes the population again by other code.\n"
        }
        _ => {
            "The lines are those of the sample: that the population holds every event is asserted, not proven, by this pack.\n"
        }
    };
    text += "
Not proven: that the server wrote every line, or that imported files are as the server wrote them; that no event of the
period lies outside of the leaves shown; who asked for the pack (issue.json says what the machine claims). Requests whose
response had not come by that leaf are not in the population.
";
    text
}
