//! Events on their way into frames, grouped so that no frame gets too long.

use spark_schemas::event::{Observed, Phases, TargetSchedule};
use spark_schemas::{Event, FRAME_BYTES_MAX, to_msgpack};
use tokio::time::Instant;

use crate::outbox::RECORD_OVERHEAD_MAX;

/// The most that a frame's own fields take.
const FRAME_HEAD_BYTES_MAX: u64 = 256;
/// The most that a frame takes on disk beside its events.
pub(super) const FRAME_BYTES_OVERHEAD: u64 = FRAME_HEAD_BYTES_MAX + RECORD_OVERHEAD_MAX as u64;
const EVENTS_BYTES_MAX: u64 = FRAME_BYTES_MAX as u64 - FRAME_HEAD_BYTES_MAX;

/// Events that wait for the next write.
#[derive(Debug, Default)]
pub(super) struct Batch {
    full: Vec<Vec<Event>>,
    open: Vec<Event>,
    open_bytes: u64,
    bytes: u64,
    since: Option<Instant>,
}

impl Batch {
    pub(super) fn push(&mut self, event: Event) {
        let size = size_max(&event);
        if self.open_bytes + size > EVENTS_BYTES_MAX && !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
            self.open_bytes = 0;
        }
        if self.open.is_empty() {
            self.bytes += FRAME_BYTES_OVERHEAD;
        }
        self.since.get_or_insert_with(Instant::now);
        self.open.push(event);
        self.open_bytes += size;
        self.bytes += size;
    }

    /// Whether at least one frame is full.
    pub(super) fn is_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// When the first of them was said.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The most that they take on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands out the events of each frame.
    pub(super) fn take(&mut self) -> Vec<Vec<Event>> {
        let Self { mut full, open, .. } = std::mem::take(self);
        if !open.is_empty() {
            full.push(open);
        }
        full
    }
}

/// The most bytes an event takes in a frame; encoding it only to measure would double the work.
pub(super) fn size_max(event: &Event) -> u64 {
    let bytes = match event {
        Event::Observed(observed) => observed_bytes_max(observed),
        Event::Missed(missed) => 110 + missed.target.len(),
        Event::Heartbeat(_) => 176,
        Event::Targets(targets) => 96 + targets.targets.iter().map(schedule_bytes_max).sum::<usize>(),
        other => to_msgpack(other).len(),
    };
    bytes as u64
}

fn observed_bytes_max(observed: &Observed) -> usize {
    let Phases { dns_us, connect_us, tls_us, first_byte_us } = observed.phases;
    let phases = [dns_us, connect_us, tls_us, first_byte_us].into_iter().flatten().count();
    let certificate = if observed.certificate_expires_ns.is_some() { 34 } else { 0 };
    let reason = if observed.reason.is_some() { 20 } else { 0 };
    let detail = observed.detail.as_ref().map_or(0, |detail| detail.len() + 12);
    116 + observed.target.len() + phases * 24 + certificate + reason + detail
}

pub(super) fn schedule_bytes_max(schedule: &TargetSchedule) -> usize {
    56 + schedule.target.len()
}

#[cfg(test)]
mod tests {
    use spark_schemas::event::{FailReason, Heartbeat, Missed, MissedWhy, Outcome, Targets};
    use spark_schemas::{Boot, Clock, FRAME_VERSION, Frame, Name, TimeNs};

    use super::*;

    fn largest() -> Vec<Event> {
        let (target, at, n) = (Name::new(&"n".repeat(64)).unwrap(), TimeNs(u64::MAX), u64::MAX);
        let phases = Phases { dns_us: Some(n), connect_us: Some(n), tls_us: Some(n), first_byte_us: Some(n) };
        let schedule = TargetSchedule { target: target.clone(), interval_us: n, offset_us: n };
        vec![
            Observed {
                target: target.clone(),
                slot_ns: at,
                started_ns: at,
                latency_us: n,
                outcome: Outcome::Fail,
                reason: Some(FailReason::Certificate),
                detail: Some("d".repeat(200).into()),
                status: Some(u16::MAX),
                phases,
                certificate_expires_ns: Some(at),
            }
            .into(),
            Missed { target, first_slot_ns: at, interval_us: n, slots: n, why: MissedWhy::NotRunning }.into(),
            Heartbeat {
                at_ns: at,
                queue: n,
                dropped: n,
                clock_offset_us: Some(i64::MIN),
                queue_bytes: n,
                clock_steps: n,
                clock_step_us: Some(i64::MIN),
            }
            .into(),
            Targets { from_ns: at, part: u32::MAX, parts: u32::MAX, targets: vec![schedule; 400] }.into(),
        ]
    }

    #[test]
    fn no_event_is_larger_than_its_estimate() {
        for event in largest() {
            let (size, real) = (size_max(&event), to_msgpack(&event).len() as u64);
            assert!(size >= real && size < real * 5 / 4 + 8, "{}: estimated {size}, is {real}", event.kind());
        }
    }

    #[test]
    fn full_groups_of_the_largest_events_fit_a_frame() {
        let mut batch = Batch::default();
        for _ in 0..300 {
            largest().into_iter().take(3).for_each(|event| batch.push(event));
        }
        assert!(batch.is_full());
        let (bytes, groups) = (batch.bytes(), batch.take());
        let agent = Name::new(&"a".repeat(64)).unwrap();
        let encode = |events| {
            Frame {
                v: FRAME_VERSION,
                agent: agent.clone(),
                boot: Boot([255; 16]),
                seq: u64::MAX,
                clock: Clock::default(),
                events,
            }
            .encode()
        };
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 900);
        let sum: usize = groups.into_iter().map(|events| encode(events).unwrap().len() + RECORD_OVERHEAD_MAX).sum();
        assert!(sum as u64 <= bytes, "{sum} {bytes}");
    }
}
