//! Samples drawn from known distributions by a seeded generator, for what is said of the judge.
#![allow(dead_code, reason = "each test file uses the parts it needs")]

use spark_core::judge::Side;
use spark_schemas::event::{CheckResult, Verdict};

/// Draws numbers: SplitMix64 (Steele, Lea and Flood 2014).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// More than 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A normal deviate of mean 0 and deviation 1 (Box and Muller 1958; the second of the pair is not used).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for n in (1..items.len()).rev() {
            items.swap(n, (self.bits() % (n as u64 + 1)) as usize);
        }
    }
}

/// Where latencies come from; the median of each is about 20 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// Log-normal with σ = 0.3: p95 is 1.6 times the median, as of an HTTP service that is well.
    Usual,
    /// Log-normal with σ = 0.8: p95 is 3.7 times the median.
    Wide,
    /// Pareto with α = 1.2: its variance is infinite.
    HeavyTailed,
    /// Nine of ten around 20 ms, one of ten around 200 ms.
    TwoHumps,
    /// Whole milliseconds from 19 to 21: nearly all ties.
    Coarse,
}

impl Source {
    pub const ALL: [Self; 5] = [Self::Usual, Self::Wide, Self::HeavyTailed, Self::TwoHumps, Self::Coarse];

    pub fn latency_us(self, draw: &mut Draw) -> u64 {
        let us = match self {
            Self::Usual => 20_000.0 * (0.3 * draw.normal()).exp(),
            Self::Wide => 20_000.0 * (0.8 * draw.normal()).exp(),
            Self::HeavyTailed => 11_225.0 * draw.unit().powf(-1.0 / 1.2),
            Self::TwoHumps if draw.chance(0.1) => 200_000.0 * (0.2 * draw.normal()).exp(),
            Self::TwoHumps => 20_000.0 * (0.2 * draw.normal()).exp(),
            Self::Coarse => 1_000.0 * (19 + draw.bits() % 3) as f64,
        };
        us as u64
    }

    /// `count` observations, slower by `factor`, of which this share fails.
    pub fn side(self, draw: &mut Draw, count: usize, factor: f64, errors: f64) -> Side {
        let observations = (0..count).map(|_| {
            let latency_us = (self.latency_us(draw) as f64 * factor) as u64;
            (latency_us, errors > 0.0 && draw.chance(errors))
        });
        Side::new(observations, 0).expect("not too many")
    }
}

pub fn check<'a>(checks: &'a [CheckResult], name: &str) -> &'a CheckResult {
    let id = format!("canary.{name}");
    checks.iter().find(|check| check.id == id).expect("the judge makes this check")
}

pub fn verdict_of(checks: &[CheckResult]) -> Verdict {
    spark_core::gate::verdict(checks)
}
