//! Reading one field leniently: absent, of the expected type, or of another one and remembered.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::data::Data;

/// Fields whose type was not the expected one, by name; at most [`ODD_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// The field that is being read.
    pub(super) at: &'static str,
    /// What was passed over.
    pub(super) fields: Vec<&'static str>,
}

const ODD_MAX: usize = 16;

impl Odd {
    pub(super) fn mark(&mut self) {
        if self.fields.len() < ODD_MAX && !self.fields.contains(&self.at) {
            self.fields.push(self.at);
        }
    }
}

/// A type that a field may have. What is not overridden is odd for it.
pub(super) trait Field<'de>: Sized {
    fn boolean(&mut self, _value: bool, odd: &mut Odd) {
        odd.mark();
    }

    fn number(&mut self, _value: Option<i64>, odd: &mut Odd) {
        odd.mark();
    }

    /// `""` is absent for every type.
    fn text(&mut self, text: Cow<'de, str>, odd: &mut Odd) {
        if !text.is_empty() {
            odd.mark();
        }
    }

    fn list<A: SeqAccess<'de>>(&mut self, mut list: A, odd: &mut Odd) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {
            odd.mark();
        }
        Ok(())
    }

    fn map<A: MapAccess<'de>>(&mut self, mut map: A, odd: &mut Odd) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            odd.mark();
        }
        Ok(())
    }

    fn read<D: Deserializer<'de>>(
        &mut self,
        deserializer: D,
        odd: &mut Odd,
    ) -> Result<(), D::Error> {
        deserializer.deserialize_any(FieldVisitor { field: self, odd, lifetime: PhantomData })
    }
}

/// Reads into a field that stands in its object already.
pub(super) struct ReadInto<'f, T>(pub(super) &'f mut T, pub(super) &'f mut Odd);

impl<'de, T: Field<'de>> DeserializeSeed<'de> for ReadInto<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.read(deserializer, self.1)
    }
}

struct FieldVisitor<'f, 'de, T> {
    field: &'f mut T,
    odd: &'f mut Odd,
    lifetime: PhantomData<&'de ()>,
}

impl<'de, T: Field<'de>> Visitor<'de> for FieldVisitor<'_, 'de, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.field.boolean(value, self.odd);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.field.number(Some(value), self.odd);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.field.number(i64::try_from(value).ok(), self.odd);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        // Servers that pass numbers through floating point write whole ones so that they read as integers;
        // anything else is no number of ours.
        let _ = value;
        self.field.number(None, self.odd);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.field.text(Cow::Borrowed(text), self.odd);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.field.text(Cow::Owned(text.to_owned()), self.odd);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.field.list(list, self.odd)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.field.map(map, self.odd)
    }
}

impl<'de> Field<'de> for Option<Cow<'de, str>> {
    fn text(&mut self, text: Cow<'de, str>, _odd: &mut Odd) {
        *self = (!text.is_empty()).then_some(text);
    }
}

impl<'de> Field<'de> for Option<i64> {
    fn number(&mut self, value: Option<i64>, odd: &mut Odd) {
        *self = value;
        if value.is_none() {
            odd.mark();
        }
    }
}

impl<'de> Field<'de> for Option<bool> {
    fn boolean(&mut self, value: bool, _odd: &mut Odd) {
        *self = Some(value);
    }
}

/// Names: policies. What is no text is odd.
impl<'de> Field<'de> for Vec<Cow<'de, str>> {
    fn list<A: SeqAccess<'de>>(&mut self, mut list: A, odd: &mut Odd) -> Result<(), A::Error> {
        loop {
            let mut item: Option<Cow<'de, str>> = None;
            if list.next_element_seed(ReadInto(&mut item, odd))?.is_none() {
                return Ok(());
            }
            self.extend(item);
        }
    }
}

/// Text by text: metadata.
impl<'de> Field<'de> for Vec<(Cow<'de, str>, Cow<'de, str>)> {
    fn map<A: MapAccess<'de>>(&mut self, mut map: A, odd: &mut Odd) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Name<'de>>()? {
            let mut value: Option<Cow<'de, str>> = None;
            map.next_value_seed(ReadInto(&mut value, odd))?;
            if let Some(value) = value {
                self.push((key.0, value));
            }
        }
        Ok(())
    }
}

/// Several texts by text: headers.
impl<'de> Field<'de> for Vec<(Cow<'de, str>, Vec<Cow<'de, str>>)> {
    fn map<A: MapAccess<'de>>(&mut self, mut map: A, odd: &mut Odd) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Name<'de>>()? {
            let mut values = Vec::new();
            map.next_value_seed(ReadInto(&mut values, odd))?;
            self.push((key.0, values));
        }
        Ok(())
    }
}

/// Data stays unread: what it holds is the client's.
impl<'de> Field<'de> for Data<'de> {
    fn read<D: Deserializer<'de>>(
        &mut self,
        deserializer: D,
        odd: &mut Odd,
    ) -> Result<(), D::Error> {
        let json: &'de RawValue = Deserialize::deserialize(deserializer)?;
        match json.get() {
            "null" | "\"\"" | "{}" => {}
            object if object.starts_with('{') => self.0 = Some(json),
            _ => odd.mark(),
        }
        Ok(())
    }
}

/// An object within another one, present if it has any field that we know or not.
impl<'de, T: Default + Field<'de>> Field<'de> for Option<Box<T>> {
    fn map<A: MapAccess<'de>>(&mut self, map: A, odd: &mut Odd) -> Result<(), A::Error> {
        let mut map = Counted { map, entries: 0 };
        let mut object = Box::<T>::default();
        object.map(&mut map, odd)?;
        *self = (map.entries > 0).then_some(object);
        Ok(())
    }
}

/// Objects in a list: granting policies.
impl<'de, T: Default + Field<'de>> Field<'de> for Vec<Box<T>> {
    fn list<A: SeqAccess<'de>>(&mut self, mut list: A, odd: &mut Odd) -> Result<(), A::Error> {
        loop {
            let mut item: Option<Box<T>> = None;
            if list.next_element_seed(ReadInto(&mut item, odd))?.is_none() {
                return Ok(());
            }
            self.extend(item);
        }
    }
}

/// A map that counts what was taken from it, so that `{}` is absent.
struct Counted<A> {
    map: A,
    entries: usize,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut Counted<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let key = self.map.next_key_seed(seed)?;
        self.entries += usize::from(key.is_some());
        Ok(key)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
