//! The pages: what they say in each state, that their figures are the API's, and that they follow the log.

#[path = "support/http.rs"]
mod http;
mod support;

use http::{Events, get};
use spark_aggregator::Phase;
use spark_schemas::event::{ConfigRejected, Portfolio, Strategy};
use spark_schemas::{Class, TimeNs};
use support::{NOON, World, before, calm_world, failed, name, passed, start};

const PAGES: [&str; 6] = ["/", "/dashboard", "/targets/shop", "/settings", "/portfolio", "/strategies"];

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_the_build() {
    let service = start(calm_world()).await;
    for path in PAGES.into_iter().chain(["/nope", "/api/healthz", "/api/nope", "/assets/nope"]) {
        let answer = get(service.address, path).await;
        let policy = answer.header("content-security-policy").unwrap();
        for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("x-spark-build"), Some(support::BUILD));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn pages_need_no_inline_style_or_script() {
    let service = start(calm_world()).await;
    for path in PAGES {
        let answer = get(service.address, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        for banned in [" style=", "<style", " onclick=", "javascript:"] {
            assert!(!answer.body.contains(banned), "{path} has {banned}");
        }
        assert!(!answer.body.contains("<script>"), "{path}");
        assert!(answer.body.contains(&format!("name=\"spark-build\" content=\"{}\"", support::BUILD)));
        assert!(answer.body.contains("data-live"), "{path}");
    }
}

#[tokio::test]
async fn assets_are_served_under_hashed_names_for_ever() {
    let service = start(calm_world()).await;
    let page = get(service.address, "/").await.body;
    let mut found = 0;
    for quoted in page.split('"').filter(|text| text.starts_with("/assets/")) {
        let asset = get(service.address, quoted).await;
        assert_eq!(asset.status, 200, "{quoted}");
        assert!(asset.header("cache-control").unwrap().contains("immutable"), "{quoted}");
        found += 1;
        for import in asset.body.split('"').filter(|text| text.starts_with("/assets/")) {
            assert_eq!(get(service.address, import).await.status, 200, "{import}");
        }
    }
    assert_eq!(found, 3, "style sheet, icon and script");
    assert_eq!(get(service.address, "/assets/spark.css").await.status, 404, "only hashed names are served");
}

/// The exact figure in the first `<data>` after `marker`.
fn figure<'a>(page: &'a str, marker: &str) -> &'a str {
    let after = &page[page.find(marker).unwrap_or_else(|| panic!("no {marker:?}"))..];
    let at = after.find("<data value=\"").expect("a figure") + "<data value=\"".len();
    after[at..].split('"').next().unwrap_or_default()
}

#[tokio::test]
async fn the_dashboards_figures_are_those_of_the_api() {
    let service = start(calm_world()).await;
    let page = get(service.address, "/dashboard").await.body;
    let slo = get(service.address, "/api/healthz").await.json()["slo"].clone();
    assert_eq!(figure(&page, "<h2>p95 latency</h2>"), slo["latencyP95"].to_string());
    assert_eq!(figure(&page, "<h2>Error rate</h2>"), slo["errorRate"].to_string());
    assert_eq!(figure(&page, "<h2>Staleness</h2>"), slo["staleness"].to_string());
    for check in get(service.address, "/api/tools/status").await.json()["checks"].as_array().unwrap() {
        let observed = check["observed"].to_string();
        assert_eq!(
            figure(&page, &format!("<code>{}</code>", check["id"].as_str().unwrap())),
            observed.trim_matches('"')
        );
    }
}

#[tokio::test]
async fn a_targets_figures_are_those_of_the_api() {
    let service = start(calm_world()).await;
    let page = get(service.address, "/targets/toy").await.body;
    let table = &page[page.find("id=\"windows\"").unwrap()..];
    for window in ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d", "28d", "30d"] {
        let api = get(service.address, &format!("/api/v1/windows?target=toy&window={window}")).await.json();
        let row = table.split("<tr>").find(|row| row.contains(&format!("<th scope=\"row\">{window}</th>"))).unwrap();
        let shown: Vec<&str> =
            row.split("<data value=\"").skip(1).map(|cell| cell.split('"').next().unwrap()).collect();
        let latency = &api["latency_us"];
        let expected = [
            &api["count"],
            &api["failed"],
            &api["missed"],
            &api["expected"],
            &api["error_rate_ppm"],
            &api["completeness_ppm"],
            &latency["p50"],
            &latency["p90"],
            &latency["p95"],
            &latency["p99"],
            &latency["max"],
        ];
        assert_eq!(shown, expected.map(ToString::to_string), "{window}");
    }
    assert!(page.contains("status 503, expected 200-299"));
}

