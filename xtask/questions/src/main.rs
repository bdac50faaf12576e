//! What questions cost: `questions DATA [NAME [ROUNDS]]` asks a data folder the questions of `cargo xtask bench query` and prints a
//! line for each, with tabs between: the question, events matched, then milliseconds: warm, asked again, cold.
//!
//! Warm and again are the least CPU time of several runs, of the one thread that answers: other programs slow the clock, and
//! hardly that. Warm asks a view that has answered another question of the kind and has no
//! answer kept; again asks the same view once more. Cold is by the clock, from opening the folder to the answer, after the index was
//! given up by the page cache. With a name, only questions with that in theirs are asked, so many times, for a look by a profiler.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use cpu_time::ThreadTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::count::{Measures, count_each_in, count_in, distinct_in, measure_in};
use query::filter::{CountField, Filter};
use query::history::View;
use query::interval::Interval;
use query::question::Question;
use query::search::search_in;
use query::trail::Trail;

/// What keytrail has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Asks a view; returns how many events match.
type Ask = Box<dyn Fn(&View) -> Fallible<u64>>;

/// A question's name, a question of its kind about something else, and what asks it.
type Asked = (&'static str, Ask, Ask);

const FACETS: [&str; 7] = ["decision", "identity", "action", "path", "mount", "node", "ip"];
const ROUNDS: usize = 5;
const DAY_NS: i64 = 86_400_000_000_000;

fn main() -> Fallible<()> {
    let data = std::env::args_os().nth(1).ok_or("which data folder?")?;
    let data = Path::new(&data);
    let named = std::env::args().nth(2).unwrap_or_default();
    let rounds = std::env::args().nth(3).map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    let trail = Trail::open(data)?;
    let mut out = std::io::stdout();
    for (name, ask_another, ask) in questions(&trail.view())? {
        if !name.contains(&named) {
            continue;
        }
        let (mut warm_ms, mut again_ms, mut matched) = (f64::MAX, f64::MAX, 0);
        for _ in 0..rounds {
            let view = View::new(trail.view().snapshot().clone());
            ask_another(&view)?;
            let (first, found) = cpu_ms(|| ask(&view))?;
            matched = found;
            warm_ms = warm_ms.min(first);
            again_ms = again_ms.min(cpu_ms(|| ask(&view))?.0);
        }
        give_up(&data.join("index"))?;
        let start = Instant::now();
        ask(&Trail::open(data)?.view())?;
        let cold_ms = start.elapsed().as_secs_f64() * 1e3;
        writeln!(out, "{name}\t{matched}\t{warm_ms:.2}\t{again_ms:.2}\t{cold_ms:.1}")?;
    }
    Ok(())
}

/// Returns the questions, about values that lie in the middle of what there is.
fn questions(view: &View) -> Fallible<Vec<Asked>> {
    let everything = Question::everything();
    let middle = |name: &str, of: usize| -> Fallible<String> {
        let counts = count_in(view, &everything, &[field(view, name)?], None)?;
        let rows: Vec<_> =
            counts.rows.iter().filter_map(|row| row.values.last()?.clone()).collect();
        Ok(rows.get(rows.len() / of).ok_or("no values")?.clone())
    };
    let leases = search_in(view, &filtered("has:lease")?, 40, None)?.items;
    let [newest, .., older] = &leases[..] else { return Err("no leases".into()) };
    let word = |path: String| path.rsplit(['/', '-']).next().unwrap_or_default().to_owned();
    let of = |value: &Option<String>| value.clone().ok_or("the newest event lacks a value");
    let parsed = |text: &str| Filter::parse(text, Timestamp::UNIX_EPOCH);
    let mut all: Vec<Asked> = Vec::new();
    let exact = |key: &str, one: String, other: String| -> Fallible<(Filter, Filter)> {
        Ok((exactly(key, &one)?, exactly(key, &other)?))
    };
    let words = (word(middle("path", 3)?), word(middle("path", 2)?));
    for (name, (another, filter)) in [
        ("newest 50 of everything", (parsed("decision:denied")?, Filter::everything())),
        (
            "newest 50 of an identity",
            exact("identity", middle("identity", 3)?, middle("identity", 2)?)?,
        ),
        ("newest 50 of a path", exact("path", middle("path", 3)?, middle("path", 2)?)?),
        ("newest 50 with a word", (parsed(&words.0)?, parsed(&words.1)?)),
        ("by request id", exact("request", of(&older.request_id)?, of(&newest.request_id)?)?),
        ("newest 50 of a token", exact("token", of(&older.token)?, of(&newest.token)?)?),
        ("newest 50 with an HMAC", exact("hash", of(&older.accessor)?, of(&newest.accessor)?)?),
    ] {
        let ask = |filter| -> Ask {
            let question = Question { filter, ..Question::everything() };
            Box::new(move |view| Ok(search_in(view, &question, 50, None)?.matched))
        };
        all.push((name, ask(another), ask(filter)));
    }
    let last = newest.time_unix_ns.ok_or("the newest event has no time")?;
    // Nothing that is kept of it answers the others: it counts what they leave out.
    let another = || -> Ask {
        let all = Question { all: true, from: Some(last - 9 * DAY_NS), ..Question::everything() };
        Box::new(move |view| {
            let by = fields(view, &["identity", "path", "decision"])?;
            Ok(count_in(view, &all, &by, None)?.total)
        })
    };
    let third = Question { from: Some(last - 10 * DAY_NS), ..Question::everything() };
    let hour = Interval::parse("1h", &TimeZone::UTC)?;
    for (name, question) in [
        ("matrix identity x path x decision, ten days", third),
        ("matrix identity x path x decision, everything", everything.clone()),
    ] {
        all.push((
            name,
            another(),
            Box::new(move |view| {
                let by = fields(view, &["identity", "path", "decision"])?;
                Ok(count_in(view, &question, &by, None)?.total)
            }),
        ));
    }
    let whole = everything.clone();
    all.push((
        "histogram by hour and decision, everything",
        another(),
        Box::new(move |view| {
            Ok(count_in(view, &whole, &fields(view, &["decision"])?, Some(&hour))?.total)
        }),
    ));
    let whole = everything.clone();
    all.push((
        "facets of seven fields, everything",
        another(),
        Box::new(move |view| {
            Ok(count_each_in(view, &whole, &fields(view, &FACETS)?)?
                .first()
                .map_or(0, |of| of.total))
        }),
    ));
    let whole = everything.clone();
    all.push((
        "distinct paths of each identity, everything",
        another(),
        Box::new(move |view| {
            let by = fields(view, &["identity"])?;
            Ok(distinct_in(view, &whole, field(view, "path")?, &by, None)?.total)
        }),
    ));
    all.push((
        "first, last and latency of each action, everything",
        another(),
        Box::new(move |view| {
            let measures = Measures { seen: true, latency: true };
            Ok(measure_in(view, &everything, &fields(view, &["action"])?, None, measures)?.total)
        }),
    ));
    Ok(all)
}

fn filtered(filter: &str) -> Fallible<Question> {
    let filter = Filter::parse(filter, Timestamp::UNIX_EPOCH)?;
    Ok(Question { filter, ..Question::everything() })
}

fn exactly(key: &str, value: &str) -> Fallible<Filter> {
    Ok(Filter::exactly(key, value).ok_or("no such key")?)
}

fn field(view: &View, name: &str) -> Fallible<CountField> {
    Ok(CountField::parse(name, view.fields())?)
}

fn fields(view: &View, names: &[&str]) -> Fallible<Vec<CountField>> {
    names.iter().map(|name| field(view, name)).collect()
}

/// Runs and returns the milliseconds that it took.
fn cpu_ms<T>(run: impl FnOnce() -> Fallible<T>) -> Fallible<(f64, T)> {
    let start = ThreadTime::now();
    let answer = run()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, answer))
}

/// Lets the page cache forget a folder's files, as far as nobody has them mapped.
fn give_up(folder: &Path) -> Fallible<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            let file = fs::File::open(&path)?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
