//! Ten thousand messages that can't be accepted, of all kinds, between good frames.

use std::collections::BTreeSet;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use spark_eventlog::EventLog;
use spark_eventlog::jetstream::JetStreamLog;
use spark_schemas::event::Note;
use spark_schemas::{Event, EventSubject, FRAME_BYTES_MAX, Frame, Name, TimeNs, to_msgpack};
use spark_tests::wait::{self, LONG, wall_ns};
use spark_tests::{Services, World};

use crate::frames::{OBSERVATIONS, client, frame, frame_with, observed, send_again_until_taken, subject};

const POISON: u64 = 10_000;
const KINDS: u64 = 9;
const BLOCK: u64 = 500;

/// Message `n` of the poison: subject, message id, payload.
fn poison(n: u64) -> (String, String, Bytes) {
    let good = || frame_with("evil", 9, n, vec![observed(wall_ns() - TimeNs::SECOND)]);
    let id = |frame: &Frame| frame.msg_id().to_string();
    let evil = subject("evil").to_string();
    match n % KINDS {
        0 => (evil, format!("{:032x}-0", u128::from(n) << 64), Bytes::from(noise(n))),
        1 => {
            let frame = Frame { v: 99, ..good() };
            (evil, id(&frame), to_msgpack(&frame).into())
        }
        2 => {
            let frame = Frame { agent: Name::new("ist-1").unwrap(), ..good() };
            (evil, id(&frame), to_msgpack(&frame).into())
        }
        3 => {
            // Observations are all that a probe may speak of.
            let note = Note { at_ns: TimeNs(wall_ns()), text: "trust me".to_owned(), by: "evil".to_owned() };
            let frame = Frame { events: vec![note.into()], ..good() };
            (evil, id(&frame), to_msgpack(&frame).into())
        }
        4 => (evil, String::new(), vec![b'x'; FRAME_BYTES_MAX + 100].into()),
        5 => {
            let frame = Frame { events: vec![observed(wall_ns() + 86_400 * TimeNs::SECOND)], ..good() };
            (evil, id(&frame), to_msgpack(&frame).into())
        }
        6 => {
            let frame = Frame { events: Vec::new(), ..good() };
            (evil, id(&frame), to_msgpack(&frame).into())
        }
        7 => ("spark.evt.0.evil.obs.more".to_owned(), id(&good()), to_msgpack(&good()).into()),
        _ => (evil, String::new(), Bytes::new()),
    }
}

/// Bytes that look like nothing, the same ones every time.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..seed % 300).map(|_| byte()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_in_a_row_cost_no_good_frame_and_each_is_seen() {
    let world = World::new();
    let services = Services::start(&world, None);
    services.until_judged();
    let raw = async_nats::connect(services.nats.url()).await.unwrap();
    let mut letters = raw.subscribe("spark.dead").await.unwrap();
    raw.flush().await.unwrap();
    let heard = tokio::spawn(async move {
        let (mut seqs, mut count) = (BTreeSet::new(), 0);
        while count < POISON
            && let Ok(Some(letter)) = tokio::time::timeout(LONG, letters.next()).await
        {
            let headers = letter.headers.expect("headers");
            let told = |name: &str| headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
            assert!(!told("Spark-Reason").is_empty() && told("Spark-Log").starts_with("EVENTS@"), "{headers:?}");
            assert!(told("Spark-Subject").starts_with("spark.evt.0.evil.obs"), "{headers:?}");
            seqs.insert(told("Spark-Seq").parse::<u64>().expect("a number"));
            count += 1;
        }
        (seqs, count)
    });

    let log = JetStreamLog::new(&client(&services.nats.url()).await, 0);
    let context = async_nats::jetstream::new(raw.clone());
    let mut bad = BTreeSet::new();
    for block in 0..POISON / BLOCK {
        let good = (block * 5..block * 5 + 5).map(|seq| frame("good", 3, seq)).collect();
        send_again_until_taken(&log, good).await;
        let acks = FuturesUnordered::new();
        for n in block * BLOCK..(block + 1) * BLOCK {
            let (subject, msg_id, payload) = poison(n);
            let mut headers = HeaderMap::new();
            if !msg_id.is_empty() {
                headers.insert("Nats-Msg-Id", msg_id.as_str());
            }
            acks.push(context.publish_with_headers(subject, headers, payload).await.unwrap().into_future());
        }
        let taken: Vec<_> = acks.collect().await;
        bad.extend(taken.into_iter().map(|ack| ack.unwrap().sequence));
    }
    let good = POISON / BLOCK * 5;
    assert_eq!(bad.len() as u64, POISON);

    let (seqs, count) = heard.await.unwrap();
    assert_eq!((count, seqs == bad), (POISON, true), "each in the dead letters, once");
    let told = wait::until("everything is folded", LONG, || {
        let log = services.api.try_json("/api/v1/log")?;
        wait::that(log["rejected"] == POISON && observations(&log, "good") == good * OBSERVATIONS, || log.to_string())?;
        Ok(log)
    });
    assert_eq!(observations(&told, "evil"), 0);
    let reported = async {
        let mut reader = log.read(1).await.unwrap();
        let mut frames = 0;
        while frames < POISON {
            for recorded in reader.next_batch().await.unwrap() {
                let Ok(subject) = recorded.subject.parse::<EventSubject>() else { continue };
                let Ok(frame) = Frame::decode(&recorded.payload, &subject) else { continue };
                frames += frame.events.iter().map(of_report).sum::<u64>();
            }
        }
        frames
    };
    assert_eq!(tokio::time::timeout(LONG, reported).await.expect("all are reported"), POISON);
    assert_eq!(services.api.json("/api/healthz")["status"], "UP");
    assert_eq!(services.aggregator_admin.json("/healthz")["status"], "UP");
    let metrics = services.aggregator_admin.get("/metrics").unwrap().text;
    assert!(metrics.contains(&format!("spark_fold_rejected_total {POISON}")), "{metrics}");
    assert!(metrics.contains(&format!("spark_dead_letters_total{{result=\"published\"}} {POISON}")), "{metrics}");
}

fn of_report(event: &Event) -> u64 {
    if let Event::Rejected(rejected) = event { rejected.frames } else { 0 }
}

fn observations(log: &Value, agent: &str) -> u64 {
    let runs = log["agents"].as_array().expect("agents").iter().filter(|run| run["agent"] == agent);
    runs.filter_map(|run| run["observations"].as_u64()).sum()
}
