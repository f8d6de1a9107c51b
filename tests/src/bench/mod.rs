//! The rows of DESIGN.md "Numbers", each in a module of its own, and the choice between them.
//!
//! A row brings its own data, servers and limit. It prints what it measured and fails only when it can't measure.

mod load;
mod measure;
mod replay;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use table::Figure;

/// Measure Spark against the numbers it was designed for.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench --")]
pub struct Options {
    /// The rows to measure; all of them when none is named
    rows: Vec<String>,
    /// Fewer events and shorter runs
    #[arg(long)]
    quick: bool,
    /// Name the rows and end
    #[arg(long)]
    list: bool,
}

impl Options {
    /// A size for a full run, and one for a quick one.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

struct Row {
    name: &'static str,
    what: &'static str,
    run: fn(&Options) -> Result<Vec<Figure>>,
}

const ROWS: &[Row] = &[
    Row { name: "replay", what: "replay of the archive", run: replay::run },
];

/// Reads the arguments, measures, prints.
pub fn main() -> ExitCode {
    let options = Options::parse();
    for row in ROWS {
        println!("{}", row.what);
        match (row.run)(&options) {
            Ok(figures) => figures.iter().for_each(Figure::print),
            Err(error) => println!("  failed: {error:#}"),
        }
    }
    ExitCode::SUCCESS
}

/// Runs `work` on a runtime of its own with two threads.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
