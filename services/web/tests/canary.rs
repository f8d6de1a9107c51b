//! Canaries over the API: verdicts from the log's own leaves, recorded so that they can be made again, and every bad
//! request refused with what would do.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "support/http.rs"]
mod http;
mod support;

use std::sync::atomic::Ordering;

use http::{get, post};
use serde_json::{Value, json};
use spark_aggregator::Phase;
use spark_core::view::rfc3339;
use spark_schemas::event::{Deployment, Maintenance, MaintenanceAction, Missed, MissedWhy};
use spark_schemas::{Class, TimeNs};
use support::{NOON, Service, World, before, calm_world, failed, name, passed, start};

const PATH: &str = "/api/tools/canary";

/// An hour of two targets every ten seconds up to noon: `shop` at 20 ms, `slow` at 30 ms. At half past, `shop` takes 40 ms
/// and fails one time in eight.
fn hour() -> World {
    let mut world = World::new();
    let from = before(NOON, 3_600);
    let config = "[[target]]\nname = \"shop\"\nurl = \"http://shop.example/\"\ninterval = \"10s\"\n\
                  [[target]]\nname = \"slow\"\nurl = \"http://slow.example/\"\ninterval = \"10s\"\n";
    world.configure(config, from);
    world.probe("ist-1", &["shop", "slow"], 10, from);
    for n in 0..360 {
        let slot = TimeNs(from.0 + n * 10 * TimeNs::SECOND);
        let shop = match n {
            0..180 => passed("shop", slot, 20_000 + n * 37 % 500),
            _ if n % 8 == 0 => failed("shop", slot, 40_000 + n * 37 % 500),
            _ => passed("shop", slot, 40_000 + n * 37 % 500),
        };
        let events = vec![shop.into(), passed("slow", slot, 30_000 + n * 41 % 500).into()];
        world.say("ist-1", Class::Obs, TimeNs(slot.0 + TimeNs::SECOND), events);
    }
    world.heartbeat("aggregator", Class::Ctl, before(NOON, 1), 0);
    world.live();
    world
}

fn half_past() -> TimeNs {
    before(NOON, 1_800)
}

async fn run(service: &Service, request: &Value) -> Value {
    let answer = post(service.address, PATH, "", &request.to_string()).await;
    assert_eq!(answer.status, 200, "{request}: {}", answer.body);
    answer.json()
}

