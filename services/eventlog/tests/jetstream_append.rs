//! Appending: what is acknowledged is there, once, whatever happens to the server.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use spark_eventlog::jetstream::{InitOptions, JetStreamLog, init};
use spark_eventlog::{AppendError, Appended, EventLog, Outgoing, ReadError, Recorded};
use support::{Server, chain, frame, frame_of, frames, soon, until};

async fn read_all(log: &JetStreamLog) -> Vec<Recorded> {
    let last_seq = log.bounds().await.unwrap().last_seq;
    let mut reader = log.read(1).await.unwrap();
    let mut all: Vec<Recorded> = Vec::new();
    while all.last().map_or(0, |last| last.seq) < last_seq {
        all.extend(soon("a batch", reader.next_batch()).await.unwrap());
    }
    all
}

#[tokio::test]
async fn positions_come_back_in_the_order_of_the_frames() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    // More than a window.
    let appended = log.append(frames(0..1_000)).await.unwrap();
    let expected: Vec<Appended> = (1..=1_000).map(|seq| Appended { seq, duplicate: false }).collect();
    assert_eq!(appended, expected);
    for (recorded, sent) in read_all(&log).await.into_iter().zip(frames(0..1_000)) {
        assert_eq!(recorded.subject, sent.subject.to_string());
        assert_eq!(recorded.msg_id.parse(), Ok(sent.msg_id));
        assert_eq!(recorded.payload, sent.payload);
    }
    assert_eq!(log.append(vec![]).await.unwrap(), []);
}

#[tokio::test]
async fn a_message_id_that_is_there_is_a_duplicate_at_its_first_position() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..3)).await.unwrap();
    let again = log.append(frames(1..5)).await.unwrap();
    let expected = [(2, true), (3, true), (4, false), (5, false)].map(|(seq, duplicate)| Appended { seq, duplicate });
    assert_eq!(again, expected);
    assert_eq!(log.bounds().await.unwrap().last_seq, 5);
}

#[tokio::test]
async fn duplicates_among_many_frames_are_told_one_by_one() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..20)).await.unwrap();
    let again = log.append(frames(10..40)).await.unwrap();
    let expected: Vec<Appended> = (11..=40).map(|seq| Appended { seq, duplicate: seq <= 20 }).collect();
    assert_eq!(again, expected);
    assert_eq!(log.bounds().await.unwrap().last_seq, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_frame_survives_kill_9_once() {
    let mut server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    let log = Arc::new(log);
    let acknowledged = Arc::new(AtomicU64::new(0));

    // As the outbox does it: the same frames again until they are acknowledged.
    let writer = tokio::spawn({
        let (log, acknowledged) = (Arc::clone(&log), Arc::clone(&acknowledged));
        async move {
            let mut positions = BTreeMap::new();
            let mut failures = 0;
            for first in (0..6_000).step_by(300) {
                let appended = loop {
                    match log.append(frames(first..first + 300)).await {
                        Ok(appended) => break appended,
                        Err(AppendError::Unavailable(_)) => failures += 1,
                        Err(error) => panic!("{}", chain(&error)),
                    }
                };
                positions.extend((first..).zip(appended.iter().map(|frame| frame.seq)));
                acknowledged.store(first + 300, Ordering::Relaxed);
            }
            (positions, failures)
        }
    });
    for kill_after in [600, 2_100, 4_200] {
        until("frames are acknowledged", async || acknowledged.load(Ordering::Relaxed) >= kill_after).await;
        server.kill();
        server.start_again().await;
    }
    let (positions, failures) = soon("appending", writer).await.unwrap();

    assert!(failures > 0, "the server was never killed in the middle of an append");
    let all = read_all(&log).await;
    assert_eq!(all.len(), 6_000, "each frame once");
    for (seq, position) in positions {
        let recorded = &all[usize::try_from(position).unwrap() - 1];
        assert_eq!(recorded.msg_id.parse(), Ok(frame(seq).msg_id), "the frame at the position that was acknowledged");
    }
}

#[tokio::test]
async fn without_a_server_the_log_is_unavailable_and_later_it_is_not() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    server.kill();
    let error = soon("giving up", log.append(frames(0..3))).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    server.start_again().await;
    until("the connection is back", async || client.is_connected()).await;
    assert_eq!(log.append(frames(0..3)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn without_its_stream_the_log_is_unavailable() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    server.admin().await.delete_stream("EVENTS").await.unwrap();
    let error = log.append(frames(0..1)).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_full_stream_keeps_what_it_has_and_says_so() {
    let server = Server::start().await;
    let client = server.connect().await;
    init(&client, &InitOptions { max_bytes: Some(100_000), ..InitOptions::default() }).await.unwrap();
    let log = JetStreamLog::open(&client, 0).await.unwrap();
    let large = |seq| Outgoing { payload: Bytes::from(vec![1; 40_000]), ..frame(seq) };
    log.append(vec![large(0), large(1)]).await.unwrap();
    for last in [2, 20] {
        let error = log.append((2..=last).map(large).collect()).await.unwrap_err();
        assert!(matches!(error, AppendError::Full(_)), "{error:?}");
        assert!(chain(&error).contains("maximum bytes exceeded"), "{}", chain(&error));
    }
    assert_eq!(log.bounds().await.unwrap().last_seq, 2);
}

#[tokio::test]
async fn what_the_server_does_not_permit_is_refused_at_once() {
    let server = Server::start_with(
        r#"authorization { users: [{ user: p, password: p, permissions: {
            publish: ["$JS.API.>", "spark.evt.0.ist-1.obs"], subscribe: ["_INBOX.>"] } }] }
           no_auth_user: p"#,
    )
    .await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..1)).await.unwrap();
    for count in [1, 20] {
        let foreign = (0..count).map(|seq| frame_of("ist-2", seq)).collect();
        let error = soon("the refusal", log.append(foreign)).await.unwrap_err();
        assert!(matches!(error, AppendError::Refused(_)), "{error:?}");
        assert!(chain(&error).contains("spark.evt.0.ist-2.obs"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn frames_of_another_partition_and_frames_too_large_are_refused() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    let mut stray = frame(0);
    stray.subject.partition = 1;
    assert!(matches!(log.append(vec![frame(1), stray]).await, Err(AppendError::Refused(_))));
    for size in [70_000, 2_000_000] {
        let large = Outgoing { payload: Bytes::from(vec![1; size]), ..frame(2) };
        for with in [0..0, 10..30] {
            let mut all = frames(with);
            all.insert(0, large.clone());
            let error = log.append(all).await.unwrap_err();
            assert!(matches!(error, AppendError::Refused(_)), "{size}: {error:?}");
        }
    }
    log.append(frames(40..41)).await.unwrap();
    let all = read_all(&log).await;
    assert!(all.iter().all(|recorded| recorded.payload.len() < 1_000), "none of the large ones");
}

#[tokio::test]
async fn nobody_takes_a_frames_message_id_away_by_publishing_under_it_first() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    // Another agent that knows the run's identity, and claims its next thousand numbers.
    let other = async_nats::connect(server.url()).await.unwrap();
    for sent in frames(0..1_000) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", sent.msg_id.to_string());
        other.publish_with_headers("spark.evt.0.evil.obs", headers, "mine".into()).await.unwrap();
    }
    other.flush().await.unwrap();
    until("the claims are in the stream", async || log.bounds().await.unwrap().last_seq == 1_000).await;

    // Few go one by one, many as a batch.
    for range in [0..3, 3..1_000] {
        let appended = log.append(frames(range)).await.unwrap();
        assert!(appended.iter().all(|appended| !appended.duplicate), "{appended:?}");
    }
    let all = read_all(&log).await;
    let kept: Vec<_> = all.iter().filter(|recorded| recorded.subject == "spark.evt.0.ist-1.obs").collect();
    assert_eq!(kept.len(), 1_000, "each frame is in the log");
    // What was seen of one frame's id is of no use for the next.
    assert!(kept.iter().all(|recorded| recorded.msg_id.rsplit('-').next().is_some_and(|seal| seal.len() == 16)));
}

