//! Builders that the tests of this crate share: names, events, frames, a log, and random histories of it.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

pub mod history;
pub mod oracle;
pub mod spark;

use spark_core::bucket::BucketStore;
use spark_core::fold::{Applied, State};
use spark_core::schedule::Schedule;
use spark_schemas::event::{Missed, MissedWhy, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Leaf, Name, TimeNs};

pub const SECOND: u64 = TimeNs::SECOND;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// When the histories begin: 2023-11-14T22:13:20Z, on no bucket's edge but the finest's.
pub const START: TimeNs = TimeNs(1_700_000_000 * SECOND);

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn boot(agent: usize, run: usize) -> Boot {
    let mut bytes = [0; 16];
    (bytes[0], bytes[1], bytes[2]) = (agent as u8, (run >> 8) as u8, run as u8);
    Boot(bytes)
}

pub fn observed(target: &str, slot: TimeNs, latency_us: u64, outcome: Outcome) -> Event {
    Event::Observed(Observed {
        target: name(target),
        slot_ns: slot,
        started_ns: slot,
        latency_us,
        outcome,
        reason: None,
        detail: None,
        status: None,
        phases: Phases::default(),
        certificate_expires_ns: None,
    })
}

pub fn missed(target: &str, first_slot: TimeNs, interval_us: u64, slots: u64) -> Event {
    Event::Missed(Missed {
        target: name(target),
        first_slot_ns: first_slot,
        interval_us,
        slots,
        why: MissedWhy::NotRunning,
    })
}

pub fn target_list(from: TimeNs, (part, parts): (u32, u32), schedules: &[(&str, Schedule)]) -> Event {
    let targets = schedules
        .iter()
        .map(|(target, Schedule { interval_us, offset_us })| TargetSchedule {
            target: name(target),
            interval_us: *interval_us,
            offset_us: *offset_us,
        })
        .collect();
    Event::Targets(Targets { from_ns: from, part, parts, targets })
}

pub fn frame(agent: &str, boot: Boot, seq: u64, events: Vec<Event>) -> Frame {
    Frame { v: FRAME_VERSION, agent: name(agent), boot, seq, clock: Clock::default(), events }
}

/// A leaf that owns its bytes.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub seq: u64,
    pub received: TimeNs,
    pub subject: String,
    pub msg_id: String,
    pub payload: Vec<u8>,
}

impl Recorded {
    pub fn leaf(&self) -> Leaf<'_> {
        Leaf {
            seq: self.seq,
            received_ns: self.received.0,
            subject: &self.subject,
            msg_id: &self.msg_id,
            payload: &self.payload,
        }
    }

    pub fn of_frame(seq: u64, received: TimeNs, class: Class, frame: &Frame) -> Self {
        let subject = EventSubject { partition: 0, agent: frame.agent.clone(), class };
        Self {
            seq,
            received,
            subject: subject.to_string(),
            msg_id: frame.msg_id().to_string(),
            payload: frame.encode().unwrap(),
        }
    }

    pub fn gap(first: u64, last: u64, received: TimeNs) -> Self {
        Self {
            seq: first,
            received,
            subject: spark_schemas::GAP_SUBJECT.to_owned(),
            msg_id: last.to_string(),
            payload: b"lost".to_vec(),
        }
    }
}

pub fn fold(state: &mut State, log: &[Recorded], store: &mut dyn BucketStore) -> Vec<Applied> {
    log.iter().map(|recorded| state.apply(&recorded.leaf(), store)).collect()
}

/// A small generator of random numbers whose whole state is one seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}
