//! Which slots of a target an objective leaves out, looked up once for each observation.

use std::ops::Range;

use spark_schemas::TimeNs;
use spark_schemas::event::TimeSpan;

use super::Spec;
use crate::maintenance::is_in;

const DAY_NS: u64 = 24 * 3_600 * TimeNs::SECOND;
/// Service hours go on without end, so they are looked at a few days at a time.
const BLOCK_NS: u64 = 4 * DAY_NS;

/// What is left out of a target's events, around the slot asked for last.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOut {
    known: Range<TimeNs>,
    spans: Vec<TimeSpan>,
}

impl LeftOut {
    /// Whether `spec` leaves out what `target` was like in `slot`.
    pub(super) fn has(&mut self, spec: &Spec, target: &str, slot: TimeNs) -> bool {
        if !self.known.contains(&slot) {
            let (from_ns, to_ns) = match spec.has_hours() {
                true => {
                    let from_ns = slot.0 - slot.0 % BLOCK_NS;
                    (TimeNs(from_ns), TimeNs(from_ns.saturating_add(BLOCK_NS)))
                }
                false => (TimeNs(0), TimeNs(u64::MAX)),
            };
            self.spans = spec.left_out(target, TimeSpan { from_ns, to_ns });
            self.known = from_ns..to_ns;
        }
        is_in(&self.spans, slot)
    }
}
