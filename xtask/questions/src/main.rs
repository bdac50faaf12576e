//! What questions cost: `questions DATA [NAME [ROUNDS]]` asks a data folder the questions of `cargo xtask bench query` and prints a
//! line for each, with tabs between: the question, events matched, then milliseconds: warm, asked again, opened, cold, the
//! MiB that were read from the disk for cold, and the milliseconds of a server that has started.
//!
//! Warm and again are the least CPU time of several runs, of all threads of the process: other programs slow the clock, and
//! hardly that. Warm asks a view that has answered another question of the kind and has no
//! answer kept; again asks the same view once more. Opened and cold are by the clock, from opening the folder to the answer, the least of
//! several processes that do nothing else: opened finds what it reads in the page cache, cold after the page cache gave up the whole folder.
//! A server that has started was started after the page cache gave up the whole folder, and is prepared, as `keytrail run` is; the clock runs
//! from the question to the answer.
//! With a name, only questions with that in theirs are asked, so many times, for a look by a profiler.
//!
//! `questions DATA --filters` prints the filter of each question for newest events, for who asks a server the same: the question, a tab, the filter.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use cpu_time::ProcessTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::count::{Measures, count_each_in, count_in, distinct_in, measure_in};
use query::filter::{CountField, Filter};
use query::history::View;
use query::interval::Interval;
use query::prepare::prepare;
use query::question::Question;
use query::search::{earliest, search_in};
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

/// Asks a question of a folder that the process has not opened yet, and prints what [`opened`] reads.
const OPEN: &str = "--open";

/// The same of a folder that was opened and prepared before the clock runs.
const STARTED: &str = "--started";

/// Prints filters and asks nothing.
const FILTERS: &str = "--filters";

fn main() -> Fallible<()> {
    let mut arguments = std::env::args_os().skip(1);
    let data = arguments.next().ok_or("which data folder?")?;
    let data = Path::new(&data);
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let named = arguments.next().unwrap_or_default();
    if named == OPEN || named == STARTED {
        let name = arguments.next().ok_or("which question?")?;
        return open(data, named == STARTED, &name, &Values(arguments.collect()));
    }
    let mut out = std::io::stdout();
    let values = Values::of(&Trail::open(data)?.view())?;
    if named == FILTERS {
        for (name, [filter, _]) in newest(&values)? {
            writeln!(out, "{name}\t{filter}")?;
        }
        return Ok(());
    }
    let rounds = arguments.next().map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    for (name, ask_another, ask) in questions(&values)? {
        if !name.contains(&named) {
            continue;
        }
        let (mut warm_ms, mut again_ms, mut matched) = (f64::MAX, f64::MAX, 0);
        let trail = Trail::open(data)?;
        for _ in 0..rounds {
            let view = View::new(trail.view().snapshot().clone());
            ask_another(&view)?;
            let (first, found) = cpu_ms(|| ask(&view))?;
            matched = found;
            warm_ms = warm_ms.min(first);
            again_ms = again_ms.min(cpu_ms(|| ask(&view))?.0);
        }
        // What is mapped the page cache does not give up.
        drop(trail);
        let mut opened_ms = f64::MAX;
        for _ in 0..rounds {
            opened_ms = opened_ms.min(opened(data, OPEN, name, &values)?.0);
        }
        let (mut cold_ms, mut read_mib, mut started_ms) = (f64::MAX, 0.0, f64::MAX);
        for _ in 0..rounds.min(ROUNDS) {
            give_up(data)?;
            (cold_ms, read_mib) = match opened(data, OPEN, name, &values)? {
                (ms, mib) if ms < cold_ms => (ms, mib),
                _ => (cold_ms, read_mib),
            };
            give_up(data)?;
            started_ms = started_ms.min(opened(data, STARTED, name, &values)?.0);
        }
        writeln!(
            out,
            "{name}\t{matched}\t{warm_ms:.2}\t{again_ms:.2}\t{opened_ms:.1}\t{cold_ms:.1}\t{read_mib:.1}\t{started_ms:.1}"
        )?;
    }
    Ok(())
}

/// Prints the milliseconds from opening the folder, or of a server that has started from the question, to the answer, and the bytes
/// that were read from the disk for it.
fn open(data: &Path, is_started: bool, name: &str, values: &Values) -> Fallible<()> {
    let (_, _, ask) = questions(values)?.into_iter().find(|of| of.0 == name).ok_or("no such")?;
    let mut before = read_from_disk()?;
    let mut start = Instant::now();
    let trail = Trail::open(data)?;
    let view = trail.view();
    if is_started {
        prepare(&view)?;
        (before, start) = (read_from_disk()?, Instant::now());
    }
    ask(&view)?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    writeln!(std::io::stdout(), "{ms}\t{}", read_from_disk()? - before)?;
    Ok(())
}

