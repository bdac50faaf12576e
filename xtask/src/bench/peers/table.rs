//! The result as Markdown: what taking in cost, what each question cost, and what was answered.

use super::super::MEBIBYTE;
use super::answer::QUESTIONS;
use super::{Absent, Bench, Peer};

/// The text, and which answers have other rows than keytrail's.
pub(super) struct Table {
    pub(super) text: String,
    pub(super) differing: Vec<String>,
}

/// Returns the result of peers, the first of which is keytrail, and of those that could not be had.
pub(super) fn table(bench: &Bench, peers: &[Peer], absent: &[Absent]) -> Table {
    let raw = bench.log_bytes as f64;
    let names: Vec<&str> = QUESTIONS.iter().map(|question| question.name()).collect();
    let mut text = format!(
        "{} lines, {:.1} MiB\n\n\
         | peer | takes in: CPU s | clock s | CPU, keytrail = 1 | most memory MiB | disk MiB | of the log |\n\
         |---|---|---|---|---|---|---|\n",
        bench.lines,
        raw / MEBIBYTE
    );
    let Some(keytrail) = peers.first() else {
        return Table { text, differing: Vec::new() };
    };
    let took_s = keytrail.take_in.as_ref().map_or(f64::NAN, |of| of.cost.cpu_s);
    for peer in peers {
        let costs = peer.answers.iter().filter_map(|answer| answer.cost());
        let costs = costs.chain(peer.take_in.as_ref().map(|of| of.cost));
        let memory = costs.map(|cost| cost.memory_bytes).max().unwrap_or(0) as f64 / MEBIBYTE;
        text += &match &peer.take_in {
            Some(of) => format!(
                "| {} | {:.2} | {:.2} | {:.2} | {memory:.0} | {:.1} | {:.1} % |\n",
                peer.name,
                of.cost.cpu_s,
                of.cost.elapsed_s,
                of.cost.cpu_s / took_s,
                of.disk_bytes as f64 / MEBIBYTE,
                100.0 * of.disk_bytes as f64 / raw,
            ),
            None => format!("| {} | - | - | - | {memory:.0} | - | - |\n", peer.name),
        };
    }
    text += &format!(
        "\nCPU ms, clock ms, CPU where keytrail is 1:\n\n| peer | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for peer in peers {
        let cells = peer.answers.iter().zip(&keytrail.answers).map(|(answer, ours)| {
            let (Some(cost), Some(ours)) = (answer.cost(), ours.cost()) else {
                return "-".to_owned();
            };
            let (cpu_ms, clock_ms) = (cost.cpu_s * 1e3, cost.elapsed_s * 1e3);
            format!(
                "{}, {}, **{}**",
                short(cpu_ms),
                short(clock_ms),
                short(cost.cpu_s / ours.cpu_s)
            )
        });
        text += &format!("| {} | {} |\n", peer.name, cells.collect::<Vec<_>>().join(" | "));
    }
    text += &format!(
        "\nWhat was answered, beside keytrail:\n\n| peer | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    let mut differing = Vec::new();
    for peer in &peers[1..] {
        let mut cells = Vec::new();
        for ((answer, ours), question) in peer.answers.iter().zip(&keytrail.answers).zip(&names) {
            cells.push(answer.against(ours).unwrap_or_else(|other| {
                differing.push(format!("{}, {question}: {other}", peer.name));
                format!("**other rows**: {other}")
            }));
        }
        text += &format!("| {} | {} |\n", peer.name, cells.join(" | "));
    }
    for Absent { name, why } in absent {
        text += &format!("| {name} | **absent**: {} | | | |\n", why.replace(['|', '\n'], " "));
    }
    Table { text, differing }
}

/// A number with three digits that count.
fn short(number: f64) -> String {
    match number {
        number if number < 1.0 => format!("{number:.2}"),
        number if number < 10.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TakeIn;
    use super::super::answer::{Answer, Subject};
    use super::*;
    use crate::measure::Cost;

    #[test]
    fn every_peer_has_a_row_and_other_rows_are_told() {
        let cost = |cpu_s| Cost { elapsed_s: 1.0, cpu_s, memory_bytes: 2 << 20 };
        let rows = |cpu_s, row: &str| Answer::rows((cost(cpu_s), vec![row.to_owned()]));
        let peer = |name: &str, cpu_s: f64, last: Answer| Peer {
            name: name.to_owned(),
            take_in: Some(TakeIn { cost: cost(cpu_s), disk_bytes: 1 << 20 }),
            answers: [rows(cpu_s, "a"), rows(cpu_s, "1"), rows(cpu_s, "r"), last],
        };
        let bench = Bench {
            program: "keytrail".into(),
            log: "audit.log".into(),
            log_bytes: 4 << 20,
            lines: 10,
            folder: "bench".into(),
            subject: Subject { entity: String::new(), request: String::new() },
        };
        let peers = [
            peer("keytrail", 2.0, rows(2.0, "r\tp")),
            peer("other", 5.0, rows(0.5, "r\tq")),
            Peer { take_in: None, ..peer("reader", 1.0, Answer::Nothing("it only counts")) },
        ];
        let absent = [Absent { name: "gone", why: "no Java\nhere".to_owned() }];
        let Table { text, differing } = table(&bench, &peers, &absent);
        for line in [
            "10 lines, 4.0 MiB",
            "| other | 5.00 | 1.00 | 2.50 | 2 | 1.0 | 25.0 % |",
            "| reader | - | - | - | 2 | - | - |",
            "| other | 5000, 1000, **2.5** | 5000, 1000, **2.5** | 5000, 1000, **2.5** | 500, 1000, **0.25** |",
            "| reader | the same row | the same row | the same row | not asked: it only counts |",
            "| gone | **absent**: no Java here | | | |",
        ] {
            assert!(text.lines().any(|got| got == line), "{line:?} is not in\n{text}");
        }
        assert_eq!(differing, ["other, by request id: 1 rows, keytrail 1; not in keytrail's: r q"]);
    }
}
