//! `cargo xtask soak`: the fault matrix for long, of which `cargo xtask test` runs a short cut.
#![allow(clippy::print_stdout, reason = "a command's output")]

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use clap::Parser;
use spark_tests::soak::{Order, Outcome, ROWS, Row, Sums};

/// Break one thing after another while Spark works under load, and account for every observation from outside.
///
/// Each row starts a world of its own: a site that counts its requests, real Spark processes that probe it, a real
/// nats-server that syncs before it acknowledges. One thing is broken again and again at random moments. At the end all
/// is healed, and software that is not Spark's reads the raw frames: every slot of every target observed or missed,
/// exactly once; frames sent = accepted once + visibly rejected; every figure that was shown meanwhile true at its
/// position; what a decision called the state's digest, given again by a replay. Needs root, for network namespaces,
/// full disks and the clock. Exit code 1: a row failed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak --", max_term_width = 100)]
struct Options {
    /// The rows to run (see --list); all of them when none is named
    #[arg(long = "row", value_name = "NAME")]
    rows: Vec<String>,
    /// How often each is broken, instead of the number that --list shows
    #[arg(long)]
    cycles: Option<u64>,
    /// Replays the random moments of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// How many rows run at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Faults that last a minute or more last some seconds
    #[arg(long)]
    short: bool,
    /// Name the rows and end
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        ROWS.iter().for_each(|row| println!("{:<22} {:>5} × {}", row.name, row.cycles, row.what));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = options.rows.iter().find(|name| !ROWS.iter().any(|row| row.name == name.as_str())) {
        eprintln!("error: no row {unknown:?}; --list names them");
        return ExitCode::from(64);
    }
    let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one("soak"));
    println!("seed {seed}");
    let outcomes = run(&options, seed);
    print_table(&outcomes);
    println!("seed {seed}");
    ExitCode::from(u8::from(outcomes.iter().any(|outcome| outcome.result.is_err())))
}

/// Runs the wanted rows, some at a time, and gives their outcomes in the matrix's order.
fn run(options: &Options, seed: u64) -> Vec<Outcome> {
    let is_wanted = |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|name| name == row.name);
    let waiting: Mutex<VecDeque<&Row>> = Mutex::new(ROWS.iter().filter(is_wanted).collect());
    let done = Mutex::new(Vec::new());
    let next = || waiting.lock().ok()?.pop_front();
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(row) = next() {
                    let cycles = options.cycles.unwrap_or(row.cycles);
                    let order = Order { name: row.name, cycles, seed, is_short: options.short };
                    println!("{}: {}, {cycles} times", row.name, row.what);
                    let outcome = row.run(&order);
                    println!("{}: {}", row.name, if outcome.result.is_ok() { "passed" } else { "FAILED" });
                    if let Ok(mut done) = done.lock() {
                        done.push(outcome);
                    }
                }
            });
        }
    });
    let mut outcomes = done.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|outcome| ROWS.iter().position(|row| row.name == outcome.name));
    outcomes
}

fn print_table(outcomes: &[Outcome]) {
    println!(
        "\n{:<22} {:>6} {:>7} {:>9} {:>9} {:>7} {:>9} {:>8} {:>5} {:>5} {:>8} {:>4} {:>6} {:>7} {:>6}  verdict",
        "row",
        "cycles",
        "seconds",
        "requests",
        "observed",
        "failed",
        "missed",
        "frames",
        "runs",
        "twice",
        "rejected",
        "gaps",
        "looks",
        "digests",
        "ended"
    );
    for Outcome { name, cycles, took, result } in outcomes {
        let seconds = took.as_secs();
        match result {
            Ok(sums) => {
                let Sums { requests, observed, failed, missed, frames, runs, duplicates, rejected, .. } = sums;
                let Sums { gaps, looks, digests, ended, effect, .. } = sums;
                println!(
                    "{name:<22} {cycles:>6} {seconds:>7} {requests:>9} {observed:>9} {failed:>7} {missed:>9} \
                     {frames:>8} {runs:>5} {duplicates:>5} {rejected:>8} {gaps:>4} {looks:>6} {digests:>7} {ended:>6}  \
                     passed {effect}"
                );
            }
            Err(wrong) => {
                let first: String = wrong.lines().next().unwrap_or_default().chars().take(300).collect();
                println!("{name:<22} {cycles:>6} {seconds:>7}  FAILED: {first}");
            }
        }
    }
}
