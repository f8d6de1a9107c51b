//! Reading: everything once and in order, over consumers and servers that come and go.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use futures::TryStreamExt;
use spark_eventlog::jetstream::{Client, InitOptions, JetStreamLog, init};
use spark_eventlog::{EventLog, LogReader, Outgoing, ReadError, Recorded};
use support::{DEADLINE, Server, frame, frames, soon, until};

/// Reads until `last_seq` is there, and checks that nothing was given twice or out of order on the way.
async fn read_to(reader: &mut dyn LogReader, last_seq: u64, all: &mut Vec<Recorded>) {
    while all.last().map_or(0, |last| last.seq) < last_seq {
        let batch = soon("a batch", async {
            loop {
                match reader.next_batch().await {
                    Ok(batch) => break batch,
                    Err(ReadError::Unavailable(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
        .await;
        assert!(!batch.is_empty() && batch.len() <= 5_000);
        for recorded in batch {
            assert!(all.last().is_none_or(|last| recorded.seq > last.seq), "{} twice or too late", recorded.seq);
            all.push(recorded);
        }
    }
}

fn seqs(all: &[Recorded]) -> Vec<u64> {
    all.iter().map(|recorded| recorded.seq).collect()
}

async fn delete_consumers(server: &Server) -> usize {
    let stream = server.admin().await.get_stream("EVENTS").await.unwrap();
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    for name in &names {
        stream.delete_consumer(name).await.unwrap();
    }
    names.len()
}

#[tokio::test]
async fn what_is_there_comes_first_and_then_what_comes() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..12_000)).await.unwrap();
    let mut reader = log.read(7_000).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 12_000, &mut all).await;
    assert_eq!(seqs(&all), (7_000..=12_000).collect::<Vec<_>>());

    // Nothing yet: it waits, also when it is cancelled again and again.
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(20), reader.next_batch()).await.is_err());
    }
    log.append(frames(12_000..12_003)).await.unwrap();
    read_to(&mut *reader, 12_003, &mut all).await;
    assert_eq!(seqs(&all), (7_000..=12_003).collect::<Vec<_>>());
    assert!(all.is_sorted_by_key(|recorded| recorded.received_ns));
    let year_2020_ns = 1_577_836_800_000_000_000;
    assert!(all[0].received_ns > year_2020_ns);
}

#[tokio::test]
async fn cancelled_reads_lose_nothing() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    let mut reader = log.read(1).await.unwrap();
    let writer = async {
        for first in (0..4_000).step_by(40) {
            log.append(frames(first..first + 40)).await.unwrap();
        }
    };
    let read = async {
        let mut all = Vec::new();
        let mut patience_us = 0;
        while all.len() < 4_000 {
            // From not at all to long enough.
            patience_us = (patience_us + 37) % 2_000;
            if let Ok(batch) = tokio::time::timeout(Duration::from_micros(patience_us), reader.next_batch()).await {
                all.extend(batch.unwrap());
            }
        }
        all
    };
    let ((), all) = soon("reading", async { tokio::join!(writer, read) }).await;
    assert_eq!(seqs(&all), (1..=4_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deleted_consumer_is_replaced_and_nothing_is_lost_or_twice() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..12_000)).await.unwrap();
    // Once before anything was read, once with pulls half delivered, once while nothing comes.
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    assert_eq!(delete_consumers(&server).await, 1);
    read_to(&mut *reader, 1, &mut all).await;
    assert_eq!(delete_consumers(&server).await, 1);
    read_to(&mut *reader, 12_000, &mut all).await;
    assert_eq!(delete_consumers(&server).await, 1);
    log.append(frames(12_000..12_010)).await.unwrap();
    read_to(&mut *reader, 12_010, &mut all).await;
    assert_eq!(seqs(&all), (1..=12_010).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_goes_on_after_the_server_was_killed() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    log.append(frames(0..9_000)).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 1, &mut all).await;
    for round in 0..2 {
        server.kill();
        until("the loss is noticed", async || !client.is_connected()).await;
        server.start_again().await;
        until("the connection is back", async || client.is_connected()).await;
        log.append(frames(9_000 + round * 10..9_010 + round * 10)).await.unwrap();
        read_to(&mut *reader, 9_010 + round * 10, &mut all).await;
    }
    assert_eq!(seqs(&all), (1..=9_020).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_server_a_read_says_so_and_can_be_tried_again() {
    let mut server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..1)).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 1, &mut all).await;
    server.kill();
    let error = soon("giving up", reader.next_batch()).await.unwrap_err();
    assert!(matches!(error, ReadError::Unavailable(_)), "{error:?}");
    server.start_again().await;
    let append = async { while log.append(frames(1..2)).await.is_err() {} };
    tokio::join!(append, read_to(&mut *reader, 2, &mut all));
    assert_eq!(seqs(&all), [1, 2]);
}

/// A stream as Spark would refuse it: it forgets.
async fn forgetful(server: &Server, client: &Client, max_messages: i64) {
    let admin = server.admin().await;
    init(client, &InitOptions::default()).await.unwrap();
    let found = admin.get_stream("EVENTS").await.unwrap().cached_info().config.clone();
    admin.update_stream(Config { discard: DiscardPolicy::Old, max_messages, ..found }).await.unwrap();
}

