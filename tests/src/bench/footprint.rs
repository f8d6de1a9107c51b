//! What a series takes of memory and disk after 30 days of an observation every 15 s.
//!
//! Two processes fold different numbers of series into a store, so that what the store takes by itself falls out.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use spark_aggregator::Projection;
use spark_schemas::TimeNs;

use super::Options;
use super::load::{self, Load};
use super::measure::{bytes_in, resident_bytes};
use super::table::{Figure, bytes};

const DAY: u64 = 86_400 * TimeNs::SECOND;
const FROM: TimeNs = TimeNs(1_750_000_000 * TimeNs::SECOND);
/// A process folds at most so many frames between checkpoints; in ten seconds it would be more.
const FRAMES_PER_CHECKPOINT: u64 = 2_000;
const MEMORY_MAX: u64 = 64 << 10;
const DISK_MAX: u64 = 512 << 10;
const WHY_MEMORY: &str =
    "of the heap, sled's copies of what it wrote are most; ten sums, a day of pages and their digests are some 90 KB";
const WHY_DISK: &str = "not profiled yet; sled keeps old versions of what it was given until it rewrites their segment";

/// What a process with so many series takes.
struct Footprint {
    series: u64,
    memory: u64,
    disk: u64,
}

/// The rows.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (few, many) = options.pick((16, 128), (8, 48));
    let (few, many) = (in_a_process_of_its_own(few)?, in_a_process_of_its_own(many)?);
    let of_one = |take: fn(&Footprint) -> u64| take(&many).saturating_sub(take(&few)) / (many.series - few.series);
    let (memory, disk) = (of_one(|of| of.memory), of_one(|of| of.disk));
    let alone = few.memory.saturating_sub(memory * few.series);
    Ok(vec![
        Figure::new("memory of a series with 30 d at 15 s", bytes(memory), "64 KB")
            .reached(memory <= MEMORY_MAX, WHY_MEMORY),
        Figure::new("disk of a series with 30 d at 15 s", bytes(disk), "512 KB").reached(disk <= DISK_MAX, WHY_DISK),
        Figure::aside(
            "  both processes",
            format!(
                "{} and {} series: {} and {} of memory, {} and {} of disk; without series about {}",
                few.series,
                many.series,
                bytes(few.memory),
                bytes(many.memory),
                bytes(few.disk),
                bytes(many.disk),
                bytes(alone)
            ),
        ),
    ])
}

fn in_a_process_of_its_own(series: u64) -> Result<Footprint> {
    let child = Command::new(std::env::current_exe()?).args(["--footprint-of", &series.to_string()]).output()?;
    ensure!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let printed = String::from_utf8(child.stdout)?;
    let mut figures = printed.split_whitespace().map(str::parse);
    let mut next = || figures.next().context("the process printed too little")?.context("no number");
    Ok(Footprint { series, memory: next()?, disk: next()? })
}

/// Folds 30 days of `series` series into a store and prints the memory and disk that it takes.
pub fn print_of(series: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store = dir.path().join("store");
    let projection = Projection::open(&store, 0, "bench")?;
    let mut load = Load::new(1, usize::try_from(series)?, 15_000);
    let (subject, mut seq) = (load.subject(), 0);
    let declared = load.declaration(FROM);
    for frame in declared.into_iter().chain(load.frames(FROM, TimeNs(FROM.0 + 30 * DAY), 100)) {
        seq += 1;
        projection.apply(&[load::recorded(&frame, &subject, seq)?]);
        if seq % FRAMES_PER_CHECKPOINT == 0 {
            projection.checkpoint()?;
        }
    }
    projection.go_live();
    projection.checkpoint()?;
    println!("{} {}", resident_bytes(std::process::id())?, bytes_in(&store)?);
    Ok(())
}
