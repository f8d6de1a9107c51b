//! Objectives in API and dashboard: the same figures, and what they say when there are none.

#[path = "support/http.rs"]
mod http;
mod support;

use http::get;
use serde_json::{Value, json};
use spark_aggregator::Phase;
use spark_schemas::event::{Alert, AlertState};
use spark_schemas::{Class, TimeNs};
use support::{CONFIG, NOON, World, before, calm_world, failed, name, passed, start};

const SLOS: &str = r#"
[[slo]]
name = "shop-is-up"
description = "Customers can buy"
targets = ["shop"]
sli = "availability"
objective = "90%"
window = "7d"
[[slo.alerts]]
severity = "page"
long = "1h"
short = "5m"
burn_rate = "2"

[[slo]]
name = "idle"
targets = ["executor"]
sli = "availability"
objective = "99.9%"
window = { calendar = "month", time_zone = "Asia/Kathmandu" }
alerts = []
"#;

/// Ten minutes of the target `shop`, of which the last three checks failed.
fn world() -> World {
    let (mut world, begun) = (World::new(), before(NOON, 600));
    world.configure(&format!("{CONFIG}{SLOS}"), begun);
    world.probe("ist-1", &["shop"], 10, begun);
    for n in 0..60 {
        let slot = TimeNs(begun.0 + n * 10 * TimeNs::SECOND);
        let observed = if n < 57 { passed("shop", slot, 20_000) } else { failed("shop", slot, 20_000) };
        world.say("ist-1", Class::Obs, TimeNs(slot.0 + TimeNs::SECOND), vec![observed.into()]);
    }
    world.heartbeat("aggregator", Class::Ctl, before(NOON, 1), 0);
    world.live();
    world
}

async fn slo(address: std::net::SocketAddr, name: &str) -> Value {
    get(address, &format!("/api/v1/slos/{name}")).await.json()
}

#[tokio::test]
async fn an_objectives_figures_by_hand() {
    let service = start(world()).await;
    let shop = slo(service.address, "shop-is-up").await;
    assert_eq!(shop["counts"], json!({"total": 60, "good": 57, "bad": 3, "events": 60, "excluded": 0}));
    assert_eq!((&shop["standing"], &shop["recomputing"]), (&json!("counted"), &json!(false)));
    assert_eq!((&shop["objective"], &shop["sli_ppm"]), (&json!("90%"), &json!(950_000)));
    // Six of sixty may fail, half of it is spent; three more at three in the last hour.
    let budget = json!({
        "total_milli": 6_000, "spent": 3, "left_milli": 3_000, "spent_ppm": 500_000, "left_ppm": 500_000,
        "exhaustion": "in", "exhausted_in_s": 3_600,
    });
    assert_eq!(shop["budget"], budget);
    // The buckets after 11:55:00: 29 checks.
    assert_eq!((&shop["burn"][0]["window"], &shop["burn"][0]["rate_milli"]), (&json!("5m"), &json!(1_035)));
    assert_eq!(shop["alerts"][0]["condition"], "does_not_hold");
    assert_eq!(shop["alerts"][0]["state"], Value::Null);

    let idle = slo(service.address, "idle").await;
    assert_eq!((&idle["counts"]["total"], &idle["sli_ppm"], &idle["budget"]), (&json!(0), &Value::Null, &Value::Null));
    assert_eq!((&idle["from"], &idle["to"]), (&json!("2026-06-30T18:15:00Z"), &json!("2026-07-31T18:15:00Z")));

    let listing = get(service.address, "/api/v1/slos").await.json();
    assert_eq!(listing["slos"], json!([shop, idle]));
    assert_eq!(get(service.address, "/api/v1/slos/nope").await.status, 404);
    assert_eq!(get(service.address, "/api/v1/slos?window=5m").await.status, 400);

    let page = get(service.address, "/dashboard").await.body;
    assert!(page.contains("<data value=\"500000\" data-unit=\"ppm\">50<span class=\"unit\">% left</span></data>"));
    assert!(page.contains("<data value=\"1035\">") || page.contains("<data value=\"500\">"), "burn rates are shown");
    assert!(page.contains("Nothing was counted in this window."), "no events are no data");
}

#[tokio::test]
async fn an_alert_that_is_on_shows_and_not_as_of_before_it_was() {
    let mut world = world();
    let alert = Alert {
        id: "a1".into(),
        at_ns: before(NOON, 20),
        slo: name("shop-is-up"),
        state: AlertState::Firing,
        reason: "it burns".to_owned(),
        severity: Some(name("page")),
        long: "1h".into(),
        short: "5m".into(),
        previous: "".into(),
    };
    world.say("aggregator", Class::Ctl, before(NOON, 20), vec![alert.into()]);
    let service = start(world).await;
    let shop = slo(service.address, "shop-is-up").await;
    assert_eq!(
        (&shop["alerts"][0]["state"], &shop["alerts"][0]["since"]),
        (&json!("firing"), &json!("2026-07-30T11:59:40Z"))
    );
    let page = get(service.address, "/dashboard").await.body;
    assert!(page.contains("Firing (page, 1h and 5m) since"));
    let then = get(service.address, "/api/v1/slos/shop-is-up?at=2026-07-30T11:55:00Z").await.json();
    assert_eq!((&then["alerts"][0]["state"], &then["burn"][0]["counts"]["bad"]), (&Value::Null, &json!(0)));

    let projection = service.world.lock().unwrap().projection.clone();
    projection.set_status(|status| status.phase = Phase::Unreachable("nobody there".to_owned()));
    let stale = get(service.address, "/dashboard").await.body;
    let budgets = stale.split("Error budgets").nth(1).unwrap();
    let budgets = budgets.split("id=\"agents\"").next().unwrap();
    assert!(!budgets.contains("class=\"state"), "what is not live is no verdict: {budgets}");
}

#[tokio::test]
async fn an_objective_that_is_counted_anew_has_no_figures_and_says_so() {
    let mut world = calm_world();
    world.configure(&format!("{CONFIG}{SLOS}"), before(NOON, 1));
    let service = start(world).await;
    let shop = slo(service.address, "shop-is-up").await;
    assert_eq!((&shop["standing"], &shop["recomputing"]), (&json!("recomputing"), &json!(true)));
    for figure in ["counts", "sli_ppm", "budget"] {
        assert_eq!(shop[figure], Value::Null, "{figure}");
    }
    assert_eq!(shop["alerts"][0]["condition"], "no_data");
    let page = get(service.address, "/dashboard").await.body;
    assert!(page.contains("It is counted anew from the log."));
}

#[tokio::test]
async fn without_an_objective_the_dashboard_says_how_to_name_one() {
    let service = start(calm_world()).await;
    assert_eq!(get(service.address, "/api/v1/slos").await.json()["slos"], json!([]));
    assert!(get(service.address, "/dashboard").await.body.contains("No objective has an error budget"));
}
