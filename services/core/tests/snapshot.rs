//! A state that was written and read is the state: the log goes on in it, to the same bytes. What is no state is refused.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use proptest::prelude::*;
use spark_core::bucket::MemoryBuckets;
use spark_core::config::{Budgeting, BurnAlert, Config, Objective, Sli, SloWindow};
use spark_core::fold::State;
use spark_core::fold::snapshot::{SnapshotError, decode, encode};
use spark_core::units::{DurationUs, RatioPpm};
use spark_core::window::Window;
use spark_schemas::Class;
use spark_schemas::event::ConfigApplied;
use support::history::{steps, tell};
use support::{Recorded, START, boot, fold, frame, name};

/// A configuration with objectives, so that there are ledgers.
fn declaration() -> Recorded {
    let objective = |of: &str, sli, window| Objective {
        name: name(of),
        description: String::new(),
        service: None,
        targets: Vec::new(),
        sli,
        objective: RatioPpm(990_000),
        window: SloWindow::Rolling(window),
        budgeting: Budgeting::Occurrences,
        alerts: BurnAlert::defaults(),
    };
    let objectives = vec![
        objective("up", Sli::Availability, Window::D28),
        objective("fast", Sli::Latency(DurationUs(100_000)), Window::H6),
    ];
    let config = Config { objectives, ..Config::default() };
    let (digest, body) = (config.digest().into(), config.canonical_json());
    let event = ConfigApplied { at_ns: START, digest, part: 0, parts: 1, body }.into();
    Recorded::of_frame(1, START, Class::Ctl, &frame("spark", boot(9, 0), 0, vec![event]))
}

/// A log that begins with the declaration.
fn log(steps: &[support::history::Step]) -> Vec<Recorded> {
    let told = tell(steps).into_iter().map(|told| {
        let mut recorded = told.recorded;
        recorded.seq += 1;
        if let Some(last) = told_gap(&recorded) {
            recorded.msg_id = (last + 1).to_string();
        }
        recorded
    });
    std::iter::once(declaration()).chain(told).collect()
}

fn told_gap(recorded: &Recorded) -> Option<u64> {
    (recorded.subject == spark_schemas::GAP_SUBJECT).then(|| recorded.msg_id.parse().unwrap())
}

fn folded(log: &[Recorded]) -> (State, MemoryBuckets) {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    fold(&mut state, log, &mut buckets);
    (state, buckets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_log_goes_on_in_a_state_that_was_written(steps in prop::collection::vec(steps(), 1..120), at in any::<prop::sample::Index>()) {
        let log = log(&steps);
        let (before, after) = log.split_at(at.index(log.len() + 1));
        let (mut state, buckets) = folded(before);
        let bytes = encode(&mut state, &buckets);
        let (mut read, mut read_buckets) = decode(&bytes).unwrap();
        prop_assert!(encode(&mut read, &read_buckets) == bytes);
        fold(&mut read, after, &mut read_buckets);
        let (mut whole, whole_buckets) = folded(&log);
        prop_assert_eq!(read.digests(), whole.digests());
        prop_assert!(encode(&mut read, &read_buckets) == encode(&mut whole, &whole_buckets));
    }

    #[test]
    fn what_was_changed_or_cut_is_refused(
        steps in prop::collection::vec(steps(), 1..40),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let (mut state, buckets) = folded(&log(&steps));
        let bytes = encode(&mut state, &buckets);
        let place = place.index(bytes.len());
        prop_assert!(decode(&bytes[..place]).is_err());
        let mut changed = bytes.clone();
        changed[place] ^= 1 << bit;
        prop_assert!(decode(&changed).is_err(), "byte {place} of {}", bytes.len());
        let mut longer = bytes;
        longer.push(0);
        prop_assert_eq!(decode(&longer).err(), Some(SnapshotError::Length));
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = b"spark-state/1\n".to_vec();
        framed.extend(&bytes);
        prop_assert!(decode(&framed).is_err());
        prop_assert_eq!(decode(&bytes).err(), Some(SnapshotError::Format));
    }
}

#[test]
fn a_state_in_another_spelling_is_refused() {
    let bytes = encode(&mut State::default(), &MemoryBuckets::default());
    // The kind of the first record, which is 0, in two bytes.
    let start = "spark-state/1\n".len();
    let longer = [&bytes[..start], &[0x80, 0x00], &bytes[start + 1..]].concat();
    assert_eq!(decode(&longer).err(), Some(SnapshotError::Spelling));
}

#[test]
fn an_empty_state_is_written_and_read() {
    let bytes = encode(&mut State::default(), &MemoryBuckets::default());
    let (mut read, buckets) = decode(&bytes).unwrap();
    assert_eq!(encode(&mut read, &buckets), bytes);
    assert_eq!(read.digests(), State::default().digests());
}
