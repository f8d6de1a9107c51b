//! The gate over HTTP beyond a plain decision: configured checks and waivers, past instants, webhooks, and each way of
//! having nothing.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "support/http.rs"]
mod http;
mod support;

use std::sync::atomic::Ordering;

use http::{get, post};
use serde_json::{Value, json};
use spark_aggregator::Phase;
use spark_core::gate::differences;
use spark_schemas::TimeNs;
use support::{CONFIG, NOON, World, before, calm_world, passed, start};

const STATUS: &str = "/api/tools/status";
const WEBHOOK: &str = "/api/tools/gate-webhook";

const PROFILE: &str = r#"
[profiles.dev]
latency_p95 = "150ms"
error_rate = "5%"
staleness = "30s"
[[profiles.dev.check]]
name = "evidence"
completeness = { window = "5m", min = "50%", warn = "100%" }
"#;

/// The calm world under more of a configuration, with every `gap`th slot missing.
fn world(toml: &str, gap: u64) -> World {
    let mut world = World::new();
    let start = before(NOON, 600);
    world.configure(toml, start);
    world.probe("ist-1", &["shop", "executor"], 10, start);
    for n in (0..60).filter(|n| n % gap != gap - 1) {
        let slot = TimeNs(start.0 + n * 10 * TimeNs::SECOND);
        let events = vec![passed("shop", slot, 20_000).into(), passed("executor", slot, 3_000).into()];
        world.say("ist-1", spark_schemas::Class::Obs, TimeNs(slot.0 + TimeNs::SECOND), events);
    }
    world.live();
    world
}

fn check<'a>(body: &'a Value, id: &str) -> &'a Value {
    body["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap()
}

#[tokio::test]
async fn configured_checks_and_waivers_are_in_the_answer() {
    let waiver = r#"
[[profiles.dev.waiver]]
check = "ui.up"
until = "2026-08-01T00:00:00Z"
reason = "no pages yet"
by = "ops"
"#;
    let toml = format!("{CONFIG}{PROFILE}{waiver}").replace("role = \"ui\"\n", "");
    let service = start(world(&toml, 10)).await;
    let body = get(service.address, STATUS).await.json();
    assert_eq!(body["verdict"], "warn", "{body}");
    let evidence = check(&body, "evidence");
    assert_eq!((&evidence["verdict"], &evidence["unit"]), (&json!("warn"), &json!("%")));
    assert_eq!(evidence["observed"], 89.6551, "52 of 58");
    assert_eq!(
        (&check(&body, "ui.up")["verdict"], &check(&body, "ui.up")["waived"]),
        (&json!("no_data"), &json!(true))
    );
    let waivers = json!([{"check": "ui.up", "until": "2026-08-01T00:00:00Z", "reason": "no pages yet", "by": "ops"}]);
    assert_eq!(body["waivers"], waivers);
    assert_eq!(
        body["evidence"]["components"][0],
        json!({"name": "web", "status": "UP"}),
        "no uptime: it proves nothing"
    );

    let expired = toml.replace("2026-08-01", "2026-07-30");
    let service = start(world(&expired, 10)).await;
    let body = get(service.address, STATUS).await.json();
    assert_eq!((&body["verdict"], &body["waivers"]), (&json!("no_data"), &Value::Null));
    let reason = check(&body, "ui.up")["reason"].as_str().unwrap();
    assert!(reason.contains("the waiver expired at 2026-07-30T00:00:00Z (no pages yet, ops)"), "{reason}");
}