#[tokio::test]
async fn demo_figures_are_badged_and_do_not_count() {
    let service = start(calm_world()).await;
    let page = get(service.address, "/").await.body;
    assert!(page.contains("badge demo"), "the toy is a demonstration");
    assert!(page.contains("All 2 targets are up"), "the toy that is down does not count");
    assert!(!get(service.address, "/targets/shop").await.body.contains("badge demo"));
}

#[tokio::test]
async fn what_is_not_live_never_looks_healthy() {
    let service = start(calm_world()).await;
    let projection = service.world.lock().unwrap().projection.clone();
    for (phase, says) in [
        (Phase::Replaying { folded: 3, of: 9 }, "Spark is reading its log"),
        (Phase::Failed("a bug".to_owned()), "The fold stopped: a bug"),
        (Phase::Unreachable("nobody there".to_owned()), "reached: nobody there"),
    ] {
        projection.set_status(|status| status.phase = phase.clone());
        for path in ["/", "/dashboard", "/targets/shop"] {
            let page = get(service.address, path).await.body;
            assert!(page.contains(says), "{path} in {phase:?}");
            assert!(!page.contains("class=\"state ok\"><svg class=\"icon ok\" viewBox=\"0 0 16 16\" aria-hidden=\"true\"><circle cx=\"8\" cy=\"8\" r=\"7\"></circle><path d=\"M4.8 8.3l2.2 2.2 4.3-4.7\"></path></svg>Up"));
            for healthy in ["All 2 targets are up", "Safe to deploy", "within</span>", "class=\"dot ok\""] {
                assert!(!page.contains(healthy), "{path} says {healthy:?} in {phase:?}");
            }
        }
    }
}

#[tokio::test]
async fn silence_is_shown_as_silence() {
    let world = calm_world();
    world.projection.set_status(|status| status.last_batch = before(NOON, 45));
    let page = get(start(world).await.address, "/dashboard").await.body;
    assert!(page.contains("nothing has come from the log for 45 s"));
    assert!(page.contains("badge stale"));
}

