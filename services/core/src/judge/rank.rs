//! The Mann-Whitney U test, two-sided, by its normal approximation with corrections for ties and for continuity
//! (Mann and Whitney 1947; Lehmann, Nonparametrics, 1975, 1.4): are two samples of one distribution?
//!
//! It looks at ranks only, so one absurd value counts as one value, and no distribution is assumed.

use crate::config::Alpha;

/// How far two samples are apart in ranks. Signs: positive where the second sample's values are the larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RankTest {
    /// 2U − mn: twice how far U is from what one distribution would give.
    doubled_excess: i128,
    /// z², as a fraction of whole numbers.
    numerator: u128,
    denominator: u128,
}

impl RankTest {
    /// Compares two samples, each in order. With `m` and `n` values, `N = m + n`, and T the sum of t³ − t over every
    /// group of t equal values, the variance of U is `mn/12 · (N + 1 − T/(N(N − 1)))`, so
    /// `z² = (|U − mn/2| − 1/2)² / variance = 3 (|2U − mn| − 1)² N(N − 1) / (mn (N³ − N − T))`.
    pub(super) fn new(first: &[u64], second: &[u64]) -> Self {
        let (m, n) = (first.len() as i128, second.len() as i128);
        let (mut doubled_u, mut ties) = (0_i128, 0_u128);
        let (mut i, mut j) = (0, 0);
        while let Some(value) = [first.get(i), second.get(j)].into_iter().flatten().min() {
            let equal_in = |sample: &[u64]| sample.iter().take_while(|other| *other == value).count();
            let (equal_first, equal_second) = (equal_in(&first[i..]), equal_in(&second[j..]));
            // Each value of the second beats those of the first below it, and half beats its equals.
            doubled_u += equal_second as i128 * (2 * i + equal_first) as i128;
            let group = (equal_first + equal_second) as u128;
            ties += group * group * group - group;
            i += equal_first;
            j += equal_second;
        }
        let doubled_excess = doubled_u - m * n;
        let corrected = doubled_excess.unsigned_abs().saturating_sub(1);
        let (pairs, all) = ((m * n) as u128, (m + n) as u128);
        Self {
            doubled_excess,
            numerator: 3 * corrected * corrected * all * all.saturating_sub(1),
            denominator: pairs * (all * all * all - all - ties),
        }
    }

    /// Whether the samples differ by more than chance. Where every value is the same, nothing does.
    pub(super) fn is_significant(&self, alpha: Alpha) -> bool {
        self.numerator * 10_000 > alpha.critical_z_squared_e4() * self.denominator
    }

    /// z in hundredths, rounded towards 0; positive where the second sample is slower.
    pub(super) fn z_e2(&self) -> i64 {
        let squared_e4 = (self.numerator * 10_000).checked_div(self.denominator).unwrap_or(0);
        let z = squared_e4.isqrt() as i64;
        if self.doubled_excess < 0 { -z } else { z }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn test(first: impl IntoIterator<Item = u64>, second: impl IntoIterator<Item = u64>) -> RankTest {
        let sorted = |values: Vec<u64>| {
            let mut values = values;
            values.sort_unstable();
            values
        };
        RankTest::new(&sorted(first.into_iter().collect()), &sorted(second.into_iter().collect()))
    }

    /// What `scipy.stats.mannwhitneyu(second, first, method="asymptotic")` of SciPy 1.17.1 says: U, and z as
    /// `norm.isf(p / 2)`.
    #[test]
    fn it_agrees_with_scipy() {
        let thrice = |values: [u64; 10]| [values; 3].into_iter().flatten();
        let curve = |n: u64, base: u64, factor: u64, modulus: u64| (0..n).map(move |k| base + factor * k * k % modulus);
        for (test, doubled_u, of, z_e2) in [
            (test(1..=20, 11..=30), 2 * 350, 400, 404),
            (test(thrice([1, 1, 2, 2, 3, 3, 3, 4, 5, 9]), thrice([2, 2, 3, 3, 4, 4, 5, 5, 6, 6])), 2 * 603, 900, 229),
            (test([5; 30], [[5; 29].as_slice(), &[6]].concat()), 2 * 465, 900, 96),
            (test([10; 20], [20; 20]), 2 * 400, 400, 622),
            (test(curve(40, 100, 7, 53), curve(35, 104, 11, 61)), 2 * 810, 1_400, 116),
        ] {
            assert_eq!((test.doubled_excess, test.z_e2()), (doubled_u - of, z_e2));
        }
    }

    #[test]
    fn nothing_to_tell_apart_is_no_difference() {
        for test in [test([], []), test([1], []), test([], [1]), test([1], [1]), test([7; 500], [7; 300])] {
            assert!(!test.is_significant(Alpha::Ten), "{test:?}");
            assert_eq!(test.z_e2(), 0);
        }
    }

    #[test]
    fn the_largest_samples_fit_the_arithmetic() {
        let (low, high) = (vec![1; super::super::SAMPLES_MAX], vec![2; super::super::SAMPLES_MAX]);
        for (first, second, sign) in [(&low, &high, 1), (&high, &low, -1)] {
            let test = RankTest::new(first, second);
            assert!(test.is_significant(Alpha::Tenth));
            assert_eq!(test.z_e2().signum(), sign);
        }
    }

    proptest! {
        #[test]
        fn u_is_what_comparing_every_pair_gives(
            first in prop::collection::vec(0_u64..20, 0..30),
            second in prop::collection::vec(0_u64..20, 0..30),
        ) {
            let pairs = first.iter().flat_map(|x| second.iter().map(move |y| y.cmp(x) as i128));
            let excess: i128 = pairs.sum();
            let there = test(first.clone(), second.clone());
            prop_assert_eq!(there.doubled_excess, excess);
            prop_assert_eq!(there.z_e2(), -test(second, first).z_e2(), "two-sided: neither side is preferred");
        }
    }
}
