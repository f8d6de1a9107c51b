//! Waivers: checks that may lack data until an instant, by name. They lift nothing else.

use spark_schemas::TimeNs;
use spark_schemas::event::{AppliedWaiver, CheckResult, CheckVerdict};

use crate::config::Waiver;

/// Marks the checks without data that a waiver lifts, and says of those that one lifted once that it has expired.
pub(super) fn apply(waivers: &[Waiver], at: TimeNs, checks: &mut [CheckResult]) {
    for check in checks.iter_mut().filter(|check| check.verdict == CheckVerdict::NoData) {
        let Some(waiver) = waivers.iter().find(|waiver| waiver.check == check.id) else { continue };
        let Waiver { until, reason, by, .. } = waiver;
        check.waived = at < until.0;
        let fate = if check.waived { "waived until" } else { "the waiver expired at" };
        check.reason = format!("{}; {fate} {until} ({reason}, {by})", check.reason);
    }
}

/// Those that lifted a check.
pub(super) fn applied(waivers: &[Waiver], checks: &[CheckResult]) -> Vec<AppliedWaiver> {
    let waived = checks.iter().filter(|check| check.waived);
    let of = |check: &CheckResult| waivers.iter().find(|waiver| waiver.check == check.id);
    let record = |Waiver { check, until, reason, by }: &Waiver| AppliedWaiver {
        check: check.as_str().into(),
        until_ns: until.0,
        reason: reason.clone(),
        by: by.clone(),
    };
    waived.filter_map(of).map(record).collect()
}
