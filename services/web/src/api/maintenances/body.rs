//! A maintenance as scripts read it.

use serde::Serialize;
use spark_core::view::{View, rfc3339};
use spark_schemas::event::Maintenance;
use spark_schemas::{Name, TimeNs};

/// Where a maintenance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It has not begun.
    Planned,
    /// It takes out what is observed now.
    Active,
    /// It is over.
    Ended,
    /// It was called off, and takes out nothing.
    Cancelled,
}

/// A maintenance as scripts read it.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) id: Name,
    pub(crate) state: Stage,
    /// Empty: all.
    pub(crate) targets: Vec<Name>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) declared_at: String,
    /// Declared after it had begun: a correction of figures that were shown before.
    pub(crate) retroactive: bool,
    /// How long after it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) declared_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancelled: Option<CancelledBody>,
    #[serde(skip)]
    pub(crate) from_ns: TimeNs,
}

/// How it was called off.
#[derive(Debug, Serialize)]
pub(crate) struct CancelledBody {
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) reason: String,
}

impl Body {
    pub(crate) fn declared(one: &Maintenance, at: TimeNs) -> Self {
        let state = if at < one.from_ns {
            Stage::Planned
        } else if at < one.to_ns {
            Stage::Active
        } else {
            Stage::Ended
        };
        let retroactive = one.from_ns < one.at_ns;
        Self {
            id: one.id.clone(),
            state,
            targets: one.targets.clone(),
            from: rfc3339(one.from_ns),
            to: rfc3339(one.to_ns),
            reason: one.reason.clone(),
            by: one.by.clone(),
            declared_at: rfc3339(one.at_ns),
            retroactive,
            declared_after_s: retroactive.then(|| one.at_ns.since_us(one.from_ns).div_ceil(1_000_000)),
            cancelled: None,
            from_ns: one.from_ns,
        }
    }

    pub(crate) fn cancelled(declared: &Maintenance, cancel: &Maintenance) -> Self {
        let (at, by, reason) = (rfc3339(cancel.at_ns), cancel.by.clone(), cancel.reason.clone());
        let cancelled = Some(CancelledBody { at, by, reason });
        Self { state: Stage::Cancelled, cancelled, ..Self::declared(declared, cancel.at_ns) }
    }
}

/// Every maintenance that is remembered, the one that begins latest first. A past instant is looked at as it is known now:
/// with what was declared since.
pub(crate) fn all(view: &View<'_>) -> Vec<Body> {
    let declarations = view.declarations();
    let declared = declarations.maintenances_in_force().map(|one| Body::declared(one, view.at));
    let cancelled = declarations.cancelled_maintenances.iter().map(|one| Body::cancelled(&one.declared, &one.cancel));
    let mut all: Vec<Body> = declared.chain(cancelled).collect();
    all.sort_by(|a, b| (b.from_ns, &b.id).cmp(&(a.from_ns, &a.id)));
    all
}
