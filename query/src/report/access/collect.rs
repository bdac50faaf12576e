//! Groups the events of a query by columns of the index, one pass over each segment.
//!
//! Within a segment everything is the ordinal of a term: a group, a kind of request, an address are
//! a few numbers, and each distinct term is read from the dictionary once, at the end.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::Query;
use tantivy::{DocId, Score, Searcher, SegmentOrdinal, SegmentReader};

use super::counts::Counts;
use crate::report::ReportError;

/// The values of the columns that make a group.
pub type GroupKey = Vec<Option<String>>;

/// What the events of a group have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Requests by what came of them.
    pub counts: Counts,
    /// The least time, in nanoseconds.
    pub first: Option<i64>,
    /// The greatest.
    pub last: Option<i64>,
    /// Where the requests came from.
    pub addresses: BTreeSet<String>,
    /// Every name to show and display name.
    pub names: BTreeSet<String>,
    /// The newest name to show and its time. Of several at the same time, the last by alphabet, so
    /// that the order of segments does not count.
    pub newest_name: Option<(Option<i64>, String)>,
}

/// The most groups, kinds of request, addresses and names that are kept in memory, taken together.
const ENTRIES_MAX: usize = 4_000_000;

/// Groups the events of the query by these columns, of which there are one or two.
///
/// # Errors
/// The index fails, holds a word of another version, or more groups and names than fit.
pub fn collect(
    searcher: &Searcher,
    query: &dyn Query,
    columns: &'static [&'static str],
) -> Result<BTreeMap<GroupKey, Group>, ReportError> {
    searcher.search(query, &Grouping { columns, entries_max: ENTRIES_MAX })?
}

type Groups = Result<BTreeMap<GroupKey, Group>, ReportError>;

struct Grouping {
    columns: &'static [&'static str],
    entries_max: usize,
}

impl Collector for Grouping {
    type Fruit = Groups;
    type Child = SegmentGrouping;

