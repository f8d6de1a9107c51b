//! Two shares: do as many of one side's observations fail as of the other's, but for chance?
//!
//! The two-sided z test with a pooled share where every expected count is at least 5, else Fisher's exact test (Cochran
//! 1954, "Some methods for strengthening the common χ² tests").

use crate::config::Alpha;

/// So and so many of so many, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Hits among the first sample's.
    pub first: u64,
    pub first_of: u64,
    /// Hits among the second sample's.
    pub second: u64,
    pub second_of: u64,
}

/// How a difference of shares was tested, and what came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ShareTest {
    /// z² as a fraction of whole numbers, and whether the second share is the lower one.
    Pooled { numerator: u128, denominator: u128, is_lower: bool },
    /// The two-sided probability of a table no likelier than this one.
    Exact { p: f64 },
}

impl Shares {
    fn hits(&self) -> u64 {
        self.first + self.second
    }

    fn all(&self) -> u64 {
        self.first_of + self.second_of
    }

    /// Twice nothing, or twice everything, gives no difference to test: Fisher's p is 1 then.
    pub(super) fn test(&self) -> ShareTest {
        let rarer = self.hits().min(self.all() - self.hits());
        let least_expected_times_all = u128::from(self.first_of.min(self.second_of)) * u128::from(rarer);
        if least_expected_times_all < 5 * u128::from(self.all()) {
            return ShareTest::Exact { p: self.fisher() };
        }
        let [x, m, y, n, hits, all] =
            [self.first, self.first_of, self.second, self.second_of, self.hits(), self.all()].map(u128::from);
        let excess = (y * m).abs_diff(x * n);
        ShareTest::Pooled {
            numerator: excess * excess * all,
            denominator: m * n * hits * (all - hits),
            is_lower: y * m < x * n,
        }
    }

    /// By how much the second share is the higher one, in parts per million, rounded towards 0; 0 where a side is empty.
    pub(super) fn difference_ppm(&self) -> i64 {
        let [x, m, y, n] = [self.first, self.first_of, self.second, self.second_of].map(i128::from);
        ((y * m - x * n) * 1_000_000).checked_div(m * n).unwrap_or(0) as i64
    }

    /// Fisher's exact test: given all margins, the probability of every table that is no likelier than this one.
    /// Likelihoods are taken relative to the likeliest table, going from it both ways, so nothing overflows and the sum is
    /// at least 1. As R and scipy do, a table counts as equally likely up to a relative 1e-7.
    fn fisher(&self) -> f64 {
        let (m, n, hits) = (self.first_of, self.second_of, self.hits());
        let (low, high) = (hits.saturating_sub(n), hits.min(m));
        // From u64 to f64 is exact here: counts are far below 2^53.
        let to_next = |k: u64| ((hits - k) as f64 * (m - k) as f64) / ((k + 1) as f64 * (n + k + 1 - hits) as f64);
        let likeliest = (u128::from(hits + 1) * u128::from(m + 1) / u128::from(m + n + 2)) as u64;
        let likeliest = likeliest.clamp(low, high);
        let upwards = (likeliest..high).scan(1.0, |weight, k| {
            *weight *= to_next(k);
            Some((k + 1, *weight))
        });
        let downwards = (low..likeliest).rev().scan(1.0, |weight, k| {
            *weight /= to_next(k);
            Some((k, *weight))
        });
        let tables: Vec<(u64, f64)> = [(likeliest, 1.0)].into_iter().chain(upwards).chain(downwards).collect();
        let here = tables.iter().find(|(k, _)| *k == self.first).map_or(0.0, |(_, weight)| *weight);
        let all: f64 = tables.iter().map(|(_, weight)| weight).sum();
        let no_likelier: f64 =
            tables.iter().map(|(_, weight)| weight).filter(|weight| **weight <= here * (1.0 + 1e-7)).sum();
        no_likelier / all
    }
}