#[tokio::test]
async fn what_the_limits_removed_is_gone() {
    let server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    let mut reader = log.read(1).await.unwrap();
    log.append(frames(0..5)).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 5, &mut all).await;

    forgetful(&server, &client, 10).await;
    log.append(frames(5..100)).await.unwrap();
    assert!(matches!(log.read(90).await, Err(ReadError::Gone { wanted: 90, first_seq: 91 })));
    assert!(log.read(91).await.is_ok());
    // The consumer that was there gives what its pull had already, and then steps over the hole without a word: the
    // jump in the numbers is the word.
    let mut seen = all;
    read_to(&mut *reader, 100, &mut seen).await;
    assert!(seqs(&seen).ends_with(&(91..=100).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_reader_whose_place_is_gone_is_told() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    log.append(frames(0..5)).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 5, &mut all).await;
    forgetful(&server, &client, 3).await;
    // The consumer is gone, too, so that the reader has to find its place.
    server.kill();
    until("the loss is noticed", async || !client.is_connected()).await;
    server.start_again().await;
    until("the connection is back", async || client.is_connected()).await;
    log.append(frames(5..20)).await.unwrap();
    let end = async {
        loop {
            match reader.next_batch().await {
                Ok(_) | Err(ReadError::Unavailable(_)) => {}
                Err(error) => break error,
            }
        }
    };
    let error = soon("the error", end).await;
    assert!(matches!(error, ReadError::Gone { wanted: 6, first_seq: 18 }), "{error:?}");
}

#[tokio::test]
async fn a_stream_made_anew_ends_the_reader() {
    let server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    log.append(frames(0..5)).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 5, &mut all).await;
    server.admin().await.delete_stream("EVENTS").await.unwrap();
    init(&client, &InitOptions::default()).await.unwrap();
    let error = soon("the end", reader.next_batch()).await.unwrap_err();
    assert!(matches!(error, ReadError::Closed), "{error:?}");
    // The same log reads the new one when it is asked to read again.
    log.append(frames(0..2)).await.unwrap();
    let mut again = Vec::new();
    read_to(&mut *log.read(1).await.unwrap(), 2, &mut again).await;
    assert_eq!(seqs(&again), [1, 2]);
}

#[tokio::test]
async fn holes_in_the_stream_are_holes_in_the_numbers() {
    let server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    let admin = server.admin().await;
    // Only a stream that was made without `deny_delete` can be deleted from.
    let safe = admin.get_stream("EVENTS").await.unwrap().cached_info().config.clone();
    admin.delete_stream("EVENTS").await.unwrap();
    drop(log);
    admin.create_stream(Config { deny_delete: false, ..safe.clone() }).await.unwrap();
    let subject = frame(0).subject.to_string();
    for _ in 0..6 {
        admin.publish(subject.clone(), "x".into()).await.unwrap().await.unwrap();
    }
    let stream = admin.get_stream("EVENTS").await.unwrap();
    stream.delete_message(3).await.unwrap();
    stream.delete_message(4).await.unwrap();
    admin.update_stream(Config { deny_delete: true, ..safe }).await.unwrap();

    let log = JetStreamLog::open(&client, 0).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 6, &mut all).await;
    assert_eq!(seqs(&all), [1, 2, 5, 6]);
    assert!(all.iter().all(|recorded| recorded.msg_id.is_empty()), "published without an id");
}

#[tokio::test]
async fn large_frames_arrive_within_the_limit_of_bytes() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    let large = |seq| Outgoing { payload: vec![1; 63_000].into(), ..frame(seq) };
    // Several pulls' worth of bytes, far from a pull's worth of messages.
    log.append((0..400).map(large).collect()).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    // Without waiting for any heartbeat that is not coming.
    tokio::time::timeout(Duration::from_secs(8).min(DEADLINE), read_to(&mut *reader, 400, &mut all)).await.unwrap();
    assert_eq!(all.len(), 400);
    assert!(all.iter().all(|recorded| recorded.payload.len() == 63_000));
}

#[tokio::test]
async fn a_message_can_not_pose_as_the_servers_word() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    // As no client library would send it: with a status line, as if the server ended the delivery.
    let status = "NATS/1.0 409 Consumer Deleted\r\nNats-Pending-Messages: 5000\r\n\r\n";
    server.say(&format!("HPUB spark.evt.0.ist-1.obs {0} {1}\r\n{status}x\r\n", status.len(), status.len() + 1)).await;
    log.append(frames(1..3)).await.unwrap();
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 3, &mut all).await;
    assert_eq!(seqs(&all), [1, 2, 3]);
    assert_eq!(all[0].payload, "x");
}

#[tokio::test]
async fn a_message_that_the_client_can_not_parse_stops_no_reader() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    log.append(frames(0..3)).await.unwrap();
    // The client takes a header line without a colon for the end of the world, and reconnects.
    let header = "NATS/1.0\r\nNats-Msg-Id: mine\r\nno colon\r\n\r\n";
    server.say(&format!("HPUB spark.evt.0.ist-1.obs {0} {1}\r\n{header}x\r\n", header.len(), header.len() + 1)).await;
    let mut reader = log.read(1).await.unwrap();
    let mut all = Vec::new();
    read_to(&mut *reader, 4, &mut all).await;
    log.append(frames(4..6)).await.unwrap();
    read_to(&mut *reader, 6, &mut all).await;
    assert_eq!(seqs(&all), [1, 2, 3, 4, 5, 6]);
    assert_eq!((all[3].subject.as_str(), all[3].msg_id.as_str()), ("spark.evt.0.ist-1.obs", "mine"));
    assert_eq!(all[3].payload, "x");
    assert!(all.is_sorted_by_key(|recorded| recorded.received_ns));
}
