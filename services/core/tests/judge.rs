//! The canary's judge: what it says of known cases, how often it cries wolf, and how much it sees.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod judge_support;

use judge_support::{Draw, Source, check, verdict_of};
use proptest::prelude::*;
use spark_core::config::Canary;
use spark_core::judge::{SAMPLES_MAX, Side, TooMany, compare};
use spark_schemas::event::{CheckVerdict, Verdict};

fn side(latencies: impl IntoIterator<Item = u64>) -> Side {
    Side::new(latencies.into_iter().map(|latency| (latency, false)), 0).unwrap()
}

/// `count` observations of which the first `failed` failed; each takes 20 ms.
fn with_failures(count: u64, failed: u64) -> Side {
    Side::new((0..count).map(|n| (20_000, n < failed)), 0).unwrap()
}

fn verdicts(baseline: &Side, candidate: &Side) -> [CheckVerdict; 4] {
    let checks = compare(baseline, candidate, &Canary::default());
    ["completeness", "latency", "slow", "errors"].map(|id| check(&checks, id).verdict)
}

use CheckVerdict::{Fail, NoData, Pass, Warn};

#[test]
fn too_few_samples_are_no_data_however_bad_they_look() {
    for (baseline, candidate) in [(0, 0), (0, 500), (500, 0), (99, 500), (500, 99)] {
        let (baseline, candidate) = (side((0..baseline).map(|_| 1_000)), side((0..candidate).map(|_| 9_000_000)));
        let checks = compare(&baseline, &candidate, &Canary::default());
        assert_eq!(verdict_of(&checks), Verdict::NoData);
        for id in ["latency", "slow", "errors"] {
            let check = check(&checks, id);
            assert_eq!((check.verdict, &check.observed), (NoData, &None));
            assert!(check.reason.contains("at least 100 of each"), "{}", check.reason);
        }
    }
    assert_eq!(verdicts(&side([1_000; 100]), &side([1_000; 100])), [Pass; 4], "just enough");
}

#[test]
fn what_is_always_the_same_is_no_division_by_nothing() {
    assert_eq!(verdicts(&side([20_000; 200]), &side([20_000; 300])), [Pass; 4]);
    assert_eq!(verdicts(&side([20_000; 200]), &side([20_500; 300])), [Pass; 4], "2.5 %: certain, and too little");
    assert_eq!(verdicts(&side([20_000; 200]), &side([22_000; 300])), [Pass, Warn, Pass, Pass]);
    assert_eq!(verdicts(&side([20_000; 200]), &side([24_000; 300])), [Pass, Fail, Pass, Pass]);
    assert_eq!(verdicts(&side([0; 200]), &side([0; 200])), [Pass; 4]);
    // From 0 µs to 5 ms: no division by a median of 0, and no pass because of it.
    let checks = compare(&side([0; 200]), &side([5_000; 200]), &Canary::default());
    assert_eq!(check(&checks, "latency").verdict, Fail);
    assert_eq!(check(&checks, "latency").observed.as_deref(), Some("500000"));
}

#[test]
fn better_passes_and_is_said() {
    let checks = compare(&with_failures(500, 100), &with_failures(500, 5), &Canary::default());
    let errors = check(&checks, "errors");
    assert_eq!((errors.verdict, errors.observed.as_deref()), (Pass, Some("-19")));
    let expected = "5 of 500 failed, of the baseline's 100 of 500, z -9.79: fewer errors, and by more than chance";
    assert_eq!(errors.reason, expected);
    let checks = compare(&side(20_000..20_200), &side(10_000..10_200), &Canary::default());
    let latency = check(&checks, "latency");
    assert_eq!(latency.verdict, Pass);
    let expected = "a median of 10.0995 ms against 20.0995 ms, shifted by -10 ms (-49.75 % of the baseline's), z -17.29: \
                    faster, and by more than chance";
    assert_eq!(latency.reason, expected);
}

#[test]
fn worse_is_said_with_its_figures() {
    let checks = compare(&side(20_000..20_200), &side(30_000..30_200), &Canary::default());
    let latency = check(&checks, "latency");
    assert_eq!((latency.verdict, latency.samples), (Fail, 400));
    assert_eq!((latency.threshold.as_deref(), latency.unit.as_str()), (Some("20"), "%"));
    assert!(latency.reason.ends_with("z 17.29: slower, at or beyond 20%"), "{}", latency.reason);
    assert_eq!(verdict_of(&checks), Verdict::Fail);
}

#[test]
fn a_certain_difference_too_small_to_matter_passes() {
    // 2 % more with 10,000 samples each: z is beyond 40.
    let checks = compare(&side(20_000..30_000), &side(20_500..30_500), &Canary::default());
    let latency = check(&checks, "latency");
    assert_eq!(latency.verdict, Pass);
    assert!(latency.reason.ends_with("slower, but below 5%, too little to matter"), "{}", latency.reason);
    // 80 µs of 300 µs is 27 %, and below what a measurement over a network can mean.
    let checks = compare(&side([300; 200]), &side([380; 200]), &Canary::default());
    let latency = check(&checks, "latency");
    assert_eq!(latency.verdict, Pass);
    assert!(latency.reason.ends_with("less than 100us, too little to matter"), "{}", latency.reason);
}

