//! Maintenances and deployments over the API: declared once, refused with what to do, seen in every figure and page.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "support/http.rs"]
mod http;
mod support;

use http::{get, post, request};
use serde_json::{Value, json};
use spark_aggregator::Phase;
use spark_core::view::rfc3339;
use spark_schemas::{Class, Event, EventSubject, Frame, TimeNs};
use support::{CONFIG, NOON, Service, World, before, calm_world, failed, start};

const PATH: &str = "/api/v1/maintenances";
const DEPLOYMENTS: &str = "/api/v1/deployments";

/// Ten calm minutes, of which `shop` failed the last one.
fn outage() -> World {
    let mut world = calm_world();
    for n in 0..6 {
        let slot = TimeNs(before(NOON, 60).0 + n * 10 * TimeNs::SECOND + 1);
        world.say("ist-1", Class::Obs, before(NOON, 1), vec![failed("shop", slot, 5_000_000).into()]);
    }
    world
}

async fn declare(service: &Service, body: &Value) -> Value {
    let answer = post(service.address, PATH, "content-type: application/json\r\n", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

/// The status and what the problem says.
async fn refused(service: &Service, path: &str, body: &Value) -> (u16, String) {
    let answer = post(service.address, path, "", &body.to_string()).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
    (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
}

async fn check(service: &Service, id: &str) -> Value {
    let decision = get(service.address, "/api/tools/status").await.json();
    decision["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap().clone()
}

/// The events of kind maintenance or deployment that the log has.
fn declared(service: &Service) -> Vec<Event> {
    let world = service.world.lock().unwrap();
    let frames = world.recorded.iter().map(|frame| {
        let subject: EventSubject = frame.subject.parse().unwrap();
        Frame::decode(&frame.payload, &subject).unwrap()
    });
    let events = frames.flat_map(|frame| frame.events);
    events.filter(|event| matches!(event, Event::Maintenance(_) | Event::Deployment(_))).collect()
}

#[tokio::test]
async fn a_correction_is_seen_everywhere_and_taken_back() {
    let service = start(outage()).await;
    assert_eq!(check(&service, "healthz.slo.errorRate").await["verdict"], "fail");
    let request_body = json!({
        "id": "disks", "targets": ["shop"], "from": rfc3339(before(NOON, 60)), "for": "30m", "reason": "new disks",
        "by": "ece",
    });
    let added = declare(&service, &request_body).await;
    let wanted = json!({
        "id": "disks", "state": "active", "targets": ["shop"], "from": "2026-07-30T11:59:00Z",
        "to": "2026-07-30T12:29:00Z", "reason": "new disks", "by": "ece", "declared_at": "2026-07-30T12:00:00Z",
        "retroactive": true, "declared_after_s": 60, "seq": added["seq"],
    });
    assert_eq!(added, wanted);
    let again = post(service.address, PATH, "", &request_body.to_string()).await;
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)), "{}", again.body);
    assert_eq!(declared(&service).len(), 1, "written once");

    let errors = check(&service, "healthz.slo.errorRate").await;
    assert_eq!((&errors["verdict"], &errors["samples"]), (&json!("pass"), &json!(29)), "{errors}");
    assert!(errors["reason"].as_str().unwrap().ends_with("; left out, in maintenance: shop (disks)"), "{errors}");
    assert_eq!(check(&service, "ui.up").await["verdict"], "no_data", "the only user interface is in maintenance");
    let health = get(service.address, "/api/healthz").await.json();
    assert_eq!(health["status"], "UP", "{health}");
    let shop = get(service.address, "/api/v1/targets/shop").await.json();
    assert_eq!((&shop["state"], &shop["maintenance"]["id"]), (&json!("down"), &json!("disks")));
    assert_eq!(get(service.address, "/api/v1/targets/executor").await.json()["maintenance"], Value::Null);
    let window = get(service.address, "/api/v1/windows?target=shop&window=5m").await.json();
    assert_eq!(window["failed"], 0, "what came before the maintenance counts: {window}");
    for page in ["/", "/dashboard", "/targets/shop"] {
        let page_body = get(service.address, page).await.body;
        assert!(page_body.contains("in maintenance<span class=\"hidden\"> until 2026-07-30 12:29:00 UTC"), "{page}");
        assert!(page_body.contains("<rect class=\"maintenance\""), "{page}");
    }
    let page_body = get(service.address, "/dashboard").await.body;
    let text = "Maintenance disks of shop, 2026-07-30 11:59:00 UTC to 2026-07-30 12:29:00 UTC: new disks (a correction: \
                declared at 2026-07-30 12:00:00 UTC)";
    assert!(page_body.contains(text));
    assert!(get(service.address, "/").await.body.contains("1 target up, 1 in maintenance"));

    let path = format!("{PATH}/disks?by=can&reason=not%20then");
    let cancelled = request(service.address, "DELETE", &path).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    assert_eq!(cancelled.json()["state"], "cancelled");
    assert_eq!(check(&service, "healthz.slo.errorRate").await["verdict"], "fail");
    let listed = get(service.address, PATH).await.json();
    let one = &listed["maintenances"][0];
    assert_eq!((&one["state"], &one["by"]), (&json!("cancelled"), &json!("ece")), "{listed}");
    let how = json!({"at": "2026-07-30T12:00:00Z", "by": "can", "reason": "not then"});
    assert_eq!(one["cancelled"], how);
    let twice = request(service.address, "DELETE", &path).await;
    assert_eq!(twice.status, 409, "{}", twice.body);
    assert!(twice.body.contains("was called off at 2026-07-30T12:00:00Z by \\\"can\\\" already"), "{}", twice.body);
    assert_eq!(post(service.address, PATH, "", &request_body.to_string()).await.status, 409, "its id is taken");
    assert_eq!(declared(&service).len(), 2);
    let metrics_are_named = spark_schemas::metric::ALL.iter().any(|(name, ..)| *name == "spark_declarations_total");
    assert!(metrics_are_named);
}

#[tokio::test]
async fn everything_in_maintenance_is_no_data() {
    let service = start(calm_world()).await;
    assert_eq!(get(service.address, "/api/tools/status").await.json()["verdict"], "pass");
    let added = declare(&service, &json!({"for": "1h", "reason": "the data centre moves"})).await;
    assert_eq!((&added["retroactive"], &added["by"]), (&json!(false), &json!("api")));
    assert!(added["id"].as_str().unwrap().starts_with("m-"), "{added}");
    let decision = post(service.address, "/api/tools/status", "", "").await.json();
    assert_eq!(decision["verdict"], "no_data", "{decision}");
    let why = decision["checks"][3]["reason"].as_str().unwrap();
    assert!(why.contains("every target is in maintenance: shop (m-"), "{why}");
    let health = get(service.address, "/api/healthz").await.json();
    assert_eq!(health["status"], "DEGRADED", "{health}");
    assert!(get(service.address, "/").await.body.contains("Everything is in maintenance"));
    // Before it began the gate looked at all of them.
    let then = get(service.address, "/api/v1/targets?at=2026-07-30T11:59:59Z").await.json();
    assert!(then["targets"].as_array().unwrap().iter().all(|target| target["maintenance"].is_null()), "{then}");
}

#[tokio::test]
async fn what_is_no_maintenance_is_refused_with_what_to_do() {
    let service = start(calm_world()).await;
    let with = |changes: Value| {
        let mut body = json!({"targets": ["shop"], "from": "now", "for": "30m", "reason": "disks"});
        for (key, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(key)),
                value => body[key] = value.clone(),
            }
        }
        body
    };
    let long = "x".repeat(501);
    for (changes, says) in [
        (
            json!({"targets": ["shpo"]}),
            "No target \"shpo\" is configured or was ever observed; /api/v1/targets lists them.",
        ),
        (json!({"targets": ["shop", "shop"]}), "Target \"shop\" is there twice."),
        (json!({"targets": vec!["shop"; 101]}), "at most 100"),
        (json!({"targets": "shop"}), "The body is not a maintenance in JSON"),
        (json!({"for": null}), "Say when it ends"),
        (json!({"to": "2026-07-30T13:00:00Z"}), "Say when it ends: either \"to\" or \"for\""),
        (json!({"for": "0s"}), "must end after it begins"),
        (json!({"for": null, "to": "2026-07-30T11:00:00Z"}), "must end after it begins at 2026-07-30T12:00:00Z"),
        (json!({"for": null, "to": "tomorrow"}), "\"to\" is \"now\" or RFC 3339"),
        (json!({"for": "721h"}), "at most 30 days"),
        (json!({"for": "half an hour"}), "The body is not a maintenance in JSON"),
        (json!({"from": "2026-06-01T00:00:00Z"}), "more than 32 days ago"),
        (json!({"from": "2028-06-01T00:00:00Z"}), "more than a year ahead"),
        (json!({"from": "1960-01-01T00:00:00Z"}), "RFC 3339"),
        (json!({"reason": null}), "missing field `reason`"),
        (json!({"reason": "  "}), "Say why"),
        (json!({"reason": long}), "\"reason\" has at most 500 bytes"),
        (json!({"reason": "a\u{1b}[2J"}), "without control characters"),
        (json!({"by": "x".repeat(201)}), "\"by\" has at most 200 bytes"),
        (json!({"id": "disk move"}), "is no name"),
        (json!({"target": "shop"}), "unknown field `target`"),
    ] {
        let (status, detail) = refused(&service, PATH, &with(changes.clone())).await;
        assert_eq!(status, 400, "{changes}: {detail}");
        assert!(detail.contains(says), "{changes}: {detail}");
    }
    assert_eq!(refused(&service, PATH, &json!([])).await.0, 400);
    assert_eq!(refused(&service, &format!("{PATH}?dry=1"), &with(json!({}))).await.0, 400);
    let foreign = post(service.address, PATH, "origin: http://evil.example\r\n", &with(json!({})).to_string()).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(request(service.address, "DELETE", &format!("{PATH}/nope")).await.status, 404);
    assert_eq!(request(service.address, "DELETE", &format!("{PATH}/nope?why=x")).await.status, 400);
    assert_eq!(request(service.address, "DELETE", PATH).await.status, 405);
    assert_eq!(get(service.address, &format!("{PATH}?state=active")).await.status, 400);

    declare(&service, &with(json!({"id": "disks"}))).await;
    let (status, detail) = refused(&service, PATH, &with(json!({"id": "disks", "for": "1h"}))).await;
    assert_eq!((status, detail.contains("call it off first")), (409, true), "{detail}");
    assert_eq!(declared(&service).len(), 1);

    service.log.gone.store(true, std::sync::atomic::Ordering::SeqCst);
    let (status, detail) = refused(&service, PATH, &with(json!({}))).await;
    assert_eq!((status, detail.contains("Look at the list")), (503, true), "{detail}");
    let projection = service.world.lock().unwrap().projection.clone();
    projection.set_status(|status| status.phase = Phase::Unreachable("nobody there".to_owned()));
    assert_eq!(refused(&service, DEPLOYMENTS, &json!({"service": "s", "version": "1"})).await.0, 503);
    assert_eq!(request(service.address, "DELETE", &format!("{PATH}/disks")).await.status, 503);
}

