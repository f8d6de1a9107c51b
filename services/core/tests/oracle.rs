//! Windows equal an oracle: whatever a log tells and however it tells it, every figure is what the raw events say.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::State;
use spark_core::view::{Figures, SeriesView, View};
use spark_core::window::Window;
use spark_schemas::TimeNs;
use support::history::{Instant, TARGETS, Told, instants, steps, tell};
use support::oracle::{Exact, Oracle};
use support::{DAY, HOUR, MINUTE, Random, Recorded, SECOND, START, boot, fold, frame, missed, name};

const QUANTILES_PPM: [u64; 6] = [1, 500_000, 900_000, 950_000, 990_000, 1_000_000];

/// A fold as one process runs it.
#[derive(Default)]
struct Fold {
    state: State,
    buckets: MemoryBuckets,
}

impl Fold {
    fn take(&mut self, told: &Told) {
        self.state.apply(&told.recorded.leaf(), &mut self.buckets);
    }

    fn view(&self, at: TimeNs) -> View<'_> {
        View::of_one(&self.state, &self.buckets, at)
    }
}

/// The figures, or `None` where the buckets are rightly gone.
fn figures(view: &View<'_>, window: Window, series: &[SeriesView<'_>], fold_time: TimeNs) -> Option<Figures> {
    let kept_from = fold_time.0.saturating_sub(window.tier().kept_ns());
    match view.figures(window, series) {
        Ok(figures) => Some(figures),
        Err(not_kept) => {
            let first = window.first_bucket(view.at);
            assert!(first.0 < kept_from, "{window} at {}: {not_kept}, needed from {first}", view.at);
            None
        }
    }
}

fn assert_equal(figures: &Figures, exact: &Exact, what: &str) {
    let tally = &figures.tally;
    let seen = (tally.count(), tally.failed, tally.missed, figures.expected);
    let wanted = (exact.count(), exact.failed, exact.missed, exact.expected);
    assert_eq!(seen, wanted, "(count, failed, missed, expected) of {what}");
    for ppm in QUANTILES_PPM {
        let (seen, exact) = (tally.latencies.quantile_us(ppm), exact.quantile_us(ppm));
        let is_close = match (seen, exact) {
            (Some(seen), Some(exact)) => seen >= exact && (seen - exact) * 128 <= exact,
            (seen, exact) => seen == exact,
        };
        assert!(is_close, "quantile {ppm} ppm of {what}: {seen:?}, exactly {exact:?}");
    }
}

fn assert_all_figures_equal(folds: [&Fold; 2], oracle: &Oracle, at: TimeNs) {
    let views = folds.map(|fold| fold.view(at));
    for window in Window::ALL {
        let mut over_all = Exact::default();
        let mut by_target: BTreeMap<&str, Exact> = BTreeMap::new();
        for ((target, agent), facts) in &oracle.series {
            let exact = facts.window(window, at);
            over_all.add(&exact);
            by_target.entry(target).or_default().add(&exact);
            for view in &views {
                let mut series = view.series_of(target);
                series.retain(|one| one.agent.as_str() == agent);
                let Some(figures) = figures(view, window, &series, oracle.fold_time) else { continue };
                assert_equal(&figures, &exact, &format!("{target} by {agent} over {window} at {at}"));
                let staleness = series[0].staleness_us(at);
                assert_eq!(staleness, facts.staleness_us(at), "staleness of {target} by {agent} at {at}");
            }
        }
        for view in &views {
            for (target, exact) in &by_target {
                let Some(figures) = figures(view, window, &view.series_of(target), oracle.fold_time) else {
                    continue;
                };
                assert_eq!(view.window(target, window).as_ref(), Ok(&figures));
                assert_equal(&figures, exact, &format!("{target} over {window} at {at}"));
            }
            let all: Vec<_> = by_target.keys().flat_map(|target| view.series_of(target)).collect();
            let Some(figures) = figures(view, window, &all, oracle.fold_time) else { continue };
            assert_equal(&figures, &over_all, &format!("all series over {window} at {at}"));
        }
    }
    for target in TARGETS {
        let freshest = oracle.series.iter().filter(|((name, _), facts)| name == target && facts.latest().is_some());
        let freshest = freshest.max_by_key(|(_, facts)| facts.latest()).and_then(|(_, facts)| facts.staleness_us(at));
        for view in &views {
            let staleness = view.target(target).and_then(|view| view.staleness_us);
            assert_eq!(staleness, freshest, "staleness of {target} at {at}");
        }
    }
}