impl ShareTest {
    /// Whether the shares differ by more than chance.
    pub(super) fn is_significant(&self, alpha: Alpha) -> bool {
        match self {
            Self::Pooled { numerator, denominator, .. } => {
                numerator * 10_000 > alpha.critical_z_squared_e4() * denominator
            }
            Self::Exact { p } => *p < alpha.ppm() as f64 / 1e6,
        }
    }

    /// z in hundredths, rounded towards 0; positive where the second share is the higher one.
    pub(super) fn z_e2(numerator: u128, denominator: u128, is_lower: bool) -> i64 {
        let z = (numerator * 10_000).checked_div(denominator).unwrap_or(0).isqrt() as i64;
        if is_lower { -z } else { z }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(first: u64, first_of: u64, second: u64, second_of: u64) -> Shares {
        Shares { first, first_of, second, second_of }
    }

    /// What `scipy.stats.fisher_exact` of SciPy 1.17.1 says.
    #[test]
    fn small_counts_are_tested_exactly_and_agree_with_scipy() {
        for (first, first_of, second, second_of, expected) in [
            (0, 100, 8, 100, 0.006_754_674_575_248_211),
            (2, 30, 0, 30, 0.491_525_423_728_813_7),
            (4, 200, 0, 25, 1.0),
            (0, 50, 0, 50, 1.0),
            (50, 50, 50, 50, 1.0),
            (1, 200, 3, 24, 0.004_068_242_066_131_805),
        ] {
            let ShareTest::Exact { p } = shares(first, first_of, second, second_of).test() else {
                panic!("{first} of {first_of} and {second} of {second_of} are few")
            };
            assert!((p - expected).abs() < 1e-12, "{p}, not {expected}");
        }
        let p = shares(1, 10, 11, 14).fisher();
        assert!((p - 0.002_759_456_185_220_083_6).abs() < 1e-12, "{p}");
        let p = shares(3, 100, 12, 100).fisher();
        assert!((p - 0.028_671_314_973_177_094).abs() < 1e-12, "{p}");
    }

    /// By hand: (y/n − x/m) / √(p(1 − p)(1/m + 1/n)), p the pooled share.
    #[test]
    fn large_counts_are_tested_by_their_pooled_share() {
        for (first, first_of, second, second_of, expected_z_e2) in
            [(50, 1_000, 100, 1_000, 424), (45, 500, 30, 400, -80), (10, 200, 10, 200, 0)]
        {
            let ShareTest::Pooled { numerator, denominator, is_lower } =
                shares(first, first_of, second, second_of).test()
            else {
                panic!("{first} of {first_of} and {second} of {second_of} are many")
            };
            assert_eq!(ShareTest::z_e2(numerator, denominator, is_lower), expected_z_e2);
        }
    }

    #[test]
    fn an_empty_side_shows_no_difference() {
        for shares in [shares(0, 0, 0, 0), shares(0, 0, 5, 5), shares(3, 9, 0, 0)] {
            assert!(!shares.test().is_significant(Alpha::Ten), "{shares:?}");
            assert_eq!(shares.difference_ppm(), 0);
        }
    }

    #[test]
    fn the_largest_samples_fit_the_arithmetic() {
        let max = super::super::SAMPLES_MAX as u64;
        assert!(shares(0, max, max, max).test().is_significant(Alpha::Tenth));
        assert!(shares(0, max, 30, 100).test().is_significant(Alpha::Tenth), "few of one side, many of the other");
        assert_eq!(shares(0, max, max, max).difference_ppm(), 1_000_000);
    }

    proptest! {
        #[test]
        fn a_probability_is_one_whatever_the_counts(
            (first_of, first) in (0_u64..200).prop_flat_map(|of| (Just(of), 0..=of)),
            (second_of, second) in (0_u64..200).prop_flat_map(|of| (Just(of), 0..=of)),
        ) {
            let there = shares(first, first_of, second, second_of);
            let p = there.fisher();
            prop_assert!(p > 0.0 && p <= 1.0, "{p}");
            let back = shares(second, second_of, first, first_of);
            prop_assert!((back.fisher() - p).abs() < 1e-9, "neither side is preferred");
            prop_assert_eq!(back.difference_ppm(), -there.difference_ppm());
        }
    }
}