fn verdicts(run: &Value) -> Vec<(&str, &str)> {
    let checks = run["checks"].as_array().unwrap().iter();
    checks.map(|check| (check["id"].as_str().unwrap(), check["verdict"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn two_targets_are_compared_by_the_leaves_of_their_time() {
    let service = start(hour()).await;
    // The first half hour is not in the window: there `slow` was the slower one.
    let request = json!({"mode": "compare", "baseline": "slow", "candidate": "shop", "window": "25m", "by": "ci"});
    let compared = run(&service, &request).await;
    let all = [("completeness", "pass"), ("latency", "fail"), ("slow", "pass"), ("errors", "fail")];
    let all = all.map(|(id, verdict)| (format!("canary.{id}"), verdict));
    assert_eq!(verdicts(&compared), all.each_ref().map(|(id, verdict)| (id.as_str(), *verdict)));
    assert_eq!(
        (&compared["verdict"], &compared["mode"], &compared["by"]),
        (&json!("fail"), &json!("compare"), &json!("ci"))
    );
    let comparison = &compared["comparison"];
    assert_eq!(comparison["baseline"]["observed"], 150);
    assert_eq!(
        (&comparison["candidate"]["failed"], &comparison["candidate"]["to"]),
        (&json!(18), &json!(rfc3339(NOON)))
    );
    assert_eq!(comparison["settings"]["alpha"], "1%");
    assert_eq!((&compared["recorded"], compared["seq"].is_number()), (&json!(true), true));
    // Latency: 40.2 against 30.2 ms.
    let latency = compared["checks"][1]["observed"].as_f64().unwrap();
    assert!((32.0..34.0).contains(&latency), "{compared}");

    let back = json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "window": "25m"});
    let back = run(&service, &back).await;
    assert_eq!(back["verdict"], "pass", "{back}");
    assert!(back["checks"][1]["reason"].as_str().unwrap().contains("faster, and by more than chance"), "{back}");
    assert!(back["checks"][3]["reason"].as_str().unwrap().contains("fewer errors"), "{back}");

    let runs = get(service.address, PATH).await.json();
    let ids: Vec<&Value> = runs["runs"].as_array().unwrap().iter().map(|run| &run["id"]).collect();
    assert_eq!(ids, [&back["id"], &compared["id"]], "newest first");
    let one = get(service.address, &format!("{PATH}/{}", compared["id"].as_str().unwrap())).await.json();
    assert_eq!((&one["checks"], &one["comparison"]), (&compared["checks"], comparison));
    let earlier = get(service.address, &format!("{PATH}?at={}", rfc3339(before(NOON, 60)))).await.json();
    assert_eq!(earlier, json!({"runs": []}));
}

#[tokio::test]
async fn before_and_after_an_instant_or_a_deployment() {
    let mut world = hour();
    let deployment = |at_ns, version: &str| Deployment {
        at_ns,
        service: name("orders"),
        version: version.to_owned(),
        by: String::new(),
    };
    let quarter_past = before(NOON, 2_700);
    world.say(
        "web",
        Class::Ctl,
        NOON,
        vec![deployment(quarter_past, "1@1").into(), deployment(half_past(), "2").into()],
    );
    let service = start(world).await;
    let around = |key: &str, value: &str| json!({"mode": "compare", "target": "shop", key: value, "before": "20m", "after": "20m"});
    let at = run(&service, &around("at", &rfc3339(half_past()))).await;
    assert_eq!(at["verdict"], "fail", "{at}");
    assert_eq!(at["comparison"]["baseline"]["observed"], 120);
    assert_eq!(at["comparison"]["candidate"]["from"], json!(rfc3339(half_past())));
    let latest = run(&service, &around("deployment", "orders")).await;
    assert_eq!((&latest["verdict"], &latest["checks"]), (&json!("fail"), &at["checks"]));
    assert_eq!(latest["comparison"]["deployment"]["version"], "2");
    let first =
        json!({"mode": "compare", "target": "shop", "deployment": "orders@1@1", "before": "15m", "after": "15m"});
    let first = run(&service, &first).await;
    assert_eq!(first["comparison"]["deployment"]["version"], "1@1");
    assert_eq!(first["verdict"], "no_data", "90 observations on each side");
    let no_later = json!({"mode": "compare", "target": "shop", "at": rfc3339(before(NOON, 1_200)), "after": "7d"});
    let no_later = run(&service, &no_later).await;
    assert_eq!(no_later["comparison"]["candidate"]["to"], json!(rfc3339(NOON)), "there is nothing after now");
}

#[tokio::test]
async fn a_comparison_can_be_made_again_whatever_came_since() {
    let service = start(hour()).await;
    let request = json!({"mode": "compare", "target": "shop", "at": rfc3339(half_past())});
    let compared = run(&service, &request).await;
    let path = format!("{PATH}/{}/verify", compared["id"].as_str().unwrap());
    let late = |slot| vec![failed("shop", slot, 5_000_000).into()];
    {
        let mut world = service.world.lock().unwrap();
        for n in 1..=30 {
            let slot = TimeNs(half_past().0 + n);
            world.say("fra-1", Class::Obs, before(NOON, 0), late(slot));
        }
        let maintenance = Maintenance {
            at_ns: NOON,
            id: name("later"),
            action: MaintenanceAction::Add,
            targets: Vec::new(),
            from_ns: half_past(),
            to_ns: NOON,
            reason: String::new(),
            by: String::new(),
        };
        world.say("web", Class::Ctl, NOON, vec![maintenance.into()]);
        world.configure("[canary]\nalpha = \"10%\"\nlatency_fail = \"100%\"\n", NOON);
    }
    let verified = get(service.address, &path).await.json();
    assert_eq!(verified["reproduced"], true, "{verified}");
    assert_eq!(verified["again"]["checks"], compared["checks"]);

    // A leaf that says something else now.
    {
        let mut world = service.world.lock().unwrap();
        world.recorded.remove(200);
    }
    let verified = get(service.address, &path).await.json();
    assert_eq!(verified["reproduced"], false, "{verified}");
    let mock = run(&service, &json!({"mode": "mock"})).await;
    let answer = get(service.address, &format!("{PATH}/{}/verify", mock["id"].as_str().unwrap())).await;
    assert_eq!(answer.status, 409, "a mock has no samples in the log: {}", answer.body);
    assert_eq!(get(service.address, &format!("{PATH}/0123/verify")).await.status, 404);
    assert_eq!(get(service.address, &format!("{PATH}/0123")).await.status, 404);
}

#[tokio::test]
async fn maintenance_repeats_and_missed_slots_are_seen_as_what_they_are() {
    let mut world = hour();
    let minutes = |from: u64, to: u64| {
        (TimeNs(half_past().0 + from * 60_000_000_000), TimeNs(half_past().0 + to * 60_000_000_000))
    };
    let (from_ns, to_ns) = minutes(5, 10);
    let maintenance = Maintenance {
        at_ns: from_ns,
        id: name("move"),
        action: MaintenanceAction::Add,
        targets: vec![name("shop")],
        from_ns,
        to_ns,
        reason: String::new(),
        by: String::new(),
    };
    world.say("web", Class::Ctl, from_ns, vec![maintenance.into()]);
    // The agent says some slots again in another frame, and that it missed some that begin within and without.
    let again = |n: u64| passed("shop", TimeNs(before(NOON, 3_600).0 + n * 10 * TimeNs::SECOND), 9_000_000).into();
    world.say("ist-1", Class::Obs, NOON, (180..200).map(again).collect());
    let first_slot_ns = TimeNs(from_ns.0 - 30 * TimeNs::SECOND);
    let missed =
        Missed { target: name("shop"), first_slot_ns, interval_us: 10_000_000, slots: 5, why: MissedWhy::NotRunning };
    world.say("ist-1", Class::Obs, NOON, vec![missed.into()]);
    let frame = world.recorded.last().unwrap().clone();
    world.recorded.push(spark_eventlog::Recorded { seq: frame.seq + 1, ..frame });
    let service = start(world).await;
    let request = json!({"mode": "compare", "target": "shop", "at": rfc3339(half_past()), "after": "30m"});
    let compared = run(&service, &request).await;
    let candidate = &compared["comparison"]["candidate"];
    assert_eq!(candidate["excluded"], json!([{"from": rfc3339(from_ns), "to": rfc3339(to_ns)}]));
    assert_eq!((&candidate["observed"], &candidate["missed"]), (&json!(150), &json!(3)), "{compared}");
    assert!(!compared["checks"][1]["reason"].as_str().unwrap().contains("9000"), "{compared}");
}

#[tokio::test]
async fn real_and_mock_have_a_verdict_for_each_check_and_are_recorded() {
    let service = start(calm_world()).await;
    let real = run(&service, &json!({"mode": "real", "runs": 3})).await;
    let expected = [
        ("real.shop.up", "pass"),
        ("real.shop.latency", "pass"),
        ("real.executor.up", "pass"),
        ("real.executor.latency", "pass"),
    ];
    assert_eq!(verdicts(&real), expected, "the demo only when it is named");
    assert_eq!(real["checks"][0]["samples"], 3);
    let named = run(&service, &json!({"mode": "real", "targets": ["toy"], "profile": "prod"})).await;
    assert_eq!(verdicts(&named), [("real.toy.up", "fail"), ("real.toy.latency", "pass")]);
    assert_eq!((&named["verdict"], &named["checks"][1]["threshold"]), (&json!("fail"), &json!(120)));
    let mock = run(&service, &json!({"mode": "mock"})).await;
    let expected = [("mock.probe", "pass"), ("mock.healthy", "pass"), ("mock.sick", "pass")];
    assert_eq!(verdicts(&mock), expected, "{mock}");
    let projection = service.world.lock().unwrap().projection.clone();
    let kept = projection.view(NOON, |view| view.declarations().canaries.clone()).unwrap();
    let kept: Vec<&str> = kept.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(kept, [&real, &named, &mock].map(|run| run["id"].as_str().unwrap()));
}

#[tokio::test]
async fn what_can_not_be_asked_is_refused_with_what_can() {
    let service = start(hour()).await;
    let noon = rfc3339(NOON);
    for (request, status, says) in [
        (json!({}), 400, "\"mode\" is \"mock\", \"real\" or \"compare\""),
        (json!({"mode": "Mock"}), 400, "\"mode\" is"),
        (json!({"mode": "mock", "runs": 3}), 400, "unknown field `runs`"),
        (json!({"mode": "mock", "by": 3}), 400, "\"by\" is a text"),
        (json!({"mode": "mock", "by": "x".repeat(201)}), 400, "at most 200 bytes"),
        (json!({"mode": "real", "runs": 0}), 400, "\"runs\" is from 1 to 20"),
        (json!({"mode": "real", "runs": 21}), 400, "\"runs\" is from 1 to 20"),
        (json!({"mode": "real", "runs": -1}), 400, "invalid value"),
        (json!({"mode": "real", "targets": ["nobody"]}), 404, "No target \"nobody\""),
        (json!({"mode": "real", "profile": "nobody"}), 400, "no profile"),
        (json!({"mode": "compare"}), 400, "A comparison has"),
        (json!({"mode": "compare", "baseline": "shop"}), 400, "A comparison has"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "shop"}), 400, "compared with itself"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "nobody"}), 404, "No target \"nobody\""),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "at": noon}), 400, "A comparison has"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "after": "5m"}), 400, "A comparison has"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "window": "8d"}), 400, "at most 7d"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "window": "0s"}), 400, "more than 0s"),
        (json!({"mode": "compare", "baseline": "shop", "candidate": "slow", "window": 5}), 400, "duration in quotes"),
        (json!({"mode": "compare", "target": "shop"}), 400, "A comparison has"),
        (json!({"mode": "compare", "target": "shop", "at": "noon"}), 400, "an instant such as"),
        (json!({"mode": "compare", "target": "shop", "at": "2026-07-30T12:00:01Z"}), 400, "in the future"),
        (json!({"mode": "compare", "target": "shop", "at": noon, "deployment": "x"}), 400, "A comparison has"),
        (json!({"mode": "compare", "target": "shop", "deployment": "orders@9"}), 404, "version \"9\""),
        (json!({"mode": "compare", "target": "shop", "at": noon, "windwo": "5m"}), 400, "unknown field `windwo`"),
        (json!(["mock"]), 400, "not what a canary is asked by"),
    ] {
        let answer = post(service.address, PATH, "", &request.to_string()).await;
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{request}: {}", answer.body);
    }
    assert_eq!(post(service.address, PATH, "", "not json").await.status, 400);
    assert_eq!(post(service.address, PATH, "", "").await.status, 400);
    assert_eq!(post(service.address, PATH, "", &" ".repeat(100_000)).await.status, 413);
    assert_eq!(post(service.address, &format!("{PATH}?mode=mock"), "", "{}").await.status, 400);
    assert_eq!(get(service.address, &format!("{PATH}?mode=mock")).await.status, 400);
    let foreign = post(service.address, PATH, "origin: http://evil.example\r\n", r#"{"mode": "mock"}"#).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(get(service.address, PATH).await.json(), json!({"runs": []}), "nothing of it was recorded");
}

