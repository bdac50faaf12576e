//! The pages, each in one file: what it shows, its template of the same name, its handler.

pub(crate) mod compare;
pub(crate) mod controls;
pub(crate) mod event;
pub(crate) mod explore;
pub(crate) mod given_out;
pub(crate) mod integrity;
pub(crate) mod live;
pub(crate) mod lookup;
pub(crate) mod not_found;
pub(crate) mod overview;
pub(crate) mod reports;
pub(crate) mod reviews;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod sinks;
pub(crate) mod sources;
pub(crate) mod subject;
pub(crate) mod subjects;
