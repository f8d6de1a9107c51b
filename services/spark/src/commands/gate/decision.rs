//! A decision as the API gives it. What is not one is no answer.

use serde::Deserialize;
use serde_json::Value;
use spark_schemas::event::{CheckVerdict, Verdict};

/// A decision, or what one would be.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Decision {
    pub(super) id: String,
    verdict: Verdict,
    pub(super) profile: String,
    /// RFC 3339.
    pub(super) at: String,
    pub(super) checks: Vec<Check>,
    #[serde(default)]
    pub(super) waivers: Vec<Waiver>,
    pub(super) evidence: Evidence,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) verdict: CheckVerdict,
    #[serde(default)]
    observed: Value,
    #[serde(default)]
    threshold: Value,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) waived: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Waiver {
    pub(super) check: String,
    pub(super) until: String,
    pub(super) reason: String,
    pub(super) by: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evidence {
    pub(super) policy_digest: String,
    pub(super) build: String,
    pub(super) recorded: bool,
}

impl Decision {
    /// The verdict; never better than the checks are, whatever the answer says of them.
    pub(super) fn verdict(&self) -> Verdict {
        let any = |verdict| self.checks.iter().any(|check| check.verdict == verdict && !check.is_waived());
        let of_checks = if any(CheckVerdict::Fail) {
            Verdict::Fail
        } else if self.checks.is_empty() || any(CheckVerdict::NoData) {
            Verdict::NoData
        } else if any(CheckVerdict::Warn) {
            Verdict::Warn
        } else {
            Verdict::Pass
        };
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Warn => 1,
            Verdict::NoData => 2,
            Verdict::Fail => 3,
        };
        std::cmp::max_by_key(self.verdict, of_checks, rank)
    }

    /// How many checks passed, of how many.
    pub(super) fn passed(&self) -> (usize, usize) {
        let passed = self.checks.iter().filter(|check| check.verdict == CheckVerdict::Pass);
        (passed.count(), self.checks.len())
    }
}

impl Check {
    /// Whether it lacks data, and the policy lifts that by name.
    pub(super) fn is_waived(&self) -> bool {
        self.waived && self.verdict == CheckVerdict::NoData
    }

    /// Whether it is about a figure, not a state.
    pub(super) fn has_unit(&self) -> bool {
        !self.unit.is_empty()
    }

    /// What was seen, with its unit.
    pub(super) fn observed(&self) -> String {
        self.with_unit(&self.observed)
    }

    /// What was asked for, with its unit.
    pub(super) fn threshold(&self) -> String {
        self.with_unit(&self.threshold)
    }

    fn with_unit(&self, figure: &Value) -> String {
        match figure {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other if self.unit.is_empty() => other.to_string(),
            other => format!("{other} {}", self.unit),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A decision with one check of each verdict given.
    pub(in super::super) fn decision(verdict: &str, checks: &[(&str, &str)]) -> Value {
        let check = |(id, verdict): &(&str, &str)| {
            let reason = format!("a <reason> of {id} | \u{1} @all");
            json!({"id": id, "verdict": verdict, "observed": 1.5, "threshold": 2, "unit": "ms", "samples": 3, "reason": reason})
        };
        json!({
            "id": "0123456789abcdef0123456789abcdef", "verdict": verdict, "profile": "prod",
            "at": "2026-07-30T12:00:00.123Z", "checks": checks.iter().map(check).collect::<Vec<_>>(),
            "evidence": {"policyDigest": "ab".repeat(32), "build": "0.1.0 (x)", "recorded": true, "positions": []},
        })
    }

    fn verdict_of(value: Value) -> Option<Verdict> {
        serde_json::from_value::<Decision>(value).ok().map(|decision| decision.verdict())
    }

    #[test]
    fn a_verdict_is_never_better_than_the_checks() {
        let one = |check| decision("pass", &[("a", "pass"), ("b", check)]);
        for (check, verdict) in
            [("pass", Verdict::Pass), ("warn", Verdict::Warn), ("no_data", Verdict::NoData), ("fail", Verdict::Fail)]
        {
            assert_eq!(verdict_of(one(check)), Some(verdict));
        }
        assert_eq!(verdict_of(decision("pass", &[])), Some(Verdict::NoData), "no checks at all are no pass");
        assert_eq!(verdict_of(decision("fail", &[("a", "pass")])), Some(Verdict::Fail));
        let mut waived = one("no_data");
        waived["checks"][1]["waived"] = json!(true);
        assert_eq!(verdict_of(waived.clone()), Some(Verdict::Pass));
        waived["checks"][1]["verdict"] = json!("fail");
        assert_eq!(verdict_of(waived), Some(Verdict::Fail), "a failure is never waived");
    }

    #[test]
    fn what_is_no_decision_is_no_answer() {
        for wrong in ["PASS", "", "ok", "NaN"] {
            assert_eq!(verdict_of(decision(wrong, &[("a", "pass")])), None, "{wrong:?}");
            assert_eq!(verdict_of(decision("pass", &[("a", wrong)])), None, "a check that says {wrong:?}");
        }
        let mut without = decision("pass", &[("a", "pass")]);
        without.as_object_mut().unwrap().remove("checks");
        assert_eq!(verdict_of(without), None);
        assert_eq!(verdict_of(json!([])), None);
        assert_eq!(verdict_of(Value::Null), None);
    }
}
