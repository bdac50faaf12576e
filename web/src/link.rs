//! Links that ask: every number and value of a page leads to the question behind it.

use jiff::Timestamp;
use query::filter::Filter;

use crate::text::Text;

/// A longer value gets no link: a filter is bounded, and so is a page.
const LINKED_BYTES_MAX: usize = 1 << 10;

/// A value, and the question it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// What is read.
    pub(crate) text: Text,
    /// Where it leads, if anywhere.
    pub(crate) href: Option<String>,
}

impl Link {
    /// Returns the value without a link.
    pub(crate) fn none(value: &str) -> Link {
        Link { text: Text::new(value), href: None }
    }

    /// Returns the value, leading to all events that have it under this key.
    pub(crate) fn of(key: &str, value: &str) -> Link {
        let href = term(key, value).map(|q| Question { q, ..Question::default() }.href("/explore"));
        Link { text: Text::new(value), href }
    }
}

/// The state of a question, as it stands in an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// The filter.
    pub(crate) q: String,
    /// As typed; empty: from the first event.
    pub(crate) from: String,
    /// As typed; empty: to the last.
    pub(crate) to: String,
    /// Whether what counts leave out is counted too.
    pub(crate) all: bool,
    /// The leaf as of which it is answered; empty: as of now.
    pub(crate) at: String,
}

impl Question {
    /// Returns the address that asks this at a page.
    pub(crate) fn href(&self, page: &str) -> String {
        self.href_with(page, &[])
    }

    /// Returns the address that asks this at a page, with more to it.
    pub(crate) fn href_with(&self, page: &str, more: &[(&str, &str)]) -> String {
        let all = if self.all { "1" } else { "" };
        let own = [
            ("q", &*self.q),
            ("from", &*self.from),
            ("to", &*self.to),
            ("all", all),
            ("at", &*self.at),
        ];
        address(page, own.into_iter().chain(more.iter().copied()))
    }

    /// Returns the same question with one more term; nothing if the value is too long to ask for.
    pub(crate) fn with(&self, key: &str, value: &str) -> Option<Question> {
        self.with_typed(&term(key, value)?)
    }

    /// Returns the same question with one more part as it is typed; nothing if either cannot be read.
    pub(crate) fn with_typed(&self, typed: &str) -> Option<Question> {
        let parts = [parse(&self.q)?, parse(typed)?];
        Some(Question { q: Filter::all_of(parts).to_string(), ..self.clone() })
    }
}

/// Tells whether a filter names a stretch of time itself, so that no other is meant.
pub(crate) fn has_stretch(text: &str) -> bool {
    parse(text).is_some_and(|filter| filter.has_stretch())
}

fn parse(text: &str) -> Option<Filter> {
    Filter::parse(text, Timestamp::now()).ok()
}

/// Returns a page's address with those of its parameters that are not empty.
pub(crate) fn address<'a>(
    page: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// Returns `key:value` such that the filter means exactly this value; nothing if it is too long.
pub(crate) fn term(key: &str, value: &str) -> Option<String> {
    if value.is_empty() || value.len() > LINKED_BYTES_MAX {
        return None;
    }
    let typed = format!("{key}:{value}");
    Some(if is_literal(key, value) && parse(&typed).is_some() {
        typed
    } else {
        format!("{key}:{}", quoted(value))
    })
}

/// Tells whether a value without quotes means itself: no pattern, no range, nothing that the grammar
/// completes or stands for something else.
fn is_literal(key: &str, value: &str) -> bool {
    let is_plain = value.chars().all(|c: char| c.is_alphanumeric() || "/-_.@+=|:".contains(c));
    let is_whole = match key {
        "mount" | "auth" | "ns" => value.ends_with('/'),
        "op" => value != "write",
        _ => true,
    };
    is_plain && is_whole && !value.starts_with(['-', '.', ':', '=']) && !value.contains("..")
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_means_its_value_alone() {
        for (key, value, expected) in [
            ("path", "secret/data/app", Some("path:secret/data/app")),
            ("path", "secret/data/*", Some(r#"path:"secret/data/*""#)),
            ("path", r#"a "b" \c"#, Some(r#"path:"a \"b\" \\c""#)),
            ("identity", "a,b", Some(r#"identity:"a,b""#)),
            ("ip", "10.0.1.7", Some("ip:10.0.1.7")),
            ("path", "a..b", Some(r#"path:"a..b""#)),
            ("mount", "secret/", Some("mount:secret/")),
            ("mount", "secret", Some(r#"mount:"secret""#)),
            ("ip", "k:v", Some(r#"ip:"k:v""#)),
            ("ip", "2001:db8::1", Some("ip:2001:db8::1")),
            ("path", "", None),
        ] {
            assert_eq!(term(key, value).as_deref(), expected, "{value}");
        }
        assert_eq!(term("path", &"a".repeat(2_000)), None);
    }

    #[test]
    fn an_address_says_what_is_asked() {
        let question = Question {
            q: "decision:denied OR is:root".into(),
            from: "-7d".into(),
            ..Question::default()
        };
        assert_eq!(question.href("/explore"), "/explore?q=decision%3Adenied+OR+is%3Aroot&from=-7d");
        let narrowed = question.with("path", "a b").expect("short");
        assert_eq!(narrowed.q, r#"(decision:denied OR is:root) path:"a b""#);
        assert_eq!(narrowed.with("path", "a b").expect("short").q, narrowed.q);
        assert_eq!(Question::default().href("/explore"), "/explore");
    }

    #[test]
    fn every_value_is_asked_for_exactly() {
        let hostile = [
            "<script>alert(1)</script>",
            "a\"b",
            "\\",
            "*",
            "**/x",
            "a OR b",
            "-x",
            "(",
            "1..2",
            ">5",
            "é\u{202e}x",
            "a,b",
            "k:v",
            " lead",
            "root",
        ];
        for key in [
            "path", "identity", "action", "mount", "node", "source", "policy", "error", "lease",
            "ip",
        ] {
            for value in hostile {
                let typed = term(key, value).expect("short");
                let filter = Filter::parse(&typed, Timestamp::now()).expect(&typed);
                let plain = typed == format!("{key}:{value}");
                assert!(plain || typed.starts_with(&format!("{key}:\"")), "{typed}");
                assert_eq!(
                    Filter::parse(&filter.to_string(), Timestamp::now()).as_ref(),
                    Ok(&filter)
                );
                let question =
                    Question { q: typed, ..Question::default() }.with("decision", "denied");
                assert!(question.is_some_and(|question| question.q.ends_with("decision:denied")));
            }
        }
    }
}
