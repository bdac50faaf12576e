//! What a content is, given what is known.

use super::bench::source;
use super::model::Model;
use crate::source::Generation;
use crate::tail::identity::{End, Relation, compare};
use crate::tail::lines::LeafStream;

/// Compares a file with what is known, in chunks of every size; `;` is a newline. Returns what it is,
/// and what it then gives.
fn compared(known: &[&str], file: &str, end: End) -> String {
    let text = |text: &str| text.replace(';', "\n");
    let known: Vec<String> = known.iter().map(|content| text(content)).collect();
    let model = Model::knowing(&known.iter().map(String::as_str).collect::<Vec<_>>());
    let file = text(file);
    let result = |chunk_bytes| {
        let mut stream = LeafStream::new(file.as_bytes(), chunk_bytes);
        let Some(likeness) = compare(&mut stream, end, &source().to_string(), &model) else {
            return "nothing yet".to_owned();
        };
        let relation = match likeness.relation {
            Relation::New => "new".to_owned(),
            Relation::Parts(Generation(generation)) => format!("parts from {generation}"),
            Relation::Continues(Generation(generation)) => format!("continues {generation}"),
            Relation::Within(Generation(generation)) => format!("within {generation}"),
        };
        assert_eq!(stream.offset(), likeness.known_to);
        let mut gives = String::new();
        while let Some(batch) = stream.next() {
            gives.push_str(&String::from_utf8(batch.lines.bytes).expect("text"));
        }
        format!("{relation} at {}: {}", likeness.known_to, gives.replace('\n', ";"))
            .trim_end()
            .to_owned()
    };
    let results: Vec<String> = (1..file.len() + 2).map(result).collect();
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    results[0].clone()
}

#[test]
fn the_longest_likeness_tells() {
    for (known, file, end, expected) in [
        (&[][..], "", End::Closed, "nothing yet"),
        (&["a;"], "a", End::Open, "nothing yet"),
        (&[], "a;b;c", End::Open, "new at 0: a;b;"),
        (&[], "a", End::Closed, "new at 0: a"),
        (&["x;b;"], "a;b;", End::Open, "new at 0: a;b;"),
        (&["a;b;"], "a;b;c;", End::Open, "continues 0 at 4: c;"),
        (&["a;b;"], "a;b;", End::Open, "continues 0 at 4:"),
        (&["a;b;c;"], "a;b;", End::Open, "within 0 at 4:"),
        (&["a;b;c;"], "a;b;x;", End::Open, "parts from 0 at 4: x;"),
        (&["a;b;c;"], "a;b;c;", End::Closed, "continues 0 at 6:"),
        // The longest wins; of those equally long, the one that ends there.
        (&["a;b;", "a;b;c;", "a;"], "a;b;c;d;", End::Open, "continues 1 at 6: d;"),
        (&["a;b;x;", "a;b;"], "a;b;c;", End::Open, "continues 1 at 4: c;"),
        (&["a;b;", "a;b;x;"], "a;b;c;", End::Open, "continues 0 at 4: c;"),
        (&["a;b;x;", "a;b;"], "a;b;", End::Open, "continues 1 at 4:"),
        (&["a;b;x;", "a;y;"], "a;z;", End::Open, "parts from 0 at 2: z;"),
        // A line in the making is neither alike nor different; in a finished file it is a leaf.
        (&["a;bcd;"], "a;bc", End::Open, "within 0 at 2:"),
        (&["a;bcd;"], "a;bc", End::Closed, "parts from 0 at 2: bc"),
        (&["a;bc"], "a;bc", End::Open, "within 0 at 2:"),
        (&["a;bc"], "a;bc", End::Closed, "continues 0 at 4:"),
        // What had been taken for the end of a file was not: the whole line counts.
        (&["a;bc"], "a;bcd;", End::Open, "parts from 0 at 2: bcd;"),
    ] {
        assert_eq!(compared(known, file, end), expected, "{file:?} against {known:?}");
    }
}
