//! What Spark promises of its speed: each row in a module of its own, and the choice between them.
//!
//! A row brings its own data, servers and limit. It prints what it measured and fails only when it can't measure.

mod beside;
mod blackbox;
mod checks;
mod connection;
mod drain;
mod footprint;
mod gate;
mod jetstream;
mod load;
mod measure;
mod objectives;
mod pages;
mod probing;
mod replay;
mod service;
mod start;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use table::Figure;

/// Measure Spark against the numbers it was designed for.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench --")]
struct Options {
    /// The rows to measure (see --list); all of them when none is named
    rows: Vec<String>,
    /// Fewer events and shorter runs
    #[arg(long)]
    quick: bool,
    /// Name the rows and end
    #[arg(long)]
    list: bool,
    /// The part of the row `footprint` that needs a process of its own
    #[arg(long, hide = true)]
    footprint_of: Option<u64>,
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
    measure: fn(&Options) -> Result<Vec<Figure>>,
}

const ROWS: &[Row] = &[
    Row { name: "replay", what: "Replay", measure: replay::run },
    Row { name: "objectives", what: "Counting objectives", measure: objectives::run },
    Row { name: "ingest", what: "Ingest through JetStream, sync_interval always", measure: jetstream::ingest },
    Row { name: "single", what: "Consuming from JetStream", measure: jetstream::single },
    Row { name: "visible", what: "Made to visible", measure: probing::visible },
    Row { name: "web", what: "Answers of the web service", measure: pages::run },
    Row { name: "gate", what: "Gate decisions", measure: gate::run },
    Row { name: "start", what: "spark up", measure: start::run },
    Row { name: "footprint", what: "Footprint of a series", measure: footprint::run },
    Row { name: "lateness", what: "Schedule", measure: probing::lateness },
    Row { name: "drain", what: "Backlog of the outbox", measure: drain::run },
    Row { name: "checks", what: "HTTP checks", measure: checks::run },
    Row { name: "report", what: "Daily report", measure: report },
    Row { name: "beside", what: "Beside Prometheus and blackbox_exporter", measure: beside::run },
];

fn report(_: &Options) -> Result<Vec<Figure>> {
    let what = "daily report over 10 M events, and its verification with replay";
    Ok(vec![Figure::absent(what, "15 s each", "there are no reports yet (part 4)")])
}

/// Reads the arguments, measures, prints. Figures that fall short are no failure: they are what it is run for.
pub fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(series) = options.footprint_of {
        return end(footprint::print_of(series));
    }
    if options.list {
        ROWS.iter().for_each(|row| println!("{:<10} {}", row.name, row.what));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = options.rows.iter().find(|name| !ROWS.iter().any(|row| row.name == name.as_str())) {
        eprintln!("error: no row {unknown:?}; --list names them");
        return ExitCode::from(64);
    }
    let is_wanted = |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|name| name == row.name);
    let (mut short, mut failed) = (0, 0);
    for row in ROWS.iter().filter(is_wanted) {
        println!("{} ({})", row.what, row.name);
        match (row.measure)(&options) {
            Ok(figures) => {
                figures.iter().for_each(Figure::print);
                short += figures.iter().filter(|figure| figure.is_short()).count();
            }
            Err(error) => {
                println!("  could not be measured: {error:#}");
                failed += 1;
            }
        }
    }
    println!("{short} figures fall short, {failed} rows could not be measured");
    ExitCode::from(u8::from(failed > 0))
}

fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` on a runtime of its own with two threads.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
