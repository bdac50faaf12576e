//! Which class an event is of, and what of it happened.

use super::super::facts::{Facts, Verb};

/// A class, and what of it happened.
pub(super) struct Class {
    pub(super) uid: u32,
    pub(super) name: &'static str,
    pub(super) category: (u32, &'static str),
    pub(super) activity: (u32, &'static str),
}

pub(super) fn class(facts: &Facts<'_>) -> Class {
    let iam = |uid, name, activity| Class {
        uid,
        name,
        category: (3, "Identity & Access Management"),
        activity,
    };
    let authentication = |activity| iam(3002, "Authentication", activity);
    match &*facts.event.action {
        "auth.login" => return authentication((1, "Logon")),
        "auth.start" => return authentication((6, "Preauth")),
        "token.create" => return authentication((3, "Authentication Ticket")),
        "token.renew" => return authentication((5, "Service Ticket Renew")),
        "token.revoke" => return authentication((2, "Logoff")),
        _ => {}
    }
    match managed(facts) {
        Some(activity) => iam(3004, "Entity Management", activity),
        None => Class {
            uid: 6003,
            name: "API Activity",
            category: (6, "Application Activity"),
            activity: match facts.verb() {
                Verb::Create => (1, "Create"),
                Verb::Read => (2, "Read"),
                Verb::Update => (3, "Update"),
                Verb::Delete => (4, "Delete"),
                Verb::Other => (99, "Other"),
            },
        },
    }
}

/// Changes of policies, mounts, audit devices and identities.
fn managed(facts: &Facts<'_>) -> Option<(u32, &'static str)> {
    const NOUNS: &[&str] = &[
        "audit",
        "authmount",
        "entity",
        "group",
        "mfa",
        "mount",
        "namespace",
        "passwordpolicy",
        "policy",
    ];
    let (noun, verb) = facts.event.action.split_once('.')?;
    if !NOUNS.contains(&noun) {
        return None;
    }
    match verb {
        "enable" => Some((8, "Enable")),
        "disable" => Some((9, "Disable")),
        "move" => Some((5, "Move")),
        "delete" | "alias_delete" => Some((4, "Delete")),
        "write" if facts.event.operation.as_deref() == Some("create") => Some((1, "Create")),
        "write" | "alias" | "tune" | "config" | "merge" => Some((3, "Update")),
        _ => None,
    }
}
