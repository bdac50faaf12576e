//! Documents of one term.
//!
//! An answer takes all of them, or looks for a few here and there. Tantivy's own reading gives them one by one in either
//! case; this one copies what a block has for who takes all.

use tantivy::index::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet};

/// The documents of a term in a segment, ascending.
pub(super) struct Documents {
    blocks: BlockSegmentPostings,
    /// The place within the block; behind its last document only where there is no further block.
    at: usize,
}

impl Documents {
    pub(super) fn open(index: &InvertedIndexReader, term: &TermInfo) -> tantivy::Result<Documents> {
        let blocks = index.read_block_postings_from_terminfo(term, IndexRecordOption::Basic)?;
        Ok(Documents { blocks, at: 0 })
    }

    /// Goes on by so many documents of the block.
    fn pass(&mut self, count: usize) {
        self.at += count;
        if self.at >= self.blocks.docs().len() {
            self.blocks.advance();
            self.at = 0;
        }
    }
}

impl DocSet for Documents {
    fn advance(&mut self) -> DocId {
        self.pass(1);
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc() < target {
            self.at = self.blocks.seek(target);
        }
        self.doc()
    }

    fn doc(&self) -> DocId {
        // Behind the last document a block is filled with `TERMINATED`.
        self.blocks.doc(self.at)
    }

    fn size_hint(&self) -> u32 {
        self.blocks.doc_freq()
    }

    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let block = self.blocks.docs().get(self.at..).unwrap_or_default();
            let count = block.len().min(buffer.len() - filled);
            if count == 0 {
                break;
            }
            buffer[filled..filled + count].copy_from_slice(&block[..count]);
            filled += count;
            self.pass(count);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::schema::{STRING, Schema};
    use tantivy::{Index, IndexWriter, TERMINATED, Term, doc};

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Advance,
        Seek(DocId),
        Fill,
    }

    fn step() -> impl Strategy<Value = Step> {
        let far = prop_oneof![0..4_u32, 0..300_u32, 0..2_000_u32];
        prop_oneof![3 => Just(Step::Advance), 2 => far.prop_map(Step::Seek), 2 => Just(Step::Fill)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A block has 128 documents: lists of less, of some, and of just so many.
        #[test]
        fn the_documents_are_those_that_have_the_term(
            has in prop_oneof![
                prop::collection::vec(any::<bool>(), 1..900),
                prop::sample::select(vec![127, 128, 129, 256, 384]).prop_map(|all| vec![true; all]),
            ],
            steps in prop::collection::vec(step(), 1..40),
        ) {
            let mut schema = Schema::builder();
            let field = schema.add_text_field("word", STRING);
            let index = Index::create_in_ram(schema.build());
            let mut writer: IndexWriter =
                index.writer_with_num_threads(1, 15_000_000).expect("a writer");
            for &has in &has {
                writer.add_document(doc!(field => if has { "a" } else { "b" })).expect("added");
            }
            writer.commit().expect("a commit");
            let searcher = index.reader().expect("a reader").searcher();
            let index = searcher.segment_reader(0).inverted_index(field).expect("a field");
            let info = index.get_term_info(&Term::from_field_text(field, "a")).expect("a look");
            let listed = (0..).zip(&has).filter(|(_, has)| **has).map(|(document, _)| document);
            let listed: Vec<DocId> = listed.collect();
            prop_assert_eq!(info.is_some(), !listed.is_empty());
            let Some(info) = info else { return Ok(()) };
            let (mut documents, mut at) = (Documents::open(&index, &info).expect("open"), 0);
            prop_assert_eq!(documents.size_hint() as usize, listed.len());
            let known = |at: usize| listed.get(at).copied().unwrap_or(TERMINATED);
            for step in steps {
                prop_assert_eq!(documents.doc(), known(at));
                match step {
                    Step::Advance => {
                        at += 1;
                        prop_assert_eq!(documents.advance(), known(at));
                    }
                    Step::Seek(far) => {
                        let target = known(at).saturating_add(far).min(TERMINATED);
                        at += listed[at.min(listed.len())..].partition_point(|&one| one < target);
                        prop_assert_eq!(documents.seek(target), known(at));
                    }
                    Step::Fill => {
                        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
                        let count = documents.fill_buffer(&mut buffer);
                        let rest = &listed[at.min(listed.len())..];
                        let expected = &rest[..rest.len().min(COLLECT_BLOCK_BUFFER_LEN)];
                        prop_assert_eq!(&buffer[..count], expected);
                        at += count;
                    }
                }
            }
        }
    }
}
