//! Replay gives the same state as live folding: at any position, whenever it went live, wherever it was saved.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use proptest::prelude::*;
use proptest::sample::Index;
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::{Applied, State, StateHead};
use spark_core::merkle::Hash;
use spark_core::series::Series;
use spark_core::window::Window;
use spark_schemas::{Class, GAP_SUBJECT, TimeNs};
use support::history::{AGENTS, TARGETS, Told, steps, tell};
use support::{HOUR, Recorded, SECOND, START, boot, fold, frame, observed};

fn logs() -> impl Strategy<Value = Vec<Recorded>> {
    prop::collection::vec(steps(), 1..60)
        .prop_map(|steps| tell(&steps).into_iter().map(|Told { recorded, .. }| recorded).collect())
}

fn replay(log: &[Recorded]) -> (State, MemoryBuckets) {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    fold(&mut state, log, &mut buckets);
    (state, buckets)
}

fn digest_of(log: &[Recorded]) -> Hash {
    replay(log).0.digest()
}

/// Writes everything as the store does, and reads it back: nothing but JSON, records and pages survives.
fn save_and_load(state: &State, buckets: &MemoryBuckets) -> State {
    let head = serde_json::to_vec(state.head()).unwrap();
    let head: StateHead = serde_json::from_slice(&head).unwrap();
    let series = state.series().iter().map(|series| Series::load(series.id, &series.record(), buckets).unwrap());
    State::load(head, series.collect())
}

/// Every figure a window has, for every target, at the fold's time.
fn figures(state: &State, buckets: &MemoryBuckets) -> Vec<spark_core::view::Figures> {
    let view = spark_core::view::View::of_one(state, buckets, state.head().fold_time);
    let of_target = |target| Window::ALL.map(|window| view.window(target, window).unwrap());
    TARGETS.into_iter().flat_map(of_target).collect()
}

fn number_anew(log: &mut [Recorded]) {
    let mut next_seq = 1;
    for recorded in log {
        let last = recorded.leaf().gap_last_seq().map_or(next_seq, |last| next_seq + last - recorded.seq);
        if recorded.subject == GAP_SUBJECT {
            recorded.msg_id = last.to_string();
        }
        recorded.seq = next_seq;
        next_seq = last + 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_live_fold_has_the_digest_of_a_replay_at_any_position(
        log in logs(),
        live_from in any::<Index>(),
        looks in prop::collection::vec(any::<Index>(), 1..6),
    ) {
        let live_from = live_from.index(log.len() + 1);
        let (mut live, mut buckets) = (State::default(), MemoryBuckets::default());
        for position in 0..=log.len() {
            if position == live_from {
                live.go_live(&buckets);
            }
            // A digest that was asked for must not change what it is at a later position.
            if position == log.len() || looks.iter().any(|look| look.index(log.len() + 1) == position) {
                prop_assert_eq!(live.digest(), digest_of(&log[..position]), "at position {}", position);
            }
            if let Some(recorded) = log.get(position) {
                live.apply(&recorded.leaf(), &mut buckets);
            }
        }
    }

    #[test]
    fn a_saved_state_goes_on_as_if_it_had_never_stopped(
        log in logs(),
        stops in prop::collection::vec((any::<Index>(), any::<bool>()), 1..5),
    ) {
        let stops: Vec<(usize, bool)> = stops.iter().map(|(at, live)| (at.index(log.len() + 1), *live)).collect();
        let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
        for position in 0..=log.len() {
            for (_, goes_live) in stops.iter().filter(|(stop, _)| *stop == position) {
                let before = state.digest();
                state = save_and_load(&state, &buckets);
                prop_assert_eq!(state.digest(), before, "loaded at position {}", position);
                if *goes_live {
                    state.go_live(&buckets);
                }
            }
            if let Some(recorded) = log.get(position) {
                state.apply(&recorded.leaf(), &mut buckets);
            }
        }
        let (mut replayed, replayed_buckets) = replay(&log);
        prop_assert_eq!(state.digest(), replayed.digest());
        prop_assert_eq!(figures(&state, &buckets), figures(&replayed, &replayed_buckets));
    }

    #[test]
    fn leaves_that_were_folded_before_change_nothing(log in logs(), from in any::<Index>()) {
        let (mut state, mut buckets) = replay(&log);
        let digest = state.digest();
        let again = fold(&mut state, &log[from.index(log.len() + 1)..], &mut buckets);
        prop_assert!(again.iter().all(|applied| *applied == Applied::Old));
        prop_assert_eq!(state.digest(), digest);
    }

    #[test]
    fn frames_that_come_again_later_keep_every_figure(
        log in logs(),
        repeats in prop::collection::vec((any::<Index>(), any::<Index>()), 1..8),
    ) {
        prop_assume!(!log.is_empty());
        // Each repeat comes at its new place's time, behind the frame that it repeats.
        let mut with_repeats = log.clone();
        for (which, behind) in &repeats {
            let which = which.index(with_repeats.len());
            let place = which + 1 + behind.index(with_repeats.len() - which);
            let received = with_repeats[place - 1].received;
            if with_repeats[which].subject != GAP_SUBJECT {
                with_repeats.insert(place, Recorded { received, ..with_repeats[which].clone() });
            }
        }
        number_anew(&mut with_repeats);

        let (once, once_buckets) = replay(&log);
        let (again, again_buckets) = replay(&with_repeats);
        let (before, after) = (once.head().totals, again.head().totals);
        prop_assert_eq!(
            (after.frames, after.observations, after.missed),
            (before.frames, before.observations, before.missed)
        );
        prop_assert_eq!(figures(&again, &again_buckets), figures(&once, &once_buckets));
        let marks = |state: &State| state.agent_runs().map(|run| (run.boot, run.marks.clone())).collect::<Vec<_>>();
        prop_assert_eq!(marks(&again), marks(&once));
    }
}

#[test]
fn a_digest_tells_one_observation_from_another() {
    let at = |n: u64| TimeNs(START.0 + n * SECOND);
    let log = |latency_us, outcome| {
        let events = vec![observed(TARGETS[0], at(0), latency_us, outcome)];
        vec![Recorded::of_frame(1, at(1), Class::Obs, &frame(AGENTS[0], boot(0, 0), 0, events))]
    };
    use spark_schemas::event::Outcome::{Fail, Ok};
    let digest = digest_of(&log(1_000, Ok));
    assert_eq!(digest_of(&log(1_000, Ok)), digest);
    assert_ne!(digest_of(&log(1_000, Fail)), digest);
    assert_ne!(digest_of(&log(2_000, Ok)), digest);
    assert_ne!(digest_of(&[]), digest);
}

#[test]
fn a_late_observation_deep_in_the_past_changes_the_digest() {
    let frame_at = |seq, slot, latency_us| {
        let events = vec![observed(TARGETS[0], slot, latency_us, spark_schemas::event::Outcome::Ok)];
        frame(AGENTS[0], boot(0, 0), seq, events)
    };
    let now = TimeNs(START.0 + 3 * HOUR);
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    let early = (0..60)
        .map(|n| Recorded::of_frame(n + 1, now, Class::Obs, &frame_at(n, TimeNs(START.0 + n * 60 * SECOND), 1_000)));
    fold(&mut state, &early.collect::<Vec<_>>(), &mut buckets);
    let before = state.digest();
    let late = Recorded::of_frame(61, now, Class::Obs, &frame_at(60, START, 1_000));
    state.apply(&late.leaf(), &mut buckets);
    assert_ne!(state.digest(), before);
}
