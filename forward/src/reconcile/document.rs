//! A document as a receiver gives it back, held against what was sent.

use std::collections::BTreeSet;

use ingest::event::Uid;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::encode::Wrap;
use crate::encoding::Encoding;
use crate::format::Format;

/// Of the fields that differ so many are named.
pub const FIELDS_MAX: usize = 20;
/// What receivers that need a time of each document are given, where the format has none.
const STAMP: &str = "@timestamp";

/// What a receiver has of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Under which name it is there.
    pub uid: Uid,
    content: Content,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Json(Value),
    Text(String),
}

/// What two documents that say the same have in common.
pub(super) type Hash = [u8; 16];

impl Document {
    /// Reads a line of an export: a document as it was sent, a hit of a search with its `_id` and `_source`, or a
    /// result of Splunk's with its `_raw`.
    ///
    /// # Errors
    /// It is none of that, or has no uid; in words.
    pub fn read(line: &str, encoding: &Encoding) -> Result<Document, String> {
        let line = line.trim_end_matches(['\r', '\n']);
        if !is_json(encoding) {
            let uid = text_after(line, uid_mark(encoding)).and_then(|uid| uid.parse().ok());
            let uid = uid.ok_or_else(|| no_uid(uid_mark(encoding)))?;
            return Ok(Document { uid, content: Content::Text(line.to_owned()) });
        }
        let mut value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let mut id = None;
        if value["_source"].is_object() {
            id = value["_id"].as_str().and_then(|id| id.parse().ok());
            value = value["_source"].take();
        } else if let Some(raw) = value["result"]["_raw"].as_str() {
            value = serde_json::from_str(raw).map_err(|error| format!("its _raw: {error}"))?;
        }
        let path = uid_path(encoding.format);
        let own = value.pointer(path).and_then(Value::as_str).and_then(|uid| uid.parse().ok());
        let uid = id.or(own).ok_or_else(|| no_uid(path))?;
        Ok(Document { uid, content: Content::Json(value) })
    }

    /// Returns the document of an index.
    pub(crate) fn of_source(uid: Uid, source: Value) -> Document {
        Document { uid, content: Content::Json(source) }
    }

    /// Returns what was sent, as a receiver would give it back.
    pub(super) fn sent(uid: Uid, bytes: &[u8], encoding: &Encoding) -> Document {
        let text = || Content::Text(String::from_utf8_lossy(bytes).into_owned());
        let content = match is_json(encoding) {
            true => serde_json::from_slice(bytes).map_or_else(|_| text(), Content::Json),
            false => text(),
        };
        Document { uid, content }
    }

    /// Gives it a time, unless it has one: what is sent to OpenSearch has.
    pub(super) fn stamp(&mut self, time_unix_ns: Option<i64>) {
        if let Content::Json(Value::Object(members)) = &mut self.content {
            let time = query::period::rfc3339(time_unix_ns.unwrap_or(0));
            members.entry(STAMP).or_insert(Value::String(time));
        }
    }

    /// Tells whether it has the time that [`Document::stamp`] gives.
    fn has_stamp(&self) -> bool {
        matches!(&self.content, Content::Json(value) if value.get(STAMP).is_some())
    }

    /// Returns the version of keytrail that wrote it, if it says so.
    pub(super) fn version(&self, encoding: &Encoding) -> Option<&str> {
        match &self.content {
            Content::Json(value) => value.pointer(version_path(encoding.format))?.as_str(),
            Content::Text(text) => text_after(text, version_mark(encoding)),
        }
    }

    /// Returns its hash: the same whatever the order of members and the spaces between them.
    pub(super) fn hash(&self) -> Hash {
        let mut hash = Sha256::new();
        match &self.content {
            Content::Json(value) => add(value, &mut hash),
            Content::Text(text) => hash.update(text),
        }
        let hash: [u8; 32] = hash.finalize().into();
        let (first, _) = hash.split_at(16);
        first.try_into().expect("half of 32 bytes")
    }

    /// Names the fields in which it is not what was sent, in order, at most [`FIELDS_MAX`]; of text that is no JSON `text`.
    pub(super) fn differs(&self, sent: &Document, time_unix_ns: Option<i64>) -> Vec<String> {
        let mut sent = sent.clone();
        if self.has_stamp() {
            sent.stamp(time_unix_ns);
        }
        let mut fields = BTreeSet::new();
        match (&self.content, &sent.content) {
            (Content::Json(is), Content::Json(was)) => compare("", is, was, &mut fields),
            (is, was) if is != was => drop(fields.insert("text".to_owned())),
            _ => {}
        }
        fields.into_iter().take(FIELDS_MAX).collect()
    }
}

fn no_uid(place: &str) -> String {
    format!("no uid of 32 hexadecimal digits is at {place}: is it written in the sink's format?")
}

fn is_json(encoding: &Encoding) -> bool {
    encoding.format.is_json() && encoding.wrap != Wrap::Syslog
}

