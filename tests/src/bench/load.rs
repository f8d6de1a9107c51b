//! What probes would say: observations of many targets, in frames, the same ones every time.
//!
//! Latencies scatter around a level of each target's own with a long tail; one check in five hundred fails.

use bytes::Bytes;
use compact_str::CompactString;
use spark_core::schedule::Schedule;
use spark_eventlog::{Outgoing, Recorded};
use spark_schemas::event::{FailReason, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};

/// The agent that says all this.
pub const AGENT: &str = "ist-1";
/// A target list longer than this is said in parts, so that each fits a frame.
const TARGETS_PER_FRAME: usize = 400;
/// From an observation's slot to the log's acknowledgement.
const ON_THE_WAY_NS: u64 = 200_000_000;

/// Targets, their schedule, and one agent that probes them.
pub struct Load {
    agent: Name,
    boot: Boot,
    interval_us: u64,
    /// By offset, so that slots come in the order of time.
    targets: Vec<(Name, Schedule)>,
    next_frame: u64,
    dice: Dice,
}

/// A small generator (splitmix64): repeatable, and far faster than what it feeds.
pub struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

/// A name of a load's target.
#[expect(clippy::expect_used, reason = "the form is that of a name")]
pub fn target_name(n: usize) -> Name {
    Name::new(&format!("service-{n:04}")).expect("letters, a hyphen and digits")
}

impl Load {
    /// `targets` of them, each observed once in `interval_ms`, in the run numbered `boot`.
    #[expect(clippy::expect_used, reason = "the literal is a name")]
    pub fn new(boot: u8, targets: usize, interval_ms: u64) -> Self {
        let interval_us = interval_ms * 1_000;
        let schedule = |n| (target_name(n), Schedule::of_target(&target_name(n), interval_us));
        let mut targets: Vec<_> = (0..targets).map(schedule).collect();
        targets.sort_by_key(|(_, schedule)| schedule.offset_us);
        Self {
            agent: Name::new(AGENT).expect("a name"),
            boot: Boot([boot; 16]),
            interval_us,
            targets,
            next_frame: 0,
            dice: Dice(1),
        }
    }

    /// The subject all frames travel on.
    pub fn subject(&self) -> EventSubject {
        EventSubject { partition: 0, agent: self.agent.clone(), class: Class::Obs }
    }

    /// Whether it said nothing yet.
    pub fn is_fresh(&self) -> bool {
        self.next_frame == 0
    }

    /// The frames in which the agent says, at `from`, what it probes.
    pub fn declaration(&mut self, from: TimeNs) -> Vec<Frame> {
        let lists: Vec<Vec<TargetSchedule>> = self.targets.chunks(TARGETS_PER_FRAME).map(schedules).collect();
        let parts = lists.len() as u32;
        let event = |(part, targets)| Event::from(Targets { from_ns: from, part, parts, targets });
        let events: Vec<Event> = (0..).zip(lists).map(event).collect();
        events.into_iter().map(|event| self.frame(vec![event])).collect()
    }

    /// The observations of every slot that begins in `[from, to)`, in frames of `per_frame`.
    pub fn frames(&mut self, from: TimeNs, to: TimeNs, per_frame: usize) -> impl Iterator<Item = Frame> + '_ {
        let interval_ns = self.interval_us * 1_000;
        let schedules: Vec<Schedule> = self.targets.iter().map(|(_, schedule)| *schedule).collect();
        let rounds = from.0 / interval_ns..=to.0 / interval_ns;
        let slots = rounds.flat_map(move |round| {
            let starts: Vec<_> = schedules.iter().map(|schedule| schedule.slot_start(round)).enumerate().collect();
            starts.into_iter().filter(move |(_, slot)| (from..to).contains(slot))
        });
        let mut slots = slots.fuse();
        std::iter::from_fn(move || {
            let events: Vec<Event> =
                slots.by_ref().take(per_frame).map(|(n, slot)| self.observed(n, slot).into()).collect();
            (!events.is_empty()).then(|| self.frame(events))
        })
    }

    fn frame(&mut self, events: Vec<Event>) -> Frame {
        let seq = self.next_frame;
        self.next_frame += 1;
        Frame { v: FRAME_VERSION, agent: self.agent.clone(), boot: self.boot, seq, clock: Clock::default(), events }
    }

    fn observed(&mut self, n: usize, slot_ns: TimeNs) -> Observed {
        let dice = &mut self.dice;
        let level_us = 2_000 + (n as u64 * 7_919) % 80_000;
        let tail = [1, 1, 1, 1, 1, 1, 2, 5][dice.below(8) as usize];
        let latency_us = level_us + dice.below(level_us / 4 * tail);
        let fails = dice.below(500) == 0;
        let connect_us = 200 + dice.below(800);
        Observed {
            target: self.targets[n].0.clone(),
            slot_ns,
            started_ns: slot_ns.plus_us(dice.below(900)),
            latency_us,
            outcome: if fails { Outcome::Fail } else { Outcome::Ok },
            reason: fails.then_some(FailReason::Status),
            detail: fails.then(|| CompactString::const_new("status 503, expected 200-299")),
            status: Some(if fails { 503 } else { 200 }),
            phases: Phases {
                dns_us: None,
                connect_us: Some(connect_us),
                tls_us: None,
                first_byte_us: Some(latency_us - connect_us),
            },
            certificate_expires_ns: None,
        }
    }
}

fn schedules(targets: &[(Name, Schedule)]) -> Vec<TargetSchedule> {
    let one = |(target, schedule): &(Name, Schedule)| TargetSchedule {
        target: target.clone(),
        interval_us: schedule.interval_us,
        offset_us: schedule.offset_us,
    };
    targets.iter().map(one).collect()
}

/// The latest slot in `frame`, or the instant it speaks of.
fn latest(frame: &Frame) -> TimeNs {
    let at = |event: &Event| match event {
        Event::Observed(observed) => observed.slot_ns,
        Event::Targets(targets) => targets.from_ns,
        _ => TimeNs(0),
    };
    frame.events.iter().map(at).max().unwrap_or_default()
}

/// `frame` as a log would have recorded it at `seq`, shortly after its last slot.
pub fn recorded(frame: &Frame, subject: &EventSubject, seq: u64) -> anyhow::Result<Recorded> {
    Ok(Recorded {
        seq,
        received_ns: latest(frame).0 + ON_THE_WAY_NS,
        subject: subject.to_string(),
        msg_id: frame.msg_id().to_string(),
        payload: Bytes::from(frame.encode()?),
    })
}

/// `frame` on its way into a log.
pub fn outgoing(frame: &Frame, subject: &EventSubject) -> anyhow::Result<Outgoing> {
    Ok(Outgoing::new(subject.clone(), frame)?)
}
