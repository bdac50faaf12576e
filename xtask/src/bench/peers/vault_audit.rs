//! vault-audit-tools: the one program made for such logs. It reads the log anew for each question, counts lines where
//! others count requests, and knows no decision, so what it answers is near what was asked and not the same.

use std::process::Command;

use anyhow::{Context, Result};

use super::answer::{Answer, over_and_over};
use super::commands::version;
use super::{Bench, Peer, programs};

pub(super) fn vault_audit(bench: &Bench) -> Result<Peer> {
    let program = programs::vault_audit()?;
    let asked = |arguments: &[&str]| {
        over_and_over(|| {
            let mut command = Command::new(&program);
            command.args(arguments).arg(&bench.log).current_dir(&bench.folder);
            command.stderr(std::process::Stdio::null());
            bench.answered(&mut [command])
        })
    };
    let reached = asked(&["kv-analysis", "analyze", "--output", "kv.csv"])?;
    let denied = asked(&["client-traffic-analysis", "--show-errors", "--min-requests", "1"])?;
    let number = denied_in(&denied.1).context("client-traffic-analysis told no errors")?;
    let newest = asked(&["entity-analysis", "timeline", "--entity-id", &bench.subject.entity])?;
    Ok(Peer {
        name: version(&program, "vault-audit-tools")?,
        take_in: None,
        answers: [
            Answer::Another {
                cost: reached.0,
                what: "kv-analysis, secrets with their clients; no decision".to_owned(),
            },
            Answer::Another {
                cost: denied.0,
                what: format!(
                    "client-traffic-analysis, {number} lines with permission denied; \
                     no failed logins"
                ),
            },
            Answer::Another {
                cost: newest.0,
                what: "entity-analysis timeline, sums over all lines of the identity".to_owned(),
            },
            Answer::Nothing("it has no question for one request"),
        ],
    })
}

/// Reads the number of refusals of all clients, which stands last.
fn denied_in(said: &str) -> Option<u64> {
    let line = said.lines().rfind(|line| line.trim_start().starts_with("permission denied"))?;
    let number = line.split_whitespace().nth(2)?;
    number.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_of_all_clients() {
        let said =
            "permission denied      28  100.00%\nOverall\n permission denied  2,305  100.00%\n";
        assert_eq!(denied_in(said), Some(2305));
        assert_eq!(denied_in("no errors"), None);
    }
}
