//! Canaries that look for themselves: at the configured endpoints, now (`real`), or at a built-in target (`mock`).

use spark_schemas::Name;
use spark_schemas::event::{CheckResult, CheckVerdict, Verdict};

use crate::config::{Alpha, Canary};
use crate::gate;
use crate::judge::{Side, compare};
use crate::units::{DurationUs, RatioPpm, decimal};

/// How often each variant of the built-in target is asked.
pub const MOCK_RUNS: u32 = 100;
/// Below so many runs the 95th percentile is the slowest run: too little to fail anybody for.
const RUNS_FOR_P95: usize = 20;
/// The longest words of a failed run that are kept, in bytes.
const WORDS_MAX: usize = 160;

/// One check of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// What was wrong; `None` when every condition held.
    pub failure: Option<String>,
}

/// What was seen of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedTarget {
    /// Its name.
    pub target: Name,
    /// Each run; or why it could not be checked at all.
    pub runs: Result<Vec<Run>, String>,
}

/// Two checks of each target: `real.<target>.up` and `real.<target>.latency`. None is no pass.
pub fn real_checks(probed: &[ProbedTarget], latency_p95: DurationUs) -> Vec<CheckResult> {
    probed.iter().flat_map(|one| [up_check(one), latency_check(one, latency_p95)]).collect()
}

fn up_check(ProbedTarget { target, runs }: &ProbedTarget) -> CheckResult {
    let runs = runs.as_deref();
    let failures = || runs.unwrap_or_default().iter().filter_map(|run| run.failure.as_deref());
    let (verdict, observed, reason) = match (runs, failures().next()) {
        (Err(why), _) => (CheckVerdict::NoData, None, shortened(why)),
        (Ok([]), _) => (CheckVerdict::NoData, None, "it was not checked".to_owned()),
        (Ok(_), None) => (CheckVerdict::Pass, Some("up"), "every condition held".to_owned()),
        (Ok(runs), Some(words)) => {
            let reason = format!("{} of {} checks failed: {}", failures().count(), runs.len(), shortened(words));
            (CheckVerdict::Fail, Some("down"), reason)
        }
    };
    CheckResult {
        id: format!("real.{target}.up").into(),
        verdict,
        observed: observed.map(Into::into),
        threshold: Some("up".into()),
        unit: "".into(),
        samples: runs.unwrap_or_default().len() as u64,
        reason,
        waived: false,
    }
}

fn latency_check(ProbedTarget { target, runs }: &ProbedTarget, limit: DurationUs) -> CheckResult {
    let mut latencies: Vec<u64> = runs.iter().flatten().map(|run| run.latency_us).collect();
    latencies.sort_unstable();
    // By nearest rank, as everywhere.
    let p95 = (latencies.len() * 95).div_ceil(100).checked_sub(1).and_then(|n| latencies.get(n)).copied();
    let what = if latencies.len() < RUNS_FOR_P95 { "the slowest check" } else { "p95 latency" };
    let (verdict, reason) = match (runs, p95) {
        (Err(why), _) => (CheckVerdict::NoData, shortened(why)),
        (Ok(_), None) => (CheckVerdict::NoData, "it was not checked".to_owned()),
        (Ok(_), Some(p95)) if p95 < limit.0 => (CheckVerdict::Pass, format!("{what} is below the limit")),
        (Ok(_), Some(_)) if latencies.len() < RUNS_FOR_P95 => {
            (CheckVerdict::Warn, format!("{what} is not below the limit of p95; {RUNS_FOR_P95} runs would tell more"))
        }
        (Ok(_), Some(_)) => (CheckVerdict::Fail, format!("{what} is not below the limit")),
    };
    CheckResult {
        id: format!("real.{target}.latency").into(),
        verdict,
        observed: p95.map(|us| decimal(us, 3).into()),
        threshold: Some(decimal(limit.0, 3).into()),
        unit: "ms".into(),
        samples: latencies.len() as u64,
        reason,
        waived: false,
    }
}

fn shortened(words: &str) -> String {
    words[..words.floor_char_boundary(WORDS_MAX)].to_owned()
}

/// What was seen of the built-in target's three variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockRuns {
    /// What the others are held against.
    pub baseline: Vec<Run>,
    /// One that behaves the same.
    pub healthy: Vec<Run>,
    /// One that is five times as slow and fails one time in five.
    pub sick: Vec<Run>,
}

/// What a mock is judged by. Its sick variant is far beyond; a busy machine makes no healthy one look like it.
pub fn mock_settings() -> Canary {
    let far = RatioPpm(300_000);
    Canary {
        alpha: Alpha::Tenth,
        samples_min: u64::from(MOCK_RUNS),
        latency_warn: far,
        latency_fail: far,
        slow_warn: far,
        slow_fail: far,
        ..Canary::default()
    }
}