#[test]
fn one_absurd_value_decides_nothing() {
    let usual = || 19_900..20_100;
    for absurd in [60_000_000, u64::MAX] {
        assert_eq!(verdicts(&side(usual()), &side(usual().chain([absurd]))), [Pass; 4]);
        assert_eq!(verdicts(&side(usual().chain([absurd])), &side(usual())), [Pass; 4]);
    }
}

#[test]
fn one_class_of_answers_that_became_slow_is_seen_although_the_middle_is_not_moved() {
    // One answer in twelve takes ten times as long.
    let (usual, class) = (
        || (0..360_u64).map(|n| 20_000 + n % 97),
        |n: u64| 20_000 + n % 97 + 180_000 * u64::from(n.is_multiple_of(12)),
    );
    assert_eq!(verdicts(&side(usual()), &side((0..360).map(class))), [Pass, Pass, Fail, Pass]);
    assert_eq!(verdicts(&side((0..360).map(class)), &side(usual())), [Pass; 4], "and that it is gone is no fault");
}

#[test]
fn two_humps_are_compared_by_how_many_are_in_each() {
    let humps = |slow: u64| side((0..400_u64).map(move |n| if n % 10 < slow { 50_000 + n } else { 2_000 + n }));
    assert_eq!(verdicts(&humps(4), &humps(4)), [Pass; 4]);
    assert_eq!(verdicts(&humps(2), &humps(4))[2], Fail, "twice as many misses of a cache");
    assert_eq!(verdicts(&humps(4), &humps(2)), [Pass; 4]);
}

#[test]
fn a_side_with_too_many_missed_slots_is_no_fair_sample() {
    let observations = || (0..200).map(|_| (20_000, false));
    let (whole, torn) = (Side::new(observations(), 20).unwrap(), Side::new(observations(), 23).unwrap());
    assert_eq!(verdicts(&whole, &whole)[0], Pass);
    for checks in [compare(&whole, &torn, &Canary::default()), compare(&torn, &whole, &Canary::default())] {
        assert_eq!(verdict_of(&checks), Verdict::NoData);
        assert_eq!(check(&checks, "completeness").observed.as_deref(), Some("89.686"));
    }
}

#[test]
fn more_than_the_arithmetic_takes_is_refused_not_cut() {
    assert!(Side::new((0..SAMPLES_MAX).map(|_| (1, false)), 0).is_ok());
    assert_eq!(Side::new((0..=SAMPLES_MAX).map(|_| (1, false)), 0), Err(TooMany(SAMPLES_MAX + 1)));
    assert!(Side::new([], u64::MAX).is_ok());
}

#[test]
fn the_largest_comparison_can_be_made() {
    let mut draw = Draw::new(3);
    let mut drawn = || side((0..SAMPLES_MAX).map(|_| Source::HeavyTailed.latency_us(&mut draw)));
    assert_eq!(verdicts(&drawn(), &drawn())[0], Pass);
}

proptest! {
    #[test]
    fn the_order_of_samples_changes_nothing(
        baseline in prop::collection::vec((0_u64..60_000_000, any::<bool>()), 0..200),
        candidate in prop::collection::vec((0_u64..60_000_000, any::<bool>()), 0..200),
        seed in any::<u64>(),
    ) {
        let settings = Canary { samples_min: 20, ..Canary::default() };
        let compared = |baseline: &[(u64, bool)], candidate: &[(u64, bool)]| {
            let side = |observations: &[(u64, bool)]| Side::new(observations.iter().copied(), 3).unwrap();
            compare(&side(baseline), &side(candidate), &settings)
        };
        let expected = compared(&baseline, &candidate);
        let (mut shuffled, mut draw) = ([baseline, candidate], Draw::new(seed));
        shuffled.iter_mut().for_each(|side| draw.shuffle(side));
        prop_assert_eq!(compared(&shuffled[0], &shuffled[1]), expected);
    }

    #[test]
    fn whatever_is_compared_has_a_verdict_with_whole_figures(
        baseline in prop::collection::vec((any::<u64>(), any::<bool>()), 0..60),
        candidate in prop::collection::vec((any::<u64>(), any::<bool>()), 0..60),
        missed in any::<u64>(),
    ) {
        let settings = Canary { samples_min: 20, ..Canary::default() };
        let side = |observations: &[(u64, bool)]| Side::new(observations.iter().copied(), missed).unwrap();
        for check in compare(&side(&baseline), &side(&candidate), &settings) {
            let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
            prop_assert!(check.observed.as_deref().is_none_or(is_number), "{check:?}");
            prop_assert!(!check.reason.contains("NaN") && !check.reason.contains("inf"), "{check:?}");
            if baseline.len() < 20 || candidate.len() < 20 {
                prop_assert!(check.verdict == NoData || check.id == "canary.completeness", "{check:?}");
            }
        }
    }
}
