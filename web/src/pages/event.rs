//! `GET /event/{uid}`: one request to the secrets server, in a sentence, in facts, and in its own lines.

use askama::Template;

use crate::link::Link;
use crate::shell::Shell;
use crate::text::Text;
use crate::verdict::Verdict;

/// One event.
#[derive(Template)]
#[template(path = "event.html")]
pub(crate) struct EventPage {
    pub(crate) shell: Shell,
    pub(crate) uid: String,
    pub(crate) json: String,
    pub(crate) sentence: Sentence,
    pub(crate) verdict: Verdict,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) lines: Vec<Line>,
    pub(crate) groups: Vec<Group>,
}

/// Who did what to which path, when and from where.
pub(crate) struct Sentence {
    pub(crate) who: Text,
    pub(crate) kind: Option<Text>,
    pub(crate) did: Text,
    pub(crate) path: Text,
    pub(crate) ns: Option<Text>,
    pub(crate) at: Option<String>,
    pub(crate) from: Option<Text>,
}

/// Something to know before trusting the sentence.
pub(crate) struct Remark {
    pub(crate) text: String,
    pub(crate) link: Option<Link>,
}

/// The request's line or the response's.
pub(crate) struct Line {
    pub(crate) title: &'static str,
    pub(crate) leaf: Option<String>,
    pub(crate) missing: &'static str,
    pub(crate) parts: Vec<Part>,
    pub(crate) place: Option<Place>,
}

/// A stretch of a line.
pub(crate) struct Part {
    pub(crate) withheld: bool,
    pub(crate) text: Text,
}

/// Where a line stands.
pub(crate) struct Place {
    pub(crate) source: Link,
    pub(crate) place: String,
    pub(crate) arrived: String,
    pub(crate) hash: String,
    pub(crate) command: String,
}

/// Facts of one kind.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) facts: Vec<Fact>,
}

/// One field of the event.
pub(crate) struct Fact {
    pub(crate) name: Text,
    pub(crate) values: Vec<Value>,
}

/// One value of a field.
pub(crate) struct Value {
    pub(crate) link: Link,
    pub(crate) mono: bool,
    pub(crate) tags: Vec<&'static str>,
}
