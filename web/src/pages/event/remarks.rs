//! What to know before trusting the sentence: what the log does not tell, and what other lines add.

use ingest::event::{Flag, Reason, Uid};
use query::full::FullEvent;

use crate::link::Link;
use crate::text::Text;

/// A remark, and where it leads.
pub(super) struct Remark {
    pub(super) text: String,
    pub(super) link: Option<Link>,
}

pub(super) fn remarks(full: &FullEvent) -> Vec<Remark> {
    let event = &full.event;
    let mut remarks = Vec::new();
    let mut say = |text: &str| remarks.push(Remark { text: text.to_owned(), link: None });
    if let Some(error) = &event.error {
        say(&format!("The server's error: {}", Text::new(error)));
    }
    match event.reason {
        Reason::Pending => say("The response has not come yet, so the decision may still change."),
        Reason::Unanswered => say(
            "No response came within ten minutes of the log's own time, so what came of the request is not known.",
        ),
        Reason::NotRecorded => say("The server does not log what came of this kind of request."),
        Reason::System => say(
            "No client asked for this: the server or one of its plugins wrote the line. Counts leave it out.",
        ),
        Reason::Policy
        | Reason::Root
        | Reason::Login
        | Reason::Token
        | Reason::Open
        | Reason::Quota
        | Reason::Wrapping
        | Reason::Forwarded => {}
    }
    if let Some(former) = &event.identity.former_name {
        say(&format!(
            "The token was refused. Earlier lines show that it belonged to {}.",
            Text::new(former)
        ));
    }
    if let Some(claimed) = &event.identity.claimed {
        say(&format!(
            "Who failed to log in claimed to be {}; nothing proves it.",
            Text::new(claimed)
        ));
    }
    for flag in &event.flags {
        match flag {
            Flag::Late => say(
                "The response came after its request had been closed as unanswered. Counts leave it out.",
            ),
            Flag::Copy | Flag::OnlyOn => {}
            Flag::NoRequest => say(
                "The request line is not in the ledger; this is told by the response line alone.",
            ),
            Flag::OddField => say(
                "A field of the line had a type that no known server writes, and was passed over.",
            ),
            Flag::ClearText => {
                say("The line holds a string in clear where the server should have hashed it.")
            }
            Flag::Wrapped | Flag::Batch | Flag::Unauthenticated | Flag::Privileged => {}
        }
    }
    if event.reason == Reason::Forwarded {
        remarks.push(forwarded(full));
    }
    remarks.extend(devices(full));
    remarks
}

/// What other audit devices of the node have of the same request.
fn devices(full: &FullEvent) -> Vec<Remark> {
    let has = |flag| full.event.flags.contains(&flag);
    let link = |uid: &Uid, device: &str| Link {
        text: Text::new(device),
        href: Some(format!("/event/{uid}")),
    };
    let mut remarks = Vec::new();
    if has(Flag::OnlyOn) {
        remarks.push(Remark {
            text: "The node's first audit device has not recorded this request, or not all of it."
                .to_owned(),
            link: None,
        });
    }
    for (device, uid) in &full.same {
        let text = match has(Flag::Copy) {
            true => "Counts leave this out: the same request counts as recorded by the device",
            false => "The same request was also recorded by the device",
        };
        remarks.push(Remark { text: text.to_owned(), link: Some(link(uid, device)) });
    }
    remarks
}

fn forwarded(full: &FullEvent) -> Remark {
    match full.twin {
        Some(twin) => Remark {
            text: "This node handed the request on. What was decided stands in the active node's own event:".to_owned(),
            link: Some(Link { text: Text::new(&twin.to_string()), href: Some(format!("/event/{twin}")) }),
        },
        None => Remark {
            text: "This node handed the request on, and no other node's log tells what came of it: it was not carried out, or that node's log is missing here.".to_owned(),
            link: None,
        },
    }
}