/// Has a process of its own ask a question; returns the milliseconds and MiB that it tells.
fn opened(data: &Path, how: &str, name: &str, values: &Values) -> Fallible<(f64, f64)> {
    let arguments = [data.as_os_str(), OsStr::new(how), OsStr::new(name)];
    let mut asking = Command::new(std::env::current_exe()?);
    asking.args(arguments).args(&values.0).stderr(Stdio::inherit());
    let told = String::from_utf8(asking.output()?.stdout)?;
    let (ms, bytes) = told.trim().split_once('\t').ok_or("the question was not answered")?;
    Ok((ms.parse()?, bytes.parse::<f64>()? / f64::from(1 << 20)))
}

/// Returns how many bytes this process had read from disks, which Linux counts.
fn read_from_disk() -> Fallible<u64> {
    let counted = fs::read_to_string("/proc/self/io")?;
    let bytes = counted.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    Ok(bytes.ok_or("no count of what was read")?.parse()?)
}

/// What is asked about lies in the middle of what there is: of each kind what is asked, and another of the kind.
struct Values(Vec<String>);

/// The places of values.
#[derive(Clone, Copy)]
enum About {
    Identity,
    Path,
    Word,
    Request,
    Token,
    Accessor,
}

impl Values {
    fn of(view: &View) -> Fallible<Values> {
        let middle = |name: &str, of: usize| -> Fallible<String> {
            let by = [field(view, name)?];
            let counts = count_in(view, &Question::everything(), &by, None)?;
            let rows: Vec<_> =
                counts.rows.iter().filter_map(|row| row.values.last()?.clone()).collect();
            Ok(rows.get(rows.len() / of).ok_or("no values")?.clone())
        };
        let newest = search_in(view, &Question::everything(), 1, None)?.items;
        let last = newest.first().and_then(|row| row.time_unix_ns).ok_or("no event has a time")?;
        let first = earliest(view, &Question::everything())?.unwrap_or(last);
        let middle_ns = first + (last - first) / 2;
        let before = Question { to: Some(middle_ns), ..filtered("has:lease")? };
        let leases = search_in(view, &before, 40, None)?.items;
        let [newer, .., older] = &leases[..] else { return Err("too few leases".into()) };
        let word = |path: &str| path.rsplit(['/', '-']).next().unwrap_or_default().to_owned();
        let of =
            |value: &Option<String>| value.clone().ok_or("an event with a lease lacks a value");
        let (path, another_path) = (middle("path", 2)?, middle("path", 3)?);
        Ok(Values(vec![
            last.to_string(),
            middle("identity", 2)?,
            middle("identity", 3)?,
            path.clone(),
            another_path.clone(),
            word(&path),
            word(&another_path),
            of(&newer.request_id)?,
            of(&older.request_id)?,
            of(&newer.token)?,
            of(&older.token)?,
            of(&newer.accessor)?,
            of(&older.accessor)?,
        ]))
    }

    /// When the newest event was.
    fn last(&self) -> Fallible<i64> {
        Ok(self.0.first().ok_or("no time")?.parse()?)
    }

    /// What is asked about, and another of the kind.
    fn about(&self, about: About) -> Fallible<[&str; 2]> {
        let at = 1 + 2 * about as usize;
        let both = self.0.get(at..at + 2).ok_or("too few values")?;
        Ok([&both[0], &both[1]])
    }
}

/// Returns the questions for newest events: of each its filter, and another of the kind.
fn newest(values: &Values) -> Fallible<Vec<(&'static str, [Filter; 2])>> {
    let parsed = |text: &str| Filter::parse(text, Timestamp::UNIX_EPOCH);
    let exact = |key: &str, about: About| -> Fallible<[Filter; 2]> {
        let [one, another] = values.about(about)?;
        Ok([exactly(key, one)?, exactly(key, another)?])
    };
    let [word, another_word] = values.about(About::Word)?;
    Ok(vec![
        ("newest 50 of everything", [Filter::everything(), parsed("decision:denied")?]),
        ("newest 50 of an identity", exact("identity", About::Identity)?),
        ("newest 50 of a path", exact("path", About::Path)?),
        ("newest 50 with a word", [parsed(word)?, parsed(another_word)?]),
        ("by request id", exact("request", About::Request)?),
        ("newest 50 of a token", exact("token", About::Token)?),
        ("newest 50 with an HMAC", exact("hash", About::Accessor)?),
    ])
}

/// Returns the questions.
fn questions(values: &Values) -> Fallible<Vec<Asked>> {
    let everything = Question::everything();
    let mut all: Vec<Asked> = Vec::new();
    for (name, [filter, another]) in newest(values)? {
        let ask = |filter| -> Ask {
            let question = Question { filter, ..Question::everything() };
            Box::new(move |view| Ok(search_in(view, &question, 50, None)?.matched))
        };
        all.push((name, ask(another), ask(filter)));
    }
    let last = values.last()?;
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
    let start = ProcessTime::now();
    let answer = run()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, answer))
}

/// Lets the page cache forget the files of a folder and of those in it, as far as nobody has them mapped.
fn give_up(folder: &Path) -> Fallible<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            give_up(&path)?;
        } else if path.is_file() {
            let file = fs::File::open(&path)?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
