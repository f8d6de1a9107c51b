//! What each event does to the state.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{TargetSchedule, Targets};
use spark_schemas::{Event, EventSubject, Name, TimeNs};

use super::State;
use crate::bucket::BucketStore;
use crate::schedule::Schedule;
use crate::series::Series;

/// A target list of several parts, of which some have come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct PartialTargets {
    from: TimeNs,
    seen: BTreeSet<u32>,
    names: BTreeSet<Name>,
}

impl State {
    /// Folds a frame's events; says how many observations there were.
    pub(super) fn apply_events(
        &mut self,
        EventSubject { partition, agent, class }: &EventSubject,
        events: Vec<Event>,
        store: &mut dyn BucketStore,
    ) -> u64 {
        let fold_time = self.head.fold_time;
        let mut observations = 0;
        for event in events {
            match event {
                Event::Observed(observed) => {
                    observations += 1;
                    self.count(&observed, store);
                    self.touch(&observed.target, agent, store).observe(observed, fold_time, store);
                }
                Event::Missed(missed) => {
                    self.head.totals.missed = self.head.totals.missed.saturating_add(missed.slots);
                    self.touch(&missed.target, agent, store).miss(&missed, fold_time, store);
                }
                Event::Targets(targets) => self.apply_targets(agent, targets, store),
                Event::Heartbeat(heartbeat) => {
                    self.head.heartbeats.entry(agent.clone()).or_default().insert(*class, heartbeat);
                }
                // A report is in the log that it speaks of; numbers of another partition's mean nothing here.
                Event::Rejected(rejected) if rejected.partition == *partition => {
                    self.head.unreported.forget(&rejected);
                }
                Event::ConfigApplied(config) => {
                    if self.head.declarations.apply_config(config, fold_time) {
                        self.head.configured_in = self.head.origin.clone();
                        self.put_policy_instead();
                        self.sync_objectives(store);
                    }
                }
                Event::Unknown { .. } => self.head.totals.unknown_kinds += 1,
                Event::Maintenance(maintenance) => {
                    self.head.declarations.apply_maintenance(maintenance, fold_time);
                    self.sync_objectives(store);
                }
                other => self.head.declarations.apply(other),
            }
        }
        observations
    }

    fn touch(&mut self, target: &Name, agent: &Name, store: &dyn BucketStore) -> &mut Series {
        let (live, fold_time) = (self.live, self.head.fold_time);
        let series = self.series_mut(target, agent);
        if live {
            series.materialize(fold_time, store);
        }
        series
    }

    /// An agent says what it probes: schedules begin, and those it no longer mentions end once its whole list is here.
    fn apply_targets(&mut self, agent: &Name, targets: Targets, store: &dyn BucketStore) {
        let from = targets.from_ns.min(self.head.fold_time);
        for TargetSchedule { target, interval_us, offset_us } in &targets.targets {
            let schedule = Schedule { interval_us: *interval_us, offset_us: *offset_us };
            self.touch(target, agent, store).expect(schedule, from);
        }
        let partial = self.head.partial_targets.entry(agent.clone()).or_default();
        if partial.from != targets.from_ns {
            *partial = PartialTargets { from: targets.from_ns, ..PartialTargets::default() };
        }
        partial.seen.insert(targets.part);
        partial.names.extend(targets.targets.into_iter().map(|schedule| schedule.target));
        if partial.seen.len() < targets.parts as usize {
            return;
        }
        let names = std::mem::take(&mut partial.names);
        self.head.partial_targets.remove(agent);
        let dropped =
            self.series.iter_mut().filter(|one| one.head.agent == *agent && !names.contains(&one.head.target));
        dropped.for_each(|series| series.expect_no_more(from));
    }
}
