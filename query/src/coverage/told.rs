//! What the index was told of sources, part by part: a part never changes, and every answer asks.

use std::collections::BTreeMap;

use ingest::coverage::Record;
use ingest::index::document::COVERAGE;
use ingest::indexer::GrowingCoverage;
use tantivy::TantivyError;

use super::records::Records;
use crate::abreast::abreast;
use crate::error::QueryError;
use crate::history::View;
use crate::question::exact;
use crate::scan::{InSegment, Scan};
use crate::texts::Texts;

/// All records of a part, or of an index.
#[derive(Debug, Default)]
pub(crate) struct AllRecords {
    /// When nodes were declared last, and which.
    declared: Option<(i64, Option<Vec<String>>)>,
    by_source: BTreeMap<String, Records>,
}

/// What a commit tells.
#[derive(Debug)]
pub(crate) struct Told {
    records: AllRecords,
    /// Sources that lack a heartbeat, and since when.
    waiting: BTreeMap<String, i64>,
}

impl Told {
    /// Returns the nodes that the operator declared last; none: not declared.
    pub(super) fn nodes(&self) -> Option<Vec<String>> {
        self.records.declared.as_ref().and_then(|(_, nodes)| nodes.clone())
    }

    /// Returns since when a source lacks a heartbeat.
    pub(super) fn waits_since(&self, source: &str) -> Option<i64> {
        self.waiting.get(source).copied()
    }

    /// Returns the sources, by name.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &Records)> {
        self.records.by_source.iter().map(|(name, records)| (&**name, records))
    }
}

impl AllRecords {
    fn of_part(in_segment: &InSegment<'_>) -> Result<AllRecords, QueryError> {
        let mut documents = Vec::new();
        in_segment.each(|document| documents.push(document))?;
        let texts = |name| {
            let texts = Texts::open(in_segment.segment, name)?.first_of_each(&documents);
            texts.map_err(TantivyError::from)
        };
        let mut records = AllRecords::default();
        for (source, text) in texts("source")?.into_iter().zip(texts("error")?) {
            // Only another version's record cannot be read, and its index is made anew.
            if let Some(record) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                records.add(source, record);
            }
        }
        Ok(records)
    }

    fn add(&mut self, source: Option<String>, record: Record) {
        match (source, record) {
            (_, Record::Declared { at, nodes }) => self.declare(at, nodes),
            (Some(source), record) => self.by_source.entry(source).or_default().add(record),
            (None, _) => {}
        }
    }

    fn declare(&mut self, at: i64, nodes: Option<Vec<String>>) {
        if self.declared.as_ref().is_none_or(|(last, _)| *last <= at) {
            self.declared = Some((at, nodes));
        }
    }

    fn add_part(&mut self, part: &AllRecords) {
        if let Some((at, nodes)) = &part.declared {
            self.declare(*at, nodes.clone());
        }
        for (source, records) in &part.by_source {
            self.by_source.entry(source.clone()).or_default().add_all(records);
        }
    }
}

impl View {
    /// Returns what the commit tells.
    pub(super) fn told(&self) -> Result<&Told, QueryError> {
        if let Some(told) = self.known_told().get() {
            return Ok(told);
        }
        let query = exact(self.fields().doc, COVERAGE);
        let scan = Scan::new(self, &*query)?;
        let of_part = |in_segment: InSegment<'_>| {
            let part = self.part(in_segment.number)?;
            part.records(|| AllRecords::of_part(&in_segment))
        };
        let mut records = AllRecords::default();
        for part in abreast(scan.segments().collect(), of_part) {
            records.add_part(part?);
        }
        let growing = GrowingCoverage::of(&self.snapshot().payload);
        for (source, record) in growing.records {
            records.add(Some(source.to_string()), record);
        }
        let waiting = growing.waiting.into_iter();
        let waiting = waiting.map(|(source, since)| (source.to_string(), since)).collect();
        Ok(self.known_told().get_or_init(|| Told { records, waiting }))
    }
}

#[cfg(test)]
mod tests {
    use ingest::coverage::Hour;
    use ingest::index::{CommitPayload, EventIndex, IndexWriter};
    use ingest::source::{LeafIndex, SourceId};

    use super::*;

    #[test]
    fn records_of_all_parts_are_told_and_parts_that_stay_are_not_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(folder.path(), "V", "keytrail/prod").expect("a writer");
        let source = SourceId::new("prod", "a", "file").expect("a source");
        let hour = |number| {
            Record::Hour(Hour { lines: 1_u64 << number, ..Hour::new(Some(number), false) })
        };
        let declared = |at, node: &str| Record::Declared { at, nodes: Some(vec![node.to_owned()]) };
        let mut commit = |leaf: u64, records: &[(Option<&SourceId>, Record)]| {
            for (source, record) in records {
                writer.add_coverage(*source, LeafIndex(leaf), record).expect("added");
            }
            let payload =
                CommitPayload { covered: leaf, ..CommitPayload::nothing("V", "keytrail/prod") };
            writer.commit(payload).expect("a commit");
            EventIndex::open(folder.path()).expect("an index").snapshot()
        };
        let told = |view: &View| {
            let told = view.told().expect("read");
            let lines: u64 = told
                .sources()
                .flat_map(|(name, records)| {
                    assert_eq!(name, "prod/a/file");
                    records.hours.iter().map(|hour| hour.lines)
                })
                .sum();
            (lines, told.nodes())
        };
        let node = |name: &str| Some(vec![name.to_owned()]);
        // What was declared last counts, in whichever part it stands.
        commit(1, &[(Some(&source), hour(0)), (None, declared(9, "last"))]);
        let view = View::new(commit(2, &[(Some(&source), hour(1)), (None, declared(5, "first"))]));
        assert_eq!(told(&view), (0b11, node("last")));
        let next = view.next(commit(3, &[(Some(&source), hour(2))]));
        let parts = next.searcher().segment_readers().len() as u32;
        let known = (0..parts).filter(|&number| next.part(number).expect("a part").has_records());
        assert_eq!((known.count(), parts), (2, 3));
        assert_eq!(told(&next), (0b111, node("last")));
    }
}
