//! Random histories of a log: several agents and targets, late, repeated and overtaking frames, holes, clocks that jump.

use proptest::prelude::*;
use spark_core::schedule::Schedule;
use spark_schemas::event::Outcome;
use spark_schemas::{Class, Event, Frame, TimeNs};

use super::{DAY, HOUR, MINUTE, Recorded, SECOND, START, boot, frame, missed, observed, target_list};

pub const AGENTS: [&str; 3] = ["ankara", "berlin", "cork"];
pub const TARGETS: [&str; 3] = ["checkout", "feed", "login"];

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// An agent makes a frame, which the log takes at once, late, or twice.
    Say { agent: usize, events: Vec<Said>, way: Way },
    /// A frame that was made earlier comes once more, or for the first time.
    Deliver { which: usize },
    /// The agent starts again and numbers from 0.
    Reboot { agent: usize },
    /// The agent's wall clock is set.
    SetClock { agent: usize, offset_ns: i64 },
    /// The log's clock goes on (or is set back).
    Pass { ns: i64 },
    /// The log's clock goes on to the next edge of a bucket.
    PassToEdge { width_ns: u64 },
    /// The log lost some messages.
    Lose { messages: u64 },
    /// Somebody publishes what is no frame.
    Noise { payload: Vec<u8> },
}

#[derive(Debug, Clone, Copy)]
pub enum Way {
    AtOnce,
    HeldBack,
    Twice,
}

/// What an agent says; instants are relative to its clock.
#[derive(Debug, Clone)]
pub enum Said {
    Observed { target: usize, slot: Instant, latency_us: u64, failed: bool },
    Missed { target: usize, first: Instant, interval_us: u64, slots: u64 },
    Targets { from: Instant, part: u32, parts: u32, schedules: Vec<(usize, Schedule)> },
}

#[derive(Debug, Clone, Copy)]
pub enum Instant {
    /// So long before the agent's clock; negative: after it.
    Ago(i64),
    /// The last edge of a bucket of that width, so many widths back, and so many nanoseconds beside it.
    Edge { width_ns: u64, back: u64, beside_ns: i64 },
}

impl Instant {
    pub fn at(self, now: TimeNs) -> TimeNs {
        match self {
            Self::Ago(ns) => TimeNs(now.0.saturating_add_signed(ns.saturating_neg())),
            Self::Edge { width_ns, back, beside_ns } => {
                let edge = (now.0 - now.0 % width_ns).saturating_sub(back.saturating_mul(width_ns));
                TimeNs(edge.saturating_add_signed(beside_ns))
            }
        }
    }
}

const WIDTHS: [u64; 4] = [10 * SECOND, MINUTE, 15 * MINUTE, HOUR];

pub fn instants() -> impl Strategy<Value = Instant> {
    let second = SECOND as i64;
    prop_oneof![
        4 => (0..20 * second).prop_map(Instant::Ago),
        2 => (-400 * second..2 * HOUR as i64).prop_map(Instant::Ago),
        1 => (0..40 * DAY as i64).prop_map(Instant::Ago),
        1 => (0..450 * DAY as i64).prop_map(Instant::Ago),
        4 => (prop::sample::select(&WIDTHS[..]), 0_u64..400, -1_i64..=1)
            .prop_map(|(width_ns, back, beside_ns)| Instant::Edge { width_ns, back, beside_ns }),
        1 => (prop::sample::select(&WIDTHS[..]), 0_u64..10_000, 0_i64..=0)
            .prop_map(|(width_ns, back, beside_ns)| Instant::Edge { width_ns, back, beside_ns }),
    ]
}

fn latencies() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 500_u64..200_000,
        1 => 0_u64..300,
        1 => 0_u64..70_000_000,
        1 => Just(u64::MAX),
        1 => prop::sample::select(vec![255_u64, 256, 149_503, 149_504, 60_000_000]),
    ]
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop::sample::select(vec![45_u64, 60, 90, 420, 3_600])
        .prop_flat_map(|s| (Just(s * 1_000_000), 0..s * 1_000_000))
        .prop_map(|(interval_us, offset_us)| Schedule { interval_us, offset_us })
}

fn sayings() -> impl Strategy<Value = Said> {
    let target = 0..TARGETS.len();
    let intervals = vec![1_000_u64, 250_000, 5_000_000, 60_000_000, 3_600_000_000, 86_400_000_000];
    prop_oneof![
        8 => (target.clone(), instants(), latencies(), any::<bool>())
            .prop_map(|(target, slot, latency_us, failed)| Said::Observed { target, slot, latency_us, failed }),
        2 => (target.clone(), instants(), prop::sample::select(intervals), 1_u64..400)
            .prop_map(|(target, first, interval_us, slots)| Said::Missed { target, first, interval_us, slots }),
        1 => (instants(), 1_u32..3, prop::collection::vec((target, schedules()), 0..4)).prop_flat_map(
            |(from, parts, schedules)| (0..parts)
                .prop_map(move |part| Said::Targets { from, part, parts, schedules: schedules.clone() })
        ),
    ]
}

