//! What a side shows, to be held against what the other shows and against what was said.

use serde_json::{Value, json};
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, run};

use crate::script::{NO_FRAME, Said, TARGETS};
use crate::side::Side;

const WINDOWS: [&str; 10] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d", "28d", "30d"];

/// What probes said, as a log was understood: everything but the services' own frames.
fn sums(log: &Value) -> Value {
    let probes = |run: &&Value| run["class"] == "obs";
    let runs: Vec<&Value> = log["agents"].as_array().unwrap().iter().filter(probes).collect();
    let frames: u64 = runs.iter().map(|run| run["next_seq"].as_u64().unwrap()).sum();
    let [observations, missed, duplicates, rejected, gaps] =
        ["observations", "missed", "duplicates", "rejected", "gaps"].map(|key| &log[key]);
    json!({
        "runs": runs, "frames": frames, "observations": observations, "missed": missed, "duplicates": duplicates,
        "rejected": rejected, "gaps": gaps
    })
}

/// Every figure that both show as of `at`.
fn figures(api: &Client, at: &str) -> Value {
    let mut all = serde_json::Map::new();
    for target in TARGETS.iter().chain(&["*"]) {
        for window in WINDOWS {
            let path = format!("/api/v1/windows?target={target}&window={window}&at={at}");
            all.insert(path.clone(), api.json(&path));
        }
    }
    let health = api.json(&format!("/api/healthz?at={at}"));
    let gate = api.json(&format!("/api/tools/status?at={at}"));
    all.insert("health".to_owned(), json!([health["slo"], health["status"], health["reasons"]]));
    all.insert("gate".to_owned(), json!([gate["verdict"], gate["checks"], gate["evidence"]["policyDigest"]]));
    for objective in api.json(&format!("/api/v1/slos?at={at}"))["slos"].as_array().unwrap() {
        // Since when events are counted, and when an alert was written, is each log's own.
        let alerts: Vec<&Value> = objective["alerts"].as_array().unwrap().iter().map(|one| &one["condition"]).collect();
        let figures = ["standing", "from", "to", "counts", "sli_ppm", "budget", "burn"].map(|key| &objective[key]);
        all.insert(format!("objective {}", objective["name"]), json!([figures, alerts]));
    }
    all.insert("targets".to_owned(), api.json(&format!("/api/v1/targets?at={at}"))["targets"].clone());
    all.into()
}

pub fn assert_equal_figures(one: &Side, two: &Side) {
    let at = run_rfc3339(wait::wall_ns());
    let (of_one, of_two) = (figures(&one.api, &at), figures(&two.api, &at));
    for (what, figures) in of_one.as_object().unwrap() {
        assert_eq!(figures, &of_two[what], "{what}");
    }
    assert!(
        of_one["gate"][1].as_array().unwrap().iter().all(|check| check["samples"].as_u64() > Some(0)),
        "{of_one:#}"
    );
    let count = of_one[&format!("/api/v1/windows?target=*&window=30d&at={at}")]["count"].clone();
    println!("{} answers equal as of {at}; {count} observations in 30d", of_one.as_object().unwrap().len());
}

fn run_rfc3339(ns: u64) -> String {
    let mut command = spark_tests::script("rfc3339.py");
    command.arg(ns.to_string());
    run(command).stdout.trim().to_owned()
}

/// The same is declared to both, some of it for what they have folded: each counts that anew from its own logs.
pub fn declare_maintenance(sides: [&Side; 2], id: &str, target: &str, ago_s: [u64; 2]) {
    let [from, to] = ago_s.map(|ago_s| run_rfc3339(wait::wall_ns() - ago_s * 1_000_000_000));
    for side in sides {
        let body = json!({"id": id, "targets": [target], "from": from, "to": to, "reason": "the test"});
        let answer = side.api.post("/api/v1/maintenances", &body).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

/// Waits until every objective has figures; gives how many of its events were left out.
pub fn until_counted(side: &Side) -> Vec<u64> {
    wait::until("every objective is counted", LONG, || {
        let listing = side.api.try_json("/api/v1/slos")?;
        let objectives = listing["slos"].as_array().ok_or("no objectives")?;
        let excluded = objectives.iter().map(|one| one["counts"]["excluded"].as_u64());
        excluded.collect::<Option<Vec<u64>>>().ok_or_else(|| listing.to_string())
    })
}

/// What was published so far.
#[derive(Default)]
pub struct Told {
    /// Slots that are observed or missed.
    pub slots: u64,
    /// Frames that are none.
    pub rejected: u64,
}

impl Told {
    pub fn add(&mut self, frames: &[Said]) {
        let rejected = frames.iter().filter(|(_, _, payload)| payload == NO_FRAME).count();
        self.rejected += rejected as u64;
        self.slots += ((frames.len() - rejected) * TARGETS.len()) as u64;
    }

    /// Waits until `side` has folded all of it, and gives its sums.
    pub fn until_folded(&self, side: &Side) -> Value {
        wait::until("the web service has folded everything", LONG, || {
            let log = side.api.try_json("/api/v1/log")?;
            let number = |key: &str| log[key].as_u64().ok_or_else(|| format!("no {key} in {log}"));
            let (slots, rejected) = (number("observations")? + number("missed")?, number("rejected")?);
            wait::that((slots, rejected) == (self.slots, self.rejected), || {
                format!("{slots} of {} slots, {rejected} of {} rejected", self.slots, self.rejected)
            })?;
            Ok(sums(&log))
        })
    }
}
