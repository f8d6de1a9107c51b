//! A longer run in which everything happens that a decision depends on: outages, maintenances declared and called off,
//! other configurations, kills. Every decision of it is made again from the log, bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use spark_tests::wait::{self, LONG};
use spark_tests::{Setup, Up, World, run, spark, target_toml};

const ROUNDS: usize = 6;
/// After each thing that happens.
const DECISIONS: usize = 8;
const EVERY_DAY: &str = "days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";

/// What the gate asks: figures, objectives, service hours; another threshold and another promise in each round.
fn config(world: &World, round: usize) -> String {
    let target = |name, role| {
        let url = world.executor.url(&format!("/{name}"));
        format!("{}role = \"{role}\"\n", target_toml(name, &url, "200ms").trim_end().to_owned() + "\n")
    };
    // Before some rounds `feed` is to work at all times, before others at hours that are over or to come.
    let hours = match round % 3 {
        1 => format!(
            "[[service_hours]]\nname = \"brief\"\ntargets = [\"feed\"]\n{EVERY_DAY}\nfrom = \"03:00\"\nto = \"03:01\"\n"
        ),
        _ => String::new(),
    };
    let (rate, objective) = ([20, 30, 90][round % 3], [50, 60][round % 2]);
    format!(
        "builtin_targets = false\n{}{}{}{hours}
         [[slo]]\nname = \"shop\"\nsli = \"availability\"\nobjective = \"{objective}%\"\nwindow = \"1h\"\n
         [[slo]]\nname = \"slices\"\nsli = {{ latency = \"1s\" }}\nobjective = \"90%\"
         window = {{ calendar = \"day\", time_zone = \"Europe/Istanbul\" }}
         budgeting = {{ timeslices = {{ slice = \"1m\", objective = \"80%\" }} }}\n
         [profiles.dev]\nlatency_p95 = \"5s\"\nerror_rate = \"{rate}%\"\nstaleness = \"30s\"\nscore_min = \"50%\"\n
         [[profiles.dev.check]]\nname = \"met\"\nobjective = {{ slo = \"shop\" }}\n
         [[profiles.dev.check]]\nname = \"budget\"\nweight = 1\nbudget = {{ slo = \"slices\", min = \"10%\" }}\n
         [[profiles.dev.check]]\nname = \"burn\"\nburn_rate = {{ slo = \"shop\", window = \"5m\", below = \"2\" }}\n
         [[profiles.dev.check]]\nname = \"evidence\"\ncompleteness = {{ window = \"5m\", min = \"10%\" }}\n",
        target("shop", "ui"),
        target("health", "executor"),
        target_toml("feed", &world.executor.url("/feed"), "300ms")
    )
}

/// What was decided, in the order in which it was.
#[derive(Default)]
struct Decided {
    ids: Vec<String>,
    verdicts: BTreeMap<String, usize>,
    policies: BTreeSet<String>,
    reasons: BTreeSet<String>,
}

impl Decided {
    /// Decides some times, each at another position of the log.
    fn decide(&mut self, up: &Up) {
        for n in 0..DECISIONS {
            let decision = wait::until("a decision is recorded", LONG, || {
                let by = json!({"by": format!("the test, {n}")});
                let decision = up.api.post("/api/tools/status", &by)?.json();
                wait::that(decision["evidence"]["recorded"] == true, || decision.to_string())?;
                Ok(decision)
            });
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            self.ids.push(text(&decision["id"]));
            *self.verdicts.entry(text(&decision["verdict"])).or_default() += 1;
            self.policies.insert(text(&decision["evidence"]["policyDigest"]));
            let checks = decision["checks"].as_array().expect("checks");
            self.reasons.extend(checks.iter().map(|check| text(&check["reason"])));
            let position = decision["evidence"]["positions"][0]["seq"].clone();
            wait::until("the log goes on", LONG, || {
                let now = up.api.try_json("/api/v1/log")?["partitions"][0]["seq"].clone();
                wait::that(now.as_u64() > position.as_u64(), || format!("{now}"))
            });
        }
    }

    fn says(&self, part: &str) {
        assert!(self.reasons.iter().any(|reason| reason.contains(part)), "nothing says {part:?}: {:#?}", self.reasons);
    }
}

fn declare(up: &Up, id: &str, target: &str) {
    let body = json!({"id": id, "targets": [target], "from": "now", "for": "10m", "reason": "the test"});
    let answer = up.api.post("/api/v1/maintenances", &body).expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn configure(up: &Up, world: &World, round: usize) {
    let digest = |up: &Up| up.api.try_json("/api/v1/config").map(|config| config["digest"].clone());
    let before = digest(up).expect("a configuration");
    world.file("spark.toml", &config(world, round));
    wait::until("the new configuration is in force", LONG, || {
        wait::that(digest(up)? != before, || "the old one".to_owned())
    });
}

fn verified(data: &PathBuf, id: &str) -> (i32, String) {
    let mut command = spark();
    command.args(["verify", "gate", id, "--data"]).arg(data);
    let finished = run(command);
    (finished.code, format!("{}{}", finished.stdout, finished.stderr))
}

#[test]
fn every_decision_of_a_run_with_everything_in_it_follows_from_the_log() {
    let world = World::new();
    let mut setup = Setup::with_config(&world, &config(&world, 0));
    setup.more = vec!["--demo".to_owned()];
    let mut decided = Decided::default();
    let mut up = setup.start();
    up.until_judged();
    for round in 0..ROUNDS {
        decided.decide(&up);
        world.executor.set_status("/shop", 500);
        if round == 0 {
            wait::until("the gate fails", LONG, || {
                let preview = up.api.try_json("/api/tools/status")?;
                wait::that(preview["verdict"] == "fail", || preview.to_string())
            });
        }
        decided.decide(&up);
        let id = format!("round-{round}");
        declare(&up, &id, ["shop", "feed"][round % 2]);
        decided.decide(&up);
        world.executor.set_status("/shop", 200);
        if round % 2 == 0 {
            let answer = up.api.delete(&format!("/api/v1/maintenances/{id}?by=test")).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        configure(&up, &world, round + 1);
        decided.decide(&up);
        up.process.kill();
        up = setup.start();
        decided.decide(&up);
    }
    up.process.terminate();
    assert_eq!(decided.ids.len(), ROUNDS * 5 * DECISIONS);
    // At least one for each round; the demo's port is part of it, and another after each start.
    assert!(decided.policies.len() >= ROUNDS, "{:?}", decided.policies);
    assert!(decided.verdicts.len() >= 3, "{:?}", decided.verdicts);
    decided.says("in maintenance: shop (round-0)");
    decided.says("outside of their service hours: feed (until");
    let unverified: Vec<(String, (i32, String))> = decided
        .ids
        .iter()
        .map(|id| (id.clone(), verified(&setup.data, id)))
        .filter(|(_, (code, _))| *code != 0)
        .collect();
    assert!(unverified.is_empty(), "{} of {}: {unverified:#?}", unverified.len(), decided.ids.len());
    println!("{} decisions follow from the log: {:?}", decided.ids.len(), decided.verdicts);
}