    fn for_segment(
        &self,
        _: SegmentOrdinal,
        segment: &SegmentReader,
    ) -> tantivy::Result<SegmentGrouping> {
        let fast = segment.fast_fields();
        let text = |name: &str| fast.str(name);
        Ok(SegmentGrouping {
            columns: self.columns.iter().map(|name| text(name)).collect::<tantivy::Result<_>>()?,
            kind: [text("decision")?, text("reason")?, text("outcome")?, text("op")?],
            address: text("ip")?,
            name: text("identity_name")?,
            display_name: text("display_name")?,
            time: fast.column_opt("time")?,
            groups: HashMap::new(),
            entries: 0,
            entries_max: self.entries_max,
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Groups>) -> tantivy::Result<Groups> {
        let mut merged = BTreeMap::<GroupKey, Group>::new();
        let mut entries = 0;
        for segment in segments {
            let groups = match segment {
                Ok(groups) => groups,
                Err(error) => return Ok(Err(error)),
            };
            for (key, group) in groups {
                // At most: what both have is counted twice.
                entries += group.entries();
                if entries > self.entries_max {
                    return Ok(Err(ReportError::TooMany(self.entries_max)));
                }
                merged.entry(key).or_default().merge(group);
            }
        }
        Ok(Ok(merged))
    }
}

impl Group {
    fn entries(&self) -> usize {
        1 + self.addresses.len() + self.names.len() + self.counts.operations.len()
    }

    fn merge(&mut self, other: Group) {
        self.counts.merge(&other.counts);
        self.span(other.first);
        self.span(other.last);
        self.addresses.extend(other.addresses);
        self.names.extend(other.names);
        self.newest_name = self.newest_name.take().max(other.newest_name);
    }

    fn span(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// A term of a segment by its number; absent where the event has none.
type Ordinal = Option<u64>;

struct SegmentGrouping {
    columns: Vec<Option<StrColumn>>,
    /// Decision, reason, outcome, operation.
    kind: [Option<StrColumn>; 4],
    address: Option<StrColumn>,
    name: Option<StrColumn>,
    display_name: Option<StrColumn>,
    time: Option<Column<i64>>,
    /// By one or two columns; of one, the second is always absent.
    groups: HashMap<[Ordinal; 2], SegmentGroup>,
    entries: usize,
    entries_max: usize,
}

#[derive(Default)]
struct SegmentGroup {
    kinds: HashMap<[Ordinal; 4], u64>,
    times: Option<(i64, i64)>,
    addresses: HashSet<u64>,
    /// The newest time under each name to show.
    names: HashMap<u64, Option<i64>>,
    display_names: HashSet<u64>,
}

impl SegmentCollector for SegmentGrouping {
    type Fruit = Groups;

    fn collect(&mut self, document: DocId, _: Score) {
        if self.entries > self.entries_max {
            return; // the answer is an error already
        }
        let mut key = [None; 2];
        for (place, column) in key.iter_mut().zip(&self.columns) {
            *place = ordinal(column, document);
        }
        let group = match self.groups.entry(key) {
            Entry::Occupied(group) => group.into_mut(),
            Entry::Vacant(place) => {
                self.entries += 1;
                place.insert(SegmentGroup::default())
            }
        };
        let before = group.entries();
        let kind = self.kind.each_ref().map(|column| ordinal(column, document));
        *group.kinds.entry(kind).or_default() += 1;
        let time = self.time.as_ref().and_then(|time| time.first(document));
        if let Some(time) = time {
            let (first, last) = group.times.unwrap_or((time, time));
            group.times = Some((first.min(time), last.max(time)));
        }
        group.addresses.extend(ordinal(&self.address, document));
        group.display_names.extend(ordinal(&self.display_name, document));
        if let Some(name) = ordinal(&self.name, document) {
            let newest = group.names.entry(name).or_default();
            *newest = (*newest).max(time);
        }
        self.entries += group.entries() - before;
    }

    fn harvest(mut self) -> Groups {
        if self.entries > self.entries_max {
            return Err(ReportError::TooMany(self.entries_max));
        }
        let groups = std::mem::take(&mut self.groups);
        let mut harvest = BTreeMap::new();
        for (ordinals, group) in groups {
            let terms = self.columns.iter().zip(ordinals);
            let key =
                terms.map(|(column, ordinal)| term(column, ordinal)).collect::<Result<_, _>>()?;
            harvest.insert(key, self.resolved(group)?);
        }
        Ok(harvest)
    }
}

impl SegmentGrouping {
    fn resolved(&self, group: SegmentGroup) -> Result<Group, ReportError> {
        let SegmentGroup { kinds, times, addresses, names, display_names } = group;
        let mut resolved = Group::default();
        for (ordinals, count) in kinds {
            let [decision, reason, outcome, operation] = &self.kind;
            resolved.counts.add(
                word(decision, ordinals[0])?,
                word(reason, ordinals[1])?,
                word(outcome, ordinals[2])?,
                term(operation, ordinals[3])?.as_deref(),
                count,
            );
        }
        if let Some((first, last)) = times {
            (resolved.first, resolved.last) = (Some(first), Some(last));
        }
        for address in addresses {
            resolved.addresses.extend(term(&self.address, Some(address))?);
        }
        for name in display_names {
            resolved.names.extend(term(&self.display_name, Some(name))?);
        }
        for (name, newest) in names {
            let Some(name) = term(&self.name, Some(name))? else { continue };
            resolved.newest_name = resolved.newest_name.max(Some((newest, name.clone())));
            resolved.names.insert(name);
        }
        Ok(resolved)
    }
}

impl SegmentGroup {
    fn entries(&self) -> usize {
        self.kinds.len() + self.addresses.len() + self.names.len() + self.display_names.len()
    }
}

fn ordinal(column: &Option<StrColumn>, document: DocId) -> Ordinal {
    column.as_ref().and_then(|column| column.ords().first(document))
}

fn term(column: &Option<StrColumn>, ordinal: Ordinal) -> Result<Option<String>, ReportError> {
    let (Some(column), Some(ordinal)) = (column, ordinal) else { return Ok(None) };
    let mut term = String::new();
    column.ord_to_str(ordinal, &mut term).map_err(tantivy::TantivyError::from)?;
    Ok(Some(term))
}

fn word<W: std::str::FromStr>(
    column: &Option<StrColumn>,
    ordinal: Ordinal,
) -> Result<W, ReportError> {
    let word = term(column, ordinal)?.unwrap_or_default();
    word.parse().map_err(|_| ReportError::Word(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::documents::searcher;
    use crate::filter::tests::events::example;

    #[test]
    fn too_many_names_are_an_error() {
        let events: Vec<_> = (0..9)
            .map(|n| ingest::event::AuditEvent { path: Some(n.to_string()), ..example() })
            .collect();
        // Nine groups of one kind, one address and two names each.
        for (segments, entries_max, fits) in [
            (vec![&events[..]], 45, true),
            (vec![&events[..]], 44, false),
            (vec![&events[..5], &events[5..]], 35, false),
        ] {
            let (searcher, _) = searcher(&segments);
            let grouping = Grouping { columns: &["path"], entries_max };
            let groups = searcher.search(&tantivy::query::AllQuery, &grouping).expect("an index");
            match groups {
                Ok(groups) => assert!(fits && groups.len() == 9),
                Err(error) => assert_eq!(
                    (fits, error.to_string()),
                    (
                        false,
                        format!(
                            "the report would hold more than {entries_max} names; narrow it by a filter or a shorter period"
                        )
                    )
                ),
            }
        }
    }
}
