//! Documents held against events that are encoded anew.

use std::collections::BTreeSet;

use query::error::QueryError;
use query::history::View;
use query::row::EventRow;
use query::trail::Trail;

use super::document::Document;
use super::{Altered, DETAILS_MAX, Difference, Times};
use crate::batch::Item;
use crate::encode::VERSION;
use crate::encoding::Encoding;

/// Of so many bytes it is kept what was sent.
const DETAILS_BYTES_MAX: usize = 16 << 20;

/// Documents held against events that are encoded anew.
pub(super) struct Looked<'a> {
    trail: &'a Trail,
    encoding: Option<Encoding>,
    /// Versions of keytrail that have run here, but for this one.
    others: BTreeSet<String>,
    details: usize,
    details_bytes: usize,
}

impl Looked<'_> {
    pub(super) fn new(trail: &Trail, encoding: Option<Encoding>) -> Result<Looked<'_>, QueryError> {
        let mut others = BTreeSet::new();
        if encoding.is_some() {
            others = query::own_trail::versions(trail)?;
            others.remove(VERSION);
        }
        Ok(Looked { trail, encoding, others, details: 0, details_bytes: 0 })
    }

    /// Compares the document that a receiver has of an event. `walked` is the row of the device that told of it first.
    pub(super) fn look_at(
        &mut self,
        view: &View,
        row: &EventRow,
        walked: &EventRow,
        has: &Times,
        version: &str,
        found: &mut Difference,
    ) -> Result<(), QueryError> {
        let Some(encoding) = &self.encoding else { return Ok(()) };
        let item = encoding.item(self.trail, view, row, row.issued)?;
        let uid = item.uid;
        let is = |bytes: &[u8]| {
            let mut sent = Document::sent(uid, bytes, encoding);
            sent.hash() == has.hash || {
                sent.stamp(item.time_unix_ns);
                sent.hash() == has.hash
            }
        };
        let is_sent = !has.is_mixed && is(&item.bytes);
        if is_sent || !has.is_mixed && self.may_have_sent(view, row, walked, &is)? {
            return Ok(());
        }
        let Item { bytes, time_unix_ns, .. } = item;
        let has_room =
            self.details < DETAILS_MAX && self.details_bytes + bytes.len() <= DETAILS_BYTES_MAX;
        if has_room {
            self.details += 1;
            self.details_bytes += bytes.len();
        }
        let altered = Altered {
            uid,
            issued: row.issued,
            time: row.time.clone(),
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            fields: Vec::new(),
            sent: has_room.then_some((bytes, time_unix_ns)),
        };
        match self.others.contains(version) {
            true => found.other_version.push(altered),
            false => found.altered.push(altered),
        }
        Ok(())
    }

    fn may_have_sent(
        &self,
        view: &View,
        row: &EventRow,
        walked: &EventRow,
        is: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, QueryError> {
        let Some(encoding) = &self.encoding else { return Ok(true) };
        if encoding.may_have_sent(self.trail, view, row, is)? {
            return Ok(true);
        }
        // It counted when it was sent, and another device's does by now.
        Ok(walked.uid != row.uid && {
            let mut walked = walked.clone();
            walked.uid = row.uid;
            encoding.may_have_sent(self.trail, view, &walked, is)?
        })
    }
}
