//! The server's error texts: taken apart for decisions, and made fit to be shown.

use std::borrow::Cow;

/// Longest error text that is kept, in characters.
pub(super) const ERROR_CHARS_MAX: usize = 300;

/// Stands for what is not shown.
pub(super) const REDACTED: &str = "‹redacted›";

/// Returns the single errors within an error text: Go's multierror wraps even one as
/// `1 error occurred:\n\t* permission denied\n\n`.
///
/// Decisions compare whole items or their ends, never what is contained: paths, which clients choose, stand within.
pub(super) fn items(error: &str) -> impl Iterator<Item = &str> {
    let error = error.trim();
    let is_multiple = error.split_once(" occurred:").is_some_and(|(head, _)| {
        head.split_once(' ').is_some_and(|(count, word)| {
            !count.is_empty()
                && count.bytes().all(|byte| byte.is_ascii_digit())
                && (word == "error" || word == "errors")
        })
    });
    let (single, multiple) = if is_multiple { (None, Some(error)) } else { (Some(error), None) };
    let lines = multiple
        .into_iter()
        .flat_map(|text| text.lines().skip(1))
        .filter_map(|line| line.trim().strip_prefix("* "));
    single.into_iter().chain(lines.map(str::trim))
}

/// Returns an error text as it may be shown: one line, no quoted literal of an SQL statement, at most
/// [`ERROR_CHARS_MAX`] characters.
pub(super) fn shown(error: &str, is_database: bool) -> String {
    let text = items(error).collect::<Vec<_>>().join("; ");
    let text = if is_database || looks_like_sql(&text) {
        without_literals(&text)
    } else {
        Cow::Owned(text)
    };
    match text.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Returns the whole text, without the quoted literals of an SQL statement if it seems to tell of one.
pub(super) fn without_sql_literals(text: &str) -> Cow<'_, str> {
    if looks_like_sql(text) { without_literals(text) } else { Cow::Borrowed(text) }
}

fn looks_like_sql(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["sqlstate", "sql", "execute query", "syntax error", "error 1", "ora-"]
        .iter()
        .any(|sign| lower.contains(sign))
}

/// Replaces `'…'`, `"…"`, `` `…` `` and `$tag$…$tag$`. A literal that is not closed reaches to the end, since the
/// server or a driver may have cut the statement.
fn without_literals(text: &str) -> Cow<'_, str> {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"', '`', '$']) {
        shown.push_str(&rest[..start]);
        let from_quote = &rest[start..];
        let quote = match from_quote.as_bytes()[0] {
            b'$' => dollar_quote(from_quote),
            _ => Some(&from_quote[..1]),
        };
        let Some(quote) = quote else {
            shown.push('$');
            rest = &from_quote[1..];
            continue;
        };
        shown.push_str(quote);
        shown.push_str(REDACTED);
        let inner = &from_quote[quote.len()..];
        rest = match closing(inner, quote) {
            Some(end) => {
                shown.push_str(quote);
                &inner[end + quote.len()..]
            }
            None => "",
        };
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Finds the closing quote; a doubled or escaped one is part of the literal.
fn closing(inner: &str, quote: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + inner[from..].find(quote)?;
        let after = at + quote.len();
        let escaped = inner[..at].bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
        if quote.len() == 1 && inner[after..].starts_with(quote) {
            from = after + quote.len();
        } else if escaped {
            from = after;
        } else {
            return Some(at);
        }
    }
}

/// PostgreSQL's `$$` or `$tag$`; `$1` is a parameter.
fn dollar_quote(text: &str) -> Option<&str> {
    let end = 1 + text[1..].find('$')?;
    let tag = &text[1..end];
    let is_tag = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_taken_apart() {
        for (error, expected) in [
            ("permission denied", &["permission denied"][..]),
            ("1 error occurred:\n\t* permission denied\n\n", &["permission denied"]),
            (
                "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
                &["permission denied", "invalid token"],
            ),
            ("1 error occurred:\n\n* permission denied", &["permission denied"]),
            (
                "x error occurred:\n\t* permission denied",
                &["x error occurred:\n\t* permission denied"],
            ),
        ] {
            assert_eq!(items(error).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn no_literal_of_a_statement_is_shown() {
        for (error, expected) in [
            (
                "1 error occurred:\n\t* failed to execute query: ERROR: syntax error at or near \"NONSENSE\" (SQLSTATE 42601)\n\n",
                "failed to execute query: ERROR: syntax error at or near \"‹redacted›\" (SQLSTATE 42601)",
            ),
            (
                "pq: SQL CREATE ROLE x PASSWORD 'it''s \\' s3cret' VALID",
                "pq: SQL CREATE ROLE x PASSWORD '‹redacted›' VALID",
            ),
            ("SQLSTATE PASSWORD 'cut off", "SQLSTATE PASSWORD '‹redacted›"),
            (
                "SQLSTATE $body$ s3cret $body$ and $1, $",
                "SQLSTATE $body$‹redacted›$body$ and $1, $",
            ),
            ("service account \"x\" not authorized", "service account \"x\" not authorized"),
        ] {
            assert_eq!(shown(error, false), expected);
        }
        assert_eq!(shown(&"é".repeat(400), false).chars().count(), ERROR_CHARS_MAX + 1);
    }
}
