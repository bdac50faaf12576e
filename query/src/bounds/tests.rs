use ingest::event::{AuditEvent, Issued, Uid};
use ingest::source::LeafIndex;
use proptest::prelude::*;

use super::*;
use crate::complete::complete;
use crate::context::context;
use crate::count::count_in;
use crate::filter::CountField;
use crate::full::find;
use crate::issued::issued_after;
use crate::question::Question;
use crate::search::{oldest, search_in};
use crate::subjects::{Of, subjects};
use crate::testing::{Taught, any_events, any_question, fitting, on, view_of, view_taught};

fn bound(whole: &View, question: &Question) -> View {
    let Question { filter, from, to, .. } = question.clone();
    let bounds = Arc::new(Bounds::new(filter, from, to));
    BoundViews::new().of(whole, &bounds)
}

/// Everything that can be asked of a view, as text.
fn answers(view: &View, question: &Question, events: &[AuditEvent]) -> Vec<String> {
    let page = search_in(view, question, 5, None).expect("a page");
    let mut answers = vec![format!("{:?} {} {:?}", page.items, page.matched, page.left_out)];
    if let Some(token) = page.next {
        let next = search_in(view, question, 0, Some(&token)).expect("the next page");
        answers.push(format!("{:?}", next.items));
    }
    answers.push(format!("{:?}", oldest(view, question).expect("the oldest")));
    let field = |name| CountField::parse(name, view.fields()).expect("a column");
    // Twice: the second answer is the one that was kept.
    for _ in 0..2 {
        let counts = count_in(view, question, &[field("decision"), field("node")], None);
        let counts = counts.expect("counts");
        answers.push(format!("{:?} {} {:?}", counts.rows, counts.total, counts.left_out));
    }
    let list = subjects(view, question, Of::Paths, 0, None).expect("a list");
    answers.push(format!("{:?} {:?}", list.items, list.left_out));
    for typed in ["decision:", "path:", "is:", "identity:"] {
        let completion = complete(view, typed, 50).expect("a completion");
        // Whether another node carried a request out is told of the whole log.
        let seen = completion.proposals.into_iter().filter(|proposal| {
            proposal.count != Some(0) && proposal.value.as_deref() != Some("no_twin")
        });
        answers.push(format!("{:?}", seen.collect::<Vec<_>>()));
    }
    let arrivals = issued_after(view, question, Issued(LeafIndex(0), 0), 50).expect("arrivals");
    answers.push(format!("{:?} {:?}", arrivals.rows, arrivals.left_out));
    answers.push(format!("{:?}", question.left_out(view).expect("what is left out")));
    let totals = view.totals().expect("totals");
    answers.push(format!("{} {}", totals.events, totals.pending));
    for event in events {
        let found = find(view, event.uid).expect("an answer").is_some();
        let context = context(view, event.uid, field("path"), 9).expect("an answer");
        let context = context.map(|context| (context.before, context.after));
        answers.push(format!("{found} {context:?}"));
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Who is bound is answered as if nothing else had ever been written.
    #[test]
    fn a_bound_view_is_the_view_of_what_lies_within(
        events in any_events(14),
        question in any_question(),
        bounds in any_question(),
        segment in 1_usize..6,
    ) {
        let bounds = Question { all: true, at: None, ..bounds };
        let whole = view_of(&events, segment);
        let (within, _) = fitting(&bounds, &events, &whole.sets());
        let within: Vec<AuditEvent> = within.into_iter().cloned().collect();
        let alone = view_of(&within, segment);
        prop_assert_eq!(
            answers(&bound(&whole, &bounds), &question, &events),
            answers(&alone, &question, &events)
        );
    }
}

fn asking(filter: &str) -> Question {
    let filter = Filter::parse(filter, jiff::Timestamp::UNIX_EPOCH).expect("a filter");
    Question { filter, all: true, ..Question::everything() }
}

#[test]
fn what_only_other_lines_teach_is_not_known() {
    let hash = |digit: &str| format!("hmac-sha256:{}", digit.repeat(64));
    let (own, other) = ((hash("1"), "mine".to_owned()), (hash("2"), "theirs".to_owned()));
    let mut events = [on(1, "a", 1.0), on(2, "b", 2.0)];
    events[0].identity.token = Some(hash("3"));
    events[1].identity.token = Some(hash("3"));
    events[1].identity.name = Some("theirs".to_owned());
    let taught = [own.clone(), other.clone()]
        .map(|learned| Taught { learned: vec![learned], ..Taught::default() });
    let events: Vec<_> = events.into_iter().zip(taught).collect();
    let whole = view_taught(&events, 2);
    let view = bound(&whole, &asking("node:a"));
    let texts = |view: &View, hash: &str| view.texts_of(hash).expect("texts").len();
    assert_eq!((texts(&whole, &other.0), texts(&view, &other.0)), (1, 0));
    assert_eq!(texts(&view, &own.0), 1);
    let names = |view: &View| view.token_names(&hash("3")).expect("names").len();
    assert_eq!((names(&whole), names(&view)), (2, 1));
    assert!(view.hashes_of("theirs").expect("hashes").is_empty());
}

#[test]
fn a_view_is_kept_until_the_next_commit_and_told_in_words() {
    let whole = view_of(&[on(1, "a", 1.0), on(2, "b", 2.0)], 1);
    let views = BoundViews::new();
    let bounds = Arc::new(Bounds::new(asking("node:a").filter, None, Some(0)));
    assert_eq!(bounds.sentence(), "what fits node:a, before 1970-01-01T00:00:00Z");
    assert_eq!(Bounds::new(Filter::everything(), None, None).sentence(), "everything");
    let first = views.of(&whole, &bounds);
    assert!(find(&first, Uid([1; 16])).expect("an answer").is_none());
    let other = views.of(&whole, &Arc::new(Bounds::new(asking("node:a").filter, None, None)));
    assert!(find(&other, Uid([1; 16])).expect("an answer").is_some());
    assert!(find(&other, Uid([2; 16])).expect("an answer").is_none());
    assert_eq!(bounds.cut(None, None), (None, Some(0)));
    assert_eq!(bounds.cut(Some(-5), Some(-1)), (Some(-5), Some(-1)));
}
