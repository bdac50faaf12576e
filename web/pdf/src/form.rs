//! A paper as the template takes it: nothing left to decide but how it looks.

use query::table::grouped;
use serde::Serialize;

use crate::grid::{Grid, lay};
use crate::paper::{Block, Cover, Fact, File, Paper, Part, Relation, Role, Sum};
use crate::said::Said;

/// The most characters of what stands on every page: two lines.
const RUNNING_CHARS_MAX: usize = 200;
/// The most characters of a bar's name.
const BAR_CHARS_MAX: usize = 80;

/// paper.json.
#[derive(Debug, Serialize)]
pub(crate) struct Form {
    title: Said,
    /// The same as a text for the file's own title.
    name: String,
    generator: String,
    description: String,
    date: [i16; 6],
    running: Running,
    cover: CoverForm,
    runs: Vec<Run>,
    attached: Vec<AttachedForm>,
}

/// What stands on every page.
#[derive(Debug, Serialize)]
struct Running {
    title: Said,
    state: Said,
    proof: Said,
}

#[derive(Debug, Serialize)]
struct CoverForm {
    kind: Said,
    subject: Said,
    period: Said,
    grade: query::coverage::Grade,
    completeness: Said,
    why: Vec<Said>,
    facts: Vec<FactForm>,
    claim: Said,
}

