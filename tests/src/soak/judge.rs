//! The judge: holds what Spark showed and kept against an account of the raw frames by software that is not Spark's.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::Client;
use crate::world::World;

/// How long after its last slot a target may still have been probed when everything was stopped.
const LAST_SLOT_NS_MAX: u64 = 5_000_000_000;
/// How many of the figures that were shown are held against the account.
const LOOKS_MAX: usize = 200;

/// What a row moved, as counted from outside.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Requests that the site got.
    pub requests: u64,
    /// Observations counted.
    pub observed: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Slots said to be missed.
    pub missed: u64,
    /// Frames counted.
    pub frames: u64,
    /// Runs of agents.
    pub runs: u64,
    /// Frames that the log has twice and Spark counted once.
    pub duplicates: u64,
    /// Frames visibly rejected.
    pub rejected: u64,
    /// Frames visibly missing.
    pub gaps: u64,
    /// Figures that were shown meanwhile and held against the account.
    pub looks: u64,
    /// Digests of the state that decisions named, and a replay gave again.
    pub digests: u64,
    /// Processes that ended by themselves and were started again.
    pub ended: u64,
    /// What shows that the faults were real.
    pub effect: String,
}

/// What a row may cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// Frames that an administrator's doing took away; each must be visible as a gap.
    pub(super) gaps: u64,
    /// Frames that must be rejected, and are.
    pub(super) rejected: bool,
    /// How far the probe's clock is ahead of this machine's, in nanoseconds.
    pub(super) clock_ns: i64,
}

/// What the API ever showed or acknowledged.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) logs: Vec<Value>,
    decisions: u64,
    /// The state's digest that a decision named, by position.
    pub(super) digests: BTreeMap<u64, String>,
}

impl Seen {
    /// Asks for a decision and for the sums; a Spark that is still starting, or down, has none to give.
    pub(super) fn look(&mut self, api: &Client) -> Option<Value> {
        let decided = api.post("/api/tools/status", &Value::Object(serde_json::Map::new()));
        let decided = decided.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
        if let Some(evidence) = decided.map(|decided| decided["evidence"].clone())
            && evidence["recorded"] == true
        {
            let position = evidence["positions"][0]["seq"].as_u64().expect("a position");
            self.digests.insert(position, evidence["stateDigest"].as_str().expect("a digest").to_owned());
            self.decisions += 1;
        }
        let log = api.try_json("/api/v1/log").ok()?;
        self.logs.push(log.clone());
        Some(log)
    }

    /// The positions of what was shown, to be looked at in the account. Of a log that was made anew meanwhile, those in
    /// its last incarnation: a position in an earlier one is another frame.
    pub(super) fn positions(&self) -> Vec<u64> {
        let every = self.logs.len() / LOOKS_MAX + 1;
        self.of_last_incarnation().step_by(every).filter_map(position).filter(|position| *position > 0).collect()
    }

    fn of_last_incarnation(&self) -> impl Iterator<Item = &Value> {
        let last = self.logs.last().map(|log| &log["origin"]);
        self.logs.iter().filter(move |log| Some(&log["origin"]) == last)
    }

    /// Each figure that was shown is what the account has at its position, and nothing acknowledged is gone.
    pub(super) fn assert_true_to(&self, account: &Value) -> u64 {
        let kept = account["kinds"]["gate_decided"].as_u64().unwrap_or_default();
        assert!(kept >= self.decisions, "{} decisions were acknowledged, {kept} are kept", self.decisions);
        let mut looks = 0;
        for shown in self.of_last_incarnation() {
            let then = position(shown).map(|position| &account["at"][position.to_string()]);
            if let Some(then) = then.filter(|then| then.is_object()) {
                assert_same_sums(shown, then);
                looks += 1;
            }
        }
        for run in self.logs.iter().flat_map(|log| log["agents"].as_array().expect("agents")) {
            let kept = account["agents"].as_array().expect("agents").iter().find(|kept| kept["boot"] == run["boot"]);
            let kept = kept.unwrap_or_else(|| panic!("{run} was shown once and is gone"));
            for sum in ["observations", "next_seq"] {
                assert!(kept[sum].as_u64() >= run[sum].as_u64(), "{sum} of {run} was shown once, now {kept}");
            }
        }
        looks
    }
}

/// The last position that is folded.
pub(super) fn position(log: &Value) -> Option<u64> {
    log["partitions"][0]["seq"].as_u64()
}

fn assert_same_sums(shown: &Value, account: &Value) {
    for sum in ["frames", "observations", "missed", "duplicates", "rejected", "gaps"] {
        assert_eq!(shown[sum], account[sum], "{sum}: shown {shown}, recorded {account}");
    }
}