fn assert_totals_equal(state: &State, oracle: &Oracle) {
    let sum = |count: fn(&support::oracle::Facts) -> usize| oracle.series.values().map(count).sum::<usize>() as u64;
    assert_eq!(state.head().totals.observations, sum(|facts| facts.observations.len()));
    assert_eq!(state.head().totals.missed, sum(|facts| facts.missed.len()));
    for series in state.series() {
        let facts = &oracle.series[&(series.head.target.to_string(), series.head.agent.to_string())];
        let failed = facts.observations.iter().filter(|one| one.failed).count();
        let seen = (series.head.observations, series.head.failed, series.head.missed);
        assert_eq!(seen, (facts.observations.len() as u64, failed as u64, facts.missed.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_equals_a_naive_recomputation(
        steps in prop::collection::vec(steps(), 1..90),
        live_from in any::<prop::sample::Index>(),
        looks in prop::collection::vec((any::<prop::sample::Index>(), instants()), 1..5),
    ) {
        let log = tell(&steps);
        let live_from = live_from.index(log.len() + 1);
        let looks: Vec<(usize, Instant)> =
            looks.into_iter().map(|(position, at)| (position.index(log.len() + 1), at)).collect();
        let (mut replayed, mut live, mut oracle) = (Fold::default(), Fold::default(), Oracle::default());
        for position in 0..=log.len() {
            if position == live_from {
                live.state.go_live(&live.buckets);
            }
            for (_, at) in looks.iter().filter(|(look, _)| *look == position) {
                assert_all_figures_equal([&replayed, &live], &oracle, at.at(oracle.fold_time));
            }
            if let Some(told) = log.get(position) {
                [&mut replayed, &mut live].into_iter().for_each(|fold| fold.take(told));
                oracle.take(told);
            }
        }
        assert_all_figures_equal([&replayed, &live], &oracle, oracle.fold_time);
        assert_totals_equal(&replayed.state, &oracle);
    }
}

#[test]
fn a_window_holds_whole_buckets_on_both_of_its_edges() {
    let edges = [-1_i64, 0, 1];
    for window in Window::ALL {
        let width = window.tier().width_ns();
        let at = TimeNs((START.0 / width) * width);
        let mut oracle = Oracle::default();
        let mut plain = Fold::default();
        let mut live = Fold::default();
        live.state.go_live(&live.buckets);
        let mut seq = 0;
        for edge in [at.0 - window.length_ns() - width, at.0 - window.length_ns(), at.0 - width, at.0, at.0 + width] {
            for beside in edges {
                let slot = TimeNs(edge.saturating_add_signed(beside));
                let events = vec![support::observed("checkout", slot, 1_000, spark_schemas::event::Outcome::Fail)];
                let frame = frame("ankara", boot(0, 0), seq, events);
                seq += 1;
                let received = TimeNs(at.0 + width);
                let recorded = Recorded::of_frame(seq, received, spark_schemas::Class::Obs, &frame);
                let told = Told { recorded, frame: Some(frame) };
                [&mut plain, &mut live].into_iter().for_each(|fold| fold.take(&told));
                oracle.take(&told);
            }
        }
        for beside in edges {
            for look in [at.0, at.0 + width / 2, at.0 + width, at.0 + 2 * width, at.0 + window.length_ns()] {
                assert_all_figures_equal([&plain, &live], &oracle, TimeNs(look.saturating_add_signed(beside)));
            }
        }
    }
}

#[test]
fn a_missed_range_of_any_length_is_counted_at_once_and_exactly() {
    let mut random = Random(7);
    for _ in 0..40 {
        let interval_us = random.pick(&[1, 999, 1_000_000, 5_000_000, 7_777_777, 3_600_000_000]);
        let first = TimeNs(START.0 - random.below(500 * DAY));
        let most = (START.0 - first.0) / (interval_us * 1_000) + 1;
        let slots = 1 + random.below(most);
        let frame = frame("ankara", boot(0, 0), 0, vec![missed("feed", first, interval_us, slots)]);
        let mut fold_one = Fold::default();
        fold(
            &mut fold_one.state,
            &[Recorded::of_frame(1, START, spark_schemas::Class::Obs, &frame)],
            &mut fold_one.buckets,
        );
        assert_eq!(fold_one.state.head().totals.missed, slots);
        for window in Window::ALL {
            let at = TimeNs(START.0 - random.below(window.tier().kept_ns() - window.length_ns() + 1));
            let (from, to) =
                (window.first_bucket(at), at.0 - at.0 % window.tier().width_ns() + window.tier().width_ns());
            // The n-th slot is at first + n × interval: those in [from, to) by division, slot by slot would take years.
            let before = |instant: u64| instant.saturating_sub(first.0).div_ceil(interval_us * 1_000).min(slots);
            let figures = fold_one.view(at).window("feed", window).unwrap();
            assert_eq!(figures.tally.missed, before(to) - before(from.0), "{slots} × {interval_us} µs over {window}");
        }
    }
}

#[test]
fn a_bucket_is_there_for_the_past_as_long_as_its_tier_keeps_it() {
    let observe_every = 30 * SECOND;
    let (mut fold_one, mut oracle) = (Fold::default(), Oracle::default());
    for n in 0..400 {
        let slot = TimeNs(START.0 + n * observe_every);
        let events = vec![support::observed("login", slot, 500 + n, spark_schemas::event::Outcome::Ok)];
        let frame = frame("cork", boot(2, 0), n, events);
        let recorded = Recorded::of_frame(n + 1, slot, spark_schemas::Class::Obs, &frame);
        let told = Told { recorded, frame: Some(frame) };
        fold_one.take(&told);
        oracle.take(&told);
    }
    let now = oracle.fold_time;
    let facts = &oracle.series[&("login".to_owned(), "cork".to_owned())];
    for minutes_ago in 0..60 {
        let at = TimeNs(now.0 - minutes_ago * MINUTE);
        let ten_seconds = fold_one.view(at).window("login", Window::M5);
        if minutes_ago <= 55 {
            assert_equal(&ten_seconds.unwrap(), &facts.window(Window::M5, at), "5m");
        }
        assert_equal(&fold_one.view(at).window("login", Window::D1).unwrap(), &facts.window(Window::D1, at), "1d");
    }
    let long_ago = TimeNs(now.0 - 3 * HOUR);
    assert!(fold_one.view(long_ago).window("login", Window::M5).is_err(), "and then it says so, and shows no zeros");
    assert!(fold_one.view(long_ago).window(&name("login"), Window::H2).is_ok());
}
