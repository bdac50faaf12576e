//! What happened before and after: the nearest events that have something in common with this one.

use ingest::event::Uid;
use query::context::context;
use query::filter::CountField;
use serde::Deserialize;

use crate::app::Seen;
use crate::error::PageError;
use crate::link::{self, Link};
use crate::row::Row;
use crate::text::Text;

/// Neighbours on either side.
const EACH: usize = 4;

/// In what they may be alike: by the key of the grammar, as people say it.
const FIELDS: [(&str, &str); 4] =
    [("token", "token"), ("identity", "identity"), ("path", "path"), ("ip", "address")];

/// In what they shall be alike, as an address has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Near {
    near: String,
}

/// The neighbours.
pub(super) struct Around {
    pub(super) choices: Vec<Choice>,
    /// Why there are none.
    pub(super) none: Option<String>,
    /// The latest first.
    pub(super) after: Vec<Neighbour>,
    pub(super) before: Vec<Neighbour>,
    /// All that have it in common.
    pub(super) all: Option<Link>,
}

/// One way to be alike.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// One event beside this one.
pub(super) struct Neighbour {
    pub(super) row: Row,
    pub(super) compare: String,
}

pub(super) fn around(
    trail: &Seen,
    uid: Uid,
    asked: &link::Question,
    near: &Near,
) -> Result<Around, PageError> {
    let wanted = if near.near.is_empty() { FIELDS[0].0 } else { &near.near };
    let Some((key, name)) = FIELDS.into_iter().find(|(key, _)| *key == wanted) else {
        return Err(PageError::Question(format!(
            "{wanted:?} is nothing that neighbours have in common here: there are token, identity, path and ip"
        )));
    };
    let view = trail.view();
    let field = CountField::parse(key, view.fields()).expect("a field of the grammar");
    let found = context(&view, uid, field, EACH)?;
    let found = found.ok_or(PageError::NotFound { what: "event" })?;
    let page = format!("/event/{uid}");
    let choice = |(of, name)| Choice {
        name,
        href: asked.href_with(&page, &[("near", of)]),
        current: of == key,
    };
    let neighbour = |row: query::row::EventRow| Neighbour {
        compare: format!("/compare?one={uid}&other={}", row.uid),
        row: Row::of(row, asked, trail.zone()),
    };
    let is_alone = found.before.is_empty() && found.after.is_empty();
    Ok(Around {
        choices: FIELDS.map(choice).into(),
        none: match &found.value {
            None => Some(format!("The event has no {name}.")),
            Some(_) if is_alone => Some(format!("No other event has the same {name}.")),
            Some(_) => None,
        },
        after: found.after.into_iter().rev().map(neighbour).collect(),
        before: found.before.into_iter().map(neighbour).collect(),
        all: found.value.as_deref().map(|value| Link {
            text: Text::new(&format!("all with the same {name}")),
            ..Link::of(key, value)
        }),
    })
}
