//! A connection that is left open for the next check, and what happens when the server closes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use spark_core::config::{Connection, StatusRanges};
use spark_schemas::event::FailReason;
use tokio::io::AsyncWriteExt as _;

use crate::servers::{Server, accept, http, read_head};
use crate::{NOW, assert_failed, assert_ok, prepare, target};

/// Answers so many requests on each connection, then closes it without a word; counts connections.
async fn keeps_open(requests_max: usize, answer: String) -> (Server, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = accept(move |mut stream, requests| {
        counted.fetch_add(1, Relaxed);
        let answer = answer.clone();
        async move {
            for _ in 0..requests_max {
                let Some(head) = read_head(&mut stream).await else { return };
                requests.lock().unwrap().push(head);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, connections)
}

#[tokio::test]
async fn a_connection_is_used_again_only_when_that_is_wanted() {
    let (server, connections) = keeps_open(usize::MAX, http(200, "ok")).await;
    let mut target = target(&server.url("/"));
    let fresh = prepare(&target);
    for _ in 0..3 {
        assert!(fresh.run(NOW).await.phases.connect_us.is_some());
    }
    assert_eq!(connections.swap(0, Relaxed), 3);
    assert!(server.requests.lock().unwrap().drain(..).all(|head| head.contains("connection: close")));
    target.connection = Connection::Reuse;
    let reuse = prepare(&target);
    let first = reuse.run(NOW).await;
    assert_ok(&first);
    assert!(first.phases.connect_us.is_some());
    for _ in 0..3 {
        let seen = reuse.run(NOW).await;
        assert_ok(&seen);
        assert!(seen.phases.connect_us.is_none() && seen.phases.first_byte_us.is_some(), "{seen:?}");
        assert!(seen.phases.first_byte_us.unwrap() <= seen.latency_us, "{seen:?}");
    }
    assert_eq!(connections.load(Relaxed), 1);
    assert!(server.requests.lock().unwrap().iter().all(|head| !head.contains("connection: close")));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_anew() {
    let (server, connections) = keeps_open(2, http(200, "ok")).await;
    let mut target = target(&server.url("/"));
    target.connection = Connection::Reuse;
    let check = prepare(&target);
    for _ in 0..9 {
        assert_ok(&check.run(NOW).await);
    }
    assert!((5..=9).contains(&connections.load(Relaxed)), "{connections:?}");
    assert_eq!(server.requests.lock().unwrap().len(), 9);
}

#[tokio::test]
async fn a_broken_condition_costs_no_connection() {
    let (server, connections) = keeps_open(usize::MAX, http(503, "busy")).await;
    let mut target = target(&server.url("/"));
    target.connection = Connection::Reuse;
    for expect_status in ["200", "503"] {
        target.expect_status = StatusRanges(vec![expect_status.parse().unwrap()]);
        target.expect_body = Some("ok".to_owned());
        let reason = if expect_status == "200" { FailReason::Status } else { FailReason::Body };
        let check = prepare(&target);
        for _ in 0..3 {
            assert_failed(&check.run(NOW).await, reason, "");
        }
        assert_eq!(connections.swap(0, Relaxed), 1, "{reason:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_not_read_to_its_end_leaves_no_connection() {
    let (server, connections) = keeps_open(usize::MAX, http(200, &"x".repeat(100))).await;
    let mut target = target(&server.url("/"));
    target.connection = Connection::Reuse;
    target.body_bytes_max = 10;
    let check = prepare(&target);
    for _ in 0..3 {
        assert_ok(&check.run(NOW).await);
    }
    assert_eq!(connections.load(Relaxed), 3);
}