#[tokio::test]
async fn an_empty_log_says_so_on_every_page() {
    let world = World::new();
    world.live();
    let service = start(world).await;
    for (path, says) in [
        ("/", "Nothing is watched yet"),
        ("/dashboard", "No observation in the last hour"),
        ("/settings", "No configuration yet"),
        ("/portfolio", "No executor publishes yet"),
        ("/strategies", "spark.evt.0.&lt;its name&gt;.ctl"),
    ] {
        let answer = get(service.address, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
        assert!(!answer.body.contains("class=\"dot ok\""), "{path}");
    }
}

#[tokio::test]
async fn a_page_of_nothing_is_a_decent_404() {
    let service = start(calm_world()).await;
    for path in ["/nope", "/targets/nobody", "/targets/a%20b", "/%3Cscript%3E"] {
        let answer = get(service.address, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.body.contains("To the status page"));
        assert!(!answer.body.contains("<script>"), "{path}");
    }
    assert_eq!(get(service.address, "/?at=nonsense").await.status, 400);
    assert_eq!(get(service.address, "/dashboard?profile=nope").await.status, 400);
}

#[tokio::test]
async fn a_past_instant_is_marked_and_stands_still() {
    let service = start(calm_world()).await;
    let page = get(service.address, "/?at=2026-07-30T11:55:00Z").await.body;
    assert!(page.contains("As of") && page.contains("Back to live"));
    assert!(!page.contains("spark-live"), "it has no stream");
}

#[tokio::test]
async fn what_is_known_now_is_not_passed_off_as_known_then() {
    let service = start(calm_world()).await;
    let then = "at=2026-07-30T11:55:00Z";
    let page = get(service.address, &format!("/?{then}")).await.body;
    assert!(page.contains("2 of 2 targets unknown"), "{page}");
    let dashboard = get(service.address, &format!("/dashboard?{then}")).await.body;
    assert!(dashboard.contains("The gate judges the present") && !dashboard.contains("heard of in the last 30 s"));
    assert_eq!(figure(&dashboard, "<h2>p95 latency</h2>"), "22.783", "figures are of then");
    let gate = get(service.address, &format!("/api/tools/status?{then}")).await.json();
    assert_eq!(gate["verdict"], "no_data", "{gate}");
    let slo = get(service.address, &format!("/api/healthz?{then}")).await.json()["slo"].clone();
    assert!(slo["staleness"].is_null() && slo["latencyP95"].is_number(), "{slo}");
    assert!(get(service.address, &format!("/api/v1/targets/shop?{then}")).await.json()["latest"].is_null());
    let just_now = get(service.address, "/api/healthz?at=2026-07-30T11:59:50Z").await.json();
    assert_eq!(just_now["status"], "UP", "{just_now}");
}

#[tokio::test]
async fn what_others_say_is_shown_as_text() {
    let mut world = calm_world();
    let rejected = ConfigRejected {
        at_ns: before(NOON, 5),
        source: "spark.toml".to_owned(),
        error: "line 3, column 1: unknown key <b>x</b>".to_owned(),
    };
    let portfolio = Portfolio {
        at_ns: NOON,
        account: name("main"),
        currency: "TRY".to_owned(),
        equity: "12.50".to_owned(),
        positions: Vec::new(),
        demo: false,
    };
    let strategy = Strategy {
        at_ns: NOON,
        name: name("momentum"),
        state: "<i>running</i>".to_owned(),
        pnl: "-3.25".to_owned(),
        currency: "TRY".to_owned(),
        open_orders: 2,
        demo: true,
    };
    world.say("executor", Class::Ctl, NOON, vec![rejected.into(), portfolio.into(), strategy.into()]);
    let service = start(world).await;
    let settings = get(service.address, "/settings").await.body;
    assert!(settings.contains("unknown key &lt;b&gt;x&lt;/b&gt;"));
    assert_eq!(figure(&get(service.address, "/portfolio").await.body, "<h3>main</h3>"), "12.50");
    let strategies = get(service.address, "/strategies").await.body;
    assert!(strategies.contains("&lt;i&gt;running&lt;/i&gt;") && strategies.contains("badge demo"));
}

#[tokio::test]
async fn an_open_page_hears_of_the_build_and_of_what_changes() {
    let service = start(calm_world()).await;
    let mut events = Events::open(service.address, "/api/v1/events?page=/").await;
    let hello = events.until("event: region").await;
    assert!(
        hello.contains("text/event-stream") && hello.contains(&format!("\"build\":\"{}\"", support::BUILD)),
        "{hello}"
    );
    events.until("All 2 targets are up").await;
    let events_said = vec![failed("shop", NOON, 5_000).into(), passed("executor", NOON, 5_000).into()];
    service.world.lock().unwrap().say("ist-1", Class::Obs, NOON, events_said);
    events.until("1 of 2 targets down").await;
}

#[tokio::test]
async fn a_page_without_news_is_quiet() {
    let service = start(calm_world()).await;
    let mut events = Events::open(service.address, "/api/v1/events?page=/portfolio").await;
    // The clock stands still: nothing but the keep-alive comes after the first round.
    events.until("No executor publishes yet").await;
    let silence = events.until(": still here").await;
    assert!(!silence.contains("event: region"), "{silence}");
}

#[tokio::test]
async fn many_tabs_of_a_page_all_hear_the_same() {
    let service = start(calm_world()).await;
    let mut tabs = Vec::new();
    for _ in 0..50 {
        tabs.push(Events::open(service.address, "/api/v1/events?page=/dashboard").await);
    }
    for tab in &mut tabs {
        tab.until("Safe to deploy").await;
    }
    service.world.lock().unwrap().say(
        "ist-1",
        Class::Obs,
        NOON,
        vec![failed("executor", TimeNs(NOON.0), 9_000).into()],
    );
    for tab in &mut tabs {
        tab.until("Not safe to deploy").await;
    }
}
