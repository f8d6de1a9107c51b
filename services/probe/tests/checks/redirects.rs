//! Redirects: followed only as often as wanted, only where it is safe, and as part of what is measured.

use std::time::Duration;

use spark_schemas::event::FailReason;
use tokio::time::sleep;

use crate::servers::{Server, accept, answer, answer_once, http};
use crate::{assert_failed, assert_ok, run, target};

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Word\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// Each request after a pause; the path says where to go: `/307/http://…` there, anything else is the end.
async fn leads_on(pause: Duration) -> Server {
    accept(move |mut stream, requests| async move {
        let answer = {
            let mut head = Vec::new();
            let mut buffer = [0; 1];
            while !head.ends_with(b"\r\n\r\n") {
                if tokio::io::AsyncReadExt::read_exact(&mut stream, &mut buffer).await.is_err() {
                    return;
                }
                head.push(buffer[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            requests.lock().unwrap().push(head);
            match path[1..].split_once('/') {
                Some((status, to)) => redirect(status.parse().unwrap(), to),
                None => http(200, "the end"),
            }
        };
        sleep(pause).await;
        let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn each_hop_counts_in_the_latency() {
    let pause = Duration::from_millis(40);
    let (last, middle) = (leads_on(pause).await, leads_on(pause).await);
    let mut target = target(&middle.url(&format!("/302/{}", last.url("/307//end"))));
    target.redirects_max = 2;
    target.expect_body = Some("the end".to_owned());
    let seen = run(&target).await;
    assert_ok(&seen);
    assert!(seen.latency_us >= 120_000, "{seen:?}");
    assert!(seen.phases.first_byte_us.unwrap() >= 120_000, "{seen:?}");
    assert_eq!(seen.status, Some(200));
    target.redirects_max = 1;
    assert_failed(&run(&target).await, FailReason::Status, "status 307 after 1 redirects");
}

#[tokio::test]
async fn a_loop_ends_at_the_bound() {
    let server = answer(redirect(302, "/again?token=secret")).await;
    let mut target = target(&server.url("/"));
    target.redirects_max = 5;
    let seen = run(&target).await;
    assert_failed(&seen, FailReason::Status, "status 302 after 5 redirects, the next would lead to http://127.0.0.1");
    assert!(!seen.detail.unwrap().contains("secret"));
    assert_eq!(server.requests.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn another_origin_learns_no_secret() {
    let other = answer(http(200, "")).await;
    let server = answer(redirect(307, &other.url("/"))).await;
    let mut target = target(&server.url("/"));
    target.redirects_max = 1;
    target.method = "POST".to_owned();
    target.body = Some("plain".to_owned());
    for (name, value) in [("Authorization", "Basic x"), ("Cookie", "a=b"), ("X-Key", "env:TOKEN"), ("X-Open", "yes")] {
        target.headers.insert(name.to_owned(), value.to_owned());
    }
    assert_ok(&run(&target).await);
    let first = server.requests.lock().unwrap()[0].clone();
    let second = other.requests.lock().unwrap()[0].clone();
    for name in ["authorization:", "cookie:", "x-key:"] {
        assert!(first.contains(name) && !second.contains(name), "{second}");
    }
    assert!(second.starts_with("POST / ") && second.contains("x-open: yes"), "{second}");
    assert!(second.contains(&format!("host: {}\r\n", other.address)), "{second}");
    target.body = Some("env:TOKEN".to_owned());
    assert_failed(&run(&target).await, FailReason::Protocol, "a body from the environment is not sent");
    assert_eq!(other.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_see_other_is_asked_for_with_get() {
    let server = leads_on(Duration::ZERO).await;
    let mut target = target(&server.url("/303//end"));
    target.redirects_max = 1;
    target.method = "POST".to_owned();
    target.body = Some("x".to_owned());
    assert_ok(&run(&target).await);
    let requests = server.requests.lock().unwrap().clone();
    assert!(requests[0].starts_with("POST ") && requests[1].starts_with("GET /end "), "{requests:?}");
}

#[tokio::test]
async fn what_is_no_web_address_is_not_gone_to() {
    for (to, words) in [
        ("file:///etc/passwd", "only http and https are followed"),
        ("ftp://127.0.0.1/", "only http and https are followed"),
        ("http://[", "what is no URL"),
        ("http://no-such-host.invalid/", "no-such-host.invalid"),
    ] {
        let server = accept(move |mut stream, requests| async move {
            answer_once(&mut stream, &requests, redirect(301, to).as_bytes()).await;
        })
        .await;
        let mut target = target(&server.url("/"));
        target.redirects_max = 3;
        let seen = run(&target).await;
        let reason = if words.contains("invalid") { FailReason::Dns } else { FailReason::Protocol };
        assert_failed(&seen, reason, words);
    }
}
