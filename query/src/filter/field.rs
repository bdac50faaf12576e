//! The fields by which events can be counted.

use ingest::index::schema::Fields;
use tantivy::schema::Field;

use super::error::{FilterError, Wrong, nearest};
use super::key::{Count, Key};

/// A field by which events can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountField {
    /// The grammar's key, so that every row of a count can be asked for by `name:value`.
    pub name: &'static str,
    /// An event may have several values; it then counts once for each distinct one.
    pub many: bool,
    /// The column. Of `identity` it is the identity's key; the name to show stands in another.
    pub field: Field,
}

impl CountField {
    /// Returns the field of this name.
    ///
    /// # Errors
    /// No such field, or one whose values are not counted (times, lengths, hashes), with the place
    /// and, for a typo, a suggestion.
    pub fn parse(text: &str, fields: &Fields) -> Result<CountField, FilterError> {
        let wrong = |message: String| Wrong::new(0..text.len(), message);
        let Some(key) = Key::parse(text) else {
            let countable = CountField::names();
            let meant = Key::meant(text).filter(|name| countable.contains(name));
            let meant = meant.or_else(|| nearest(text, countable.iter().copied()));
            let message = format!("{text:?} is no field to count by");
            return Err(match meant {
                Some(_) => wrong(message).meant(meant),
                None => wrong(format!("{message}; there are {}", countable.join(", "))),
            }
            .of(text));
        };
        let field = match key {
            Key::Identity => fields.identity_key,
            key => key.field(fields),
        };
        match key.count() {
            Count::One => Ok(CountField { name: key.name(), many: false, field }),
            Count::Many => Ok(CountField { name: key.name(), many: true, field }),
            Count::No => Err(match key {
                Key::After | Key::Before | Key::On => wrong(
                    "events are counted over time with an interval, such as 1d, not a field"
                        .to_owned(),
                ),
                _ => wrong(format!("events cannot be counted by {}", key.name())),
            }
            .of(text)),
        }
    }

    /// Returns the names of all such fields.
    pub fn names() -> Vec<&'static str> {
        Key::ALL.iter().filter(|key| key.count() != Count::No).map(|key| key.name()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_grammars_keys() {
        let (_, fields) = Fields::schema();
        let parse = |text| match CountField::parse(text, &fields) {
            Ok(CountField { name, many, .. }) => format!("{name} {many}"),
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            ("identity", "identity false"),
            ("policy", "policy true"),
            ("operation", "\"operation\" is no field to count by, did you mean \"op\"?"),
            ("pth", "\"pth\" is no field to count by, did you mean \"path\"?"),
            ("hash", "events cannot be counted by hash"),
            ("after", "events are counted over time with an interval, such as 1d, not a field"),
        ] {
            assert_eq!(parse(text), expected);
        }
        assert_eq!(
            CountField::parse("identity", &fields).expect("a field").field,
            fields.identity_key
        );
    }
}