#[tokio::test]
async fn of_many_at_once_each_is_written_once() {
    let service = start(calm_world()).await;
    let body = json!({"id": "disks", "from": "2026-07-30T12:00:00Z", "for": "30m", "reason": "disks"}).to_string();
    let asked = (0..20).map(|_| post(service.address, PATH, "", &body));
    let mut statuses: Vec<u16> = Vec::new();
    for answer in futures_join(asked).await {
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!((statuses[..19].to_vec(), statuses[19]), (vec![200; 19], 201));
    assert_eq!(declared(&service).len(), 1);
}

/// All answers, asked for at the same time.
async fn futures_join<'a>(asked: impl Iterator<Item = impl Future<Output = http::Answer> + 'a>) -> Vec<http::Answer> {
    let mut answers = Vec::new();
    let mut open: Vec<_> = asked.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        open.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if open.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test]
async fn deployments_are_marked_once_and_shown_on_charts() {
    let service = start(calm_world()).await;
    let mark = json!({"service": "orders", "version": "2.1 <b>", "at": "2026-07-30T11:55:00Z", "by": "ece"});
    let answer = post(service.address, DEPLOYMENTS, "", &mark.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let again = post(service.address, DEPLOYMENTS, "", &mark.to_string()).await;
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)));
    let now = post(service.address, DEPLOYMENTS, "", "{\"service\": \"orders\", \"version\": \"2.2\"}").await;
    assert_eq!((now.status, &now.json()["at"]), (201, &json!("2026-07-30T12:00:00Z")), "{}", now.body);
    let listed = get(service.address, DEPLOYMENTS).await.json();
    let versions: Vec<&Value> = listed["deployments"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, ["2.2", "2.1 <b>"]);
    let then = get(service.address, &format!("{DEPLOYMENTS}?at=2026-07-30T11:58:00Z")).await.json();
    assert_eq!(then["deployments"].as_array().unwrap().len(), 1);
    for page in ["/dashboard", "/targets/shop"] {
        let page_body = get(service.address, page).await.body;
        assert!(page_body.contains("<g class=\"deployment\"><title>orders 2.1 &lt;b&gt; went out at"), "{page}");
        assert!(page_body.contains("</i>orders 2.2 went out at 2026-07-30 12:00:00 UTC</li>"), "{page}");
    }
    for (body, says) in [
        (json!({"service": "orders"}), "missing field `version`"),
        (json!({"service": "or ders", "version": "1"}), "is no name"),
        (json!({"service": "orders", "version": " "}), "says nothing"),
        (json!({"service": "orders", "version": "x".repeat(201)}), "at most 200 bytes"),
        (json!({"service": "orders", "version": "1", "at": "2026-07-30T12:01:00Z"}), "in the future"),
        (json!({"service": "orders", "version": "1", "at": "2026-01-01T00:00:00Z"}), "more than 32 days ago"),
        (json!({"service": "orders", "version": "1", "when": "now"}), "unknown field `when`"),
    ] {
        let (status, detail) = refused(&service, DEPLOYMENTS, &body).await;
        assert_eq!((status, detail.contains(says)), (400, true), "{body}: {detail}");
    }
    assert_eq!(declared(&service).len(), 2);
}

