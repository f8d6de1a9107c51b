//! The API's contract: keys, figures, codes and errors, over real sockets.

#[path = "support/http.rs"]
mod http;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{get, post, request};
use serde_json::{Value, json};
use spark_aggregator::Phase;
use spark_schemas::{Class, TimeNs};
use support::{NOON, Service, World, before, calm_world, failed, start};

/// The service without a world: nothing was ever said.
async fn start_empty() -> Service {
    let world = World::new();
    world.live();
    start(world).await
}

/// An object's keys, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn healthz_tells_status_figures_and_components() {
    let service = start(calm_world()).await;
    let answer = get(service.address, "/api/healthz").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["status"], "UP", "{body}");
    assert_eq!(body["uptime"], 60);
    assert_eq!(
        body["slo"],
        json!({"latencyP95": 25.727, "errorRate": 0, "staleness": 0}),
        "the demo counts for nothing"
    );
    let components: Vec<&str> =
        body["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(components, ["web", "log", "fold"]);
    assert_eq!(body["reasons"], json!([]));
    assert_eq!(body["profile"], "dev");
    assert_eq!(body["build"], json!({"version": "0.1.0", "id": support::BUILD}));
    assert_eq!(get(service.address, "/api/healthz?profile=prod").await.json()["profile"], "prod");
}

#[tokio::test]
async fn healthz_without_data_is_degraded_and_its_figures_are_null() {
    let service = start_empty().await;
    let answer = get(service.address, "/api/healthz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "DEGRADED");
    assert_eq!(answer.json()["slo"], json!({"latencyP95": null, "errorRate": null, "staleness": null}));
}

#[tokio::test]
async fn healthz_is_down_with_503_when_a_part_of_spark_is_gone() {
    let service = start(calm_world()).await;
    let projection = service.world.lock().unwrap().projection.clone();
    for phase in [Phase::Failed("a bug".to_owned()), Phase::Unreachable("nobody there".to_owned())] {
        projection.set_status(|status| status.phase = phase.clone());
        let answer = get(service.address, "/api/healthz").await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("DOWN")), "{phase:?}");
    }
    projection.set_status(|status| status.phase = Phase::Replaying { folded: 3, of: 9 });
    let answer = get(service.address, "/api/healthz").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("DEGRADED")));
    assert!(answer.body.contains("3 of 9 frames"), "{}", answer.body);
}

#[tokio::test]
async fn the_gate_previews_without_a_trace_and_decides_with_one() {
    let service = start(calm_world()).await;
    let preview = get(service.address, "/api/tools/status").await.json();
    assert_eq!(keys(&preview), ["at", "checks", "evidence", "id", "profile", "verdict"]);
    assert_eq!(preview["verdict"], "pass", "{preview}");
    let ids: Vec<&str> =
        preview["checks"].as_array().unwrap().iter().map(|check| check["id"].as_str().unwrap()).collect();
    let six = [
        "ui.up",
        "executor.up",
        "healthz.status",
        "healthz.slo.latencyP95",
        "healthz.slo.errorRate",
        "healthz.slo.staleness",
    ];
    assert_eq!(ids, six);
    assert_eq!(preview["checks"][0]["observed"], "up");
    assert_eq!((&preview["checks"][3]["observed"], &preview["checks"][3]["threshold"]), (&json!(25.727), &json!(150)));
    assert_eq!(preview["evidence"]["recorded"], false);

    let position = service.world.lock().unwrap().projection.position();
    let decided =
        post(service.address, "/api/tools/status", "", r#"{"by": "release-bot", "profile": "prod"}"#).await.json();
    assert_eq!((&decided["verdict"], &decided["profile"]), (&json!("pass"), &json!("prod")));
    assert_eq!(decided["evidence"]["recorded"], true);
    assert_eq!(decided["evidence"]["positions"], json!([{"partition": 0, "seq": position}]));
    let projection = service.world.lock().unwrap().projection.clone();
    let kept = projection.view(NOON, |view| view.declarations().gate_decisions.back().cloned()).unwrap().unwrap();
    assert_eq!((kept.id.as_str(), kept.by.as_str()), (decided["id"].as_str().unwrap(), "release-bot"));
    assert_eq!(kept.state_digest.as_str(), decided["evidence"]["stateDigest"].as_str().unwrap());
}

#[tokio::test]
async fn the_gate_never_passes_on_missing_data() {
    let empty = start_empty().await;
    assert_eq!(get(empty.address, "/api/tools/status").await.json()["verdict"], "no_data");

    let service = start(calm_world()).await;
    let projection = service.world.lock().unwrap().projection.clone();
    projection.set_status(|status| status.phase = Phase::Replaying { folded: 3, of: 9 });
    for answer in
        [get(service.address, "/api/tools/status").await, post(service.address, "/api/tools/status", "", "").await]
    {
        let body = answer.json();
        assert_eq!((&body["verdict"], &body["evidence"]["recorded"]), (&json!("no_data"), &json!(false)));
        assert!(body["checks"].as_array().unwrap().iter().all(|check| check["observed"].is_null()), "{body}");
    }

    projection.set_status(|status| status.phase = Phase::Live);
    service.log.gone.store(true, Ordering::SeqCst);
    let refused = post(service.address, "/api/tools/status", "", "").await;
    assert_eq!(refused.status, 503, "a decision that is not recorded is none");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));

    projection.set_status(|status| status.phase = Phase::Unreachable("nobody there".to_owned()));
    assert_eq!(post(service.address, "/api/tools/status", "", "").await.status, 503);
    assert_eq!(get(service.address, "/api/tools/status").await.json()["verdict"], "fail", "Spark itself is down");
}

