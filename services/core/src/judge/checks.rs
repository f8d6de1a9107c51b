//! The judge's checks, each with a figure, a limit and a sentence.

use std::fmt;

use spark_schemas::event::{CheckResult, CheckVerdict};

use super::Side;
use super::proportion::{ShareTest, Shares};
use super::rank::RankTest;
use super::shift::{doubled_median, doubled_shift};
use crate::config::Canary;
use crate::units::{RatioPpm, decimal};

/// What is compared, and by which settings.
pub(super) struct Comparison<'a> {
    pub baseline: &'a Side,
    pub candidate: &'a Side,
    pub settings: &'a Canary,
}

/// A check before it was made: its name and what it is held against, in parts per million.
#[derive(Clone, Copy)]
struct Check {
    id: &'static str,
    limit: RatioPpm,
}

/// How a difference is judged.
struct Judged {
    verdict: CheckVerdict,
    /// What it means, after the figures.
    meaning: String,
}

/// Every check in its order; all without data when there is too little to judge by.
pub(super) fn all(comparison: &Comparison<'_>) -> Vec<CheckResult> {
    let settings = comparison.settings;
    let completeness = Check { id: "canary.completeness", limit: settings.completeness_min };
    let latency = Check { id: "canary.latency", limit: settings.latency_fail };
    let slow = Check { id: "canary.slow", limit: settings.slow_fail };
    let errors = Check { id: "canary.errors", limit: settings.errors_fail };
    let few = comparison.too_few_samples();
    let unless_few = |check: Check, make: &dyn Fn(Check) -> CheckResult| match &few {
        Some(why) => comparison.result(check, CheckVerdict::NoData, None, why.clone()),
        None => make(check),
    };
    vec![
        comparison.completeness(completeness),
        unless_few(latency, &|check| comparison.latency(check)),
        unless_few(slow, &|check| comparison.slow(check)),
        unless_few(errors, &|check| comparison.errors(check)),
    ]
}