pub fn steps() -> impl Strategy<Value = Step> {
    let agent = 0..AGENTS.len();
    let second = SECOND as i64;
    let way = prop_oneof![6 => Just(Way::AtOnce), 2 => Just(Way::HeldBack), 1 => Just(Way::Twice)];
    prop_oneof![
        12 => (agent.clone(), prop::collection::vec(sayings(), 1..6), way)
            .prop_map(|(agent, events, way)| Step::Say { agent, events, way }),
        4 => any::<prop::sample::Index>().prop_map(|which| Step::Deliver { which: which.index(10_000) }),
        1 => agent.clone().prop_map(|agent| Step::Reboot { agent }),
        1 => (agent, prop_oneof![Just(0_i64), -HOUR_I64..250 * second, -40 * 24 * HOUR_I64..0])
            .prop_map(|(agent, offset_ns)| Step::SetClock { agent, offset_ns }),
        6 => prop_oneof![
            6 => 0..15 * second,
            1 => -20 * second..0,
            1 => 0..3 * HOUR_I64,
            1 => 0..4 * 24 * HOUR_I64,
            1 => 0..36 * 24 * HOUR_I64,
        ].prop_map(|ns| Step::Pass { ns }),
        2 => prop::sample::select(&WIDTHS[..]).prop_map(|width_ns| Step::PassToEdge { width_ns }),
        1 => (1_u64..5).prop_map(|messages| Step::Lose { messages }),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(|payload| Step::Noise { payload }),
    ]
}

const HOUR_I64: i64 = HOUR as i64;

/// A leaf and, where it holds one, the frame itself, so that an oracle need not decode.
#[derive(Debug, Clone)]
pub struct Told {
    pub recorded: Recorded,
    pub frame: Option<Frame>,
}

/// The log that the steps make.
pub fn tell(steps: &[Step]) -> Vec<Told> {
    let mut teller = Teller::default();
    steps.iter().for_each(|step| teller.step(step));
    teller.log
}

struct Agent {
    run: usize,
    next_seq: u64,
    offset_ns: i64,
}

struct Teller {
    now: TimeNs,
    next_seq: u64,
    agents: Vec<Agent>,
    made: Vec<Frame>,
    log: Vec<Told>,
}

impl Default for Teller {
    fn default() -> Self {
        let agents = AGENTS.iter().map(|_| Agent { run: 0, next_seq: 0, offset_ns: 0 }).collect();
        Self { now: START, next_seq: 1, agents, made: Vec::new(), log: Vec::new() }
    }
}

impl Teller {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Say { agent, events, way } => {
                let frame = self.make(*agent, events);
                let times = match way {
                    Way::HeldBack => 0,
                    Way::AtOnce => 1,
                    Way::Twice => 2,
                };
                (0..times).for_each(|_| self.record(&frame));
                self.made.push(frame);
            }
            Step::Deliver { which } if !self.made.is_empty() => {
                let frame = self.made[which % self.made.len()].clone();
                self.record(&frame);
            }
            Step::Deliver { .. } => {}
            Step::Reboot { agent } => {
                let agent = &mut self.agents[*agent];
                (agent.run, agent.next_seq) = (agent.run + 1, 0);
            }
            Step::SetClock { agent, offset_ns } => self.agents[*agent].offset_ns = *offset_ns,
            Step::Pass { ns } => self.now.0 = self.now.0.saturating_add_signed(*ns),
            Step::PassToEdge { width_ns } => self.now.0 += width_ns - self.now.0 % width_ns,
            Step::Lose { messages } => {
                let last = self.next_seq + messages - 1;
                let recorded = Recorded::gap(self.next_seq, last, self.now);
                self.log.push(Told { recorded, frame: None });
                self.next_seq = last + 1;
            }
            Step::Noise { payload } => {
                let recorded = Recorded {
                    seq: self.next_seq,
                    received: self.now,
                    subject: format!("spark.evt.0.{}.obs", AGENTS[0]),
                    msg_id: String::new(),
                    payload: payload.clone(),
                };
                self.log.push(Told { recorded, frame: None });
                self.next_seq += 1;
            }
        }
    }

    fn make(&mut self, agent: usize, events: &[Said]) -> Frame {
        let Agent { run, next_seq, offset_ns } = &mut self.agents[agent];
        let clock = TimeNs(self.now.0.saturating_add_signed(*offset_ns));
        let events = events.iter().map(|said| event(said, clock)).collect();
        let frame = frame(AGENTS[agent], boot(agent, *run), *next_seq, events);
        *next_seq += 1;
        frame
    }

    fn record(&mut self, frame: &Frame) {
        let recorded = Recorded::of_frame(self.next_seq, self.now, Class::Obs, frame);
        self.log.push(Told { recorded, frame: Some(frame.clone()) });
        self.next_seq += 1;
    }
}

fn event(said: &Said, clock: TimeNs) -> Event {
    match said {
        Said::Observed { target, slot, latency_us, failed } => {
            let outcome = if *failed { Outcome::Fail } else { Outcome::Ok };
            observed(TARGETS[*target], slot.at(clock), *latency_us, outcome)
        }
        Said::Missed { target, first, interval_us, slots } => {
            missed(TARGETS[*target], first.at(clock), *interval_us, *slots)
        }
        Said::Targets { from, part, parts, schedules } => {
            let schedules: Vec<_> = schedules.iter().map(|(target, schedule)| (TARGETS[*target], *schedule)).collect();
            target_list(from.at(clock), (*part, *parts), &schedules)
        }
    }
}
