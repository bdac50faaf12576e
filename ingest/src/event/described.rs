//! How an event's simple types are described to who reads its JSON: as JSON Schema, for the API's OpenAPI document.

use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::{Issued, Time, Uid};
use crate::source::{LeafIndex, SourceId};

/// A text that is one of these.
pub(super) fn word(words: &[&'static str]) -> RefOr<Schema> {
    text().enum_values(Some(words.iter().copied())).into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .build()
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        time.description(Some("RFC 3339 in UTC, with the digits that the server wrote")).into()
    }
}

impl ToSchema for Time {}

impl PartialSchema for Uid {
    fn schema() -> RefOr<Schema> {
        let uid = text().pattern(Some("^[0-9a-f]{32}$"));
        uid.description(Some("An event, for ever: the same after a re-ingest and in every sink"))
            .into()
    }
}

impl ToSchema for Uid {}

impl PartialSchema for SourceId {
    fn schema() -> RefOr<Schema> {
        text().description(Some("cluster/node/device")).into()
    }
}

impl ToSchema for SourceId {}

impl PartialSchema for LeafIndex {
    fn schema() -> RefOr<Schema> {
        Schema::Object(number()).into()
    }
}

impl ToSchema for LeafIndex {}

impl PartialSchema for Issued {
    fn schema() -> RefOr<Schema> {
        let issued = ArrayBuilder::new().items(number()).min_items(Some(2)).max_items(Some(2));
        issued
            .description(Some("Leaf whose arrival issued the event, and which of its events"))
            .into()
    }
}

impl ToSchema for Issued {}
