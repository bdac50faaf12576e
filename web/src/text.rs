//! Values of the log as a page may show them.
//!
//! Everything in a log is written by whoever sent the request. askama escapes what HTML gives a
//! meaning; here, what would deceive the eye is made visible: control characters, directions and
//! invisible letters are written as `\u{202e}`. A value is also cut, so that a page stays bounded.

use std::fmt;

pub(crate) use query::table::grouped;
use query::table::visible;

/// The most characters of one value that a page shows.
const SHOWN_CHARS_MAX: usize = 400;

/// A text that a page may show. The only way from a value of the log into a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(String);

impl Text {
    /// Makes the value fit to be shown.
    pub(crate) fn new(value: &str) -> Text {
        match value.char_indices().nth(SHOWN_CHARS_MAX) {
            None => Text(visible(value).into_owned()),
            Some((end, _)) => {
                let rest = value[end..].chars().count();
                Text(format!("{}… ({} more characters)", visible(&value[..end]), grouped(rest)))
            }
        }
    }

    /// Makes the whole value fit to be shown, however long it is.
    pub(crate) fn whole(value: &str) -> Text {
        Text(visible(value).into_owned())
    }
}

impl Text {
    /// Tells whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Returns a text that begins with a capital.
pub(crate) fn capital(text: &str) -> String {
    // A name at the beginning (of a source, a path, a column) stays as it is written.
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.contains(['/', '_', '@']) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Returns `1 event`, `2 events`: a count and its word.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// Returns a part of a whole as per cent; a part that is not nothing is never shown as 0 %.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => "–".to_owned(),
        (0, _) => "0 %".to_owned(),
        (part, whole) if part == whole => "100 %".to_owned(),
        (part, whole) => {
            let tenths = u128::from(part) * 1000 / u128::from(whole);
            match tenths {
                0 => "under 0.1 %".to_owned(),
                tenths => format!("{}.{} %", tenths / 10, tenths % 10),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_is_made_visible() {
        for (value, shown) in [
            ("secret/data/app", "secret/data/app"),
            ("naïve/日本", "naïve/日本"),
            ("a\u{202e}gpj.exe", "a\\u{202e}gpj.exe"),
            ("a\u{1b}[31mred\nnext", "a\\u{1b}[31mred\\nnext"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(Text::new(value).to_string(), shown);
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let shown = Text::new(&"ä".repeat(1_700)).to_string();
        assert_eq!(shown, format!("{}… (1,300 more characters)", "ä".repeat(400)));
    }

    #[test]
    fn a_name_at_the_beginning_keeps_its_letters() {
        assert_eq!(capital("nobody can say"), "Nobody can say");
        assert_eq!(capital("prod/bao-0/file: 3 lines"), "prod/bao-0/file: 3 lines");
        assert_eq!(capital("request_id is absent"), "request_id is absent");
        assert_eq!(capital("os:user@host is claimed"), "os:user@host is claimed");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0u64, 999, 1000, 12_408_991].map(grouped).join(" "), "0 999 1,000 12,408,991");
        for (part, whole, text) in [
            (0, 0, "–"),
            (0, 7, "0 %"),
            (7, 7, "100 %"),
            (1, 3, "33.3 %"),
            (1, 100_000, "under 0.1 %"),
            (99_999, 100_000, "99.9 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
