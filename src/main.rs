//! keytrail turns the audit log of a secrets server into evidence.
//!
//! This crate is the program only: arguments, configuration, wiring, the demo. It is the one place
//! that reads environment and configuration files.

mod alarm;
mod args;
mod commands;
mod config;
mod data_folder;
mod deed;
mod demo;
mod failure;
mod heartbeat;
mod host;
mod logging;
mod metrics;
mod output;
mod outside;
mod progress;
mod retaining;
mod schedule;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::Failure;

/// An import makes and frees some hundred strings a line, many on one thread and freed on another, where the C library's
/// allocator takes a lock: with this one it takes a sixth less CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    logging::install();
    outside::install_tls();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has gone (`| head`) is no failure of ours.
        Err(Failure::Other(error)) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Run(run) => commands::run::run(run),
        Command::Import(import) => commands::import::run(import),
        Command::Search(search) => commands::search::run(search),
        Command::Count(count) => commands::count::run(count),
        Command::Lookup(lookup) => commands::lookup::run(lookup),
        Command::Leases(leases) => commands::given_out::leases(leases),
        Command::Tokens(tokens) => commands::given_out::tokens(tokens),
        Command::Report(report) => commands::report::run(report),
        Command::Issued(issued) => commands::issued::run(issued),
        Command::Controls(controls) => commands::controls::run(controls),
        Command::Pack(pack) => commands::pack::run(pack),
        Command::Evidence(evidence) => commands::evidence::run(evidence),
        Command::Verify(verify) => commands::verify::run(verify),
        Command::Prove(prove) => commands::prove::run(prove),
        Command::Key(key) => commands::key::run(key),
        Command::Cat(cat) => commands::cat::run(cat),
        Command::Backup(backup) => commands::backup::run(backup),
        Command::Rebuild(rebuild) => commands::rebuild::run(rebuild),
        Command::Retention(retention) => commands::retention::run(retention),
        Command::Hold(hold) => commands::hold::run(hold),
        Command::Forward(forward) => commands::forward::run(forward),
        Command::Status(status) => commands::status::run(status),
        Command::User(user) => commands::account::user(user),
        Command::Token(token) => commands::account::token(token),
        Command::CheckConfig(check) => commands::check_config::run(check),
        Command::Completions(completions) => commands::completions::run(&completions),
        Command::Rules(rules) => commands::rules::run(&rules),
        Command::Demo(demo) => commands::demo::run(demo),
    }
}
