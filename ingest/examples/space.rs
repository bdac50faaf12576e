use ingest::index::EventIndex;
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let index = EventIndex::open(std::path::Path::new(&dir)).unwrap();
    let s = index.searcher();
    
    let u = s.space_usage().unwrap();
    let mut by = std::collections::BTreeMap::<String, [u64; 4]>::new();
    for seg in u.segments() {
        println!("docs {} total {}", seg.num_docs(), seg.total());
        for (i, part) in [seg.termdict(), seg.postings(), seg.positions(), seg.fast_fields()].iter().enumerate() {
            for fu in part.fields() {
                by.entry(fu.field_name().to_owned()).or_default()[i] += fu.total().get_bytes();
            }
        }
    }
    let mut v: Vec<_> = by.into_iter().collect();
    v.sort_by_key(|(_, x)| std::cmp::Reverse(x.iter().sum::<u64>()));
    println!("{:16} {:>10} {:>10} {:>10} {:>10}", "field", "termdict", "postings", "positions", "fast");
    for (n, x) in v { println!("{:16} {:10} {:10} {:10} {:10}", n, x[0], x[1], x[2], x[3]); }
}
