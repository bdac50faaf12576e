//! `GET /explore?q=&from=&to=&all=&at=&page=`: which events, narrowed step by step.
//!
//! A mistake in the question is shown at its place, with status 400, and the box keeps what was typed;
//! it is never an answer of no rows.

use askama::Template;
use axum::extract::{Query, State};
use query::filter::{Filter, FilterError};
use query::page::PageToken;

use crate::app::{App, Seen};
use crate::asked::{Asked, NotUnderstood};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::link;
use crate::page::Rendered;
use crate::pages::overview::shell;
use crate::pages::scope::Span;
use crate::shell::Shell;
use crate::text::Text;
use crate::time::Stretch;

mod answer;
mod facets;
mod over_time;
mod views;

use self::answer::Answer;
use self::views::Views;
pub(crate) use self::views::{forget_view, save_view};

/// The explorer.
#[derive(Template)]
#[template(path = "explore.html")]
pub(crate) struct ExplorePage {
    shell: Shell,
    /// Exactly what was typed, for the box.
    q: String,
    title: Text,
    from: String,
    to: String,
    all: bool,
    /// The leaf as of which it is answered, if that is asked for.
    at: String,
    thawed: String,
    live: String,
    spans: Vec<Span>,
    views: Views,
    chips: Vec<Chip>,
    problem: Option<Problem>,
    examples: Vec<Example>,
    answer: Option<Answer>,
}

/// What cannot be understood, with its place.
struct Problem {
    says: String,
    meant: Option<Meant>,
}

/// What may have been meant.
struct Meant {
    text: Text,
    href: String,
}

/// A question to start from.
struct Example {
    text: &'static str,
    href: String,
    says: &'static str,
}

/// One term of the filter, and the question without it.
struct Chip {
    text: Text,
    without: String,
}

/// The page.
pub(crate) async fn explore(
    reader: May<Look>,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Rendered<ExplorePage>, PageError> {
    app.ask(&reader, move |trail| page(trail, &asked)).await
}

fn page(trail: &Seen, asked: &Asked) -> Result<Rendered<ExplorePage>, PageError> {
    let link = asked.link();
    let page = ExplorePage {
        shell: shell(trail, "Explore"),
        q: asked.q.clone(),
        title: Text::new(if link.q.is_empty() { "Explore" } else { &link.q }),
        from: asked.from.clone(),
        to: asked.to.clone(),
        all: link.all,
        at: link.at.clone(),
        thawed: link::Question { at: String::new(), ..link.clone() }.href("/explore"),
        live: link::Question { q: link.q.clone(), all: link.all, ..link::Question::default() }
            .href("/live"),
        spans: spans(&link),
        views: views::views(trail, &link),
        chips: Vec::new(),
        problem: None,
        examples: Vec::new(),
        answer: None,
    };
    match asked.question() {
        Ok(question) => {
            let after: Option<PageToken> = match &*asked.page {
                "" => None,
                token => Some(token.parse()?),
            };
            let chips = chips(&question.filter, &link);
            let answer = answer::answer(trail, &question, &link, after.as_ref())?;
            Ok(Rendered::ok(ExplorePage { chips, answer: Some(answer), ..page }))
        }
        Err(problem) => {
            let problem = Some(self::problem(&problem, &link));
            Ok(Rendered::bad_request(ExplorePage { problem, examples: examples(), ..page }))
        }
    }
}

fn problem(problem: &NotUnderstood, link: &link::Question) -> Problem {
    let meant = match problem {
        NotUnderstood::Filter(error) => corrected(error).map(|q| Meant {
            text: Text::new(&q),
            href: link::Question { q, ..link.clone() }.href("/explore"),
        }),
        NotUnderstood::Time(_) | NotUnderstood::Leaf(_) => None,
    };
    Problem { says: problem.to_string(), meant }
}

/// Returns the filter with what may have been meant in the place of the mistake, if that is a filter.
fn corrected(error: &FilterError) -> Option<String> {
    let mut q = error.filter.clone();
    q.replace_range(error.span.clone(), error.suggestion.as_ref()?);
    Filter::parse(&q, jiff::Timestamp::now()).is_ok().then_some(q)
}

fn chips(filter: &Filter, link: &link::Question) -> Vec<Chip> {
    let parts = filter.parts();
    let chip = |at: usize| {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
        let without = Filter::all_of(others.map(|(_, part)| part.clone()));
        Chip {
            text: Text::new(&parts[at].to_string()),
            without: link::Question { q: without.to_string(), ..link.clone() }.href("/explore"),
        }
    };
    (0..parts.len()).map(chip).collect()
}

fn spans(link: &link::Question) -> Vec<Span> {
    let span = |stretch: Stretch| {
        let from = match stretch {
            Stretch::All => String::new(),
            stretch => format!("-{}", stretch.word()),
        };
        let to = String::new();
        Span {
            name: stretch.name(),
            current: (&from, &to) == (&link.from, &link.to),
            href: link::Question { from, to, ..link.clone() }.href("/explore"),
        }
    };
    Stretch::ALL.map(span).into()
}

fn examples() -> Vec<Example> {
    let example = |(text, says): (&'static str, _)| Example {
        text,
        says,
        href: link::Question { q: text.to_owned(), ..link::Question::default() }.href("/explore"),
    };
    EXAMPLES.map(example).into()
}

/// A test parses them.
const EXAMPLES: [(&str, &str); 6] = [
    ("decision:denied after:-7d", "what was refused in the last seven days"),
    ("path:secret/data/prod/** op:write", "who wrote below this path"),
    ("is:root", "every use of a root token"),
    ("action:auth.login decision:denied -ip:10.0.0.0/8", "failed logins from outside"),
    ("identity:my-app/* outcome:not_found", "what an application looked for in vain"),
    ("action:policy.write,audit.disable", "changes to policies, and audit devices switched off"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_filters() {
        for (text, _) in EXAMPLES {
            Filter::parse(text, jiff::Timestamp::now()).expect(text);
        }
    }

    #[test]
    fn a_typo_can_be_clicked_away() {
        for (typed, meant) in [
            ("decison:denied path:x", Some("decision:denied path:x")),
            ("decision:denyed", Some("decision:denied")),
            ("(a", None),
        ] {
            let error = Filter::parse(typed, jiff::Timestamp::now()).expect_err(typed);
            assert_eq!(corrected(&error).as_deref(), meant, "{typed}");
        }
    }

    #[test]
    fn each_chip_takes_one_term_away() {
        let filter =
            Filter::parse("decision:denied (a OR b)", jiff::Timestamp::now()).expect("a filter");
        let link = link::Question {
            q: filter.to_string(),
            from: "-7d".to_owned(),
            ..link::Question::default()
        };
        let chips: Vec<_> = chips(&filter, &link)
            .into_iter()
            .map(|chip| (chip.text.to_string(), chip.without))
            .collect();
        assert_eq!(
            chips,
            [
                ("decision:denied".to_owned(), "/explore?q=a+OR+b&from=-7d".to_owned()),
                ("a OR b".to_owned(), "/explore?q=decision%3Adenied&from=-7d".to_owned()),
            ]
        );
    }
}