/// Parts that follow one another on pages that stand, or that lie.
#[derive(Debug, Serialize)]
struct Run {
    wide: bool,
    blocks: Vec<BlockForm>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum BlockForm {
    Heading { level: u8, text: Said },
    Words { text: Said },
    Points { texts: Vec<Said> },
    Facts { facts: Vec<FactForm> },
    Exact { text: Said },
    Sums { sums: Vec<SumForm> },
    Bars { alt: String, bars: Vec<BarForm> },
    Rows(Grid),
    SignOff { roles: Vec<RoleForm> },
}

#[derive(Debug, Serialize)]
struct FactForm {
    name: Said,
    value: Said,
    exact: bool,
}

#[derive(Debug, Serialize)]
struct SumForm {
    left: String,
    words: Said,
    holds: bool,
    right: Vec<NumberForm>,
}

#[derive(Debug, Serialize)]
struct NumberForm {
    number: String,
    words: Said,
}

#[derive(Debug, Serialize)]
struct BarForm {
    name: Said,
    /// Of the longest bar, 0 to 1.
    part: f64,
    number: String,
}

#[derive(Debug, Serialize)]
struct RoleForm {
    role: Said,
    words: Said,
}

#[derive(Debug, Serialize)]
struct AttachedForm {
    name: String,
    /// Under which name the template reads it.
    read: String,
    relationship: &'static str,
    mime: &'static str,
    description: String,
}

impl Form {
    /// Returns what the template takes for a paper.
    pub(crate) fn of(paper: &Paper) -> Form {
        let Cover { title, subject, period, state, .. } = &paper.cover;
        let generated = jiff::tz::TimeZone::UTC.to_datetime(paper.cover.generated);
        let running = format!("{title} · {period}");
        Form {
            title: Said::words(title),
            name: Said::words(&running).into_text(),
            generator: Said::words(&paper.cover.generator).into_text(),
            description: Said::words(subject).into_text(),
            date: [
                generated.year(),
                generated.month().into(),
                generated.day().into(),
                generated.hour().into(),
                generated.minute().into(),
                generated.second().into(),
            ],
            running: Running {
                title: Said::value(&running, RUNNING_CHARS_MAX).0,
                state: Said::words(state),
                proof: Said::words(&paper.cover.proof),
            },
            cover: cover(&paper.cover),
            runs: runs(&paper.parts),
            attached: paper.files.iter().enumerate().map(attached).collect(),
        }
    }
}

/// Returns the name under which the template reads an attached file.
pub(crate) fn read_as(at: usize) -> String {
    format!("attached-{at}")
}

fn attached((at, file): (usize, &File)) -> AttachedForm {
    AttachedForm {
        name: file.name.clone(),
        read: read_as(at),
        relationship: match file.relation {
            Relation::Source => "source",
            Relation::Data => "data",
            Relation::Supplement => "supplement",
        },
        mime: file.mime,
        description: file.description.clone(),
    }
}

fn cover(cover: &Cover) -> CoverForm {
    CoverForm {
        kind: Said::words(&cover.kind),
        subject: Said::words(&cover.subject),
        period: Said::words(&cover.period),
        grade: cover.completeness.grade,
        completeness: Said::words(&cover.completeness.word),
        why: said(&cover.completeness.why),
        facts: facts(&cover.facts),
        claim: Said::words(&cover.claim),
    }
}

fn runs(parts: &[Part]) -> Vec<Run> {
    let mut laid: Vec<(bool, Vec<BlockForm>)> = parts.iter().map(laid).collect();
    // A chapter that only opens goes with its first part: no heading is left alone at the end of a page.
    for at in (1..parts.len()).rev() {
        let opens = !parts[at - 1].blocks.iter().any(|block| matches!(block, Block::Rows(_)));
        if opens && parts[at - 1].level < parts[at].level {
            laid[at - 1].0 = laid[at].0;
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for (wide, blocks) in laid {
        match runs.last_mut() {
            Some(run) if run.wide == wide => run.blocks.extend(blocks),
            _ => runs.push(Run { wide, blocks }),
        }
    }
    runs
}

/// Returns what a part prints, and whether it needs pages that lie.
fn laid(part: &Part) -> (bool, Vec<BlockForm>) {
    let mut wide = false;
    let mut blocks = vec![BlockForm::Heading { level: part.level, text: Said::words(&part.title) }];
    for block in &part.blocks {
        blocks.extend(printed(block, part.level, &mut wide));
    }
    (wide, blocks)
}

fn printed(block: &Block, level: u8, wide: &mut bool) -> Vec<BlockForm> {
    vec![match block {
        Block::Heading(text) => {
            BlockForm::Heading { level: level.saturating_add(1), text: Said::words(text) }
        }
        Block::Words(text) => BlockForm::Words { text: Said::words(text) },
        Block::Points(texts) => BlockForm::Points { texts: said(texts) },
        Block::Facts(list) => BlockForm::Facts { facts: facts(list) },
        Block::Exact(text) => BlockForm::Exact { text: Said::words(text) },
        Block::Sums(sums) => BlockForm::Sums { sums: sums.iter().map(sum).collect() },
        Block::Bars { alt, bars } => {
            let most = bars.iter().map(|(_, number)| *number).max().unwrap_or(0).max(1);
            let bar = |(name, number): &(String, u64)| BarForm {
                name: Said::value(name, BAR_CHARS_MAX).0,
                // Thousandths are finer than what is drawn.
                part: (*number as f64 / most as f64 * 1_000.0).round() / 1_000.0,
                number: grouped(*number),
            };
            BlockForm::Bars {
                alt: Said::words(alt).into_text(),
                bars: bars.iter().map(bar).collect(),
            }
        }
        // That there is nothing is an answer, and is said.
        Block::Rows(rows) if rows.all == 0 => {
            BlockForm::Words { text: Said::words("None: there is no row.") }
        }
        Block::Rows(rows) => {
            let laid = lay(rows);
            *wide |= laid.wide;
            return laid.grids.into_iter().map(BlockForm::Rows).collect();
        }
        Block::SignOff(roles) => BlockForm::SignOff { roles: roles.iter().map(role).collect() },
    }]
}

fn said(texts: &[String]) -> Vec<Said> {
    texts.iter().map(|text| Said::words(text)).collect()
}

fn facts(facts: &[Fact]) -> Vec<FactForm> {
    let fact = |fact: &Fact| FactForm {
        name: Said::words(&fact.name),
        value: Said::words(&fact.value),
        exact: fact.exact,
    };
    facts.iter().map(fact).collect()
}

fn sum(sum: &Sum) -> SumForm {
    let number = |(words, number): &(String, u64)| NumberForm {
        number: grouped(*number),
        words: Said::words(words),
    };
    SumForm {
        left: grouped(sum.left),
        words: Said::words(&sum.words),
        holds: sum.holds(),
        right: sum.right.iter().map(number).collect(),
    }
}

fn role(role: &Role) -> RoleForm {
    RoleForm { role: Said::words(&role.role), words: Said::words(&role.words) }
}
