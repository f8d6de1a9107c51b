//! Error budgets and burn rates (The Site Reliability Workbook, chapters 2 and 5), weighted by events.

use serde::Serialize;
use spark_schemas::TimeNs;

/// What was counted in a stretch of time: observations, or slices of time that had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Good events (or slices).
    pub good: u64,
    /// Bad events (or slices).
    pub bad: u64,
    /// Observations that were counted; of occurrences, good and bad together.
    pub events: u64,
    /// Observations that a maintenance excludes.
    pub excluded: u64,
}

impl Counts {
    /// Adds another stretch.
    pub const fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.events += other.events;
        self.excluded += other.excluded;
    }

    /// Good and bad together.
    pub const fn total(&self) -> u64 {
        self.good + self.bad
    }

    /// The good share in parts per million, rounded down so that a bad event never reads as none; `None` without events.
    pub fn sli_ppm(&self) -> Option<u64> {
        let total = u128::from(self.total());
        (total > 0).then(|| (u128::from(self.good) * PPM / total) as u64)
    }
}

const PPM: u128 = 1_000_000;

/// What an objective allows to go wrong in its window, by what was counted in it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bad events that the objective allows among those counted, in thousandths, rounded down.
    pub total_milli: u64,
    /// Bad events there were.
    pub spent: u64,
    /// What is left, in thousandths of an event, rounded down; negative once it is overspent.
    pub left_milli: i64,
    /// The share of the budget that is spent, in parts per million, rounded up.
    pub spent_ppm: u64,
    /// When it will be gone at the pace of the last hour.
    pub exhaustion: Option<Exhaustion>,
}

/// When a budget will be gone if bad events go on as in the last hour and no old one leaves the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhaustion {
    /// It is.
    Gone,
    /// So many seconds from the instant, rounded down.
    InSeconds(u64),
    /// Nothing bad happened in the last hour.
    Never,
}

impl Budget {
    /// The budget by `counts`, of which `allowed_ppm` may be bad; `pace` is the last hour. `None` without events.
    pub fn of(counts: &Counts, allowed_ppm: u64, pace: Option<&Counts>) -> Option<Self> {
        // Everything in millionths of an event: exact.
        let (total, bad) = (u128::from(counts.total()) * u128::from(allowed_ppm), u128::from(counts.bad) * PPM);
        if counts.total() == 0 || total == 0 {
            return None;
        }
        let left = total as i128 - bad as i128;
        let exhaustion = match pace {
            _ if left <= 0 => Some(Exhaustion::Gone),
            Some(pace) if pace.bad > 0 => {
                let seconds = left.unsigned_abs() * u128::from(HOUR_S) / (u128::from(pace.bad) * PPM);
                Some(Exhaustion::InSeconds(saturating(seconds)))
            }
            Some(pace) if pace.total() > 0 => Some(Exhaustion::Never),
            _ => None,
        };
        Some(Self {
            total_milli: saturating(total / 1_000),
            spent: counts.bad,
            left_milli: i64::try_from(left.div_euclid(1_000)).unwrap_or(if left < 0 { i64::MIN } else { i64::MAX }),
            spent_ppm: saturating((bad * PPM).div_ceil(total)),
            exhaustion,
        })
    }

    /// The share that is left, in parts per million, rounded down; negative once it is overspent.
    pub fn left_ppm(&self) -> i64 {
        1_000_000 - i64::try_from(self.spent_ppm).unwrap_or(i64::MAX)
    }
}

const HOUR_S: u64 = 3_600;

fn saturating(figure: u128) -> u64 {
    u64::try_from(figure).unwrap_or(u64::MAX)
}

/// How many times faster than `allowed_ppm` allows bad events came, in thousandths, rounded up; `None` without events.
pub fn burn_milli(counts: &Counts, allowed_ppm: u64) -> Option<u64> {
    let even = u128::from(counts.total()) * u128::from(allowed_ppm);
    (even > 0).then(|| saturating((u128::from(counts.bad) * PPM * 1_000).div_ceil(even)))
}

/// Whether bad events came more than `rate_milli` thousandths faster than `allowed_ppm` allows; exact.
pub fn is_above(counts: &Counts, allowed_ppm: u64, rate_milli: u64) -> bool {
    let even = u128::from(counts.total()) * u128::from(allowed_ppm);
    u128::from(counts.bad) * PPM * 1_000 > even.saturating_mul(u128::from(rate_milli))
}

