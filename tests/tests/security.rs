//! What each key may do with the permissions that are shipped, and that it can do nothing else: real servers, and
//! clients that ask for more than they should.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod intruder;

use intruder::Intruder;
use serde_json::json;
use spark_eventlog::jetstream::{self, ConnectOptions, Credentials, JetStreamLog};
use spark_eventlog::{EventLog as _, Outgoing, Recorded};
use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use spark_tests::{Guarded, World};

/// JetStream's API beyond what anybody but an administrator of the server needs.
const FOREIGN_REQUESTS: [&str; 22] = [
    "INFO",
    "STREAM.NAMES",
    "STREAM.LIST",
    "STREAM.DELETE.EVENTS",
    "STREAM.PURGE.EVENTS",
    "STREAM.MSG.DELETE.EVENTS",
    "STREAM.SNAPSHOT.EVENTS",
    "STREAM.RESTORE.EVENTS",
    "STREAM.PEER.REMOVE.EVENTS",
    "STREAM.LEADER.STEPDOWN.EVENTS",
    "STREAM.TEMPLATE.CREATE.x",
    "CONSUMER.CREATE.EVENTS.mine",
    "CONSUMER.CREATE.EVENTS.mine.spark.evt.0.b.obs",
    "CONSUMER.DURABLE.CREATE.EVENTS.mine",
    "CONSUMER.DELETE.EVENTS.mine",
    "CONSUMER.INFO.EVENTS.mine",
    "CONSUMER.NAMES.EVENTS",
    "CONSUMER.LIST.EVENTS",
    "CONSUMER.PAUSE.EVENTS.mine",
    "DIRECT.GET.EVENTS.spark.evt.0.b.obs",
    "META.LEADER.STEPDOWN",
    "ACCOUNT.PURGE.SPARK-LOG",
];
/// What readers need, and nobody else.
const READS: [&str; 4] =
    ["STREAM.MSG.GET.EVENTS", "DIRECT.GET.EVENTS", "CONSUMER.CREATE.EVENTS", "CONSUMER.MSG.NEXT.EVENTS.mine"];
const MAKES: [&str; 2] = ["STREAM.CREATE.EVENTS", "STREAM.UPDATE.EVENTS"];
const DERIVED: [&str; 7] = [
    "spark.window.x",
    "spark.health.x",
    "spark.alert.x",
    "spark.gate",
    "spark.checkpoint",
    "spark.json.gate",
    "spark.dead",
];
/// Where an answer would do harm.
const TRAPS: [&str; 7] = [
    "spark.evt.0.b.obs",
    "spark.evt.0.web.ctl",
    "spark.evt.0.aggregator.ctl",
    "spark.gate",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.PURGE.EVENTS",
    "log.STREAM.DELETE.EVENTS",
];
/// The server itself refuses a message that wants its answer there.
const RESERVED: &str = "$JS.ACK.EVENTS.mine.1.1.1.1.0";

/// A server with its stream, and one frame of `b` in it.
async fn guarded(world: &World) -> Guarded {
    let nats = Guarded::single(world, &["a", "b"], None);
    nats.init(1);
    let log = open(&nats, "probe-b", "b").await;
    log.append(vec![frame("b", 1, 0)]).await.unwrap();
    nats
}

async fn open(nats: &Guarded, user: &str, inbox: &str) -> JetStreamLog {
    let options = ConnectOptions {
        servers: vec![nats.servers[0].url()],
        credentials: Some(Credentials::NkeySeed(nats.key(user))),
        name: user.to_owned(),
        inbox_prefix: Some(format!("_INBOX_{inbox}")),
        ca_file: None,
    };
    let client = jetstream::connect(options).await.unwrap();
    JetStreamLog::open(&client, 0).await.unwrap()
}

fn frame(agent: &str, boot: u8, seq: u64) -> Outgoing {
    let subject = EventSubject { partition: 0, agent: Name::new(agent).unwrap(), class: Class::Obs };
    let payload = format!("frame {seq} of {agent}").into();
    Outgoing { subject, msg_id: MsgId { boot: Boot([boot; 16]), seq }, payload }
}

/// Everything in the stream, as an auditor reads it.
async fn read_all(nats: &Guarded) -> Vec<Recorded> {
    let log = open(nats, "auditor", "auditor").await;
    let last_seq = log.bounds().await.unwrap().last_seq;
    let mut reader = log.read(1).await.unwrap();
    let mut all: Vec<Recorded> = Vec::new();
    while all.last().map_or(0, |last| last.seq) < last_seq {
        all.extend(reader.next_batch().await.unwrap());
    }
    all
}

