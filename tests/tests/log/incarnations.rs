//! A stream that is deleted and made anew, or restored from a copy, while it is followed.

use std::path::Path;
use std::time::Duration;

use spark_aggregator::Phase;
use spark_aggregator::follow::FollowError;
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::{AppendError, EventLog};
use spark_tests::{NatsServer, World};

use crate::following::{Following, Place};
use crate::frames::{OBSERVATIONS, admin, client, frame, make_stream, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_go_on_over_streams_made_anew_and_replay_to_the_same_digest() {
    let world = World::new();
    let mut nats = NatsServer::start(&world);
    let client = client(&nats.url()).await;
    make_stream(&client).await;
    let log = JetStreamLog::new(&client, 0);
    let places = [Place::aggregator(&world.path("")), Place::web(&world.path(""))];
    let both = places.each_ref().map(|place| Following::start(place, &log));
    send(&log, 0..50).await;
    for following in &both {
        following.until_counted(50).await;
    }
    let mut origins = vec![log.bounds().await.unwrap().incarnation];
    for round in 1..=2 {
        admin(&nats).await.delete_stream("EVENTS").await.unwrap();
        if round == 1 {
            let untaken = log.append(vec![frame("ist-1", 1, 50)]).await;
            assert!(matches!(untaken, Err(AppendError::Unavailable(_))), "{untaken:?}");
            for following in &both {
                let says_so = |text: &str| text.contains("no stream EVENTS") && text.contains("spark nats init");
                following
                    .until(
                        "it says what it waits for",
                        |_, status| matches!(&status.phase, Phase::Unreachable(text) if says_so(text)),
                    )
                    .await;
            }
        }
        make_stream(&client).await;
        origins.push(log.bounds().await.unwrap().incarnation);
        // The acknowledgements of the last five before were lost: their agent sends them again.
        send(&log, round * 50 - 5..round * 50 + 50).await;
        for following in &both {
            following.until_counted(round * 50 + 50).await;
        }
    }
    for following in &both {
        let head = following.head();
        assert_eq!(head.totals.observations, 150 * OBSERVATIONS);
        assert_eq!((head.totals.frames, head.totals.duplicates, head.totals.lost), (150, 10, 0));
        assert_eq!(following.missing(), 0);
        assert_eq!((head.origin.as_str(), head.position), (origins[2].as_str(), 55));
        let sealed: Vec<_> = head.sealed.iter().map(|log| (log.origin.as_str(), log.last_seq)).collect();
        assert_eq!(sealed, [(origins[0].as_str(), 50), (origins[1].as_str(), 55)]);
    }
    let digest = both[0].digest();
    assert_eq!(digest, both[1].digest(), "both saw the same");
    for following in both {
        following.stop().await;
    }

    // With its store, from its archives and the stream, and from its archives alone.
    let [aggregator, web] = &places;
    for (place, way) in [(web, "store"), (aggregator, "store"), (aggregator, "stream"), (aggregator, "archives")] {
        if way != "store" {
            std::fs::remove_dir_all(&place.store).unwrap();
        }
        if way == "archives" {
            nats.kill();
        }
        let again = Following::start(place, &log);
        again.until_counted(150).await;
        again.until("the last leaf", |head, _| head.position == 55).await;
        assert_eq!(again.digest(), digest, "{way}");
        again.stop().await;
    }
    nats.start_again();
    assert_eq!(directories(aggregator.archives.as_ref().unwrap()), 3, "an archive for each incarnation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_restored_from_an_older_copy_is_refused_with_the_reason() {
    let world = World::new();
    let mut nats = NatsServer::start(&world);
    let client = client(&nats.url()).await;
    make_stream(&client).await;
    let log = JetStreamLog::new(&client, 0);
    send(&log, 0..10).await;
    let place = Place::aggregator(&world.path(""));
    let first = Following::start(&place, &log);
    first.until_counted(10).await;

    // Copied, used, and put back.
    nats.kill();
    copy(&world.path("nats"), &world.path("copy"));
    nats.start_again();
    send(&log, 10..20).await;
    first.until_counted(20).await;
    restore(&world, &mut nats);
    let regressed = |error: &FollowError| match error {
        FollowError::Regressed { known: 20, last_seq: 10 } => true,
        // The reader noticed first.
        FollowError::Log(error) => format!("{error:?}").contains("Regressed"),
        _ => false,
    };
    let error = first.failure().await;
    assert!(regressed(&error), "{error:?}");
    let error = Following::start(&place, &log).failure().await;
    assert!(matches!(error, FollowError::Regressed { known: 20, last_seq: 10 }), "{error:?}");
    assert!(error.to_string().contains("restored from an older copy"), "{error}");

    // Made anew, it goes on; with the copy put back once more, the older stream is refused.
    admin(&nats).await.delete_stream("EVENTS").await.unwrap();
    make_stream(&client).await;
    let second = Following::start(&place, &log);
    send(&log, 20..25).await;
    second.until_counted(25).await;
    assert_eq!(second.head().sealed.len(), 1);
    restore(&world, &mut nats);
    let error = second.failure().await;
    assert!(matches!(error, FollowError::Returned { .. }), "{error:?}");
    assert!(error.to_string().contains("restored from a copy"), "{error}");
}

fn restore(world: &World, nats: &mut NatsServer) {
    nats.kill();
    std::fs::remove_dir_all(world.path("nats")).unwrap();
    copy(&world.path("copy"), &world.path("nats"));
    nats.start_again();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(&path, &target).is_ok()) }
    }
}

fn directories(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_made_anew_while_nobody_followed_goes_on_where_the_copy_ends() {
    let world = World::new();
    let nats = NatsServer::start(&world);
    let client = client(&nats.url()).await;
    make_stream(&client).await;
    let log = JetStreamLog::new(&client, 0);
    let place = Place::aggregator(&world.path(""));
    let following = Following::start(&place, &log);
    send(&log, 0..10).await;
    following.until_counted(10).await;
    following.stop().await;
    // Five frames that nobody read are gone with the stream: acknowledged, and so in no outbox.
    send(&log, 10..15).await;
    admin(&nats).await.delete_stream("EVENTS").await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    make_stream(&client).await;
    send(&log, 15..20).await;
    let following = Following::start(&place, &log);
    following.until_counted(15).await;
    assert_eq!(following.missing(), 5, "what the operator deleted shows as a hole");
    assert_eq!(following.head().totals.observations, 15 * OBSERVATIONS);
    following.stop().await;
}