/// The share of the budget of `period_ns` that is spent when it burns at `rate_milli` for `for_ns` of even traffic, in
/// parts per million: at 14.4 an hour spends 2 % of thirty days' budget.
pub fn budget_share_ppm(rate_milli: u64, for_ns: u64, period_ns: u64) -> u64 {
    let share = u128::from(rate_milli) * u128::from(for_ns / TimeNs::SECOND) * (PPM / 1_000);
    saturating(share / u128::from(period_ns / TimeNs::SECOND).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Window;

    fn counts(good: u64, bad: u64) -> Counts {
        Counts { good, bad, events: good + bad, excluded: 0 }
    }

    #[test]
    fn the_workbooks_pairs_spend_what_it_says() {
        // The Site Reliability Workbook, chapter 5, table 5-8, for a period of 30 days.
        for (rate_milli, window, share_ppm) in [
            (14_400, Window::H1, 20_000),
            (6_000, Window::H6, 50_000),
            (3_000, Window::D1, 100_000),
            (1_000, Window::D3, 100_000),
        ] {
            assert_eq!(
                budget_share_ppm(rate_milli, window.length_ns(), Window::D30.length_ns()),
                share_ppm,
                "{window}"
            );
        }
        // A burn rate of 1 spends it all in the period, of 1,000 in a thousandth of it: 43 min 12 s of 30 days.
        assert_eq!(budget_share_ppm(1_000, Window::D30.length_ns(), Window::D30.length_ns()), 1_000_000);
        assert_eq!(budget_share_ppm(1_000_000, 2_592 * TimeNs::SECOND, Window::D30.length_ns()), 1_000_000);
    }

    #[test]
    fn burn_rates_by_hand() {
        // The error rates that burn a 99.9 % objective: table 5-6 of the workbook.
        for (bad, total, milli) in [
            (1, 1_000, 1_000),
            (2, 1_000, 2_000),
            (10, 1_000, 10_000),
            (1_000, 1_000, 1_000_000),
            (144, 10_000, 14_400),
            (0, 1_000, 0),
            (1, 3_000, 334), // 333.3…, rounded up
        ] {
            assert_eq!(burn_milli(&counts(total - bad, bad), 1_000), Some(milli), "{bad} of {total}");
        }
        assert_eq!(burn_milli(&counts(0, 0), 1_000), None);
        let at_the_rate = counts(9_856, 144);
        assert!(!is_above(&at_the_rate, 1_000, 14_400), "as fast is not faster");
        assert!(is_above(&at_the_rate, 1_000, 14_399));
        assert!(is_above(&counts(985_599, 14_401), 1_000, 14_400));
        assert!(!is_above(&counts(0, 0), 1_000, 0));
    }

    #[test]
    fn budgets_by_hand() {
        // The workbook's chapter 2: 3,663,253 requests in four weeks, 97.123 % good; 97 % allows 109,897 bad ones.
        let of_four_weeks = counts(3_557_865, 105_388);
        assert_eq!(of_four_weeks.sli_ppm(), Some(971_231));
        let budget = Budget::of(&of_four_weeks, 30_000, None).unwrap();
        assert_eq!((budget.total_milli, budget.spent, budget.left_milli), (109_897_590, 105_388, 4_509_590));
        assert_eq!((budget.spent_ppm, budget.left_ppm()), (958_966, 41_034));
        // Its latency objectives, 90 % within 450 ms and 99 % within 900 ms.
        for (allowed_ppm, total) in [(100_000, 366_325), (10_000, 36_632)] {
            assert_eq!(Budget::of(&of_four_weeks, allowed_ppm, None).unwrap().total_milli / 1_000, total);
        }

        // A million requests at 99.9 %: a thousand may fail; a quarter did; the last hour had ten bad ones.
        let budget = Budget::of(&counts(999_750, 250), 1_000, Some(&counts(990, 10))).unwrap();
        assert_eq!((budget.total_milli, budget.spent, budget.left_milli), (1_000_000, 250, 750_000));
        assert_eq!(budget.spent_ppm, 250_000);
        assert_eq!(budget.exhaustion, Some(Exhaustion::InSeconds(75 * 3_600)));

        // Less than one event is allowed.
        let budget = Budget::of(&counts(99, 1), 1_000, Some(&counts(99, 1))).unwrap();
        assert_eq!((budget.total_milli, budget.left_milli, budget.spent_ppm), (100, -900, 10_000_000));
        assert_eq!((budget.left_ppm(), budget.exhaustion), (-9_000_000, Some(Exhaustion::Gone)));

        let quiet = |pace: Counts| Budget::of(&counts(1_000, 0), 1_000, Some(&pace)).unwrap().exhaustion;
        assert_eq!(quiet(counts(5, 0)), Some(Exhaustion::Never));
        assert_eq!(quiet(counts(0, 0)), None, "an hour without events says nothing of the pace");
        assert_eq!(Budget::of(&counts(0, 0), 1_000, None), None);
    }

    #[test]
    fn nothing_overflows() {
        let most = counts(u64::MAX / 2, u64::MAX / 2);
        assert_eq!(burn_milli(&most, 1), Some(500_000_000));
        assert!(is_above(&most, 999_999, 0) && !is_above(&most, 999_999, u64::MAX));
        assert_eq!(Budget::of(&most, 1, Some(&most)).unwrap().exhaustion, Some(Exhaustion::Gone));
        assert_eq!(most.sli_ppm(), Some(500_000));
    }
}
