//! A decision for people.

use std::fmt::Write as _;

use super::decision::{Check, Decision};

/// A line for each check, then the verdict.
pub(super) fn of(decision: &Decision) -> String {
    let mut text = String::new();
    for check in &decision.checks {
        let verdict = if check.is_waived() { "waived" } else { check.verdict.as_str() };
        let _infallible = writeln!(text, "{verdict:<8} {:<24} {}  ({})", check.id, figures(check), check.reason);
    }
    let (passed, all) = decision.passed();
    let (verdict, Decision { profile, at, .. }) = (decision.verdict().as_str(), decision);
    let _infallible = write!(text, "gate: {verdict}, {passed}/{all} checks passed, profile {profile}, at {at}");
    if decision.evidence.recorded {
        let _infallible = write!(text, "\ndecision {} is in the log", decision.id);
    }
    text
}

fn figures(check: &Check) -> String {
    let (observed, threshold) = (check.observed(), check.threshold());
    let wanted = if check.has_unit() { "limit" } else { "wanted" };
    format!("{observed}, {wanted} {threshold}")
}
