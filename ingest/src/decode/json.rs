//! JSON taken apart one level at a time, values left as text.
//!
//! Client data may nest deeply and hold numbers that fit no type (`1e999`). Nothing is parsed that is not
//! asked for, so neither can make a line undecodable.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Returns the members of an object in order, or `None` if it is none.
pub fn members(json: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    json.get()
        .starts_with('{')
        .then(|| serde_json::from_str::<Members<'_>>(json.get()).ok().map(|members| members.0))?
}

/// Returns the items of a list in order, or `None` if it is none.
pub fn items(json: &RawValue) -> Option<Vec<&RawValue>> {
    json.get().starts_with('[').then(|| serde_json::from_str(json.get()).ok())?
}

/// Returns the text of a string, or `None` if it is none.
pub(super) fn string(json: &RawValue) -> Option<Cow<'_, str>> {
    json.get()
        .starts_with('"')
        .then(|| serde_json::from_str::<Text<'_>>(json.get()).ok().map(|text| text.0))?
}

/// A string, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's members; a map type would lose their order and those that stand twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Text(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