/// Three checks, which pass when the machinery works: the built-in target answers, the judge passes its healthy variant,
/// and fails its sick one for its latency and for its errors.
pub fn mock_checks(MockRuns { baseline, healthy, sick }: &MockRuns) -> Vec<CheckResult> {
    let against = |variant: &[Run]| {
        let side = |runs: &[Run]| Side::new(runs.iter().map(|run| (run.latency_us, run.failure.is_some())), 0);
        // A hundred runs are never too many; were they, there would be no checks, which is no pass.
        match (side(baseline), side(variant)) {
            (Ok(baseline), Ok(variant)) => compare(&baseline, &variant, &mock_settings()),
            _ => Vec::new(),
        }
    };
    let (healthy_checks, sick_checks) = (against(healthy), against(sick));
    let failing = |checks: &[CheckResult]| {
        let failing = checks.iter().filter(|check| check.verdict != CheckVerdict::Pass);
        failing.map(|check| format!("{}: {}", check.id, check.reason)).collect::<Vec<_>>().join("; ")
    };
    let has_failed = |id: &str| sick_checks.iter().any(|check| check.id == id && check.verdict == CheckVerdict::Fail);
    let failures = baseline.iter().chain(healthy).filter_map(|run| run.failure.as_deref());
    let probe = match failures.clone().next() {
        Some(words) => Err(format!("{} checks failed: {}", failures.count(), shortened(words))),
        None => Ok("every check of the healthy variants was answered as it should be".to_owned()),
    };
    let healthy = match gate::verdict(&healthy_checks) {
        Verdict::Pass => Ok("the judge passes a variant that behaves the same".to_owned()),
        _ => Err(format!("the judge should pass a variant that behaves the same: {}", failing(&healthy_checks))),
    };
    let sick = match has_failed("canary.latency") && has_failed("canary.errors") {
        true => Ok(format!("the judge fails a variant that is sick: {}", failing(&sick_checks))),
        false => Err("the judge should fail the sick variant for its latency and its errors".to_owned()),
    };
    let samples = baseline.len() as u64;
    [("mock.probe", probe), ("mock.healthy", healthy), ("mock.sick", sick)]
        .map(|(id, outcome)| mock_check(id, samples, outcome))
        .into()
}

fn mock_check(id: &str, samples: u64, outcome: Result<String, String>) -> CheckResult {
    let (verdict, observed, reason) = match outcome {
        Ok(reason) => (CheckVerdict::Pass, "as expected", reason),
        Err(reason) => (CheckVerdict::Fail, "not as expected", reason),
    };
    CheckResult {
        id: id.into(),
        verdict: if samples == 0 { CheckVerdict::NoData } else { verdict },
        observed: Some(observed.into()),
        threshold: Some("as expected".into()),
        unit: "".into(),
        samples,
        reason,
        waived: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(count: u64, latency_us: u64, failing_each: u64) -> Vec<Run> {
        let run = |n: u64| Run {
            latency_us: latency_us + n % 7 * 10,
            failure: (failing_each > 0 && n.is_multiple_of(failing_each))
                .then(|| "status 503, expected 200-299".to_owned()),
        };
        (0..count).map(run).collect()
    }

    fn verdicts(checks: &[CheckResult]) -> Vec<CheckVerdict> {
        checks.iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn each_target_has_a_verdict_for_each_check() {
        let probed = |runs| [ProbedTarget { target: Name::new("shop").unwrap(), runs }];
        let limit = DurationUs::from_ms(100);
        let of = |runs| verdicts(&real_checks(&probed(runs), limit));
        use CheckVerdict::{Fail, NoData, Pass, Warn};
        assert_eq!(of(Ok(runs(1, 20_000, 0))), [Pass, Pass]);
        assert_eq!(of(Ok(runs(1, 20_000, 1))), [Fail, Pass]);
        assert_eq!(of(Ok(runs(1, 100_000, 0))), [Pass, Warn], "one run is no percentile");
        assert_eq!(of(Ok(runs(20, 100_000, 0))), [Pass, Fail]);
        assert_eq!(of(Ok(Vec::new())), [NoData, NoData]);
        assert_eq!(of(Err("header authorization: no variable TOKEN".to_owned())), [NoData, NoData]);
        assert_eq!(gate::verdict(&real_checks(&[], limit)), Verdict::NoData, "nothing to look at is no pass");
        let long = real_checks(&probed(Err("ü".repeat(500))), limit);
        assert!(long.iter().all(|check| check.reason.len() <= WORDS_MAX));
    }

    #[test]
    fn a_mock_passes_only_when_both_variants_are_judged_as_they_are() {
        use CheckVerdict::{Fail, NoData, Pass};
        let well = || runs(100, 5_000, 0);
        let of = |baseline, healthy, sick| verdicts(&mock_checks(&MockRuns { baseline, healthy, sick }));
        assert_eq!(of(well(), well(), runs(100, 25_000, 5)), [Pass; 3]);
        assert_eq!(of(well(), well(), well()), [Pass, Pass, Fail], "a judge that sees nothing");
        assert_eq!(of(well(), runs(100, 25_000, 5), runs(100, 25_000, 5)), [Fail, Fail, Pass]);
        assert_eq!(of(well(), well(), runs(100, 25_000, 0)), [Pass, Pass, Fail], "errors that did not show");
        assert_eq!(of(runs(50, 5_000, 0), well(), runs(100, 25_000, 5)), [Pass, Fail, Fail]);
        assert_eq!(of(Vec::new(), Vec::new(), Vec::new()), [NoData; 3]);
    }
}
