//! How complete the evidence is, and who gave it.

use super::collect::Collector;
use super::model::{AgentRow, ClockRow, Evidence, MissedCount};
use super::number::{I64, U64};
use super::scope::Scope;
use crate::config::Instant;
use crate::fold::State;

pub(super) fn evidence(scope: &Scope<'_>, state: &State) -> Evidence {
    let Collector { before, leaves, received, seen, gaps, rejections, said, .. } = scope.collected;
    let after = state.head().totals;
    let (watched_minutes, minutes) = scope.watched();
    let missed_why = seen.missed_why().map(|(why, slots)| MissedCount { why, slots: U64(slots) }).collect();
    Evidence {
        leaves: U64(*leaves),
        first_received: received.map(|(first, _)| Instant(first)),
        last_received: received.map(|(_, last)| Instant(last)),
        frames: U64(after.frames - before.frames),
        observations: U64(after.observations - before.observations),
        missed: U64(after.missed - before.missed),
        missed_why,
        duplicates: U64(after.duplicates - before.duplicates),
        rejected: U64(after.rejected - before.rejected),
        lost: U64(after.lost - before.lost),
        unknown_kinds: U64(after.unknown_kinds - before.unknown_kinds),
        watched_minutes,
        minutes,
        gaps: gaps.clone(),
        rejections: rejections.clone(),
        repairs: said.repairs.clone(),
        too_late: U64(scope.collected.amendments.too_late()),
    }
}

pub(super) fn agents(collected: &Collector, state: &State) -> Vec<AgentRow> {
    let row = |(agent, class, seen): (&spark_schemas::Name, _, &super::collect::SeenAgent)| {
        let runs = state.agent_runs();
        let of_it = runs.filter(|run| run.agent == agent && run.class == class && seen.boots.contains(&run.boot));
        AgentRow {
            agent: agent.clone(),
            class,
            runs: U64(seen.boots.len() as u64),
            frames: U64(seen.frames),
            observations: U64(seen.observations),
            missed: U64(seen.missed),
            holes: U64(of_it.map(|run| run.marks.missing()).sum()),
            clock: ClockRow {
                source: seen.source.to_string(),
                offset_us_min: seen.offset_us.map(|(min, _)| I64(min)),
                offset_us_max: seen.offset_us.map(|(_, max)| I64(max)),
                steps: U64(seen.steps),
                seq: seen.farthest.map(|(_, seq)| U64(seq)),
            },
            evidence: seen.cite,
        }
    };
    collected.seen.agents().map(row).collect()
}
