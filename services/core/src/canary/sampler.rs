//! From leaves to the two sides' samples: exact latencies, each frame and each slot once.

use std::collections::HashSet;

use spark_schemas::event::{CheckResult, Missed, Observed, Outcome, TimeSpan};
use spark_schemas::{Class, Event, Leaf, Name, TimeNs};

use super::{Selection, SideOf};
use crate::config::Canary;
use crate::fold::{Runs, accept};
use crate::judge::{self, SAMPLES_MAX, Side, TooMany};
use crate::maintenance::is_in;

/// Both sides' samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// What the candidate is held against.
    pub baseline: Side,
    /// What is judged.
    pub candidate: Side,
}

impl Samples {
    /// The judge's checks.
    pub fn judge(&self, settings: &Canary) -> Vec<CheckResult> {
        judge::compare(&self.baseline, &self.candidate, settings)
    }
}

/// Takes samples out of leaves.
pub struct Sampler<'a> {
    sides: [(&'a SideOf, Drawn); 2],
    /// Frames that were looked at: a log may hold one twice.
    runs: Runs,
}

#[derive(Default)]
struct Drawn {
    observations: Vec<(u64, bool)>,
    missed: u64,
    slots: HashSet<(Name, TimeNs)>,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(selection: &'a Selection) -> Self {
        let sides = [&selection.baseline, &selection.candidate].map(|side| (side, Drawn::default()));
        Self { sides, runs: Runs::default() }
    }

    /// Takes what a leaf has for either side. Frames that the fold rejects count for nothing here either.
    pub fn take(&mut self, leaf: &Leaf<'_>) {
        if leaf.gap_last_seq().is_some() {
            return;
        }
        let Ok(Some((subject, frame))) = accept(&mut self.runs, leaf) else { return };
        if subject.class != Class::Obs {
            return;
        }
        for event in &frame.events {
            match event {
                Event::Observed(observed) => self.observe(&subject.agent, observed),
                Event::Missed(missed) => self.miss(missed),
                _ => {}
            }
        }
    }

    fn observe(&mut self, agent: &Name, observed: &Observed) {
        for (side, drawn) in &mut self.sides {
            let is_its = observed.target == side.target
                && (side.span.from_ns..side.span.to_ns).contains(&observed.slot_ns)
                && !is_in(&side.excluded, observed.slot_ns);
            // One more than a side may have is enough to say that it has too many.
            if is_its
                && drawn.observations.len() <= SAMPLES_MAX
                && drawn.slots.insert((agent.clone(), observed.slot_ns))
            {
                drawn.observations.push((observed.latency_us, observed.outcome == Outcome::Fail));
            }
        }
    }

    fn miss(&mut self, missed: &Missed) {
        for (side, drawn) in &mut self.sides {
            if missed.target == side.target {
                let excluded: u64 = side.excluded.iter().map(|span| slots_in(missed, *span)).sum();
                drawn.missed = drawn.missed.saturating_add(slots_in(missed, side.span).saturating_sub(excluded));
            }
        }
    }

    /// The samples, once every leaf was taken.
    pub fn finish(self) -> Result<Samples, TooMany> {
        let [baseline, candidate] = self.sides.map(|(_, drawn)| Side::new(drawn.observations, drawn.missed));
        Ok(Samples { baseline: baseline?, candidate: candidate? })
    }
}

/// How many of the missed slots begin in `span`.
fn slots_in(missed: &Missed, span: TimeSpan) -> u64 {
    // The event's own rules keep the interval from being 0.
    let interval_ns = missed.interval_us.saturating_mul(1_000).max(1);
    let before = |at: TimeNs| at.0.saturating_sub(missed.first_slot_ns.0).div_ceil(interval_ns).min(missed.slots);
    before(span.to_ns).saturating_sub(before(span.from_ns))
}

#[cfg(test)]
mod tests {
    use spark_schemas::event::MissedWhy;

    use super::*;

    #[test]
    fn missed_slots_are_counted_as_a_loop_would() {
        let name = Name::new("shop").unwrap();
        let missed =
            Missed { target: name, first_slot_ns: TimeNs(10_000), interval_us: 3, slots: 5, why: MissedWhy::Late };
        for from in (0..30_000).step_by(500) {
            for to in (from..30_000).step_by(500) {
                let span = TimeSpan { from_ns: TimeNs(from), to_ns: TimeNs(to) };
                let naive = (0..5).filter(|k| (from..to).contains(&(10_000 + k * 3_000))).count() as u64;
                assert_eq!(slots_in(&missed, span), naive, "{span:?}");
            }
        }
    }
}
