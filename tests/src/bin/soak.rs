//! `cargo xtask soak`: the tests of faults for long, where `cargo xtask test` runs a short cut of each.
//!
//! It runs the same tests, says how many cycles or seeds each has to do, and sums up what they printed.
#![allow(clippy::print_stdout, reason = "a command's output")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::time::Instant;

/// Kill Spark again and again, and simulate it over many seeds.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak --")]
struct Options {
    /// The parts to run (see --list); all of them when none is named
    parts: Vec<String>,
    /// How often each process is killed
    #[arg(long, default_value_t = 20)]
    cycles: u64,
    /// How many seeds the fold is simulated with
    #[arg(long, default_value_t = 20_000)]
    fold_seeds: u64,
    /// How many seeds the probe is simulated with
    #[arg(long, default_value_t = 2_000)]
    probe_seeds: u64,
    /// Name the parts and end
    #[arg(long)]
    list: bool,
}

/// A test, and how it is told to run for long.
struct Part {
    name: &'static str,
    what: &'static str,
    /// What `cargo test` is asked to run.
    test: &'static [&'static str],
    variable: &'static str,
    times: fn(&Options) -> u64,
}

const PARTS: &[Part] = &[
    Part {
        name: "kill",
        what: "kill -9 at random moments; every acknowledged observation counted once",
        test: &["-p", "spark-tests", "--test", "kill"],
        variable: "SPARK_KILL_CYCLES",
        times: |options| options.cycles,
    },
    Part {
        name: "fold",
        what: "simulated logs, duplicates, reorderings and crashes, into the fold",
        test: &["-p", "spark-core", "--test", "simulation"],
        variable: "SPARK_SIM_RUNS",
        times: |options| options.fold_seeds,
    },
    Part {
        name: "probe",
        what: "simulated lives of a probe; every slot said once",
        test: &["-p", "spark-probe", "--lib", "simulation"],
        variable: "SPARK_SIMULATION_RUNS",
        times: |options| options.probe_seeds,
    },
];

/// What came of a part.
struct Outcome {
    name: &'static str,
    times: u64,
    took: Duration,
    passed: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        PARTS.iter().for_each(|part| println!("{:<6} {}", part.name, part.what));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = options.parts.iter().find(|name| !PARTS.iter().any(|part| part.name == name.as_str())) {
        eprintln!("error: no part {unknown:?}; --list names them");
        return ExitCode::from(64);
    }
    let is_wanted = |part: &&Part| options.parts.is_empty() || options.parts.iter().any(|name| name == part.name);
    let outcomes: Result<Vec<Outcome>> =
        PARTS.iter().filter(is_wanted).map(|part| run(part, (part.times)(&options))).collect();
    match outcomes {
        Ok(outcomes) => sum_up(&outcomes),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a part; what the test prints is passed on as it comes.
fn run(part: &Part, times: u64) -> Result<Outcome> {
    println!("{}: {} ({}={times})", part.name, part.what, part.variable);
    let begun = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args(["test", "--quiet"])
        .args(part.test)
        .args(["--", "--nocapture", "--test-threads=1"])
        .env(part.variable, times.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo")?;
    let printed = child.stdout.take().context("the output was piped")?;
    for line in BufReader::new(printed).lines() {
        println!("  {}", line?);
    }
    let passed = child.wait()?.success();
    Ok(Outcome { name: part.name, times, took: begun.elapsed(), passed })
}

fn sum_up(outcomes: &[Outcome]) -> ExitCode {
    println!("Sums");
    for Outcome { name, times, took, passed } in outcomes {
        let verdict = if *passed { "passed" } else { "FAILED" };
        println!("  {name:<6} {times:>8} times in {:>7.1} s: {verdict}", took.as_secs_f64());
    }
    ExitCode::from(u8::from(outcomes.iter().any(|outcome| !outcome.passed)))
}
