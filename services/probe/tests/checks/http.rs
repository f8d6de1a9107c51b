//! HTTP: status, headers, body, latency, and answers that are none.

use std::time::Duration;

use spark_core::config::StatusRanges;
use spark_core::units::DurationUs;
use spark_probe::check::{CheckContext, PrepareError, PreparedCheck};
use spark_schemas::event::FailReason;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use crate::servers::{accept, answer, closed_port, http, read_head};
use crate::{assert_failed, assert_ok, run, target};

fn statuses(list: &[&str]) -> StatusRanges {
    StatusRanges(list.iter().map(|range| range.parse().unwrap()).collect())
}

#[tokio::test]
async fn a_good_answer_passes_and_shows_where_the_time_went() {
    let server = answer(http(200, "all is well")).await;
    let seen = run(&target(&server.url("/health?full=1#part"))).await;
    assert_ok(&seen);
    assert_eq!(seen.status, Some(200));
    assert_eq!(seen.phases.dns_us, None, "an address needs no name resolution");
    assert_eq!(seen.phases.tls_us, None);
    let parts = seen.phases.connect_us.unwrap() + seen.phases.first_byte_us.unwrap();
    assert!((1..=seen.latency_us).contains(&parts), "{seen:?}");
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /health?full=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
    assert!(request.contains("connection: close\r\n") && request.contains("user-agent: spark/"), "{request}");
}

#[tokio::test]
async fn a_name_is_resolved_anew_for_each_check() {
    let server = answer(http(200, "")).await;
    let seen = run(&target(&format!("http://localhost:{}/", server.address.port()))).await;
    assert_ok(&seen);
    assert!(seen.phases.dns_us.is_some());
    let seen = run(&target("http://no-such-host.invalid/")).await;
    assert_failed(&seen, FailReason::Dns, "no-such-host.invalid");
}

