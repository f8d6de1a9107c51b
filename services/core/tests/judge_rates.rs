//! How often the judge cries wolf and how much it sees, measured over seeded draws. docs/canary.md quotes these figures;
//! `cargo test -p spark-core --test judge_rates -- --nocapture` prints them.

mod judge_support;

use judge_support::{Draw, Source, check, verdict_of};
use spark_core::config::Canary;
use spark_core::judge::compare;
use spark_schemas::event::{CheckVerdict, Verdict};

const DRAWS: u32 = 10_000;

/// What came of many comparisons, each as a share of them.
#[derive(Debug, Default)]
struct Rates {
    /// The test of latency, of slow answers, and of errors found a difference beyond chance, whatever its size.
    different: [f64; 3],
    /// The check did not pass.
    held: [f64; 3],
    /// The verdict over all was no pass; and it was a failure.
    not_passed: f64,
    failed: f64,
}

struct Case {
    source: Source,
    /// Observations on each side.
    counts: [usize; 2],
    /// By how much the candidate is slower.
    factor: f64,
    /// Each side's error rate.
    errors: [f64; 2],
}

impl Case {
    fn rates(&self, draws: u32, seed: u64) -> Rates {
        let (settings, mut draw, mut rates) = (Canary::default(), Draw::new(seed), Rates::default());
        let weight = 1.0 / f64::from(draws);
        for _ in 0..draws {
            let baseline = self.source.side(&mut draw, self.counts[0], 1.0, self.errors[0]);
            let candidate = self.source.side(&mut draw, self.counts[1], self.factor, self.errors[1]);
            let checks = compare(&baseline, &candidate, &settings);
            for (n, id) in ["latency", "slow", "errors"].into_iter().enumerate() {
                let check = check(&checks, id);
                rates.different[n] += weight * f64::from(!check.reason.ends_with("no more than chance"));
                rates.held[n] += weight * f64::from(check.verdict != CheckVerdict::Pass);
            }
            let verdict = verdict_of(&checks);
            rates.not_passed += weight * f64::from(verdict != Verdict::Pass);
            rates.failed += weight * f64::from(verdict == Verdict::Fail);
        }
        rates
    }
}

fn percent(share: f64) -> f64 {
    share * 100.0
}

#[test]
fn equal_distributions_pass_but_for_the_stated_rate_of_false_alarms() {
    println!("source, samples: different (latency, slow, errors), not passed, failed");
    for (seed, source) in (1..).zip(Source::ALL) {
        let case = Case { source, counts: [100, 100], factor: 1.0, errors: [0.02; 2] };
        let rates = case.rates(DRAWS, seed);
        let [latency, slow, errors] = rates.different.map(percent);
        println!(
            "{source:?}, 100: {latency:.2} % {slow:.2} % {errors:.2} %, {:.2} %, {:.2} %",
            percent(rates.not_passed),
            percent(rates.failed)
        );
        // Alpha is 1 %; three standard deviations of what 10,000 draws give are 0.3 %.
        assert!((0.6..=1.3).contains(&latency), "{source:?}: {latency} %");
        // Counts are discrete, so these tests keep below alpha, far below where they are exact.
        assert!(slow <= 1.3 && errors <= 1.3, "{source:?}: {slow} %, {errors} %");
        assert!(percent(rates.not_passed) <= 2.5 && percent(rates.failed) <= 1.5, "{source:?}: {rates:?}");
    }
}

#[test]
fn slower_candidates_are_seen_with_the_stated_power() {
    println!("source, samples, slower: latency not passed, not passed, failed");
    // At least so many of the candidates do not pass, and so many fail: what was measured, less two or three deviations.
    for (source, count, factor, not_passed_min, failed_min) in [
        (Source::Usual, 100, 1.10, 0.30, 0.0),
        (Source::Usual, 360, 1.10, 0.93, 0.0),
        (Source::Usual, 1_000, 1.10, 0.98, 0.0),
        (Source::Usual, 100, 1.25, 0.98, 0.76),
        (Source::Usual, 360, 1.25, 0.99, 0.93),
        (Source::Usual, 100, 2.0, 0.99, 0.99),
        (Source::Wide, 360, 1.25, 0.84, 0.65),
        (Source::Wide, 1_000, 1.25, 0.99, 0.92),
        (Source::Wide, 100, 2.0, 0.99, 0.99),
        (Source::HeavyTailed, 360, 1.25, 0.98, 0.44),
        (Source::HeavyTailed, 100, 2.0, 0.99, 0.99),
    ] {
        let case = Case { source, counts: [count; 2], factor, errors: [0.0; 2] };
        let rates = case.rates(500, 77);
        println!(
            "{source:?}, {count}, {:.0} %: {:.1} %, {:.1} %, {:.1} %",
            percent(factor - 1.0),
            percent(rates.held[0]),
            percent(rates.not_passed),
            percent(rates.failed)
        );
        assert!(rates.not_passed >= not_passed_min && rates.failed >= failed_min, "{source:?} {factor}: {rates:?}");
    }
}

#[test]
fn doubled_errors_are_seen_with_the_stated_power() {
    println!("errors, samples: not passed, failed");
    for (errors, count, not_passed_min, failed_min) in [
        ([0.01, 0.02], 360, 0.0, 0.0),
        ([0.01, 0.02], 3_000, 0.67, 0.0),
        ([0.02, 0.04], 2_000, 0.82, 0.48),
        ([0.05, 0.10], 360, 0.43, 0.43),
        ([0.05, 0.10], 1_000, 0.93, 0.93),
        ([0.10, 0.20], 360, 0.86, 0.86),
        ([0.0, 0.10], 100, 0.73, 0.73),
    ] {
        let case = Case { source: Source::Coarse, counts: [count; 2], factor: 1.0, errors };
        let rates = case.rates(500, 78);
        println!("{errors:?}, {count}: {:.1} %, {:.1} %", percent(rates.held[2]), percent(rates.failed));
        assert!(rates.held[2] >= not_passed_min && rates.failed >= failed_min, "{errors:?} {count}: {rates:?}");
    }
}
