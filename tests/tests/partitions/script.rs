//! What is said to every side alike: who watches what, and each frame.

use spark_schemas::event::{FailReason, Missed, MissedWhy, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Clock, Event, FRAME_VERSION, Frame, MsgId, Name, TimeNs};
use spark_tests::{Random, target_toml, wait};

/// By their names, two of them are at home in each of two partitions.
pub const AGENTS: [&str; 4] = ["ist-1", "fra-2", "ist-2", "fra-1"];
pub const HOMES: [u16; 4] = [1, 1, 0, 0];
pub const TARGETS: [&str; 3] = ["shop", "feed", "executor"];
pub const NO_FRAME: &[u8] = b"no frame";
const SECOND: u64 = 1_000_000_000;
const INTERVAL_S: u64 = 5;

/// A frame, or what is none: who sends it, under which id, and its bytes.
pub type Said = (Name, MsgId, Vec<u8>);

pub fn configuration() -> String {
    let agents: Vec<String> = AGENTS.iter().map(|agent| format!("{agent:?}")).collect();
    let target = |name: &str| target_toml(name, &format!("http://127.0.0.1:9/{name}"), &format!("{INTERVAL_S}s"));
    let roles = ["role = \"ui\"\n\n", "\n", "role = \"executor\"\n\n"];
    let targets = TARGETS.iter().zip(roles).map(|(name, role)| target(name).trim_end().to_owned() + "\n" + role);
    let profile = "[profiles.dev]\nlatency_p95 = \"150ms\"\nerror_rate = \"5%\"\nstaleness = \"120s\"\n";
    format!(
        "builtin_targets = false\nagents = [{}]\n{}{OBJECTIVES}{}{profile}",
        agents.join(", "),
        targets.collect::<Vec<_>>().concat(),
        service_hours()
    )
}

/// Events and slices, rolling and calendar; a slice's events are in both partitions.
const OBJECTIVES: &str = r#"
[[slo]]
name = "events"
sli = "availability"
objective = "95%"
window = "30d"

[[slo]]
name = "fast"
targets = ["shop", "feed"]
sli = { latency = "100ms" }
objective = "50%"
window = { calendar = "week", time_zone = "Asia/Kathmandu" }

[[slo]]
name = "slices"
sli = "availability"
objective = "50%"
window = "28d"
budgeting = { timeslices = { slice = "1m", objective = "97%" } }
"#;

/// Those of `feed` began some minutes ago, in the midst of what is observed.
fn service_hours() -> String {
    let clock = |ago_s: i64| {
        let minutes = (wait::wall_ns() / SECOND).checked_add_signed(-ago_s).unwrap() / 60 % (24 * 60);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    format!(
        "[[service_hours]]\nname = \"some\"\ntargets = [\"feed\"]\nfrom = \"{}\"\nto = \"{}\"\n\
         days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n",
        clock(240),
        clock(-7_200)
    )
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// What the agents say: the same for every log.
pub struct Script {
    random: Random,
    next_seq: [u64; AGENTS.len()],
    /// The instant up to which they have spoken.
    pub said_to_s: u64,
}

impl Script {
    pub fn new() -> Self {
        let random = Random::from_environment("two partitions beside one");
        Self { random, next_seq: [0; AGENTS.len()], said_to_s: wait::wall_ns() / SECOND - 400 }
    }

    fn frame(&mut self, agent: usize, events: Vec<Event>) -> Said {
        let boot = Boot([agent as u8 + 1; 16]);
        let seq = self.next_seq[agent];
        self.next_seq[agent] += 1;
        let agent = name(AGENTS[agent]);
        let frame = Frame { v: FRAME_VERSION, agent: agent.clone(), boot, seq, clock: Clock::default(), events };
        (agent, frame.msg_id(), frame.encode().unwrap())
    }

    /// Each agent's list of targets, which holds since before its first observation.
    pub fn lists(&mut self) -> Vec<Said> {
        let from_ns = TimeNs(self.said_to_s * SECOND);
        let schedule =
            |target: &&str| TargetSchedule { target: name(target), interval_us: INTERVAL_S * 1_000_000, offset_us: 0 };
        let list = |script: &mut Self, agent| {
            let targets = TARGETS.iter().map(schedule).collect();
            script.frame(agent, vec![Targets { from_ns, part: 0, parts: 1, targets }.into()])
        };
        (0..AGENTS.len()).map(|agent| list(self, agent)).collect()
    }

    /// Observations up to `to_s`, a frame for each slot and agent; some slots missed, and of each agent some frames never
    /// sent and some that are none.
    pub fn observations(&mut self, to_s: u64) -> Vec<Said> {
        let mut frames = Vec::new();
        let first = self.said_to_s.div_ceil(INTERVAL_S) * INTERVAL_S;
        for slot_s in (first..to_s).step_by(INTERVAL_S as usize) {
            for agent in 0..AGENTS.len() {
                let slot = TimeNs(slot_s * SECOND);
                let events = TARGETS.iter().map(|target| self.observation(target, slot)).collect();
                let (agent, id, payload) = self.frame(agent, events);
                match id.seq % 23 {
                    5 => {} // Never sent: a hole in the agent's numbers.
                    9 => frames.push((agent, id, NO_FRAME.to_vec())),
                    _ => frames.push((agent, id, payload)),
                }
            }
        }
        self.said_to_s = to_s;
        frames
    }

    fn observation(&mut self, target: &str, slot: TimeNs) -> Event {
        if self.random.below(20) == 0 {
            let interval_us = INTERVAL_S * 1_000_000;
            let (target, why) = (name(target), MissedWhy::NotRunning);
            return Missed { target, first_slot_ns: slot, interval_us, slots: 1, why }.into();
        }
        let failed = self.random.below(30) == 0;
        let latency_us = 800 + self.random.below(180_000);
        Observed {
            target: name(target),
            slot_ns: slot,
            started_ns: slot,
            latency_us,
            outcome: if failed { Outcome::Fail } else { Outcome::Ok },
            reason: failed.then_some(FailReason::Status),
            detail: failed.then(|| "status 503".into()),
            status: Some(if failed { 503 } else { 200 }),
            phases: Phases::default(),
            certificate_expires_ns: None,
        }
        .into()
    }
}
