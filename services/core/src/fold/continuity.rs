//! Frame numbers beside the fold: which frames are missing after a stretch of the log that were not missing before it.

use spark_schemas::{Class, EventSubject, Frame, Leaf};

use super::State;
use super::accept::{Runs, accept};

/// What was seen of each agent's runs, while leaves are read without being folded.
#[derive(Debug, Clone, Default)]
pub struct Continuity {
    runs: Runs,
    missing_before: u64,
    declared: u64,
}

impl Continuity {
    /// After the leaves that `state` is made of.
    pub fn after(state: &State) -> Self {
        let runs = state.head.agents.clone();
        Self { missing_before: missing(&runs), runs, declared: 0 }
    }

    /// Notes a leaf; gives its frame if the fold would count it.
    pub fn take(&mut self, leaf: &Leaf<'_>) -> Option<(EventSubject, Frame)> {
        if let Some(last) = leaf.gap_last_seq() {
            self.declared += last - leaf.seq + 1;
            return None;
        }
        accept(&mut self.runs, leaf).ok().flatten()
    }

    /// The same for leaves in which services declare and decide; others are passed over.
    pub fn take_declared(&mut self, leaf: &Leaf<'_>) -> Option<(EventSubject, Frame)> {
        let subject: EventSubject = leaf.subject.parse().ok()?;
        (subject.class == Class::Ctl).then(|| self.take(leaf))?
    }

    /// How many messages gap leaves declare to be lost.
    pub fn declared(&self) -> u64 {
        self.declared
    }

    /// How many frames are missing now, by their agents' numbers, that were not missing before.
    pub fn missing(&self) -> u64 {
        missing(&self.runs).saturating_sub(self.missing_before)
    }
}

fn missing(runs: &Runs) -> u64 {
    runs.values()
        .flat_map(|classes| classes.values())
        .flat_map(|boots| boots.values())
        .map(|marks| marks.missing())
        .sum()
}
