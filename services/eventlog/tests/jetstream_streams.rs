//! Connecting, and making and checking the streams.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::num::NonZeroU16;

use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, StorageType};
use spark_eventlog::EventLog;
use spark_eventlog::jetstream::{
    ConnectError, ConnectOptions, Credentials, InitError, InitOptions, JetStreamLog, OpenError, Outcome, connect, init,
    partitions,
};
use support::{Server, chain, frames, until};

fn options(servers: &[&str]) -> ConnectOptions {
    ConnectOptions {
        servers: servers.iter().map(ToString::to_string).collect(),
        credentials: None,
        name: "spark-test".to_owned(),
        inbox_prefix: None,
        ca_file: None,
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named_with_what_to_do() {
    // Port 1 has no server, and only root could start one.
    let error = connect(options(&["nats://127.0.0.1:1", "127.0.0.2:1"])).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no NATS server answers at nats://127.0.0.1:1, 127.0.0.2:1: is it started, and is the address right?"
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_named() {
    assert!(matches!(connect(options(&[])).await, Err(ConnectError::NoServers)));
    let error = connect(options(&["http://127.0.0.1"])).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Address { server, .. } if server == "http://127.0.0.1"), "{error:?}");
    let missing = Some(Credentials::NkeySeed("no/such/file.nk".into()));
    let error = connect(ConnectOptions { credentials: missing, ..options(&["127.0.0.1:1"]) }).await.unwrap_err();
    assert_eq!(error.to_string(), "can't read the NATS credentials in no/such/file.nk");
}

#[tokio::test]
async fn a_server_that_wants_credentials_says_so() {
    let server = Server::start_with("authorization { token: secret }").await;
    let error = connect(server.options()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_comes_back_by_itself() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    server.kill();
    until("the loss is noticed", async || !client.is_connected()).await;
    server.start_again().await;
    until("the connection is back", async || client.is_connected()).await;
    log.append(frames(0..3)).await.unwrap();
}

#[tokio::test]
async fn init_makes_each_partition_once() {
    let server = Server::start().await;
    let client = server.connect().await;
    let options = InitOptions { partitions: NonZeroU16::new(3).unwrap(), ..InitOptions::default() };
    for expected in [Outcome::Created, Outcome::Unchanged, Outcome::Unchanged] {
        let done = init(&client, &options).await.unwrap();
        let streams: Vec<&str> = done.iter().map(|one| one.stream.as_str()).collect();
        assert_eq!(streams, ["EVENTS", "EVENTS-1", "EVENTS-2"]);
        assert!(done.iter().all(|one| one.outcome == expected), "{done:?}");
    }
    JetStreamLog::open(&client, 2).await.unwrap();

    let info = server.admin().await.get_stream("EVENTS").await.unwrap().cached_info().clone();
    assert_eq!(info.config.subjects, ["spark.evt.0.>"]);
    assert!(info.config.deny_delete && info.config.deny_purge && info.config.allow_direct);
    assert!(info.config.allow_atomic_publish);
    assert_eq!(info.config.discard, DiscardPolicy::New);
    assert_eq!(info.config.max_message_size, 64_512);
    assert_eq!(info.config.duplicate_window.as_secs(), 120);
}

#[tokio::test]
async fn init_changes_nothing_unless_asked_and_then_only_what_may_change() {
    let server = Server::start().await;
    let client = server.connect().await;
    init(&client, &InitOptions::default()).await.unwrap();

    let larger = InitOptions { max_bytes: Some(1 << 30), ..InitOptions::default() };
    let error = init(&client, &larger).await.unwrap_err();
    assert_eq!(error.to_string(), r#"stream EVENTS exists with other settings: max_bytes is "-1", not "1073741824""#);
    let update = InitOptions { update: true, ..larger.clone() };
    let done = init(&client, &update).await.unwrap();
    assert!(matches!(done[0].outcome, Outcome::Updated(_)), "{done:?}");
    assert_eq!(init(&client, &larger).await.unwrap()[0].outcome, Outcome::Unchanged);

    // Nobody may make a stream unsafe and have `init --update` agree, or repair it behind its owner's back.
    let admin = server.admin().await;
    let found = admin.get_stream("EVENTS").await.unwrap().cached_info().config.clone();
    admin.update_stream(Config { discard: DiscardPolicy::Old, ..found }).await.unwrap();
    let error = init(&client, &update).await.unwrap_err();
    assert!(matches!(error, InitError::Differs { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_stream_says_what_to_run() {
    let server = Server::start().await;
    let error = JetStreamLog::open(&server.connect().await, 4).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no stream EVENTS-4: run `spark nats init`");
}

#[tokio::test]
async fn a_server_without_jetstream_says_what_it_needs() {
    let server = Server::start_with("accounts { PLAIN { users: [{ user: a, password: b }] } }\nno_auth_user: a").await;
    let error = JetStreamLog::open(&server.connect().await, 0).await.unwrap_err();
    assert!(chain(&error).contains("JetStream is off"), "{}", chain(&error));
}

#[tokio::test]
async fn streams_that_could_lose_frames_are_refused_with_the_reason() {
    let server = Server::start().await;
    let client = server.connect().await;
    init(&client, &InitOptions::default()).await.unwrap();
    let admin = server.admin().await;
    let safe = admin.get_stream("EVENTS").await.unwrap().cached_info().config.clone();
    let cases: [(&str, Config); 9] = [
        ("storage", Config { storage: StorageType::Memory, ..safe.clone() }),
        ("discard", Config { discard: DiscardPolicy::Old, ..safe.clone() }),
        ("deny_delete", Config { deny_delete: false, ..safe.clone() }),
        ("deny_purge", Config { deny_purge: false, ..safe.clone() }),
        ("subjects", Config { subjects: vec!["spark.evt.0.*.obs".to_owned()], ..safe.clone() }),
        ("no_ack", Config { no_ack: true, allow_atomic_publish: false, ..safe.clone() }),
        ("max_msg_size", Config { max_message_size: 1_000, ..safe.clone() }),
        ("allow_msg_ttl", Config { allow_message_ttl: true, ..safe.clone() }),
        (
            "persist_mode",
            Config { persist_mode: Some(PersistenceMode::Async), allow_atomic_publish: false, ..safe.clone() },
        ),
    ];
    for (field, config) in cases {
        admin.delete_stream("EVENTS").await.unwrap();
        admin.create_stream(config).await.unwrap_or_else(|error| panic!("{field}: {error}"));
        match JetStreamLog::open(&client, 0).await {
            Err(OpenError::Unsafe { faults, .. }) => {
                let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field).collect();
                assert_eq!(fields, [field]);
                assert!(!faults.0[0].reason.is_empty());
            }
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_incarnation_outlives_the_server_but_not_the_stream() {
    let mut server = Server::start().await;
    let (client, log) = server.log_with_stream().await;
    let empty = log.bounds().await.unwrap();
    assert_eq!((empty.first_seq, empty.last_seq), (1, 0));
    log.append(frames(0..5)).await.unwrap();

    server.kill();
    until("the loss is noticed", async || !client.is_connected()).await;
    server.start_again().await;
    until("the connection is back", async || client.is_connected()).await;
    let bounds = log.bounds().await.unwrap();
    assert_eq!((bounds.first_seq, bounds.last_seq), (1, 5));
    assert_eq!(bounds.incarnation, empty.incarnation);

    server.admin().await.delete_stream("EVENTS").await.unwrap();
    init(&client, &InitOptions::default()).await.unwrap();
    assert_ne!(log.bounds().await.unwrap().incarnation, empty.incarnation);
}

#[tokio::test]
async fn the_streams_say_how_many_partitions_there_are() {
    let server = Server::start().await;
    let client = server.connect().await;
    assert!(matches!(partitions(&client, 0).await, Err(OpenError::Missing { stream }) if stream == "EVENTS"));
    let with = |number| InitOptions { partitions: NonZeroU16::new(number).unwrap(), ..InitOptions::default() };
    init(&client, &with(2)).await.unwrap();
    for partition in 0..2 {
        assert_eq!(partitions(&client, partition).await.unwrap().get(), 2);
    }

    // More, if that is meant; the frames stay.
    JetStreamLog::open(&client, 0).await.unwrap().append(frames(0..3)).await.unwrap();
    let error = init(&client, &with(3)).await.unwrap_err().to_string();
    assert_eq!(error, r#"stream EVENTS exists with other settings: partitions of the log is "2", not "3""#);
    init(&client, &InitOptions { update: true, ..with(3) }).await.unwrap();
    for partition in 0..3 {
        assert_eq!(partitions(&client, partition).await.unwrap().get(), 3);
    }
    assert_eq!(JetStreamLog::open(&client, 0).await.unwrap().bounds().await.unwrap().last_seq, 3);

    // Fewer, never: also when the first was deleted, and only the others say how many there are.
    let fewer = InitOptions { update: true, ..with(2) };
    for options in [&fewer, &with(2)] {
        let error = init(&client, options).await.unwrap_err();
        assert!(matches!(error, InitError::Fewer { .. }), "{error}");
    }
    let admin = server.admin().await;
    admin.delete_stream("EVENTS").await.unwrap();
    for options in [&fewer, &with(1), &with(2)] {
        let error = init(&client, options).await.unwrap_err().to_string();
        assert!(error.contains("the log has 3 partitions, not"), "{error}");
    }
    let error = init(&client, &with(4)).await.unwrap_err().to_string();
    assert_eq!(error, r#"stream EVENTS-1 exists with other settings: partitions of the log is "3", not "4""#);
    assert!(matches!(partitions(&client, 0).await, Err(OpenError::Missing { .. })), "nothing was made meanwhile");
    let done = init(&client, &with(3)).await.unwrap();
    assert_eq!(
        done.iter().map(|one| &one.outcome).collect::<Vec<_>>(),
        [&Outcome::Created, &Outcome::Unchanged, &Outcome::Unchanged]
    );
    // The last alone is enough.
    for stream in ["EVENTS", "EVENTS-1"] {
        admin.delete_stream(stream).await.unwrap();
    }
    let error = init(&client, &with(1)).await.unwrap_err();
    assert!(matches!(error, InitError::Fewer { .. }), "{error}");
}
