//! Lists of leases, page by page.

use std::path::Path;

use ingest::pipeline;
use ingest::source::SourceId;
use ingest::tail::Input;

use super::*;

#[test]
fn pages_of_leases_leave_nothing_out_and_repeat_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/openbao-2.7.2");
    let source = SourceId::new("c", "n", "file").expect("a source");
    for name in ["audit.jsonl.1.gz", "audit.jsonl.gz"] {
        let input = [Input::File(fixtures.join(name))];
        pipeline::import(folder.path(), &source, &input, false, &|_| {}).expect("imported");
    }
    let trail = Trail::open(folder.path()).expect("a trail");
    let view = trail.view();
    let ask = |given: &GivenOut, limit: usize, after: Option<&crate::page::PageToken>| {
        let mut ids = Vec::new();
        let listed = leases(&trail, &view, given, limit, after, &mut |row| {
            ids.push(row.lease);
            Ok::<(), QueryError>(())
        });
        (ids, listed.expect("a list"))
    };
    let given =
        GivenOut { filter: Filter::everything(), from: None, to: None, at: None, only_open: false };
    for given in [given.clone(), GivenOut { only_open: true, ..given }] {
        let (all, listed) = ask(&given, 0, None);
        assert_eq!((listed.matched, listed.next), (27, None));
        assert_eq!(all.len(), if given.only_open { 23 } else { 27 });
        for limit in [1, 5, all.len()] {
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let (ids, listed) = ask(&given, limit, after.as_ref());
                assert_eq!(listed.matched, 27);
                paged.extend(ids);
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(paged, all, "in pages of {limit}");
        }
    }
}