#[tokio::test]
async fn what_the_configuration_plans_is_listed_and_changed_there() {
    let mut world = calm_world();
    let planned = "[[maintenance]]\nname = \"disks\"\ntargets = [\"shop\"]\nfrom = \"2026-07-30T11:55:00Z\"\n\
                   to = \"2026-07-30T12:30:00Z\"\nreason = \"new disks\"\n";
    world.configure(&format!("{CONFIG}{planned}"), before(NOON, 5));
    let service = start(world).await;
    let listed = get(service.address, PATH).await.json();
    let one = &listed["maintenances"][0];
    assert_eq!((&one["id"], &one["by"], &one["state"]), (&json!("disks"), &json!("configuration"), &json!("active")));
    assert_eq!((&one["retroactive"], &one["declared_after_s"]), (&json!(true), &json!(295)), "it came into force late");
    let errors = check(&service, "healthz.slo.errorRate").await;
    assert!(errors["reason"].as_str().unwrap().ends_with("in maintenance: shop (disks)"), "{errors}");
    let cancelled = request(service.address, "DELETE", &format!("{PATH}/disks")).await;
    assert_eq!(cancelled.status, 409, "{}", cancelled.body);
    assert!(cancelled.body.contains("change it there, under [[maintenance]]"), "{}", cancelled.body);
    let same_id = json!({"id": "disks", "for": "1h", "reason": "mine"});
    assert_eq!(refused(&service, PATH, &same_id).await.0, 409);
}

