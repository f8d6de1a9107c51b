//! What each key may do with the permissions that are shipped, and that it can do nothing else: real servers, and
//! clients that ask for more than they should.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod intruder;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use intruder::Intruder;
use serde_json::{Value, json};
use spark_eventlog::jetstream::{self, ConnectOptions, Credentials, JetStreamLog};
use spark_eventlog::{EventLog as _, Outgoing, Recorded};
use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use spark_tests::wait::{self, LONG};
use spark_tests::{Guarded, GuardedServices, TlsFiles, World, run, spark, until_judged};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_no_key_and_plain_text_are_refused() {
    let world = World::new();
    let files = certificate(&world);
    let nats = Guarded::single(&world, &["a"], Some(&files));
    let address = format!("tls://localhost:{}", nats.servers[0].port());
    let init = |more: &[&Path], address: &str| {
        let mut command = spark();
        command.args(["nats", "init", "--nats", address]);
        for (flag, path) in ["--nkey", "--nats-ca"].into_iter().zip(more) {
            command.arg(flag).arg(path);
        }
        run(command)
    };
    let admin = nats.key("admin");
    let stranger = {
        let mut command = spark();
        command.args(["nats", "keys", "--dir"]).arg(world.path("strange"));
        assert_eq!(run(command).code, 0);
        world.path("strange/admin.nk")
    };

    let no_authority = init(&[&admin], &address);
    assert_ne!(no_authority.code, 0);
    assert!(no_authority.stderr.contains("invalid peer certificate"), "{no_authority:?}");
    let wrong_key = init(&[&stranger, &files.ca], &address);
    assert_ne!(wrong_key.code, 0);
    assert!(wrong_key.stderr.contains("does not accept these credentials"), "{wrong_key:?}");
    let no_key = {
        let mut command = spark();
        command.args(["nats", "init", "--nats", &address]).arg("--nats-ca").arg(&files.ca);
        run(command)
    };
    assert_ne!(no_key.code, 0);
    assert!(no_key.stderr.contains("does not accept these credentials"), "{no_key:?}");
    let plain = say_in_plain_text(nats.servers[0].port());
    assert!(!plain.contains("PONG"), "{plain:?}");

    let right = init(&[&admin, &files.ca], &address);
    assert_eq!((right.code, right.stdout.as_str()), (0, "stream EVENTS: created\n"), "{right:?}");
}

/// What a server that wants TLS answers to a client that goes on without.
fn say_in_plain_text(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut answer = Vec::new();
    let _closed_or_reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn certificate(world: &World) -> TlsFiles {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    TlsFiles {
        ca: world.file("ca.pem", &issuer.pem()),
        cert: world.file("nats.crt", &certificate.pem()),
        key: world.file("nats.key", &key.serialize_pem()),
    }
}

#[test]
fn the_pipeline_passes_the_gate_with_a_key_for_each_and_agents_come_and_go() {
    let world = World::new();
    let nats = Guarded::single(&world, &["ist-1"], None);
    nats.init(1);
    let mut services = GuardedServices::start(&world, &nats, None);
    until_judged(&services.api);
    let ask = |command: &str| {
        let mut asked = spark();
        asked.args([command, "--url", services.api.base()]);
        run(asked)
    };
    let gate = ask("gate");
    assert!(gate.code == 0 && gate.stdout.contains("6/6 checks passed"), "{gate:?}");
    let smoke = ask("smoke");
    assert!(smoke.code == 0 && smoke.stdout.contains("6/6"), "{smoke:?}");
    assert!(!services.aggregator.stderr().contains("does not permit"), "{}", services.aggregator.stderr());

    // Another agent, while everything runs.
    let seed = fs::read_to_string(nats.key("probe-ist-1")).unwrap();
    nats.add_agents(&["ist-2"]);
    assert_eq!(fs::read_to_string(nats.key("probe-ist-1")).unwrap(), seed, "keys that are there stay");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(nats.key("probe-ist-2")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let ist_2 = |user: &str| {
        let mut command = spark();
        command.args(["probe", "--agent", "ist-2", "--nats", &nats.urls(), "--url", services.api.base()]);
        command.arg("--nkey").arg(nats.key(user)).arg("--data").arg(world.path(&format!("probe-2-{user}")));
        command.args(["--admin", "127.0.0.1:0", "--executor-url", &world.executor.url("/health")]);
        command
    };
    // With another's key it gets nowhere.
    let stolen = run(ist_2("probe-ist-1"));
    assert!(stolen.code != 0 && stolen.stderr.contains("does not permit"), "{stolen:?}");
    let mut second = spark_tests::Process::start(ist_2("probe-ist-2"), "probe-2", &world.logs());
    let agents = || -> Result<Vec<(String, u64)>, String> {
        let log = services.api.try_json("/api/v1/log")?;
        let agents = log["agents"].as_array().ok_or("no agents")?.iter();
        Ok(agents.map(|run| (run["agent"].to_string(), run["observations"].as_u64().unwrap_or_default())).collect())
    };
    wait::until("both agents are in the log", LONG, || {
        let agents = agents()?;
        let of = |name: &str| agents.iter().filter(|(agent, _)| agent.contains(name)).map(|(_, sum)| sum).sum::<u64>();
        wait::that(of("ist-1") > 0 && of("ist-2") > 0, || format!("{agents:?}"))
    });
    assert!(services.probe.ended().is_none(), "a reload disturbs nobody");
    assert!(second.terminate().success());

    // And out again.
    fs::remove_file(nats.keys().join("probe-ist-2.pub")).unwrap();
    nats.add_agents(&[]);
    wait::until("the agent is shut out", LONG, || {
        let done = nats.spark(&["nats", "init"], "probe-ist-2");
        wait::that(done.stderr.contains("does not accept these credentials"), || done.stderr)
    });
    let log: Value = services.api.json("/api/v1/log");
    assert_eq!((&log["rejected"], &log["gaps"]), (&0.into(), &0.into()), "{log}");
    assert!(services.probe.terminate().success());
}
