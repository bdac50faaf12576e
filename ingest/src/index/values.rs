//! A document as the engine takes it: fields and values in order, all texts in one string, so that a document is two
//! pieces of memory whatever it holds.

use std::fmt;
use std::iter;
use std::mem;
use std::net::Ipv6Addr;
use std::sync::Arc;

use tantivy::Document;
use tantivy::schema::Field;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};

use super::documents::Documents;
use super::keys::DocumentKeys;
use super::summary::Gist;

/// Most events have fewer values, and fewer bytes of text.
const VALUES: usize = 96;
const TEXT_BYTES: usize = 2 << 10;

/// The values of one document. There is no stored document, so nothing reads them back.
pub struct Values {
    memory: Memory,
    address: Ipv6Addr,
    gist: Gist,
    keys: DocumentKeys,
    documents: Arc<Documents>,
}

/// What a document holds its values in.
pub(super) struct Memory {
    texts: String,
    values: Vec<(Field, Kept)>,
}

#[derive(Clone, Copy)]
enum Kept {
    /// From and to, in the texts.
    Text(u32, u32),
    Unsigned(u64),
    Signed(i64),
    /// The one that there is.
    Address,
}

/// One value.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    values: &'a Values,
    kept: Kept,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { texts: String::with_capacity(TEXT_BYTES), values: Vec::with_capacity(VALUES) }
    }
}

impl Memory {
    /// Tells whether it is not much more than most documents need.
    pub(super) fn is_usual(&self) -> bool {
        self.texts.capacity() <= 4 * TEXT_BYTES && self.values.capacity() <= 4 * VALUES
    }
}

impl Values {
    /// Returns a document without values, whose memory goes back to `documents`.
    pub(super) fn of(documents: Arc<Documents>, memory: Memory, gist: Gist) -> Values {
        let keys = DocumentKeys::default();
        Values { memory, address: Ipv6Addr::UNSPECIFIED, gist, keys, documents }
    }

    /// Returns what its segment's summary takes from it.
    pub(super) fn gist(&self) -> Gist {
        self.gist
    }

    /// Returns by what it is looked up in its segment's keys.
    pub(super) fn keys(&self) -> DocumentKeys {
        self.keys
    }

    /// Has it looked up by its uid.
    pub(super) fn uid_key(&mut self, key: u64) {
        self.keys.uid = Some(key);
    }

    /// Has it looked up by its request.
    pub(super) fn request_key(&mut self, key: u64) {
        self.keys.request = Some(key);
    }

    pub(super) fn text(&mut self, field: Field, text: &str) {
        self.parts(field, &[text]);
    }

    /// Adds a text that is these, one after the other.
    pub(super) fn parts(&mut self, field: Field, parts: &[&str]) {
        let place = |texts: &String| u32::try_from(texts.len()).expect("a document is bounded");
        let Memory { texts, values } = &mut self.memory;
        let from = place(texts);
        parts.iter().for_each(|part| texts.push_str(part));
        values.push((field, Kept::Text(from, place(texts))));
    }

    pub(super) fn number(&mut self, field: Field, number: u64) {
        self.memory.values.push((field, Kept::Unsigned(number)));
    }

    pub(super) fn signed(&mut self, field: Field, number: i64) {
        self.memory.values.push((field, Kept::Signed(number)));
    }

    /// Adds the address; a document has one field of these.
    pub(super) fn address(&mut self, field: Field, address: Ipv6Addr) {
        self.address = address;
        self.memory.values.push((field, Kept::Address));
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        let empty = Memory { texts: String::new(), values: Vec::new() };
        let mut memory = mem::replace(&mut self.memory, empty);
        memory.texts.clear();
        memory.values.clear();
        self.documents.take_back(memory);
    }
}

impl Document for Values {
    type Value<'a> = Given<'a>;
    type FieldsValuesIter<'a> = Iter<'a>;

    fn iter_fields_and_values(&self) -> Iter<'_> {
        Iter { values: self, at: 0 }
    }
}

/// Goes through a document.
pub struct Iter<'a> {
    values: &'a Values,
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Field, Given<'a>);

    fn next(&mut self) -> Option<(Field, Given<'a>)> {
        let (field, kept) = *self.values.memory.values.get(self.at)?;
        self.at += 1;
        Some((field, Given { values: self.values, kept }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.values.memory.values.len() - self.at;
        (left, Some(left))
    }
}

impl<'a> Value<'a> for Given<'a> {
    type ArrayIter = iter::Empty<Given<'a>>;
    type ObjectIter = iter::Empty<(&'a str, Given<'a>)>;

    fn as_value(&self) -> ReferenceValue<'a, Given<'a>> {
        ReferenceValue::Leaf(match self.kept {
            Kept::Text(from, to) => {
                ReferenceValueLeaf::Str(&self.values.memory.texts[from as usize..to as usize])
            }
            Kept::Unsigned(number) => ReferenceValueLeaf::U64(number),
            Kept::Signed(number) => ReferenceValueLeaf::I64(number),
            Kept::Address => ReferenceValueLeaf::IpAddr(self.values.address),
        })
    }
}

impl fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_value(), f)
    }
}