/// Appends as the outbox does: the same frames again until they are acknowledged.
async fn append_until_taken(log: &JetStreamLog, frames: Vec<Outgoing>) {
    while let Err(error) = log.append(frames.clone()).await {
        assert!(matches!(error, AppendError::Unavailable(_)), "{}", chain(&error));
    }
}

/// Reads so many frames as the fold does: from where it was, whenever the log does not answer.
async fn read_until(log: JetStreamLog, count: usize) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    while all.len() < count {
        let next = all.last().map_or(1, |last| last.seq + 1);
        match log.read(next).await {
            Ok(mut reader) => {
                while all.len() < count
                    && let Ok(batch) = reader.next_batch().await
                {
                    all.extend(batch);
                }
            }
            Err(ReadError::Unavailable(_)) => {}
            Err(error) => panic!("{}", chain(&error)),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_jetstream_is_off_for_a_while_loses_nothing() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    log.append(frames(0..50)).await.unwrap();
    let reading = tokio::spawn(read_until(log.clone(), 150));

    // 503: nobody answers.
    server.kill();
    server.start_again_with_jetstream(None).await;
    until("the connection is back", async || client.is_connected()).await;
    for few_or_many in [frames(50..53), frames(50..150)] {
        let error = log.append(few_or_many).await.unwrap_err();
        assert!(matches!(error, AppendError::Unavailable(_)), "{}", chain(&error));
    }
    assert!(matches!(log.bounds().await, Err(ReadError::Unavailable(_))));
    let writing = tokio::spawn({
        let log = log.clone();
        async move { append_until_taken(&log, frames(50..150)).await }
    });
    server.kill();
    server.start_again_with_jetstream(Some("")).await;
    soon("appending", writing).await.unwrap();
    let all = soon("reading", reading).await.unwrap();
    assert!(all.iter().zip(1..).all(|(frame, seq)| frame.seq == seq), "in order, without a hole");
    assert!(all.iter().zip(frames(0..150)).all(|(frame, sent)| frame.payload == sent.payload));
    assert_eq!(log.bounds().await.unwrap().last_seq, 150, "each once");
}
