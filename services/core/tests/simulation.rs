//! A seeded simulation without a clock: agents with an outbox, a log that may take a frame and not say so, and an
//! aggregator with checkpoints; messages repeat and overtake one another, and anything crashes between any two steps.
//!
//! `SPARK_SIM_SEED=<n>` runs one seed again, `SPARK_SIM_RUNS=<n>` as many seeds as wanted.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::catch_unwind;

use spark_core::bucket::{MemoryBuckets, SeriesId};
use spark_core::fold::{State, StateHead};
use spark_core::schedule::Schedule;
use spark_core::series::Series;
use spark_schemas::event::Outcome;
use spark_schemas::{Boot, Class, Frame, TimeNs};
use support::history::{AGENTS, TARGETS};
use support::{DAY, HOUR, Random, Recorded, SECOND, START, boot, fold, frame, missed, observed, target_list};

const RUNS: u64 = 1_000;

/// What identifies a frame, whoever carries it.
type FrameId = (Boot, u64);

/// An agent: what is in its outbox survives a crash, what it has not written yet does not.
struct Agent {
    index: usize,
    run: usize,
    next_seq: u64,
    /// On disk, oldest first; deleted only on acknowledgement.
    outbox: VecDeque<Frame>,
    /// What it has observed and not put into a frame.
    buffer: Vec<spark_schemas::Event>,
    /// Observations that were acknowledged, all runs together.
    acknowledged: u64,
}

impl Agent {
    fn new(index: usize) -> Self {
        Self { index, run: 0, next_seq: 0, outbox: VecDeque::new(), buffer: Vec::new(), acknowledged: 0 }
    }

    fn observe(&mut self, now: TimeNs, random: &mut Random) {
        let target = random.pick(&TARGETS);
        let slot = TimeNs(now.0 - random.below(20) * SECOND);
        self.buffer.push(match random.below(12) {
            0 => missed(target, slot, 5_000_000, 1 + random.below(4)),
            1 => {
                let schedule = Schedule { interval_us: 1_000_000 * (1 + random.below(60)), offset_us: 0 };
                target_list(slot, (0, 1), &[(target, schedule)])
            }
            _ => {
                let outcome = if random.chance(20) { Outcome::Fail } else { Outcome::Ok };
                observed(target, slot, random.below(300_000), outcome)
            }
        });
    }

    /// Puts the buffer into the outbox as the run's next frame.
    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.buffer);
        self.outbox.push_back(frame(AGENTS[self.index], boot(self.index, self.run), self.next_seq, events));
        self.next_seq += 1;
    }

    /// It starts again: a new run that numbers from 0; the outbox is read back from disk.
    fn crash(&mut self) {
        self.buffer.clear();
        (self.run, self.next_seq) = (self.run + 1, 0);
    }

    fn take_ack(&mut self, id: FrameId) {
        if let Some(place) = self.outbox.iter().position(|frame| (frame.boot, frame.seq) == id) {
            let frame = self.outbox.remove(place).unwrap();
            self.acknowledged += observations(&frame);
        }
    }
}

fn observations(frame: &Frame) -> u64 {
    frame.events.iter().filter(|event| matches!(event, spark_schemas::Event::Observed(_))).count() as u64
}

/// The log: what it has taken it keeps, whether or not its acknowledgement arrives.
#[derive(Default)]
struct FakeLog {
    leaves: Vec<Recorded>,
    last_seq: u64,
    /// Message ids that it still remembers; a repeat of these it takes only once.
    window: VecDeque<FrameId>,
    /// Every frame that it ever took.
    distinct: BTreeMap<FrameId, Frame>,
}

impl FakeLog {
    fn take(&mut self, frame: &Frame, now: TimeNs) {
        let id = (frame.boot, frame.seq);
        if self.window.contains(&id) {
            return;
        }
        self.last_seq += 1;
        self.leaves.push(Recorded::of_frame(self.last_seq, now, Class::Obs, frame));
        self.distinct.insert(id, frame.clone());
        self.window.push_back(id);
        if self.window.len() > 4 {
            self.window.pop_front();
        }
    }

