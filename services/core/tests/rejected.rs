//! A rejected frame is told of in a few words, whatever was sent.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::{Applied, State};
use spark_schemas::{FRAME_BYTES_MAX, Leaf};
use support::START;

#[test]
fn the_reason_is_short_even_when_the_decoder_quotes_all_of_a_long_value() {
    // A MessagePack string as long as a frame may be, where a frame's map should stand; cut inside a character or not.
    for (filler, length) in [("x", FRAME_BYTES_MAX - 3), ("€", (FRAME_BYTES_MAX - 3) / 3)] {
        let text = filler.repeat(length);
        let mut payload = vec![0xda];
        payload.extend((text.len() as u16).to_be_bytes());
        payload.extend(text.as_bytes());
        let (mut state, mut store) = (State::default(), MemoryBuckets::default());
        let leaf = Leaf { seq: 1, received_ns: START.0, subject: "spark.evt.0.a.obs", msg_id: "", payload: &payload };
        assert!(matches!(state.apply(&leaf, &mut store), Applied::Rejected { .. }));
        let reason = &state.head().unreported.iter().next().unwrap().reason;
        assert!(reason.contains("MessagePack") && reason.len() <= 250, "{} bytes: {reason}", reason.len());
    }
}

#[test]
fn so_is_the_subject() {
    let subject = format!("spark.evt.0.{}.obs", "a".repeat(10_000));
    let (mut state, mut store) = (State::default(), MemoryBuckets::default());
    let leaf = Leaf { seq: 1, received_ns: START.0, subject: &subject, msg_id: "", payload: b"" };
    assert!(matches!(state.apply(&leaf, &mut store), Applied::Rejected { .. }));
    let rejected = state.head().unreported.iter().next().unwrap();
    assert!(rejected.subject.len() <= 250 && rejected.reason.contains("subject"), "{rejected:?}");
}