#[tokio::test]
async fn windows_have_the_keys_and_counts_that_scripts_rely_on() {
    let service = start(calm_world()).await;
    let window = get(service.address, "/api/v1/windows?target=shop&window=5m").await.json();
    let expected = [
        "completeness_ppm",
        "count",
        "error_rate_ppm",
        "expected",
        "failed",
        "from",
        "latency_us",
        "missed",
        "staleness_ms",
        "target",
        "to",
        "window",
    ];
    assert_eq!(keys(&window), expected);
    // Slots at 11:55:10 to 11:59:50; the last is due at noon.
    assert_eq!(
        (&window["count"], &window["expected"], &window["completeness_ppm"]),
        (&json!(29), &json!(29), &json!(1_000_000))
    );
    assert_eq!((&window["from"], &window["to"]), (&json!("2026-07-30T11:55:10Z"), &json!("2026-07-30T12:00:00Z")));
    assert_eq!(keys(&window["latency_us"]), ["max", "p50", "p90", "p95", "p99"]);
    let all = get(service.address, "/api/v1/windows").await.json();
    assert_eq!((&all["target"], &all["count"], &all["failed"]), (&json!("*"), &json!(58), &json!(0)));
    let earlier = get(service.address, "/api/v1/windows?target=shop&at=2026-07-30T11:52:00Z").await.json();
    assert_eq!(earlier["count"], 13, "{earlier}");
    let never = get(service.address, "/api/v1/windows?target=shop&at=2026-07-30T11:00:00Z").await.json();
    assert_eq!((&never["count"], &never["latency_us"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn the_log_tells_what_was_counted_and_of_whom() {
    let service = start(calm_world()).await;
    let log = get(service.address, "/api/v1/log").await.json();
    let counts = ["agents", "duplicates", "frames", "gaps", "missed", "mode", "observations"];
    assert_eq!(keys(&log), [&counts[..], &["origin", "partitions", "rejected", "sealed"]].concat());
    assert_eq!((&log["mode"], &log["frames"], &log["observations"]), (&json!("archive"), &json!(64), &json!(180)));
    let agent = log["agents"].as_array().unwrap().iter().find(|agent| agent["agent"] == "ist-1").unwrap();
    assert_eq!(keys(agent), ["agent", "boot", "class", "next_seq", "observations"]);
    assert_eq!((&agent["next_seq"], &agent["observations"], &agent["class"]), (&json!(62), &json!(180), &json!("obs")));
}

#[tokio::test]
async fn targets_and_configuration_are_told() {
    let service = start(calm_world()).await;
    let listing = get(service.address, "/api/v1/targets").await.json();
    let states: Vec<_> = listing["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["name"].as_str().unwrap(), t["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("shop", "up"), ("executor", "up"), ("toy", "down")]);
    let toy = get(service.address, "/api/v1/targets/toy").await.json();
    assert_eq!(
        (&toy["demo"], &toy["reason"], &toy["agents"][0]["failed"]),
        (&json!(true), &json!("status 503, expected 200-299"), &json!(60))
    );
    let config = get(service.address, "/api/v1/config").await.json();
    assert_eq!(
        (&config["since"], &config["config"]["target"][0]["name"]),
        (&json!("2026-07-30T11:50:00Z"), &json!("shop"))
    );
    assert_eq!(get(start_empty().await.address, "/api/v1/config").await.status, 404);
}

#[tokio::test]
async fn a_window_that_is_no_longer_kept_is_gone_and_says_from_when_it_is() {
    let mut world = World::new();
    world.probe("ist-1", &["shop"], 10, before(NOON, 40 * 3_600));
    for hours in [40, 20, 0] {
        let slot = before(NOON, hours * 3_600 + 10);
        world.say("ist-1", Class::Obs, TimeNs(slot.0 + 1), vec![failed("shop", slot, 1_000).into()]);
    }
    world.live();
    let service = start(world).await;
    let answer = get(service.address, "/api/v1/windows?target=shop&window=5m&at=2026-07-29T00:00:00Z").await;
    assert_eq!(answer.status, 410);
    assert!(answer.json()["detail"].as_str().unwrap().contains("2026-07-30T"), "{}", answer.body);
    let page = get(service.address, "/targets/shop?at=2026-07-29T00:00:00Z").await;
    assert_eq!(page.status, 200, "each panel fails alone");
    assert!(page.body.contains("That is too long ago"), "{}", page.body);
}

#[tokio::test]
async fn the_smoke_test_asks_all_six_endpoints() {
    let service = start(calm_world()).await;
    let body = get(service.address, "/api/tools/smoke").await.json();
    assert_eq!((&body["passed"], &body["total"]), (&json!(6), &json!(6)), "{body}");
    assert_eq!(keys(&body["checks"][0]), ["ms", "ok", "path", "reason", "status"]);
}

#[tokio::test]
async fn a_service_without_the_logs_archive_says_where_reports_are_made() {
    let service = start(calm_world()).await;
    let answer = get(service.address, "/api/tools/risk-report").await;
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
    assert!(answer.body.contains("with the aggregator"), "{}", answer.body);
    assert_eq!(get(service.address, "/api/tools/risk-report?format=pdf").await.status, 400);
}

#[tokio::test]
async fn metrics_are_in_prometheus_text_format() {
    let service = start(calm_world()).await;
    let answer = get(service.address, "/api/tools/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("spark_build_info 1"));
}

#[tokio::test]
async fn errors_are_problems_that_say_what_is_allowed() {
    let service = start(calm_world()).await;
    let long = format!("/api/v1/windows?window={}", "x".repeat(5_000));
    for (method, path, status, says) in [
        ("GET", "/api/v1/windows?window=5min", 400, "5m, 30m, 1h"),
        ("GET", "/api/v1/windows?at=yesterday", 400, "RFC 3339"),
        ("GET", "/api/v1/windows?at=2099-01-01T00:00:00Z", 400, "future"),
        ("GET", "/api/v1/windows?windwo=5m", 400, "target, window, at"),
        ("GET", "/api/v1/windows?window=5m&window=1h", 400, "twice"),
        ("GET", "/api/v1/windows?target=nobody", 404, "nobody"),
        ("GET", &long, 400, "5m, 30m, 1h"),
        ("GET", "/api/v1/targets/nobody", 404, "nobody"),
        ("GET", "/api/healthz?profile=nope", 400, "dev, prod"),
        ("GET", "/api/tools/status?profile=%00", 400, "dev, prod"),
        ("GET", "/api/v1/events?page=/nope", 404, "/nope"),
        ("GET", "/api/v1/events?page=/targets/nobody", 404, "nobody"),
        ("GET", "/api/nope", 404, "/api/nope"),
        ("GET", "/api", 404, "/api"),
        ("DELETE", "/api/healthz", 405, "DELETE"),
        ("POST", "/api/v1/log", 405, "POST"),
    ] {
        let answer = request(service.address, method, path).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let body = answer.json();
        assert_eq!(keys(&body), ["detail", "status", "title", "type"]);
        assert_eq!(body["status"], status);
        assert!(body["detail"].as_str().unwrap().contains(says), "{path}: {body}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_read_strictly() {
    let service = start(calm_world()).await;
    let path = "/api/tools/status";
    assert_eq!(post(service.address, path, "", &"x".repeat(70_000)).await.status, 413);
    let chunk = "x".repeat(70_000);
    let chunked = format!(
        "POST {path} HTTP/1.1\r\nhost: {0}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{1:x}\r\n{chunk}\r\n0\r\n\r\n",
        service.address,
        chunk.len()
    );
    assert_eq!(http::raw(service.address, chunked.as_bytes()).await.status, 413);
    for body in ["{", "[]", r#"{"bye": "x"}"#, r#"{"by": 5}"#] {
        assert_eq!(post(service.address, path, "", body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn another_sites_page_can_not_decide() {
    let service = start(calm_world()).await;
    for header in ["origin: http://evil.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n"] {
        assert_eq!(post(service.address, "/api/tools/status", header, "").await.status, 403, "{header}");
    }
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", service.address);
    assert_eq!(post(service.address, "/api/tools/status", &own, "").await.status, 200);
}

#[tokio::test]
async fn garbage_never_makes_a_server_error() {
    let service = start(calm_world()).await;
    let odd = [
        "%",
        "%%",
        "%ff%fe",
        "..%2f..%2fetc",
        "a=b=c",
        "&&&",
        "at=",
        "at=%00",
        "window=%F0%9F%92%A9",
        "target=*&window=30d",
        "profile[]=x",
        "page=%2Ftargets%2F..",
        "page=http%3A%2F%2Fevil",
        "page=",
        "at=9999999-01-01T00:00:00Z",
    ];
    let paths = [
        "/",
        "/dashboard",
        "/targets/shop",
        "/targets/%ff",
        "/targets/..",
        "/settings",
        "/portfolio",
        "/strategies",
        "/assets/x",
        "/assets/..%2fspark.css",
        "/api/healthz",
        "/api/tools/status",
        "/api/tools/metrics",
        "/api/v1/log",
        "/api/v1/targets",
        "/api/v1/targets/%ff",
        "/api/v1/windows",
        "/api/v1/slos",
        "/api/v1/slos/%ff",
        "/api/v1/config",
        "/%00",
        "/%",
        "//",
        "/dashboard/",
    ];
    for path in paths {
        for query in odd {
            let answer = get(service.address, &format!("{path}?{query}")).await;
            assert!(answer.status < 500, "{path}?{query}: {} {}", answer.status, answer.body);
        }
    }
    for query in odd {
        // These never open a stream.
        if query != "page=" && !query.is_empty() && query != "&&&" {
            let answer = get(service.address, &format!("/api/v1/events?x=1&{query}")).await;
            assert_eq!(answer.status, 400, "{query}");
        }
    }
    let bad_heads: [&[u8]; 3] = [b"GET\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"];
    for head in bad_heads {
        assert_eq!(http::raw(service.address, head).await.status, 400);
    }
}

#[tokio::test]
async fn serving_ends_when_told() {
    let service = start(calm_world()).await;
    let mut events = http::Events::open(service.address, "/api/v1/events?page=/").await;
    events.until("event: hello").await;
    service.shutdown.cancel();
    events.end().await;
    tokio::time::timeout(http::PATIENCE, service.task).await.expect("the end in time").unwrap().unwrap();
    let _still_used = Arc::strong_count(&service.world);
}

#[tokio::test]
async fn evidence_is_cached_as_far_as_it_never_changes() {
    let service = start_empty().await;
    let text = "text/plain; charset=utf-8";
    for (path, status, kind, caching) in [
        ("checkpoint", 200, text, "no-cache"),
        ("logs", 200, "application/json", "no-cache"),
        ("tile/0/x001/000.p/3", 200, "application/octet-stream", "public, max-age=31536000, immutable"),
        ("tile/0/002", 404, "application/problem+json", "no-store"),
        ("tile/0/001", 503, "application/problem+json", "no-store"),
    ] {
        let answer = get(service.address, &format!("/evidence/{path}")).await;
        let found = (answer.status, answer.header("content-type"), answer.header("cache-control"));
        assert_eq!(found, (status, Some(kind), Some(caching)), "{path}");
    }
    assert_eq!(request(service.address, "POST", "/evidence/checkpoint").await.status, 405);
    assert_eq!(get(service.address, "/evidence/").await.status, 404);
}