fn api(requests: &[&str]) -> Vec<String> {
    requests.iter().flat_map(|request| [format!("$JS.API.{request}"), format!("log.{request}")]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_can_say_what_it_saw_and_nothing_else() {
    let world = World::new();
    let nats = guarded(&world).await;
    let mut a = Intruder::connect(&nats, "probe-a", "a").await;
    let before = a.stream().await;

    for subject in
        ["spark.evt.0.b.obs", "spark.evt.0.a.ctl", "spark.evt.0.web.ctl", "spark.evt.0.a.obs.x", "spark.evt.0"]
            .into_iter()
            .chain(DERIVED)
            .chain(["_INBOX_b.x", "_INBOX.x", "_R_.x", "$SYS.REQ.USER.INFO.x", "$JS.EVENT.ADVISORY.x"])
            .chain(TRAPS)
            .chain([RESERVED])
    {
        a.may_not_publish(subject).await;
    }
    for subject in api(&FOREIGN_REQUESTS).into_iter().chain(api(&READS)).chain(api(&MAKES)) {
        a.may_not_publish(&subject).await;
    }
    for subject in [
        ">",
        "spark.>",
        "spark.evt.>",
        "spark.evt.0.b.obs",
        "spark.gate",
        "_INBOX.>",
        "_INBOX_b.>",
        "$JS.>",
        "log.>",
        "_R_.>",
        "$SYS.>",
    ] {
        a.may_not_subscribe(subject).await;
    }
    assert_eq!(a.stream().await, before, "nothing of it is in the log");
    let all = read_all(&nats).await;
    assert_eq!(all.len(), 1, "{all:?}");

    // Its own frames are taken.
    assert!(a.request("spark.evt.0.a.obs", b"seen").await.contains("\"seq\":2"));
    assert_eq!(read_all(&nats).await[1].payload.as_ref(), b"seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_can_not_forge_through_a_reply_or_a_header() {
    let world = World::new();
    let nats = guarded(&world).await;
    let a = Intruder::connect(&nats, "probe-a", "a").await;
    let before = a.stream().await;
    for (n, trap) in TRAPS.into_iter().enumerate() {
        a.publish_with_reply("spark.evt.0.a.obs", trap, b"forged").await;
        a.publish_with_reply("$JS.API.STREAM.INFO.EVENTS", trap, b"").await;
        a.publish_with_reply("log.STREAM.INFO.EVENTS", trap, b"").await;
        a.until_messages(before.messages + n as u64 + 1).await;
    }
    a.publish_with_reply("spark.evt.0.a.obs", RESERVED, b"forged").await;
    a.until_refused("Permissions Violation for Publish with Reply of", RESERVED).await;
    // What a header may ask of a stream that allows it.
    for (name, value) in [
        ("Nats-Rollup", "all"),
        ("Nats-Rollup", "sub"),
        ("Nats-TTL", "1s"),
        ("Nats-Schedule", "@every 1s"),
        ("Nats-Incr", "1"),
    ] {
        let answer = a.request_with_header("spark.evt.0.a.obs", (name, value), b"x").await;
        assert!(answer.contains("\"error\""), "{name}: {answer}");
    }
    let all = read_all(&nats).await;
    assert_eq!(all.len(), 1 + TRAPS.len());
    assert_eq!(all[0].subject, "spark.evt.0.b.obs");
    for recorded in &all[1..] {
        assert_eq!((recorded.subject.as_str(), recorded.payload.as_ref()), ("spark.evt.0.a.obs", &b"forged"[..]));
    }
    let after = a.stream().await;
    assert_eq!((after.created, after.config), (before.created, before.config));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_can_not_keep_anothers_frames_out() {
    let world = World::new();
    let nats = guarded(&world).await;
    let a = Intruder::connect(&nats, "probe-a", "a").await;
    // It knows b's run, for the pages show it, and claims its next message ids.
    for seq in 1..=500 {
        let id = MsgId { boot: Boot([1; 16]), seq }.to_string();
        a.publish_with_header("spark.evt.0.a.obs", ("Nats-Msg-Id", &id)).await;
    }
    a.until_messages(501).await;
    // And it opens more batches than the server allows at once, and ends none.
    for n in 0..200 {
        a.begin_batch("spark.evt.0.a.obs", &format!("batch-{n}")).await;
    }
    let b = open(&nats, "probe-b", "b").await;
    for range in [1..4, 4..501] {
        let frames: Vec<Outgoing> = range.map(|seq| frame("b", 1, seq)).collect();
        let appended = b.append(frames).await.unwrap();
        assert!(appended.iter().all(|appended| !appended.duplicate), "{appended:?}");
    }
    let all = read_all(&nats).await;
    let of_b: Vec<&[u8]> =
        all.iter().filter(|one| one.subject == "spark.evt.0.b.obs").map(|one| one.payload.as_ref()).collect();
    let wanted: Vec<Vec<u8>> = (0..501).map(|seq| frame("b", 1, seq).payload.to_vec()).collect();
    assert_eq!(of_b, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_everything_and_writes_nothing() {
    let world = World::new();
    let nats = guarded(&world).await;
    let mut auditor = Intruder::connect(&nats, "auditor", "auditor").await;
    let before = auditor.stream().await;

    // By each of the roads that there are.
    let got = auditor.request("$JS.API.STREAM.MSG.GET.EVENTS", br#"{"seq":1}"#).await;
    assert!(got.contains("spark.evt.0.b.obs"), "{got}");
    assert_eq!(auditor.request("$JS.API.DIRECT.GET.EVENTS", br#"{"seq":1}"#).await, "frame 0 of b");
    assert_eq!(read_all(&nats).await.len(), 1);
    let aggregator = Intruder::connect(&nats, "aggregator", "aggregator").await;
    for subject in DERIVED {
        let mut heard = auditor.subscribe(subject).await;
        aggregator.publish(subject, b"news").await;
        assert_eq!(heard.next().await, b"news", "{subject}");
    }

    for subject in ["spark.evt.0.b.obs", "spark.evt.0.auditor.obs", "spark.evt.0.auditor.ctl", "spark.evt.0.web.ctl"]
        .into_iter()
        .chain(DERIVED)
        .chain(TRAPS)
    {
        auditor.may_not_publish(subject).await;
    }
    for subject in api(&FOREIGN_REQUESTS).into_iter().chain(api(&MAKES)) {
        auditor.may_not_publish(&subject).await;
    }
    for subject in [">", "spark.evt.>", "_INBOX_web.>", "$JS.>", "_R_.>"] {
        auditor.may_not_subscribe(subject).await;
    }

    // What it may ask is answered to itself only, wherever it wants the answer to go.
    let consumer = auditor.consumer(json!({"deliver_policy": "all", "ack_policy": "none"})).await.unwrap();
    let bare = json!({"deliver_policy": "all", "ack_policy": "none", "headers_only": true});
    let bare = auditor.consumer(bare).await.unwrap();
    for trap in TRAPS {
        auditor.publish_with_reply("$JS.API.STREAM.INFO.EVENTS", trap, b"").await;
        auditor.publish_with_reply("$JS.API.STREAM.MSG.GET.EVENTS", trap, br#"{"seq":1}"#).await;
        auditor.publish_with_reply("$JS.API.DIRECT.GET.EVENTS", trap, br#"{"seq":1}"#).await;
        for consumer in [&consumer, &bare] {
            auditor.publish_with_reply(&format!("$JS.API.CONSUMER.MSG.NEXT.EVENTS.{consumer}"), trap, b"1").await;
        }
    }
    // A consumer that pushes does so inside the streams' account, where nobody and nothing listens to it.
    for trap in TRAPS {
        for headers_only in [false, true] {
            let pushing = json!({
                "deliver_policy": "all", "ack_policy": "none", "deliver_subject": trap, "headers_only": headers_only,
            });
            let _refused_or_useless = auditor.consumer(pushing).await;
        }
    }
    let durable = json!({"durable_name": "mine", "ack_policy": "none"});
    assert!(auditor.consumer(durable).await.is_err(), "a consumer that stays is not a reader's to make");
    auditor.settle().await;
    assert_eq!(auditor.stream().await, before, "nothing of it is in the log, or changed the stream");
    assert_eq!(read_all(&nats).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_and_the_admin_keep_to_their_own() {
    let world = World::new();
    let nats = guarded(&world).await;
    let before = Intruder::connect(&nats, "auditor", "auditor").await.stream().await;

    let mut web = Intruder::connect(&nats, "web", "web").await;
    let mut aggregator = Intruder::connect(&nats, "aggregator", "aggregator").await;
    let mut admin = Intruder::connect(&nats, "admin", "admin").await;
    for subject in ["spark.evt.0.b.obs", "spark.evt.0.web.obs", "spark.evt.0.aggregator.ctl", "spark.evt.1.web.ctl"]
        .into_iter()
        .chain(DERIVED)
    {
        web.may_not_publish(subject).await;
    }
    for subject in ["spark.evt.0.b.obs", "spark.evt.0.aggregator.obs", "spark.evt.0.web.ctl", "spark.other"] {
        aggregator.may_not_publish(subject).await;
    }
    for subject in ["spark.evt.0.b.obs", "spark.evt.0.admin.ctl"].into_iter().map(str::to_owned).chain(api(&READS)) {
        admin.may_not_publish(&subject).await;
    }
    for requests in [&FOREIGN_REQUESTS[..], &MAKES] {
        for subject in api(requests) {
            web.may_not_publish(&subject).await;
            aggregator.may_not_publish(&subject).await;
        }
    }
    for subject in api(&FOREIGN_REQUESTS) {
        admin.may_not_publish(&subject).await;
    }
    for trap in TRAPS {
        for user in [&mut web, &mut aggregator] {
            user.publish_with_reply("$JS.API.DIRECT.GET.EVENTS", trap, br#"{"seq":1}"#).await;
        }
        admin.publish_with_reply("$JS.API.STREAM.INFO.EVENTS", trap, b"").await;
    }
    for user in [&mut web, &mut aggregator, &mut admin] {
        user.may_not_subscribe("spark.evt.>").await;
        user.settle().await;
    }
    let all = read_all(&nats).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(Intruder::connect(&nats, "auditor", "auditor").await.stream().await, before);
}
