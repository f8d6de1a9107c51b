//! Which leaves hold observations of which targets and agents, and what failed in each minute.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use compact_str::CompactString;
use spark_schemas::event::{FailReason, Heartbeat, Missed, MissedWhy, Observed, Outcome};
use spark_schemas::{Boot, Class, Event, EventSubject, Frame, Name, TimeNs};

use super::excerpt;
use crate::report::day::Day;
use crate::report::model::Cite;

/// Every reason, in the order of the type.
pub(in crate::report) const REASONS: [FailReason; 11] = [
    FailReason::Timeout,
    FailReason::Dns,
    FailReason::Connect,
    FailReason::Tls,
    FailReason::Protocol,
    FailReason::Status,
    FailReason::Header,
    FailReason::Body,
    FailReason::Latency,
    FailReason::Certificate,
    FailReason::Other,
];

/// How many different sentences of agents are remembered of a target.
const EXAMPLES_MAX: usize = 64;
/// A minute of whose failures no sentence is remembered.
pub(in crate::report) const NO_EXAMPLE: u8 = u8::MAX;
const MINUTE_NS: u64 = 60 * TimeNs::SECOND;

/// What was seen.
#[derive(Debug)]
pub(in crate::report) struct Seen {
    day: Day,
    targets: HashMap<Name, SeenTarget>,
    agents: HashMap<Name, BTreeMap<Class, SeenAgent>>,
    missed_why: BTreeMap<u8, (MissedWhy, u64)>,
}

/// Of one target, in this day's slots.
#[derive(Debug, Default)]
pub(in crate::report) struct SeenTarget {
    pub(in crate::report) cite: Option<Cite>,
    pub(in crate::report) failed: BTreeMap<u16, FailedMinute>,
    pub(in crate::report) examples: Vec<CompactString>,
}

/// A minute with failures.
#[derive(Debug, Clone)]
pub(in crate::report) struct FailedMinute {
    pub(in crate::report) cite: Cite,
    /// By the order of [`REASONS`].
    pub(in crate::report) reasons: [u32; REASONS.len()],
    /// Which of the target's examples is the first of this minute.
    pub(in crate::report) example: u8,
}

/// Of one agent.
#[derive(Debug)]
pub(in crate::report) struct SeenAgent {
    pub(in crate::report) boots: BTreeSet<Boot>,
    pub(in crate::report) frames: u64,
    pub(in crate::report) observations: u64,
    pub(in crate::report) missed: u64,
    pub(in crate::report) cite: Cite,
    pub(in crate::report) source: CompactString,
    /// The lowest and the highest offset.
    pub(in crate::report) offset_us: Option<(i64, i64)>,
    /// The offset farthest from 0, and its leaf.
    pub(in crate::report) farthest: Option<(i64, u64)>,
    pub(in crate::report) steps: u64,
}

impl Seen {
    pub(super) fn new(day: Day) -> Self {
        Self { day, targets: HashMap::new(), agents: HashMap::new(), missed_why: BTreeMap::new() }
    }

    pub(in crate::report) fn target(&self, target: &str) -> Option<&SeenTarget> {
        self.targets.get(target)
    }

    pub(in crate::report) fn agents(&self) -> impl Iterator<Item = (&Name, Class, &SeenAgent)> {
        let mut names: Vec<_> = self.agents.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        names.into_iter().flat_map(|(name, classes)| classes.iter().map(move |(class, seen)| (name, *class, seen)))
    }

    pub(in crate::report) fn missed_why(&self) -> impl Iterator<Item = (MissedWhy, u64)> {
        self.missed_why.values().copied()
    }

    pub(super) fn frame(&mut self, seq: u64, subject: &EventSubject, frame: &Frame) {
        if !self.agents.contains_key(&subject.agent) {
            self.agents.insert(subject.agent.clone(), BTreeMap::new());
        }
        let Some(classes) = self.agents.get_mut(&subject.agent) else { return };
        let agent = classes.entry(subject.class).or_insert_with(|| SeenAgent::new(seq));
        agent.cite.add(seq);
        agent.frames += 1;
        if !agent.boots.contains(&frame.boot) {
            agent.boots.insert(frame.boot);
        }
        if agent.source != frame.clock.source {
            agent.source.clone_from(&frame.clock.source);
        }
        agent.offset(seq, frame.clock.offset_us);
        for event in &frame.events {
            match event {
                Event::Observed(_) => agent.observations += 1,
                Event::Missed(missed) => agent.missed = agent.missed.saturating_add(missed.slots),
                Event::Heartbeat(Heartbeat { clock_offset_us, clock_steps, .. }) => {
                    agent.offset(seq, *clock_offset_us);
                    agent.steps = agent.steps.max(*clock_steps);
                }
                _ => {}
            }
        }
    }

    pub(super) fn observed(&mut self, seq: u64, observed: &Observed) {
        let slot = observed.slot_ns;
        if slot < self.day.start() || slot >= self.day.end() {
            return;
        }
        if !self.targets.contains_key(&observed.target) {
            self.targets.insert(observed.target.clone(), SeenTarget::default());
        }
        let Some(target) = self.targets.get_mut(&observed.target) else { return };
        target.cite.get_or_insert(Cite::one(seq)).add(seq);
        if observed.outcome == Outcome::Fail {
            let minute = ((slot.0 - self.day.start().0) / MINUTE_NS) as u16;
            target.failed(seq, minute, observed);
        }
    }

    pub(super) fn missed(&mut self, missed: &Missed) {
        let entry = self.missed_why.entry(missed.why as u8).or_insert((missed.why, 0));
        entry.1 = entry.1.saturating_add(missed.slots);
    }
}

impl SeenTarget {
    fn failed(&mut self, seq: u64, minute: u16, observed: &Observed) {
        let examples = &mut self.examples;
        let failed = self.failed.entry(minute).or_insert_with(|| FailedMinute {
            cite: Cite::one(seq),
            reasons: [0; REASONS.len()],
            example: NO_EXAMPLE,
        });
        failed.cite.add(seq);
        let reason = observed.reason.unwrap_or(FailReason::Other);
        failed.reasons[REASONS.iter().position(|one| *one == reason).unwrap_or(REASONS.len() - 1)] += 1;
        if let (NO_EXAMPLE, Some(detail)) = (failed.example, &observed.detail) {
            let detail = excerpt(detail);
            let known = examples.iter().position(|example| *example == detail);
            let place = known.or_else(|| {
                (examples.len() < EXAMPLES_MAX).then(|| {
                    examples.push(detail.into());
                    examples.len() - 1
                })
            });
            failed.example = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(NO_EXAMPLE);
        }
    }
}

impl SeenAgent {
    fn new(seq: u64) -> Self {
        Self {
            boots: BTreeSet::new(),
            frames: 0,
            observations: 0,
            missed: 0,
            cite: Cite::one(seq),
            source: CompactString::default(),
            offset_us: None,
            farthest: None,
            steps: 0,
        }
    }

    fn offset(&mut self, seq: u64, offset_us: Option<i64>) {
        let Some(us) = offset_us else { return };
        let (min, max) = self.offset_us.unwrap_or((us, us));
        self.offset_us = Some((min.min(us), max.max(us)));
        if self.farthest.is_none_or(|(farthest, _)| us.unsigned_abs() > farthest.unsigned_abs()) {
            self.farthest = Some((us, seq));
        }
    }
}