/// The API tells the sums and the runs that an independent reader finds in the raw frames.
pub(super) fn assert_told(log: &Value, account: &Value, allowed: Allowed) {
    assert_eq!(log["rejected"].as_u64() > Some(0), allowed.rejected, "rejected: {log}");
    if allowed.gaps > 0 {
        return assert_told_with_gaps(log, account, allowed);
    }
    assert_same_sums(log, account);
    assert_eq!(log["gaps"], 0, "frames are missing: {log}");
    let runs = |of: &Value| -> BTreeMap<String, Value> {
        let runs = of["agents"].as_array().expect("agents").iter();
        runs.map(|run| (run["boot"].to_string(), run.clone())).collect()
    };
    assert_eq!(runs(log), runs(account));
}

/// Frames that were deleted before all had read them: one reader has them and another has not, and what one has not is
/// a gap there.
fn assert_told_with_gaps(log: &Value, account: &Value, allowed: Allowed) {
    let sum = |of: &Value, key: &str| of[key].as_u64().expect("a sum");
    let numbered = |of: &Value| sum(of, "frames") + sum(of, "gaps");
    assert_eq!(numbered(log), numbered(account), "shown {log}, recorded {account}");
    for of in [log, account] {
        assert!(sum(of, "gaps") <= allowed.gaps, "more frames are missing than were deleted: {of}");
    }
}

/// Every slot of every target is there exactly once, from the first to the end of the run, and no observation is there
/// that the site had no request for.
pub(super) fn assert_every_slot_once(world: &World, account: &Value, stopped_ns: u64, allowed: Allowed) {
    let stopped_ns = stopped_ns.saturating_add_signed(allowed.clock_ns);
    let targets = account["targets"].as_object().expect("targets");
    let none = Value::from(Vec::<u64>::new());
    for (target, told) in targets {
        assert_eq!(told["twice"], none, "{target}: slots that were told twice");
        assert_eq!(told["astray"], none, "{target}: slots that are none");
        assert!(told["holes"] == none || allowed.gaps > 0, "{target}: slots that nobody accounts for: {told}");
        let sum = |key: &str| told[key].as_u64().expect("a sum");
        let last = sum("last_slot_ns");
        assert!(last + LAST_SLOT_NS_MAX > stopped_ns, "{target}: the end of its schedule is missing: {told}");
        let requests = world.executor.hits(&format!("/{target}"));
        let passed = sum("observed") - sum("failed");
        assert!(passed <= requests, "{target}: {passed} answers of {requests} requests");
        // One check may have been under way when the probe was stopped.
        assert!(requests <= sum("slots") + 1, "{target}: {requests} requests in {} slots", sum("slots"));
    }
    let slots: u64 = targets.values().filter_map(|told| told["slots"].as_u64()).sum();
    let sum = |key: &str| account[key].as_u64().expect("a sum");
    let told = sum("observations") + sum("missed") + sum("rejected_slots");
    assert!(slots == told || allowed.gaps > 0 && told < slots, "{slots} slots, {told} told");
}

/// The window that the whole run is in tells, for each target, what the raw frames say.
pub(super) fn assert_windows(api: &Client, account: &Value, allowed: Allowed) {
    // With another clock at the probe, slots are hours away from now.
    if allowed.clock_ns != 0 {
        return;
    }
    for (target, told) in account["targets"].as_object().expect("targets") {
        let window = api.json(&format!("/api/v1/windows?target={target}&window=1h"));
        assert_eq!(window["count"], told["observed"], "{target}: shown {window}, recorded {told}");
        assert_eq!(window["failed"], told["failed"], "{target}: shown {window}, recorded {told}");
    }
}

/// Nothing ended but what was killed.
pub(super) fn assert_nothing_ended(ended: &[String]) {
    assert!(ended.is_empty(), "{} processes ended by themselves: {}", ended.len(), ended[0]);
}

/// The sums of a row that passed.
pub(super) fn sums(world: &World, targets: usize, account: &Value, looks: u64) -> Sums {
    let sum = |key: &str| account[key].as_u64().expect("a sum");
    Sums {
        requests: (0..targets).map(|n| world.executor.hits(&format!("/t{n}"))).sum(),
        observed: sum("observations"),
        failed: sum("failed"),
        missed: sum("missed"),
        frames: sum("frames"),
        runs: account["agents"].as_array().map_or(0, Vec::len) as u64,
        duplicates: sum("duplicates"),
        rejected: sum("rejected"),
        gaps: sum("gaps"),
        looks,
        digests: 0,
        ended: 0,
        effect: String::new(),
    }
}
