//! Replay: archive → fold, on one core, beside a loop that only decodes, hashes and records to a histogram.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use hdrhistogram::Histogram;
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::{Applied, State};
use spark_core::merkle::leaf_hash;
use spark_eventlog::archive::{Archive, ArchiveOptions, leaves};
use spark_schemas::{Event, Frame, Leaf, TimeNs};

use super::load::{self, Load};
use super::measure::{self, per_second, timed};
use super::table::{Figure, amount};
use super::{Options, block_on};

const WHY: &str = "a profile has hashing first (15 %), then the four open buckets that each observation goes to (11 %), copies \
                   (8 %) and the decoder; the loop beside it has no buckets to find";

/// The rows.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (observations, rounds) = options.pick((2_000_000, 3), (300_000, 3));
    let dir = tempfile::tempdir()?;
    write_archive(dir.path(), observations)?;
    let bytes: Vec<Bytes> = leaves(dir.path(), 1)?.collect::<Result<_, _>>()?;

    let (mut replays, mut plain_loops, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let replayed = per_second(observations, replay(dir.path(), observations)?);
        let plain = per_second(observations, decode_hash_record(&bytes, observations)?);
        replays.push(replayed);
        plain_loops.push(plain);
        ratios.push(replayed / plain);
    }
    let (rate, plain, ratio) = (measure::median(replays), measure::median(plain_loops), measure::median(ratios));
    let what = "replay of the archive: read, hash verified, decoded, folded";
    Ok(vec![
        Figure::new(what, format!("{} events/s on one core", amount(rate)), "1.5 M").reached(rate >= 1.5e6, WHY),
        Figure::new("  of that loop's speed", format!("{:.0} %", 100.0 * ratio), "60 %")
            .beside(format!("{} events/s: decode, hash, record to a histogram", amount(plain)), ratio)
            .reached(ratio >= 0.6, WHY),
    ])
}

/// 200 targets every 5 s, frames of 100.
pub(super) fn write_archive(dir: &Path, observations: u64) -> Result<()> {
    const TARGETS: u64 = 200;
    const INTERVAL_S: u64 = 5;
    let mut load = Load::new(1, TARGETS as usize, INTERVAL_S * 1_000);
    let subject = load.subject();
    let from = TimeNs(1_750_000_000 * TimeNs::SECOND);
    let to = TimeNs(from.0 + observations / TARGETS * INTERVAL_S * TimeNs::SECOND);
    let mut frames = load.declaration(from);
    frames.extend(load.frames(from, to, 100));
    block_on(async {
        let (archive, _) = Archive::open(dir, ArchiveOptions::default())?;
        for (n, frames) in frames.chunks(1_000).enumerate() {
            let seqs = n as u64 * 1_000 + 1..;
            let recorded = seqs.zip(frames).map(|(seq, frame)| load::recorded(frame, &subject, seq));
            archive.record(recorded.collect::<Result<_>>()?).await?;
        }
        archive.sync().await?;
        Ok(())
    })
}

fn replay(dir: &Path, observations: u64) -> Result<Duration> {
    let (counted, took) = timed(|| {
        let (mut state, mut store, mut counted) = (State::default(), MemoryBuckets::default(), 0);
        for bytes in leaves(dir, 1)? {
            let bytes = bytes?;
            if let Applied::Counted { observations } = state.apply(&Leaf::decode(&bytes)?, &mut store) {
                counted += observations;
            }
        }
        Ok(counted)
    })?;
    anyhow::ensure!(counted == observations, "{counted} of {observations} observations were counted");
    Ok(took)
}

/// The same leaves from memory. Nothing that folds events can be faster with this decoder and this hash.
fn decode_hash_record(leaves: &[Bytes], observations: u64) -> Result<Duration> {
    let (counted, took) = timed(|| {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 2)?;
        let mut hashes = 0_u8;
        for bytes in leaves {
            hashes ^= leaf_hash(bytes)[0];
            for event in Frame::decode_alone(Leaf::decode(bytes)?.payload)?.events {
                if let Event::Observed(observed) = event {
                    histogram.record(observed.latency_us)?;
                }
            }
        }
        std::hint::black_box(hashes);
        Ok(histogram.len())
    })?;
    anyhow::ensure!(counted == observations, "{counted} of {observations} observations were decoded");
    Ok(took)
}