impl Comparison<'_> {
    fn result(&self, check: Check, verdict: CheckVerdict, observed_ppm: Option<i64>, reason: String) -> CheckResult {
        CheckResult {
            id: check.id.into(),
            verdict,
            observed: observed_ppm.map(|ppm| signed(ppm, 4).into()),
            threshold: Some(decimal(check.limit.0, 4).into()),
            unit: "%".into(),
            samples: self.baseline.count() + self.candidate.count(),
            reason,
            waived: false,
        }
    }

    fn too_few_samples(&self) -> Option<String> {
        let (baseline, candidate, min) = (self.baseline.count(), self.candidate.count(), self.settings.samples_min);
        (baseline < min || candidate < min).then(|| {
            format!(
                "too few observations: {baseline} of the baseline and {candidate} of the candidate, at least {min} of \
                 each are needed"
            )
        })
    }

    /// Slots that could not run are no accident: a check that is still running is why the next one is missed.
    fn completeness(&self, check: Check) -> CheckResult {
        let sides = [("baseline", self.baseline), ("candidate", self.candidate)];
        let shares = sides.map(|(name, side)| side.completeness_ppm().map(|ppm| (ppm, name, side.missed)));
        let worst = match shares {
            [Some(baseline), Some(candidate)] => Some(baseline.min(candidate)),
            _ => None,
        };
        let (verdict, reason) = match worst {
            None => (CheckVerdict::NoData, "a side has no observations at all".to_owned()),
            Some((ppm, side, missed)) if ppm < check.limit.0 => (
                CheckVerdict::NoData,
                format!("{missed} slots of the {side} could not run: what is left may be no fair sample"),
            ),
            Some(_) => (CheckVerdict::Pass, "enough of both sides' slots were observed".to_owned()),
        };
        self.result(check, verdict, worst.map(|(ppm, ..)| ppm as i64), reason)
    }

    fn latency(&self, check: Check) -> CheckResult {
        let (baseline, candidate) = (&self.baseline.latencies, &self.candidate.latencies);
        let test = RankTest::new(baseline, candidate);
        let doubled_shift_us = doubled_shift(baseline, candidate);
        let medians = [doubled_median(baseline), doubled_median(candidate)];
        // A median of 0 µs counts as 1 µs, the finest that is measured.
        let of_median = i128::from(doubled_shift_us) * 1_000_000 / i128::from(medians[0].max(2));
        let of_median = of_median.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        let settings = self.settings;
        let is_significant = test.is_significant(settings.alpha);
        let floor = settings.latency_floor;
        let judged = if is_significant && doubled_shift_us.unsigned_abs() < floor.0.saturating_mul(2) {
            Judged { verdict: CheckVerdict::Pass, meaning: format!("less than {floor}, too little to matter") }
        } else {
            judged(is_significant, of_median, settings.latency_warn, settings.latency_fail, ["slower", "faster"])
        };
        let reason = format!(
            "a median of {} ms against {} ms, shifted by {} ms ({} % of the baseline's), z {}: {}",
            decimal(medians[1].saturating_mul(5), 4),
            decimal(medians[0].saturating_mul(5), 4),
            signed(doubled_shift_us.saturating_mul(5), 4),
            signed(of_median / 100, 2),
            signed(test.z_e2(), 2),
            judged.meaning,
        );
        self.result(check, judged.verdict, Some(of_median), reason)
    }

    /// Answers that take more than twice the median of both sides together: what a shift of the middle does not show. The
    /// limit does not depend on which side an observation is of, so the test stays what it is.
    fn slow(&self, check: Check) -> CheckResult {
        let mut pooled = [self.baseline.latencies.as_slice(), &self.candidate.latencies].concat();
        pooled.sort(); // Two runs in order: a stable sort merges them.
        let limit_us = doubled_median(&pooled);
        let shares = self.shares(|side| side.slower_than(limit_us));
        let what = format!("took more than {} ms, twice the median of both", decimal(limit_us, 3));
        self.share_check(check, shares, self.settings.slow_warn, ["more of them", "fewer of them"], &what)
    }

    fn errors(&self, check: Check) -> CheckResult {
        let shares = self.shares(|side| side.failed);
        self.share_check(check, shares, self.settings.errors_warn, ["more errors", "fewer errors"], "failed")
    }

    fn shares(&self, hits: impl Fn(&Side) -> u64) -> Shares {
        Shares {
            first: hits(self.baseline),
            first_of: self.baseline.count(),
            second: hits(self.candidate),
            second_of: self.candidate.count(),
        }
    }

    fn share_check(
        &self,
        check: Check,
        shares: Shares,
        warn: RatioPpm,
        directions: [&str; 2],
        what: &str,
    ) -> CheckResult {
        let (test, difference) = (shares.test(), shares.difference_ppm());
        let judged = judged(test.is_significant(self.settings.alpha), difference, warn, check.limit, directions);
        let Shares { first, first_of, second, second_of } = shares;
        let reason = format!(
            "{second} of {second_of} {what}, of the baseline's {first} of {first_of}, {test}: {}",
            judged.meaning
        );
        self.result(check, judged.verdict, Some(difference), reason)
    }
}

/// Whether a difference, positive where the candidate is worse, is held against it.
fn judged(
    is_significant: bool,
    difference_ppm: i64,
    warn: RatioPpm,
    fail: RatioPpm,
    [worse, better]: [&str; 2],
) -> Judged {
    let is_beyond = |limit: RatioPpm| u64::try_from(difference_ppm).is_ok_and(|ppm| ppm >= limit.0);
    let (verdict, meaning) = if !is_significant {
        (CheckVerdict::Pass, "no more than chance".to_owned())
    } else if is_beyond(fail) {
        (CheckVerdict::Fail, format!("{worse}, at or beyond {fail}"))
    } else if is_beyond(warn) {
        (CheckVerdict::Warn, format!("{worse}, at or beyond {warn}"))
    } else if difference_ppm > 0 {
        (CheckVerdict::Pass, format!("{worse}, but below {warn}, too little to matter"))
    } else if difference_ppm < 0 {
        (CheckVerdict::Pass, format!("{better}, and by more than chance"))
    } else {
        (CheckVerdict::Pass, "different in shape, not in the middle".to_owned())
    };
    Judged { verdict, meaning }
}

/// `value / 10^places` with its sign.
fn signed(value: i64, places: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", decimal(value.unsigned_abs(), places))
}

impl fmt::Display for ShareTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pooled { numerator, denominator, is_lower } => {
                write!(f, "z {}", signed(Self::z_e2(numerator, denominator, is_lower), 2))
            }
            Self::Exact { p } => write!(f, "Fisher's p {p:.4}"),
        }
    }
}
