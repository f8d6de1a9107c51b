//! Whatever happens between an agent, the log and its readers: each frame is counted once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use spark_eventlog::jetstream::JetStreamLog;
use spark_tests::wait::{self, LONG};
use spark_tests::{NatsServer, World};

use crate::following::{Following, Place};
use crate::frames::{OBSERVATIONS, admin, client, frame, make_forgetful_stream, send, send_again_until_taken};
use crate::proxy::{Flow, Proxy};

/// An agent that sends four frames at a time, and each again until it is acknowledged.
struct Agent {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    end: tokio::task::JoinHandle<u64>,
}

impl Agent {
    fn start(log: JetStreamLog) -> Self {
        let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&taken));
        let end = tokio::spawn(async move {
            let mut failures = 0;
            while !stopped.load(Ordering::Relaxed) {
                let first = count.load(Ordering::Relaxed);
                let frames = (first..first + 4).map(|seq| frame("ist-1", 1, seq)).collect();
                failures += send_again_until_taken(&log, frames).await;
                count.store(first + 4, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            failures
        });
        Self { stop, taken, end }
    }

    /// Waits until it gets frames through again, and they are counted.
    async fn until_through(&self, following: &Following, after: &str) {
        let (began, goal) = (wait::now(), self.taken.load(Ordering::Relaxed) + 20);
        while self.taken.load(Ordering::Relaxed) < goal {
            assert!(began.elapsed() < LONG, "nothing got through after {after}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        following.until_counted(goal).await;
        eprintln!("{after}: through again after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_on_the_way_each_frame_is_counted_once() {
    let world = World::new();
    let mut nats = NatsServer::start(&world);
    let direct = client(&nats.url()).await;
    make_forgetful_stream(&nats, &direct).await;
    let (near_agent, near_reader) = (Proxy::before(&nats.url()).await, Proxy::before(&nats.url()).await);
    let reader = JetStreamLog::new(&client(&near_reader.url()).await, 0);
    let following = Following::start(&Place::aggregator(&world.path("")), &reader);
    let agent = Agent::start(JetStreamLog::new(&client(&near_agent.url()).await, 0));
    agent.until_through(&following, "the start").await;

    // Longer than the five seconds that an acknowledgement is waited for.
    let too_long = Duration::from_millis(5_500);
    near_agent.answers(Flow::Lose);
    tokio::time::sleep(too_long).await;
    near_agent.answers(Flow::Pass);
    agent.until_through(&following, "lost acknowledgements").await;

    near_agent.requests(Flow::Hold);
    tokio::time::sleep(too_long).await;
    near_agent.requests(Flow::Pass);
    agent.until_through(&following, "publishes that timed out and landed later").await;

    near_agent.answers(Flow::Hold);
    tokio::time::sleep(too_long).await;
    near_agent.answers(Flow::Pass);
    agent.until_through(&following, "acknowledgements that came too late").await;

    for _ in 0..5 {
        near_agent.cut();
        near_reader.cut();
        tokio::time::sleep(Duration::from_millis(130)).await;
    }
    agent.until_through(&following, "cuts").await;

    // The reader takes nothing, and then all that waited.
    near_reader.answers(Flow::Hold);
    tokio::time::sleep(Duration::from_secs(13)).await;
    near_reader.answers(Flow::Pass);
    agent.until_through(&following, "a reader that was slow").await;

    for _ in 0..3 {
        let stream = admin(&nats).await.get_stream("EVENTS").await.unwrap();
        let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
        for name in names {
            stream.delete_consumer(&name).await.unwrap();
        }
        agent.until_through(&following, "a deleted consumer").await;
    }

    nats.kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    nats.start_again();
    agent.until_through(&following, "a killed server").await;

    nats.signal("USR2");
    tokio::time::sleep(Duration::from_secs(3)).await;
    nats.kill();
    nats.start_again();
    agent.until_through(&following, "lame duck mode").await;

    agent.stop.store(true, Ordering::Relaxed);
    let failures = agent.end.await.unwrap();
    let sent = agent.taken.load(Ordering::Relaxed);
    following.until_counted(sent).await;
    let totals = following.head().totals;
    eprintln!("{sent} frames sent, {failures} attempts failed, {totals:?}");
    assert_eq!((totals.frames, totals.observations), (sent, sent * OBSERVATIONS));
    assert_eq!((totals.rejected, totals.lost, following.missing()), (0, 0, 0));
    assert!(failures >= 5 && totals.duplicates > 0, "the faults did not bite");
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_outside_the_servers_window_and_late_frames_are_counted_once() {
    let world = World::new();
    let nats = NatsServer::start(&world);
    let client = client(&nats.url()).await;
    make_forgetful_stream(&nats, &client).await;
    let log = JetStreamLog::new(&client, 0);
    let following = Following::start(&Place::web(&world.path("")), &log);
    let forgotten = Duration::from_millis(400);

    // A whole outbox, sent again after the server forgot its ids.
    send(&log, 0..100).await;
    tokio::time::sleep(forgotten).await;
    send(&log, 0..100).await;
    // A frame after its successors, and once more.
    send(&log, 101..103).await;
    send(&log, 100..101).await;
    tokio::time::sleep(forgotten).await;
    send(&log, 100..103).await;
    following.until("everything is folded", |head, _| head.position == 206).await;
    let totals = following.head().totals;
    assert_eq!((totals.frames, totals.duplicates), (103, 103));
    assert_eq!(totals.observations, 103 * OBSERVATIONS);
    assert_eq!(following.missing(), 0);
    following.stop().await;
}
