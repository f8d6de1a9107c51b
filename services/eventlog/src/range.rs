//! The frames that a log took within a time, for those who look back: canaries, and decisions that are made again.

use std::ops::Range;

use crate::{EventLog, ReadError, Recorded};

/// Gives `take` every frame that `log` received within `received_ns`, in order, up to sequence number `last_seq`. The log
/// is not followed: what comes later is not waited for.
pub async fn received_within(
    log: &dyn EventLog,
    received_ns: Range<u64>,
    last_seq: u64,
    mut take: impl FnMut(&Recorded),
) -> Result<(), ReadError> {
    let bounds = log.bounds().await?;
    let last_seq = last_seq.min(bounds.last_seq);
    let mut next = first_received_from(log, received_ns.start, bounds.first_seq, last_seq).await?;
    if next > last_seq {
        return Ok(());
    }
    let mut reader = log.read(next).await?;
    while next <= last_seq {
        for frame in reader.next_batch().await? {
            if frame.seq > last_seq || frame.received_ns >= received_ns.end {
                return Ok(());
            }
            next = frame.next_seq();
            take(&frame);
        }
    }
    Ok(())
}

/// The first sequence number of a frame received at `received_ns` or later; after `last_seq` when there is none. Found by
/// halving, since a log's times do not run back.
async fn first_received_from(
    log: &dyn EventLog,
    received_ns: u64,
    first_seq: u64,
    last_seq: u64,
) -> Result<u64, ReadError> {
    let (mut low, mut high) = (first_seq, last_seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if log.received_ns(middle).await? < received_ns {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
