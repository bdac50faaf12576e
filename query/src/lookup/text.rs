//! A look-up's answer for a person.

use std::fmt::Write as _;

use super::{Holder, Lease, LookUp, Mention, Token, What};
use crate::table::visible;

/// Paths and mentions that are shown of many.
const SHOWN: usize = 10;

impl LookUp {
    /// Returns the answer for a person at a terminal; whatever stands in the log is made visible.
    pub fn text(&self) -> String {
        let answer = self;
        let mut text = Rows::default();
        let what = match answer.what {
            What::Token => "a token",
            What::Accessor => "a token's accessor",
            What::Credential => "a credential, or a part of one",
            What::Lease => "the id of a lease",
            What::Value => "a value",
            What::NotFound => "no line has it",
        };
        text.0 = format!("{}  {what}\n", answer.hash);
        for shown in &answer.texts {
            text.row("in clear", shown);
        }
        if let Some(given) = &answer.given {
            text.row("given out", &of_mention(given));
        }
        if let Some(holder) = &answer.holder {
            of_holder(holder, &mut text);
        }
        if let Some(lease) = &answer.lease {
            of_lease(lease, &mut text);
        }
        if let Some(token) = &answer.token {
            of_token(token, &mut text);
        }
        if answer.mentions > 0 {
            let all = if answer.is_cut { ", the newest are read" } else { "" };
            text.row("mentioned", &format!("by {} requests{all}", answer.mentions));
            for mention in answer.seen.iter().take(SHOWN) {
                text.row("", &of_mention(mention));
            }
            text.more(answer.seen.len());
        }
        text.row(
        "searched",
        &format!(
            "{}: each device, and each enabling of one, has hashes of its own; those of others are not found here",
            answer.devices.join(", ")
        ),
    );
        text.row("coverage", &format!("{}; answered at leaf {}", answer.coverage, answer.leaf));
        text.0
    }
}

fn of_mention(mention: &Mention) -> String {
    let places = match mention.places.is_empty() {
        true => String::new(),
        false => format!(" ({})", mention.places.join(", ")),
    };
    format!(
        "{} {} {}{places} by {}, {}, event {}",
        mention.time.as_deref().unwrap_or("without a time"),
        mention.action,
        mention.path.as_deref().unwrap_or("-"),
        mention.identity.as_deref().unwrap_or("nobody known"),
        mention.outcome,
        mention.uid
    )
}

fn of_holder(holder: &Holder, text: &mut Rows) {
    let mut line = holder.name.clone().unwrap_or_else(|| "nobody known".to_owned());
    let _ = write!(line, " ({}", holder.kind);
    for (name, of) in [("", &holder.method), ("role ", &holder.role)] {
        if let Some(of) = of {
            let _ = write!(line, ", {name}{of}");
        }
    }
    line.push(')');
    if let Some(address) = &holder.remote_address {
        let _ = write!(line, ", from {address}");
    }
    text.row("holder", &line);
    let metadata: Vec<_> =
        holder.metadata.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if !metadata.is_empty() {
        text.row("", &metadata.join(", "));
    }
    text.row(
        "policies",
        &match holder.granting.is_empty() {
            true => holder.policies.join(", "),
            false => {
                format!("{}; granted by {}", holder.policies.join(", "), holder.granting.join(", "))
            }
        },
    );
}

fn of_lease(lease: &Lease, text: &mut Rows) {
    let id = lease.id.as_deref().unwrap_or("of unknown id");
    let renewed = match &lease.renewed {
        Some(last) if lease.renewals == 1 => format!("renewed once, at {last}"),
        Some(last) => format!("renewed {} times, last at {last}", lease.renewals),
        None => "never renewed".to_owned(),
    };
    text.row("lease", &format!("{id}: {renewed}; {}", lease.end));
    for (what, mention) in [("issued by", &lease.issued), ("revoked by", &lease.revoked)] {
        if let Some(mention) = mention {
            text.row("", &format!("{what} {}", of_mention(mention)));
        }
    }
}

fn of_token(token: &Token, text: &mut Rows) {
    let made = token.made.as_deref().map_or(String::new(), |made| format!(", made {made}"));
    text.row("token", &format!("{}{made}: {}", token.hash, token.end));
    for (what, mention) in [("issued by", &token.issued), ("revoked by", &token.revoked)] {
        if let Some(mention) = mention {
            text.row("", &format!("{what} {}", of_mention(mention)));
        }
    }
    if let Some(refused) = &token.refused {
        text.row("", &format!("refused as no valid token from {refused} on"));
    }
    let used = &token.used;
    let by_decision: Vec<_> =
        used.by_decision.iter().map(|(decision, count)| format!("{count} {decision}")).collect();
    let span = match (&used.first, &used.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    text.row(
        "did",
        &format!(
            "{} requests{span}: {}; keytrail search --all '{}' lists them",
            used.requests,
            by_decision.join(", "),
            used.filter
        ),
    );
    for (action, path, count) in used.by_path.iter().take(SHOWN) {
        text.row("", &format!("{count} {action} {path}"));
    }
    text.more(used.by_path.len());
    for child in token.children.iter().take(SHOWN) {
        let name = child.token.as_deref().or(child.accessor.as_deref()).unwrap_or("-");
        let time = child.time.as_deref().unwrap_or("-");
        text.row("child", &format!("{name}, made {time}, policies {}", child.policies.join(", ")));
    }
    text.more(token.children.len());
}

/// Lines with a name before each; whatever stands in the log is made visible.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "  {name:<10} {}", visible(text));
    }

    fn more(&mut self, of: usize) {
        if of > SHOWN {
            self.row("", &format!("and {} more (--format json has all)", of - SHOWN));
        }
    }
}
