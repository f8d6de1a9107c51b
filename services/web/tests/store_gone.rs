//! A store that can't be read, or takes nothing more: it shows everywhere, and no figure does.

#[path = "support/http.rs"]
mod http;
mod support;

use http::{get, post};
use serde_json::json;
use support::{calm_world, start};

#[tokio::test]
async fn without_a_store_spark_is_down_and_shows_no_figure() {
    let service = start(calm_world()).await;
    let projection = service.world.lock().unwrap().projection.clone();
    projection.give_up("a page can't be read");
    let health = get(service.address, "/api/healthz?profile=prod").await;
    let body = health.json();
    assert_eq!((health.status, body["status"].as_str()), (503, Some("DOWN")), "{body}");
    assert_eq!(body["slo"], json!({"latencyP95": null, "errorRate": null, "staleness": null}));
    assert!(body["reasons"].to_string().contains("the store of partition 0 is gone: a page can't be read"), "{body}");
    for path in [
        "/api/v1/targets",
        "/api/v1/targets/checkout",
        "/api/v1/windows?window=1h",
        "/api/v1/log",
        "/api/v1/config",
        "/api/tools/status",
        "/api/v1/events?page=/",
    ] {
        let answer = get(service.address, path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert_eq!(answer.json()["type"], "urn:spark:problem:store-gone", "{path}");
    }
    let decided = post(service.address, "/api/tools/status", "", "").await;
    assert_eq!(decided.status, 503, "no decision by figures that may be wrong: {}", decided.body);
    for page in ["/", "/dashboard", "/targets/checkout"] {
        let answer = get(service.address, page).await;
        assert_eq!(answer.status, 503, "{page}");
        assert!(
            answer.body.contains("The figures can&#39;t be trusted")
                || answer.body.contains("The figures can't be trusted"),
            "{page}: {}",
            answer.body
        );
        assert!(!answer.body.contains("25.7"), "{page}");
    }
}

#[tokio::test]
async fn a_store_that_takes_no_checkpoint_shows_in_healthz() {
    let service = start(calm_world()).await;
    let projection = service.world.lock().unwrap().projection.clone();
    projection.set_status(|status| status.no_checkpoint = Some("no room on the disk".to_owned()));
    let answer = get(service.address, "/api/healthz").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("DEGRADED")));
    assert!(answer.body.contains("its store takes no checkpoint: no room on the disk"), "{}", answer.body);
}
