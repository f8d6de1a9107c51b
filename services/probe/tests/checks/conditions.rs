//! What headers and body must be, and what is sent: each condition met and broken by a real answer.

use serde_json::{Value, json};
use spark_core::config::{HeaderCondition, JsonCondition};
use spark_probe::check::{CheckContext, PrepareError, PreparedCheck};
use spark_schemas::event::FailReason;
use tokio::io::AsyncReadExt as _;

use crate::servers::{accept, answer, http, read_head};
use crate::{assert_failed, assert_ok, run, target};

fn header(condition: Value) -> Vec<HeaderCondition> {
    vec![serde_json::from_value(condition).unwrap()]
}

fn json(condition: Value) -> Vec<JsonCondition> {
    vec![serde_json::from_value(condition).unwrap()]
}

#[tokio::test]
async fn headers_must_be_what_was_asked_for() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Cache: MISS\r\nX-Cache: HIT from edge\r\n\r\n";
    let server = answer(head).await;
    let mut target = target(&server.url("/"));
    for met in [
        json!({"name": "x-cache"}),
        json!({"name": "X-Cache", "equals": "MISS"}),
        json!({"name": "x-cache", "contains": "edge"}),
        json!({"name": "x-cache", "matches": "^HIT\\b", "contains": "from"}),
    ] {
        target.expect_headers = header(met);
        assert_ok(&run(&target).await);
    }
    for (broken, words) in [
        (json!({"name": "etag"}), "there is no header etag"),
        (json!({"name": "x-cache", "equals": "HIT"}), "x-cache is \"MISS\", expected that it equals \"HIT\""),
        (json!({"name": "x-cache", "contains": "origin"}), "contains \"origin\""),
        (json!({"name": "x-cache", "matches": "^STALE"}), "matches \"^STALE\""),
    ] {
        target.expect_headers = header(broken);
        assert_failed(&run(&target).await, FailReason::Header, words);
    }
}

#[tokio::test]
async fn a_pattern_must_be_found_in_the_body() {
    let server = answer(http(200, "build 1.20.3 grün")).await;
    let mut target = target(&server.url("/"));
    target.expect_body_matches = Some(r"build \d+\.\d+\.\d+ gr.n$".parse().unwrap());
    assert_ok(&run(&target).await);
    target.expect_body_matches = Some("^build 2".parse().unwrap());
    assert_failed(&run(&target).await, FailReason::Body, "the body does not match \"^build 2\"");
}

#[tokio::test]
async fn json_is_looked_into_by_path() {
    let body = json!({"status": "UP", "queue": {"depth": 3}, "parts": [{"ok": true}, {"ok": false}]}).to_string();
    let server = answer(http(200, &body)).await;
    let mut target = target(&server.url("/"));
    for met in [
        json!({"path": "$.status", "equals": "UP"}),
        json!({"path": "$.queue.depth", "min": 1, "max": 3}),
        json!({"path": "$.parts[?@.ok == true]"}),
    ] {
        target.expect_json = json(met);
        assert_ok(&run(&target).await);
    }
    for (broken, words) in [
        (json!({"path": "$.status", "equals": "DOWN"}), "$.status is \"UP\", expected that it equals \"DOWN\""),
        (json!({"path": "$.queue.depth", "max": 2}), "$.queue.depth is \"3\", expected that it is at most 2"),
        (json!({"path": "$.parts[*].ok", "equals": true}), "$.parts[*].ok is \"false\""),
        (json!({"path": "$.gone"}), "nothing is at $.gone"),
    ] {
        target.expect_json = json(broken);
        assert_failed(&run(&target).await, FailReason::Body, words);
    }
    let server = answer(http(200, "<html>")).await;
    target.url = server.url("/").parse().unwrap();
    assert_failed(&run(&target).await, FailReason::Body, "the body is not JSON");
    let server = answer(http(200, &"[".repeat(100_000))).await;
    target.url = server.url("/").parse().unwrap();
    assert_failed(&run(&target).await, FailReason::Body, "recursion limit");
}

#[tokio::test]
async fn json_beyond_the_bound_is_not_judged_in_part() {
    let server = answer(http(200, &format!("{{\"a\": 1, \"b\": \"{}\"}}", "x".repeat(100)))).await;
    let mut target = target(&server.url("/"));
    target.expect_json = json(json!({"path": "$.a", "equals": 1}));
    assert_ok(&run(&target).await);
    target.body_bytes_max = 50;
    assert_failed(&run(&target).await, FailReason::Body, "longer than body_bytes_max (50)");
    target.expect_json.clear();
    target.expect_body = Some("\"a\": 1".to_owned());
    assert_ok(&run(&target).await);
}

#[tokio::test]
async fn a_body_is_sent_with_its_type_and_may_come_from_the_environment() {
    let server = accept(|mut stream, requests| async move {
        let mut request = read_head(&mut stream).await.unwrap();
        let at = request.find("content-length: ").unwrap() + "content-length: ".len();
        let length = request[at..].split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        request.push_str(&String::from_utf8(body).unwrap());
        requests.lock().unwrap().push(request);
        let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, http(200, "").as_bytes()).await;
    })
    .await;
    let mut target = target(&server.url("/"));
    target.method = "POST".to_owned();
    target.headers.insert("Content-Type".to_owned(), "application/json".to_owned());
    target.body = Some("{\"ping\": 1}".to_owned());
    assert_ok(&run(&target).await);
    target.body = Some("env:TOKEN".to_owned());
    assert_ok(&run(&target).await);
    let requests = server.requests.lock().unwrap().clone();
    assert!(
        requests[0].contains("content-type: application/json\r\n") && requests[0].ends_with("\r\n\r\n{\"ping\": 1}")
    );
    assert!(requests[1].ends_with("\r\n\r\ns3cret"), "{}", requests[1]);
    target.body = Some("env:NOT_THERE".to_owned());
    let error = PreparedCheck::new(&target, &CheckContext::new(|_| None)).unwrap_err();
    assert!(matches!(error, PrepareError::BodyVariable { .. }), "{error:?}");
}