#[tokio::test]
async fn a_status_is_judged_by_the_ranges_and_redirects_are_not_followed() {
    let elsewhere = answer(http(200, "")).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("/"));
    let server = answer(redirect).await;
    let mut target = target(&server.url("/"));
    let seen = run(&target).await;
    assert_failed(&seen, FailReason::Status, "status 302, expected 200-299");
    assert_eq!(seen.status, Some(302));
    target.expect_status = statuses(&["204", "301-308"]);
    assert_ok(&run(&target).await);
    assert_eq!(elsewhere.requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn method_and_headers_are_sent_and_secrets_come_from_the_environment() {
    let server = answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let mut target = target(&server.url("/"));
    target.method = "HEAD".to_owned();
    target.headers.insert("Authorization".to_owned(), "env:TOKEN".to_owned());
    target.headers.insert("Host".to_owned(), "shop.example".to_owned());
    assert_ok(&run(&target).await);
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("HEAD / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: s3cret\r\n") && request.contains("host: shop.example\r\n"), "{request}");
    assert_eq!(request.matches("host:").count(), 1, "{request}");
    let shown = format!("{:?}", crate::prepare(&target));
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_missing_variable_and_a_bad_value_are_errors_at_the_start() {
    let mut target = target("http://127.0.0.1/");
    target.headers.insert("Authorization".to_owned(), "env:NOT_THERE".to_owned());
    let context = CheckContext::new(|name| (name == "TWO_LINES").then(|| "a\r\nb: c".to_owned()));
    let error = PreparedCheck::new(&target, &context).unwrap_err();
    assert!(matches!(error, PrepareError::Variable { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("NOT_THERE") && said.contains("checked") && said.contains("set it"), "{said}");
    target.headers.insert("Authorization".to_owned(), "env:TWO_LINES".to_owned());
    let error = PreparedCheck::new(&target, &context).unwrap_err();
    assert!(matches!(error, PrepareError::HeaderValue { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_must_contain_the_text() {
    let server = answer(http(200, "{\"state\": \"grün\"}")).await;
    let mut target = target(&server.url("/"));
    target.expect_body = Some("\"grün\"".to_owned());
    assert_ok(&run(&target).await);
    target.expect_body = Some("red".to_owned());
    assert_failed(&run(&target).await, FailReason::Body, "does not contain \"red\"");
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = answer(format!("{head}3\r\nall\r\n8\r\n is well\r\n0\r\n\r\n")).await;
    let mut target = target(&server.url("/"));
    target.expect_body = Some("all is well".to_owned());
    assert_ok(&run(&target).await);
}

#[tokio::test]
async fn only_the_first_mib_of_a_body_is_read() {
    let late = format!("{}needle", "x".repeat(1024 * 1024));
    let server = answer(http(200, &late)).await;
    let mut target = target(&server.url("/"));
    assert_ok(&run(&target).await);
    target.expect_body = Some("needle".to_owned());
    assert_failed(&run(&target).await, FailReason::Body, "first 1048576 bytes");
    let early = format!("{}needle{}", "x".repeat(1_000_000), "x".repeat(4_000_000));
    let server = answer(http(200, &early)).await;
    target.url = server.url("/").parse().unwrap();
    assert_ok(&run(&target).await);
}

#[tokio::test]
async fn a_slow_answer_fails_by_the_limit_and_not_by_the_timeout() {
    let server = accept(|mut stream, _| async move {
        read_head(&mut stream).await;
        sleep(Duration::from_millis(60)).await;
        stream.write_all(http(200, "").as_bytes()).await.unwrap();
    })
    .await;
    let mut target = target(&server.url("/"));
    target.latency_max = Some(DurationUs::from_ms(50));
    let seen = run(&target).await;
    assert_failed(&seen, FailReason::Latency, "limit 50 ms");
    assert!(seen.latency_us >= 60_000 && seen.phases.first_byte_us.unwrap() >= 60_000, "{seen:?}");
    target.latency_max = Some(DurationUs::from_secs(4));
    assert_ok(&run(&target).await);
}

#[tokio::test]
async fn a_timeout_is_an_observation_as_long_as_the_timeout() {
    let silent = accept(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let half = accept(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    for (server, words, status) in [(silent, "waiting for the answer", None), (half, "reading the body", Some(200))] {
        let mut target = target(&server.url("/"));
        target.timeout = Some(DurationUs::from_ms(80));
        let begun = Instant::now();
        let seen = run(&target).await;
        assert_failed(&seen, FailReason::Timeout, "not done within 80ms");
        assert!(seen.detail.as_deref().unwrap().contains(words), "{seen:?}");
        assert_eq!((seen.latency_us, seen.status), (80_000, status));
        assert!(seen.phases.connect_us.is_some());
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let address = closed_port().await;
    let seen = run(&target(&format!("http://{address}/"))).await;
    assert_failed(&seen, FailReason::Connect, &address.to_string());
    assert!(seen.phases.first_byte_us.is_none() && seen.status.is_none());
}

#[tokio::test]
async fn a_peer_that_resets_or_closes_early_broke_the_protocol() {
    let reset = accept(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_failed(&run(&target(&reset.url("/"))).await, FailReason::Protocol, "");
    for cut in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let server = answer(cut).await;
        let seen = run(&target(&server.url("/"))).await;
        assert_failed(&seen, FailReason::Protocol, "");
        assert_eq!(seen.phases.first_byte_us.is_some(), !cut.is_empty(), "{cut:?}: the end is no byte");
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let endless_head = format!("HTTP/1.1 200 OK\r\n{}", "X-Header: value\r\n".repeat(100_000));
    for garbage in ["SSH-2.0-OpenSSH_9.6\r\n", "\0\0\0\0\0\0\0\0", "HTTP/1.1 abc OK\r\n\r\n", endless_head.as_str()] {
        let server = answer(garbage).await;
        let seen = run(&target(&server.url("/"))).await;
        assert_failed(&seen, FailReason::Protocol, "");
        assert_eq!(seen.status, None);
    }
}

#[tokio::test]
async fn a_condition_that_fails_first_is_the_reason() {
    let server = answer(http(500, "sorry")).await;
    let mut target = target(&server.url("/"));
    target.expect_body = Some("fine".to_owned());
    target.latency_max = Some(DurationUs(1));
    assert_failed(&run(&target).await, FailReason::Status, "500");
    target.expect_status = statuses(&["500"]);
    assert_failed(&run(&target).await, FailReason::Body, "fine");
    target.expect_body = None;
    assert_failed(&run(&target).await, FailReason::Latency, "limit 0.001 ms");
}