#[tokio::test]
async fn a_past_instant_is_previewed_as_far_as_it_is_known() {
    let service = start(calm_world()).await;
    let body = get(service.address, &format!("{STATUS}?at=2026-07-30T11:55:00Z")).await.json();
    assert_eq!((&body["verdict"], &body["evidence"]["recorded"]), (&json!("no_data"), &json!(false)));
    let verdicts: Vec<&str> =
        body["checks"].as_array().unwrap().iter().map(|check| check["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["no_data", "no_data", "no_data", "pass", "pass", "no_data"], "{body}");
}

#[tokio::test]
async fn a_webhook_tells_the_verdict_by_its_status() {
    let flagger = r#"{"name": "shop", "namespace": "prod", "phase": "Progressing", "metadata": {"x": "1"}}"#;
    let service = start(calm_world()).await;
    let answer = post(service.address, WEBHOOK, "", flagger).await;
    assert_eq!((answer.status, &answer.json()["verdict"]), (200, &json!("pass")));
    let projection = service.world.lock().unwrap().projection.clone();
    let kept = projection.view(NOON, |view| view.declarations().gate_decisions.back().cloned()).unwrap().unwrap();
    assert_eq!(kept.by, "webhook: prod shop Progressing");
    for anything in ["", "not json", "[1]", r#"{"name": 5}"#] {
        assert_eq!(post(service.address, WEBHOOK, "", anything).await.status, 200, "{anything:?}");
    }
    let long = json!({"name": "ğ".repeat(500)}).to_string();
    assert_eq!(post(service.address, WEBHOOK, "", &long).await.status, 200);
    assert_eq!(post(service.address, &format!("{WEBHOOK}?profile=nope"), "", flagger).await.status, 400);
    assert_eq!(post(service.address, &format!("{WEBHOOK}?strict=perhaps"), "", flagger).await.status, 400);
    assert_eq!(get(service.address, WEBHOOK).await.status, 405);

    let warns = start(world(&format!("{CONFIG}{PROFILE}"), 10)).await;
    assert_eq!(post(warns.address, WEBHOOK, "", flagger).await.status, 200);
    assert_eq!(post(warns.address, &format!("{WEBHOOK}?strict=true"), "", flagger).await.status, 412);
    let fails = start(world(&format!("{CONFIG}{PROFILE}").replace("50%", "95%"), 10)).await;
    assert_eq!(post(fails.address, WEBHOOK, "", flagger).await.status, 412);
    let empty = World::new();
    empty.live();
    assert_eq!(post(start(empty).await.address, WEBHOOK, "", flagger).await.status, 503);

    projection.set_status(|status| status.phase = Phase::Replaying { folded: 3, of: 9 });
    assert_eq!(post(service.address, WEBHOOK, "", flagger).await.status, 503);
    projection.set_status(|status| status.phase = Phase::Live);
    service.log.gone.store(true, Ordering::SeqCst);
    assert_eq!(post(service.address, WEBHOOK, "", flagger).await.status, 503, "the log does not take it");
}

#[tokio::test]
async fn a_profile_is_unknown_only_where_there_is_a_configuration() {
    let empty = World::new();
    empty.live();
    let service = start(empty).await;
    assert_eq!(get(service.address, &format!("{STATUS}?profile=nope")).await.status, 503);
    assert_eq!(get(start(calm_world()).await.address, &format!("{STATUS}?profile=nope")).await.status, 400);
}

#[tokio::test]
async fn a_stale_aggregator_never_passes() {
    let world = calm_world();
    // Nothing was heard for a minute; the figures look as good as before.
    world.projection.set_status(|status| status.last_batch = before(NOON, 60));
    let body = get(start(world).await.address, STATUS).await.json();
    assert_eq!(
        (&body["verdict"], &check(&body, "healthz.status")["verdict"]),
        (&json!("fail"), &json!("fail")),
        "{body}"
    );
    let log = &body["evidence"]["components"][1];
    assert_eq!((&log["name"], &log["status"]), (&json!("log"), &json!("DEGRADED")));
    assert!(log["detail"].as_str().unwrap().contains("silent for"), "{log}");
}

#[tokio::test]
async fn what_is_previewed_is_what_is_decided() {
    let service = start(calm_world()).await;
    let preview = get(service.address, STATUS).await.json();
    let decided = post(service.address, STATUS, "", "").await.json();
    let fields: Vec<String> = differences(&preview, &decided).into_iter().map(|one| one.field).collect();
    assert_eq!(fields, ["evidence.recorded", "evidence.seq"]);
}