#[tokio::test]
async fn a_target_outside_of_its_service_hours_is_seen_so_everywhere() {
    let mut world = outage();
    let hours = "[[service_hours]]\nname = \"office\"\ntargets = [\"shop\"]\ndays = [\"thu\", \"fri\"]\nfrom = \"08:00\"\n\
                 to = \"14:58\"\ntime_zone = \"Europe/Istanbul\"\n";
    world.configure(&format!("{CONFIG}{hours}"), before(NOON, 5));
    let service = start(world).await;
    let (until, text) = ("2026-07-31T05:00:00Z", "2026-07-31 05:00:00 UTC");
    let errors = check(&service, "healthz.slo.errorRate").await;
    let says = format!("; left out, outside of their service hours: shop (until {until})");
    assert_eq!(errors["verdict"], "pass", "{errors}");
    assert!(errors["reason"].as_str().unwrap().ends_with(&says), "{errors}");
    let ui = check(&service, "ui.up").await;
    assert_eq!(ui["verdict"], "no_data", "the only user interface is closed: {ui}");
    let shop = get(service.address, "/api/v1/targets/shop").await.json();
    assert_eq!((&shop["state"], &shop["outside_service_hours_until"]), (&json!("down"), &json!(until)));
    let executor = get(service.address, "/api/v1/targets/executor").await.json();
    assert_eq!(executor["outside_service_hours_until"], Value::Null);
    let within = get(service.address, "/api/v1/targets/shop?at=2026-07-30T11:57:59Z").await.json();
    assert_eq!(within["outside_service_hours_until"], Value::Null);
    let listed = get(service.address, PATH).await.json();
    let wanted = json!([{
        "name": "office", "targets": ["shop"], "days": ["thu", "fri"], "from": "08:00", "to": "14:58",
        "time_zone": "Europe/Istanbul",
    }]);
    assert_eq!(listed["service_hours"], wanted);
    for page in ["/", "/dashboard", "/targets/shop"] {
        let page_body = get(service.address, page).await.body;
        assert!(page_body.contains(&format!("outside of service hours<span class=\"hidden\"> until {text}")), "{page}");
    }
    let page_body = get(service.address, "/targets/shop").await.body;
    let band = "Outside of its service hours, 2026-07-30 11:58:00 UTC to 2026-07-30 12:00:00 UTC";
    assert!(page_body.contains(&format!("height=\"100\"><title>{band}</title>")), "a band in the chart");
    assert!(page_body.contains(&format!("</i>{band}</li>")), "and the same in words");
    assert!(get(service.address, "/").await.body.contains("1 target up, 1 outside of service hours"));
}