#[tokio::test]
async fn without_its_log_there_is_no_verdict() {
    let service = start(hour()).await;
    let compare = json!({"mode": "compare", "baseline": "slow", "candidate": "shop"}).to_string();
    let mock = json!({"mode": "mock"}).to_string();
    service.log.gone.store(true, Ordering::SeqCst);
    for request in [&compare, &mock] {
        let answer = post(service.address, PATH, "", request).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
    }
    service.log.gone.store(false, Ordering::SeqCst);
    let projection = service.world.lock().unwrap().projection.clone();
    for phase in [
        Phase::Replaying { folded: 3, of: 9 },
        Phase::Unreachable("nobody there".to_owned()),
        Phase::Failed("a bug".to_owned()),
    ] {
        projection.set_status(|status| status.phase = phase.clone());
        for request in [&compare, &mock] {
            assert_eq!(post(service.address, PATH, "", request).await.status, 503, "{phase:?}");
        }
    }
    // A fold that lags behind would judge by what is old.
    projection.set_status(|status| (status.phase, status.last_batch) = (Phase::Live, before(NOON, 3_000)));
    projection.set_status(|status| status.log_last_seq += 1_000_000);
    assert_eq!(post(service.address, PATH, "", &compare).await.status, 503);
    assert_eq!(post(service.address, PATH, "", &mock).await.status, 200, "it needs no samples of the log");
}
