//! Spark's one command surface: what README, CI and a developer run is a subcommand here.
//!
//! This file is the table of contents. It decides what a command consists of, and in which order; how each step works
//! is in the module named after it.
#![allow(clippy::print_stdout, reason = "a command's output")]

mod checks;
mod fuzz;
mod harness;
mod layering;
mod process;
mod progress;
mod suite;
mod tally;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::progress::Progress;
use crate::tools::Tools;

/// Check, test and measure Spark.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything that must hold before a change lands: tools, format, lints, layering, build, all tests
    Test,
    /// Check format, lints, layering and dependencies, without running a test
    Lint {
        /// Leave out the known weaknesses of dependencies, whose database comes from the network
        #[arg(long)]
        no_advisories: bool,
    },
    /// Measure throughput, latency and footprint
    Bench {
        /// Passed on to the benchmark (see `cargo xtask bench -- --help`)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Break one thing after another while Spark works under load, and account for everything from outside
    ///
    /// Kills, network cuts, full disks, stepped clocks, damaged stores, streams deleted under their readers: each row of
    /// the matrix starts real processes, breaks one thing again and again at random moments, and at the end holds what
    /// Spark kept and showed against an account by software that is not Spark's. Prints a table; exit code 1 when a row
    /// failed. As root. Some arguments: `--list` names the rows, `--row NAME` runs one, `--cycles N` says how often,
    /// `--jobs N` how many rows at a time, `--seed N` replays a run. Without any, the whole matrix, about an hour.
    Soak {
        /// Passed on to the soak test (see `cargo xtask soak -- --help`)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Hand made-up input to decoder, configuration, conditions and archive, and hold each to its property
    ///
    /// Runs the targets one after another, shows how far each is, and prints a table: inputs tried, inputs a second,
    /// edges of code reached, inputs kept, findings. Exit code 1 when something was found; the input is then in
    /// `fuzz/artifacts`. It starts from `fuzz/seeds`, which `cargo xtask test` tries too, and keeps what it learns in
    /// `fuzz/corpus`. Needs a nightly compiler and cargo-fuzz.
    Fuzz {
        /// Run this target only: archive, condition, config or decoder
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 10.0)]
        minutes: f64,
    },
    /// Start the whole compose stack in a private container engine and check it (as root)
    ComposeTest,
    /// Get the tools that tests need and print their paths: eval "$(cargo xtask tools)"
    Tools,
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    run(task).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  because {cause}");
        }
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let progress = Progress::start();
    match task {
        Task::Test => return test(&progress),
        Task::Lint { no_advisories } => lint(&progress, no_advisories)?,
        Task::Bench { args } => harness::bench(&progress, &args)?,
        Task::Soak { args } => harness::soak(&progress, &args)?,
        Task::Fuzz { target, minutes } => return fuzz::run(&progress, target.as_deref(), minutes),
        Task::ComposeTest => harness::compose_test(&progress)?,
        Task::Tools => print!("{}", Tools::get(&progress)?.shell_exports()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The closing line, `N passed, N failed`, is the last thing printed whenever tests were run.
fn test(progress: &Progress) -> Result<ExitCode> {
    let tools = Tools::get(progress)?;
    check_code(progress)?;
    harness::build_spark(progress)?;
    let tally = suite::run(progress, &tools)?;
    progress.done();
    println!("{tally}");
    Ok(tally.exit_code())
}

fn lint(progress: &Progress, no_advisories: bool) -> Result<()> {
    check_code(progress)?;
    checks::dependencies(progress, no_advisories)?;
    progress.done();
    Ok(())
}

fn check_code(progress: &Progress) -> Result<()> {
    checks::format(progress)?;
    checks::clippy(progress)?;
    layering::check(progress)
}
