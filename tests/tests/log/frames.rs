//! Frames as a probe would send them, and how its outbox sends them: until they are acknowledged.

use std::ops::Range;
use std::time::Duration;

use spark_eventlog::jetstream::{Client, ConnectOptions, InitOptions, JetStreamLog, connect, init};
use spark_eventlog::{AppendError, EventLog, Outgoing};
use spark_schemas::event::{Observed, Outcome, Phases};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use spark_tests::wait::wall_ns;
use spark_tests::{NatsServer, wait};

/// Observations in each frame.
pub const OBSERVATIONS: u64 = 3;

pub fn observed(slot_ns: u64) -> Event {
    Event::Observed(Observed {
        target: Name::new("shop").unwrap(),
        slot_ns: TimeNs(slot_ns),
        started_ns: TimeNs(slot_ns),
        latency_us: 1_000,
        outcome: Outcome::Ok,
        reason: None,
        detail: None,
        status: None,
        phases: Phases::default(),
        certificate_expires_ns: None,
    })
}

pub fn frame_with(agent: &str, boot: u8, seq: u64, events: Vec<Event>) -> Frame {
    let agent = Name::new(agent).unwrap();
    Frame { v: FRAME_VERSION, agent, boot: Boot([boot; 16]), seq, clock: Clock::default(), events }
}

pub fn subject(agent: &str) -> EventSubject {
    EventSubject { partition: 0, agent: Name::new(agent).unwrap(), class: Class::Obs }
}

/// Frame `seq` of the run of `agent` that has the number `boot`.
pub fn frame(agent: &str, boot: u8, seq: u64) -> Outgoing {
    let slot = |n| wall_ns() - 60 * TimeNs::SECOND + n;
    let events = (0..OBSERVATIONS).map(|n| observed(slot(n))).collect();
    Outgoing::new(subject(agent), &frame_with(agent, boot, seq, events)).unwrap()
}

/// Sends frames of `ist-1` as its outbox does.
pub async fn send(log: &JetStreamLog, seqs: Range<u64>) {
    send_again_until_taken(log, seqs.map(|seq| frame("ist-1", 1, seq)).collect()).await;
}

/// Sends `frames` until the log says that it has them; says how often it did not.
pub async fn send_again_until_taken(log: &JetStreamLog, frames: Vec<Outgoing>) -> u64 {
    let (began, mut failures) = (wait::now(), 0);
    loop {
        match log.append(frames.clone()).await {
            Ok(_positions) => return failures,
            Err(error @ (AppendError::Refused(_) | AppendError::Closed)) => panic!("{error:?}"),
            Err(error) => assert!(began.elapsed() < 2 * wait::LONG, "the log never took the frames: {error:?}"),
        }
        failures += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn client(url: &str) -> Client {
    let name = "spark-test".to_owned();
    connect(ConnectOptions {
        servers: vec![url.to_owned()],
        credentials: None,
        name,
        inbox_prefix: None,
        ca_file: None,
    })
    .await
    .expect("connect to the test's server")
}

/// A connection of the plain client, for what Spark itself never does.
pub async fn admin(nats: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(nats.url()).await.expect("connect to the test's server"))
}

pub async fn make_stream(client: &Client) {
    init(client, &InitOptions::default()).await.expect("make the stream");
}

/// A stream whose server forgets message ids at once, so that every repeat gets into it.
pub async fn make_forgetful_stream(nats: &NatsServer, client: &Client) {
    make_stream(client).await;
    let admin = admin(nats).await;
    let made = admin.get_stream("EVENTS").await.unwrap().cached_info().config.clone();
    let config = async_nats::jetstream::stream::Config { duplicate_window: Duration::from_millis(100), ..made };
    admin.update_stream(config).await.unwrap();
}