    /// Sequence numbers that no frame of an agent had.
    fn lose(&mut self, messages: u64, now: TimeNs) {
        let first = self.last_seq + 1;
        self.last_seq += messages;
        self.leaves.push(Recorded::gap(first, self.last_seq, now));
    }
}

/// What the aggregator has on disk: the state's bytes, its series' records and its pages, as of the last checkpoint.
#[derive(Clone, Default)]
struct Disk {
    head: Vec<u8>,
    series: BTreeMap<SeriesId, Vec<u8>>,
    buckets: MemoryBuckets,
}

#[derive(Default)]
struct Aggregator {
    state: State,
    buckets: MemoryBuckets,
    disk: Option<Disk>,
}

impl Aggregator {
    fn fold(&mut self, log: &FakeLog, leaves: usize) {
        let position = self.state.head().position;
        // As a reader does that starts again: some leaves come a second time.
        let from = log.leaves.partition_point(|leaf| leaf.seq <= position).saturating_sub(2);
        let to = (from + leaves).min(log.leaves.len());
        fold(&mut self.state, &log.leaves[from..to], &mut self.buckets);
    }

    fn checkpoint(&mut self) {
        let mut series = self.disk.take().map(|disk| disk.series).unwrap_or_default();
        series.extend(self.state.take_unsaved());
        let head = serde_json::to_vec(self.state.head()).unwrap();
        self.disk = Some(Disk { head, series, buckets: self.buckets.clone() });
    }

    fn crash(&mut self) {
        let Some(disk) = self.disk.clone() else {
            (self.state, self.buckets) = Default::default();
            return;
        };
        let head: StateHead = serde_json::from_slice(&disk.head).unwrap();
        let series = disk.series.iter().filter(|(id, _)| !id.is_ledger());
        let series = series.map(|(id, record)| Series::load(*id, record, &disk.buckets).unwrap());
        self.state = State::load(head, series.collect());
        let has_ledgers = disk.series.keys().any(|id| id.is_ledger());
        assert!(!has_ledgers || self.state.load_ledgers(|id| disk.series.get(&id).cloned(), &disk.buckets));
        self.buckets = disk.buckets;
    }
}

/// A frame or an acknowledgement under way.
enum Message {
    Publish { agent: usize, frame: Frame },
    Ack { agent: usize, id: FrameId },
}

struct World {
    random: Random,
    now: TimeNs,
    agents: Vec<Agent>,
    network: Vec<Message>,
    log: FakeLog,
    aggregator: Aggregator,
}

impl World {
    fn new(seed: u64) -> Self {
        let agents = (0..AGENTS.len()).map(Agent::new).collect();
        let (log, aggregator) = Default::default();
        Self { random: Random(seed), now: START, agents, network: Vec::new(), log, aggregator }
    }

    fn step(&mut self) {
        let random = &mut self.random;
        let agent = random.index(self.agents.len());
        match random.below(100) {
            0..30 => self.agents[agent].observe(self.now, random),
            30..45 => self.agents[agent].flush(),
            45..60 => self.send(agent),
            60..80 => self.deliver(),
            80..84 => self.now.0 += random.below(10) * SECOND,
            84 => self.now.0 += random.pick(&[HOUR, DAY, 35 * DAY]),
            85..93 => {
                let leaves = 1 + random.index(20);
                self.aggregator.fold(&self.log, leaves);
            }
            93..95 => self.aggregator.checkpoint(),
            95 => self.aggregator.crash(),
            96 => self.aggregator.state.go_live(&self.aggregator.buckets),
            97 => self.agents[agent].crash(),
            98 => {
                let messages = 1 + random.below(3);
                self.log.lose(messages, self.now);
            }
            _ => self.network.clear(),
        }
    }