/// Where the uid stands; docs/forwarding-formats.md.
fn uid_path(format: Format) -> &'static str {
    match format {
        Format::Ocsf => "/metadata/uid",
        Format::Ecs => "/event/id",
        Format::Splunk => "/event_id",
        Format::Event | Format::Cef | Format::Syslog | Format::Raw => "/uid",
    }
}

fn version_path(format: Format) -> &'static str {
    match format {
        Format::Ocsf => "/unmapped/keytrail_version",
        Format::Ecs => "/observer/version",
        _ => "/keytrail_version",
    }
}

fn uid_mark(encoding: &Encoding) -> &'static str {
    if encoding.format == Format::Cef && encoding.wrap != Wrap::Syslog {
        " externalId="
    } else {
        " uid=\""
    }
}

fn version_mark(encoding: &Encoding) -> &'static str {
    if encoding.format == Format::Cef && encoding.wrap != Wrap::Syslog {
        " ad.keytrail="
    } else {
        " version=\""
    }
}

/// Returns the word after a mark.
fn text_after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark)?.1.split([' ', '"']).next()
}

/// Adds a value to a hash: members by their names, each part with its length, so that nothing runs into another.
fn add(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(members) => {
            hash.update(format!("{{{}", members.len()));
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            for name in names {
                hash.update(format!("{}:{name}", name.len()));
                add(&members[name], hash);
            }
        }
        Value::Array(items) => {
            hash.update(format!("[{}", items.len()));
            items.iter().for_each(|item| add(item, hash));
        }
        Value::String(text) => hash.update(format!("\"{}:{text}", text.len())),
        Value::Null | Value::Bool(_) | Value::Number(_) => hash.update(format!("={value};")),
    }
}

fn compare(path: &str, is: &Value, was: &Value, fields: &mut BTreeSet<String>) {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => {
            let names: BTreeSet<&String> = is.keys().chain(was.keys()).collect();
            for name in names {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (is.get(name), was.get(name)) {
                    (Some(is), Some(was)) => compare(&below, is, was, fields),
                    _ => drop(fields.insert(below)),
                }
            }
        }
        _ if is != was => drop(fields.insert(path.to_owned())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::encode::Options;

    const UID: &str = "0123456789abcdef0123456789abcdef";

    fn encoding(format: Format, wrap: Wrap) -> Encoding {
        Encoding { format, options: Options::default(), wrap }
    }

    #[test]
    fn an_export_has_documents_hits_or_results() {
        let event = encoding(Format::Event, Wrap::Nothing);
        let document = json!({"uid": UID, "a": {"b": 1}});
        let hit = json!({"_index": "i", "_id": UID, "_source": document});
        let result = json!({"preview": false, "result": {"_raw": document.to_string()}});
        let read = [&document, &hit, &result]
            .map(|line| Document::read(&line.to_string(), &event).unwrap());
        assert!(read.iter().all(|it| it.uid.to_string() == UID && it.hash() == read[0].hash()));
        let cef = format!("CEF:0|a|b|c|d|e|3|rt=1 externalId={UID} ad.keytrail=0.1.0");
        let read = Document::read(&cef, &encoding(Format::Cef, Wrap::Nothing)).unwrap();
        assert_eq!(
            (read.uid.to_string(), read.version(&encoding(Format::Cef, Wrap::Nothing))),
            (UID.to_owned(), Some("0.1.0"))
        );
        let message =
            format!("<13>1 - n keytrail - a [event@1 uid=\"{UID}\" version=\"0.1.0\"] {cef}");
        let wrapped = encoding(Format::Cef, Wrap::Syslog);
        let read = Document::read(&message, &wrapped).unwrap();
        assert_eq!((read.uid.to_string(), read.version(&wrapped)), (UID.to_owned(), Some("0.1.0")));
        for odd in ["", "{", "{}", "[1]"] {
            assert!(Document::read(odd, &event).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_differs_is_named_and_order_and_stamp_do_not() {
        let event = encoding(Format::Event, Wrap::Nothing);
        let read = |text: &str| Document::read(text, &event).unwrap();
        let sent = read(&format!("{{\"uid\":\"{UID}\",\"a\":{{\"b\":1,\"c\":[1,2]}}}}"));
        let other = read(&format!("{{ \"a\": {{\"c\":[1,2],\"b\":1}}, \"uid\":\"{UID}\"}}"));
        assert_eq!(sent.hash(), other.hash());
        let mut stamped = sent.clone();
        stamped.stamp(Some(0));
        assert_ne!(sent.hash(), stamped.hash());
        assert!(stamped.differs(&sent, Some(0)).is_empty());
        assert_eq!(stamped.differs(&sent, Some(1_000_000_000)), [STAMP]);
        let altered =
            read(&format!("{{\"uid\":\"{UID}\",\"a\":{{\"b\":1,\"c\":[2,1]}},\"d\":null}}"));
        assert_eq!(altered.differs(&sent, None), ["a.c", "d"]);
    }
}
