//! The formats that a sink can be told to write.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::encode::Options;

/// Declares the formats: the enum, its words, and what each of them is.
macro_rules! formats {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// How an event is written. Which field goes where: docs/forwarding-formats.md.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Format { $($(#[$doc])* $variant,)+ }

        impl Format {
            /// Every format, in the order in which the documentation has them.
            pub const ALL: &'static [Format] = &[$(Format::$variant,)+];

            /// Returns the word of the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Format::$variant => $word,)+ }
            }
        }
    };
}

formats! {
    /// AuditEvent as the API gives it: a JSON object.
    Event = "event",
    /// OCSF 1.8.0: a JSON object.
    Ocsf = "ocsf",
    /// Elastic Common Schema 8.16 with Elastic's `hashicorp_vault.audit` tree: a JSON object.
    Ecs = "ecs",
    /// ArcSight's Common Event Format: a line.
    Cef = "cef",
    /// RFC 5424 with structured data: a line.
    Syslog = "syslog",
    /// JSON by the names of Splunk's Common Information Model.
    Splunk = "splunk",
    /// The server's own lines, request and response, as it wrote them.
    Raw = "raw",
}

/// Why a format cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No such word.
    #[error("no format is called `{word}`: there are {}", known())]
    Unknown {
        /// What was asked for.
        word: String,
    },
    /// It would send what every other format withholds.
    #[error(
        "format `{format}` sends lines as the server wrote them, with numbers and texts that other formats withhold: set include_clear_values = true if the receiver may have them, else choose another format"
    )]
    Clear {
        /// The format.
        format: Format,
    },
}

impl Format {
    /// Tells whether events may be written so: to be asked when a sink is configured.
    ///
    /// # Errors
    /// Raw lines where clear values may not be sent.
    pub fn check(self, options: &Options) -> Result<(), FormatError> {
        match self {
            Format::Raw if !options.include_clear_values => {
                Err(FormatError::Clear { format: self })
            }
            _ => Ok(()),
        }
    }

    /// Tells whether what it writes is a JSON object.
    pub fn is_json(self) -> bool {
        match self {
            Format::Event | Format::Ocsf | Format::Ecs | Format::Splunk => true,
            Format::Cef | Format::Syslog | Format::Raw => false,
        }
    }
}

impl Format {
    /// Returns under which uid a document of this format stands; none if it has none, or is no JSON.
    pub fn uid_of(self, document: &Value) -> Option<&str> {
        let place = match self {
            Format::Event => "/uid",
            Format::Ocsf => "/metadata/uid",
            Format::Ecs => "/event/id",
            Format::Splunk => "/event_id",
            Format::Cef | Format::Syslog | Format::Raw => return None,
        };
        document.pointer(place)?.as_str()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(word: &str) -> Result<Format, FormatError> {
        let known = Format::ALL.iter().find(|format| format.as_str() == word);
        known.copied().ok_or_else(|| FormatError::Unknown { word: word.to_owned() })
    }
}

fn known() -> String {
    Format::ALL.iter().map(|format| format.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_format_is_read_back_from_its_word() {
        for &format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        let error = "oscf".parse::<Format>().unwrap_err().to_string();
        assert!(error.contains("`oscf`") && error.contains("event"), "{error}");
    }
}