    /// An agent sends any frame of its outbox, also one that is under way already: it can't know.
    fn send(&mut self, agent: usize) {
        let outbox = &self.agents[agent].outbox;
        if !outbox.is_empty() {
            let frame = outbox[self.random.index(outbox.len())].clone();
            self.network.push(Message::Publish { agent, frame });
        }
    }

    /// Any message arrives, in whatever order, or is lost.
    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let which = self.random.index(self.network.len());
        match self.network.swap_remove(which) {
            _lost if self.random.chance(10) => {}
            Message::Publish { agent, frame } => {
                self.log.take(&frame, self.now);
                self.network.push(Message::Ack { agent, id: (frame.boot, frame.seq) });
                if self.random.chance(10) {
                    self.network.push(Message::Publish { agent, frame });
                }
            }
            Message::Ack { agent, id } => self.agents[agent].take_ack(id),
        }
    }

    /// Everything that is still in an outbox goes out and is acknowledged.
    fn drain(&mut self) {
        for agent in &mut self.agents {
            agent.flush();
            for frame in agent.outbox.clone() {
                self.log.take(&frame, self.now);
                agent.take_ack((frame.boot, frame.seq));
            }
        }
    }

    fn assert_invariants(&mut self) {
        self.aggregator.fold(&self.log, usize::MAX / 2);
        let state = &mut self.aggregator.state;
        let totals = state.head().totals;
        let distinct = &self.log.distinct;
        assert_eq!(state.head().position, self.log.last_seq, "the whole log is folded");
        assert_eq!(totals.frames, distinct.len() as u64, "each frame that the log took is counted once");
        assert_eq!(totals.observations, distinct.values().map(observations).sum::<u64>());
        assert_eq!(totals.rejected, 0);
        let in_series: u64 = state.series().iter().map(|series| series.head.observations).sum();
        assert_eq!(in_series, totals.observations, "each observation is in its series");

        let acknowledged: u64 = self.agents.iter().map(|agent| agent.acknowledged).sum();
        let waiting: BTreeSet<FrameId> =
            self.agents.iter().flat_map(|agent| &agent.outbox).map(|frame| (frame.boot, frame.seq)).collect();
        let taken_but_waiting: u64 =
            distinct.iter().filter(|(id, _)| waiting.contains(id)).map(|(_, frame)| observations(frame)).sum();
        assert_eq!(totals.observations, acknowledged + taken_but_waiting, "all that was acknowledged is counted once");

        for run in state.agent_runs() {
            let taken: BTreeSet<u64> =
                distinct.keys().filter(|(boot, _)| *boot == run.boot).map(|(_, seq)| *seq).collect();
            let prefix = (0..).find(|seq| !taken.contains(seq)).unwrap();
            assert_eq!(run.marks.next_seq, prefix, "the mark is at the first frame that is not there");
            let highest = taken.last().map_or(0, |last| last + 1);
            assert_eq!(run.marks.missing(), highest - taken.len() as u64);
        }
    }

    fn assert_as_replayed(&mut self) {
        let (mut replayed, mut buckets) = (State::default(), MemoryBuckets::default());
        fold(&mut replayed, &self.log.leaves, &mut buckets);
        assert_eq!(replayed.digest(), self.aggregator.state.digest());
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let steps = 50 + world.random.below(300);
    (0..steps).for_each(|_| world.step());
    world.assert_invariants();
    world.drain();
    world.assert_invariants();
    world.assert_as_replayed();
    let missing: u64 = world.aggregator.state.agent_runs().map(|run| run.marks.missing()).sum();
    assert_eq!(missing, 0, "once every outbox is empty no number is missing");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn nothing_is_lost_or_counted_twice_whatever_crashes() {
    if let Some(seed) = number("SPARK_SIM_SEED") {
        return run(seed);
    }
    for seed in 0..number("SPARK_SIM_RUNS").unwrap_or(RUNS) {
        if catch_unwind(|| run(seed)).is_err() {
            panic!("seed {seed} fails; run it again with SPARK_SIM_SEED={seed}");
        }
    }
}
