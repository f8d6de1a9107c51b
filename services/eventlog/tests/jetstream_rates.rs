//! How fast it is here: `cargo nextest run --release -p spark-eventlog --run-ignored only --no-capture rates`.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use async_nats::jetstream::consumer::pull::BatchConfig;
use bytes::Bytes;
use futures::StreamExt;
use spark_eventlog::{EventLog, Outgoing};
use support::{Server, frame};
use tokio::time::Instant;

fn frames_of(bytes: usize, first: u64, count: u64) -> Vec<Outgoing> {
    let payload = Bytes::from(vec![1; bytes]);
    (first..first + count).map(|seq| Outgoing { payload: payload.clone(), ..frame(seq) }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and proves nothing"]
async fn rates() {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    let mut seq = 0;
    for (bytes, at_once) in [
        (100, 1),
        (100, 4),
        (100, 7),
        (100, 8),
        (100, 30),
        (100, 300),
        (100, 3_000),
        (8_000, 7),
        (8_000, 30),
        (8_000, 300),
        (8_000, 3_000),
    ] {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed().as_secs() < 2 {
            log.append(frames_of(bytes, seq, at_once)).await.unwrap();
            seq += at_once;
            count += at_once;
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!("append {at_once:>5} frames of {bytes} bytes at once: {rate:.0} frames/s");
    }
    drop(server);

    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    for first in (0..1_000_000).step_by(50_000) {
        log.append(frames_of(120, first, 50_000)).await.unwrap();
    }
    // One after the other and twice, so that a busy machine slows both.
    for _ in 0..2 {
        let thrown_away = throw_away(&server, 1_000_000).await;
        let mut reader = log.read(1).await.unwrap();
        let start = Instant::now();
        let (mut count, mut batches) = (0, 0);
        while count < 1_000_000 {
            count += reader.next_batch().await.unwrap().len();
            batches += 1;
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!("read {count} frames of 120 bytes in {batches} batches: {rate:.0} frames/s");
        println!("that is {:.0} % of {thrown_away:.0} frames/s, thrown away unread", 100.0 * rate / thrown_away);
    }
}

/// How many messages arrive in a second when nobody looks at them, with the same pulls.
async fn throw_away(server: &Server, count: usize) -> f64 {
    let context = server.admin().await;
    let config = async_nats::jetstream::consumer::pull::Config {
        ack_policy: async_nats::jetstream::consumer::AckPolicy::None,
        memory_storage: true,
        ..Default::default()
    };
    let consumer = context.create_consumer_on_stream(config, "EVENTS").await.unwrap();
    let client = context.client();
    let mut arriving = client.subscribe("thrown.away").await.unwrap();
    let start = Instant::now();
    for taken in 0..count {
        if taken % 5_000 == 0 {
            consumer
                .request_batch(BatchConfig { batch: 5_000, ..Default::default() }, "thrown.away".into())
                .await
                .unwrap();
        }
        arriving.next().await.unwrap();
    }
    count as f64 / start.elapsed().as_secs_f64()
}
