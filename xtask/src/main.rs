//! The project's own tasks: `cargo xtask test` is the one command for all checks, here and in CI;
//! `cargo xtask bench` measures.
//!
//! A task needs nothing but cargo and a network for the first run: what else it needs it installs, below
//! `target/` where that is possible.

mod bench;
mod measure;
mod samples;
mod soak;
mod step;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "keytrail's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what the tests need and run every check.
    Test {
        /// Also what starts a real OpenBao, and licences and advisories of the dependencies.
        #[arg(long)]
        full: bool,
    },
    /// Run what is too long for each test run.
    Soak {
        /// Only this part.
        #[arg(long)]
        only: Option<soak::Part>,
        /// How many rounds, of whatever the part has rounds of [default: as the part says].
        #[arg(long)]
        rounds: Option<u64>,
    },
    /// Take a picture of each page, light and dark, of the recorded log: docs/screenshots.
    Screenshots,
    /// Make one of each thing that keytrail gives out, of the recorded log: docs/samples.
    Samples,
    /// Measure.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// CPU, memory and disk of an import, beside `zstd -3 | sha256sum` of the same file in the same run.
    Ingest {
        /// Lines of the generated log.
        #[arg(long, default_value_t = 1_000_000)]
        lines: u64,
        /// How often each of the two is run, turn by turn.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// keytrail beside ripgrep, jq, zstd, DuckDB, vault-audit-tools, VictoriaLogs and OpenSearch: the same log, the same
    /// questions, the same answers.
    Peers {
        /// Lines of the generated log.
        #[arg(long, default_value_t = 300_000)]
        lines: u64,
    },
    /// Events a second, CPU and memory of a sink, beside what its receiver takes of a plain client.
    Forward {
        /// Lines of the generated log.
        #[arg(long, default_value_t = 300_000)]
        lines: u64,
    },
    /// CPU and memory of a pack that is made, and verified by both verifiers.
    Pack {
        /// Millions of events.
        #[arg(long, default_value_t = 1)]
        millions: u64,
    },
    /// How long each page takes on a million events.
    Pages,
    /// What questions cost on one million events and on more: warm, asked again, of a folder just opened, cold.
    Query {
        /// Millions of events of the larger index.
        #[arg(long, default_value_t = 10)]
        millions: u64,
    },
    /// Clock, CPU and memory of a start on a large ledger, of `status`, and of a search.
    Restart {
        /// Gigabytes (10^9 bytes) of log in the ledger.
        #[arg(long, default_value_t = 10)]
        gigabytes: u64,
    },
    /// Answers, lag and memory of `keytrail run` that 200 clients ask beside 5,000 new lines a second.
    Storm {
        /// For so long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Memory and CPU of `keytrail run` that has a log to catch up with, then idles.
    Tail {
        /// Lines of the generated log.
        #[arg(long, default_value_t = 1_000_000)]
        lines: u64,
    },
    /// Clock and CPU of a verification, beside `zstd -d | sha256sum` of the same segments.
    Verify {
        /// Lines of the generated log.
        #[arg(long, default_value_t = 1_000_000)]
        lines: u64,
        /// How often each of the two is run, turn by turn.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { full } => test::run(full),
        Task::Soak { only, rounds } => soak::run(only, rounds),
        Task::Bench { what: Bench::Ingest { lines, rounds } } => bench::ingest(lines, rounds),
        Task::Samples => samples::samples(),
        Task::Screenshots => test::screenshots(),
        Task::Bench { what: Bench::Forward { lines } } => bench::forward(lines),
        Task::Bench { what: Bench::Pack { millions } } => bench::pack(millions),
        Task::Bench { what: Bench::Pages } => bench::pages(),
        Task::Bench { what: Bench::Peers { lines } } => bench::peers(lines),
        Task::Bench { what: Bench::Query { millions } } => bench::query(millions),
        Task::Bench { what: Bench::Restart { gigabytes } } => bench::restart(gigabytes),
        Task::Bench { what: Bench::Storm { seconds } } => bench::storm(seconds),
        Task::Bench { what: Bench::Tail { lines } } => bench::tail(lines),
        Task::Bench { what: Bench::Verify { lines, rounds } } => bench::verify(lines, rounds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
