//! Holes in a stream's numbers, as gap leaves say them.

use spark_eventlog::Recorded;

/// Where numbers are missing before or within `batch`, a gap says so.
pub(crate) fn insert_gaps(batch: &mut Vec<Recorded>, first_expected: u64) {
    let mut expected = first_expected;
    let is_whole = batch.iter().all(|frame| {
        let fits = frame.seq <= expected;
        expected = frame.next_seq().max(expected);
        fits
    });
    if is_whole {
        return;
    }
    let mut expected = first_expected;
    let with_gaps = std::mem::take(batch).into_iter().flat_map(|frame| {
        let gap = (frame.seq > expected).then(|| Recorded::gap(expected, frame.seq - 1, frame.received_ns));
        expected = frame.next_seq().max(expected);
        gap.into_iter().chain([frame])
    });
    *batch = with_gaps.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Recorded {
        Recorded {
            seq,
            received_ns: seq * 10,
            subject: "spark.evt.0.a.obs".to_owned(),
            msg_id: String::new(),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn every_hole_gets_one_gap_and_whole_batches_stay_as_they_are() {
        let mut whole = vec![frame(3), frame(4)];
        insert_gaps(&mut whole, 3);
        assert_eq!(whole, [frame(3), frame(4)]);

        let mut holed = vec![frame(5), frame(6), frame(9)];
        insert_gaps(&mut holed, 3);
        assert_eq!(holed, [Recorded::gap(3, 4, 50), frame(5), frame(6), Recorded::gap(7, 8, 90), frame(9)]);
    }
}
