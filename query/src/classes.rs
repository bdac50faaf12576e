//! What the documents of a part of the index are: events that count, events that answers leave out, or none.

use ingest::index::class::{COUNTS, NONE};
use tantivy::{DocId, SegmentReader};

/// The class of each document of a part.
pub(crate) struct Classes {
    of: Of,
    /// How many documents are of each class.
    pub(crate) counts: [u64; NONE as usize + 1],
}

/// Mostly nearly all documents count, and a list of the others is quicker than a byte for each.
enum Of {
    /// Those that do not count, ascending.
    Few(Vec<(DocId, u8)>),
    Each(Vec<u8>),
}

/// One document of so many may be in a list.
const FEW: usize = 64;

impl Classes {
    /// Takes what the summary of a part says of documents that do not count, ascending, and adds those that were deleted since.
    pub(crate) fn of_part(segment: &SegmentReader, mut others: Vec<(DocId, u8)>) -> Classes {
        if let Some(alive) = segment.alive_bitset() {
            let deleted = (0..segment.max_doc()).filter(|&document| alive.is_deleted(document));
            others.extend(deleted.map(|document| (document, NONE)));
        }
        others.sort_by_key(|&(document, _)| document);
        // What was written later wins.
        others.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                earlier.1 = later.1;
            }
            is_same
        });
        let documents = segment.max_doc() as usize;
        let mut counts = [0; NONE as usize + 1];
        counts[usize::from(COUNTS)] = (documents - others.len()) as u64;
        others.iter().for_each(|&(_, class)| counts[usize::from(class)] += 1);
        if others.len() <= documents / FEW {
            return Classes { of: Of::Few(others), counts };
        }
        let mut each = vec![COUNTS; documents];
        others.iter().for_each(|&(document, class)| each[document as usize] = class);
        Classes { of: Of::Each(each), counts }
    }

    /// Returns what is left if only these of so many documents are there.
    pub(crate) fn only(&self, documents: &[DocId], of: u32) -> Classes {
        let mut each = vec![NONE; of as usize];
        let mut counts = [0; NONE as usize + 1];
        counts[usize::from(NONE)] = u64::from(of) - documents.len() as u64;
        for &document in documents {
            let class = self.of(document);
            each[document as usize] = class;
            counts[usize::from(class)] += 1;
        }
        Classes { of: Of::Each(each), counts }
    }

    /// Returns a document's class.
    pub(crate) fn of(&self, document: DocId) -> u8 {
        match &self.of {
            Of::Few(few) => match few.binary_search_by_key(&document, |&(document, _)| document) {
                Ok(at) => few[at].1,
                Err(_) => COUNTS,
            },
            Of::Each(each) => each[document as usize],
        }
    }

    /// Takes out of a block of ascending documents what does not count and is not to be kept.
    pub(crate) fn cut(&self, block: &mut Vec<DocId>, mut keep: impl FnMut(u8) -> bool) {
        let few = match &self.of {
            Of::Few(few) => few,
            Of::Each(each) => {
                block.retain(|&document| match each[document as usize] {
                    COUNTS => true,
                    class => keep(class),
                });
                return;
            }
        };
        let Some(&first) = block.first() else { return };
        let others = &few[few.partition_point(|&(document, _)| document < first)..];
        // All before `read` was looked at, and what is left of it stands before `kept`.
        let (mut read, mut kept) = (0, 0);
        for &(other, class) in others {
            let before = documents_before(&block[read..], other);
            block.copy_within(read..read + before, kept);
            (read, kept) = (read + before, kept + before);
            match block.get(read) {
                None => break,
                Some(&document) if document == other => {
                    read += 1;
                    if keep(class) {
                        block[kept] = other;
                        kept += 1;
                    }
                }
                Some(_) => {}
            }
        }
        block.copy_within(read.., kept);
        block.truncate(kept + block.len() - read);
    }
}

/// Returns how many of ascending documents come before one that is mostly near: it is looked for in ever longer steps.
fn documents_before(documents: &[DocId], document: DocId) -> usize {
    let mut end = 1;
    while documents.get(end).is_some_and(|&at| at < document) {
        end *= 2;
    }
    let first = end / 2;
    let near = &documents[first..documents.len().min(end)];
    first + near.partition_point(|&at| at < document)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_and_a_byte_for_each_cut_the_same(
            classes in prop::sample::select(vec![0.005, 0.2]).prop_flat_map(|others| {
                prop::collection::vec(prop::option::weighted(others, 0..=NONE), 1..1_000)
            }),
            picked in prop::collection::vec(any::<bool>(), 1_000),
            kept in 0..=NONE,
        ) {
            let classes = classes.into_iter().map(Option::unwrap_or_default);
            let each: Vec<u8> = classes.collect();
            let others = (0..).zip(&each).filter(|(_, class)| **class != COUNTS);
            let few = others.map(|(document, &class)| (document, class)).collect();
            let counts = [0; NONE as usize + 1];
            let (few, each) = (
                Classes { of: Of::Few(few), counts },
                Classes { of: Of::Each(each.clone()), counts },
            );
            let all: Vec<DocId> = (0..classes_len(&each)).collect();
            let block: Vec<DocId> =
                all.iter().copied().filter(|&document| picked[document as usize]).collect();
            let cut = |classes: &Classes| {
                let (mut block, mut asked) = (block.clone(), Vec::new());
                classes.cut(&mut block, |class| {
                    asked.push(class);
                    class == kept
                });
                (block, asked)
            };
            prop_assert_eq!(cut(&few), cut(&each));
            prop_assert!(all.iter().all(|&document| few.of(document) == each.of(document)));
        }
    }

    fn classes_len(classes: &Classes) -> DocId {
        match &classes.of {
            Of::Each(each) => each.len() as DocId,
            Of::Few(_) => unreachable!("a byte for each was made"),
        }
    }
}
