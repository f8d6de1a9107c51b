//! Looking back. Windows answer for a past instant from their buckets; what a target was like then is not kept, only its
//! latest observation. So a target that was observed since is unknown as of then, rather than what it is now.

use super::{Slo, TargetView, UnknownProfile, View};
use spark_schemas::TimeNs;
use spark_schemas::derived::TargetState;

/// An instant less than this before the log's newest is as good as now.
const PRESENT_NS: u64 = 30 * TimeNs::SECOND;

/// Whether the log has gone on well beyond the instant that is looked from.
pub fn is_past(view: &View<'_>) -> bool {
    view.at.0.saturating_add(PRESENT_NS) < view.fold_time().0
}

/// Whether something that was last said at `said` tells nothing of the instant that is looked from.
pub fn is_later(view: &View<'_>, said: TimeNs) -> bool {
    is_past(view) && said > view.at
}

/// Every target, as far as it is known for the instant.
pub fn targets<'a>(view: &View<'a>) -> Vec<TargetView<'a>> {
    view.targets().into_iter().map(|target| as_of(view, target)).collect()
}

/// One target, as far as it is known for the instant.
pub fn target<'a>(view: &View<'a>, name: &str) -> Option<TargetView<'a>> {
    view.target(name).map(|target| as_of(view, target))
}

/// A profile's figures, as far as they are known for the instant.
pub fn slo<'a>(view: &View<'a>, profile: Option<&str>) -> Result<Slo<'a>, UnknownProfile> {
    view.slo_of(targets(view), profile)
}

/// A target as far as it is known for the instant.
pub fn as_of<'a>(view: &View<'a>, target: TargetView<'a>) -> TargetView<'a> {
    match target.latest {
        Some(latest) if is_later(view, latest.slot_ns) => TargetView {
            state: TargetState::Unknown,
            reason: "only its state now is kept, not its state then".into(),
            latest: None,
            staleness_us: None,
            ..target
        },
        _ => target,
    }
}
