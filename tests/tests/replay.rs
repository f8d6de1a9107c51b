//! A decision names a log position and a state digest: whoever has the leaves up to there gets the same digest.

use std::path::Path;

use serde_json::{Value, json};
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::State;
use spark_eventlog::archive::View;
use spark_schemas::Leaf;
use spark_tests::wait::{self, LONG};
use spark_tests::{Services, Setup, World, target_toml};

/// The digest after the leaf `position`, by a fold that never was live and had no store.
fn replayed_digest(archive: &Path, position: u64) -> Result<String, String> {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    let view = View::open(archive).map_err(|error| error.to_string())?;
    state.begin(view.incarnation());
    for leaf in view.leaves(1).map_err(|error| error.to_string())? {
        let leaf = leaf.map_err(|error| error.to_string())?;
        let leaf = Leaf::decode(&leaf).map_err(|error| error.to_string())?;
        if leaf.seq > position {
            break;
        }
        state.apply(&leaf, &mut buckets);
    }
    wait::that(state.head().position == position, || format!("the archive ends at {}", state.head().position))?;
    Ok(spark_core::hex(&state.digest()))
}

fn position_and_digest(decision: &Value) -> (u64, String) {
    let evidence = &decision["evidence"];
    let position = evidence["positions"][0]["seq"].as_u64().expect("a position");
    (position, evidence["stateDigest"].as_str().expect("a digest").to_owned())
}

fn assert_decision_replays(decision: &Value, archive: &Path) {
    let (position, digest) = position_and_digest(decision);
    // The recorder's copy becomes durable within a second.
    let replayed = wait::until("the archive has the leaves", LONG, || replayed_digest(archive, position));
    assert_eq!(replayed, digest, "at position {position}");
}

fn busy_targets(world: &World) -> String {
    let target = |n: u32| target_toml(&format!("busy-{n}"), &world.executor.url("/health"), "200ms");
    (0..20).map(target).collect()
}

#[test]
fn live_folding_on_one_machine_replays_to_the_same_digest_also_after_restarts() {
    let world = World::new();
    let setup = Setup::with_config(&world, &busy_targets(&world));
    for _restart in 0..3 {
        let mut up = setup.start();
        up.until_judged();
        for _ in 0..5 {
            let decision = up.api.post("/api/tools/status", &json!({})).expect("an answer").json();
            assert_decision_replays(&decision, &setup.data.join("archive"));
        }
        up.process.kill();
    }
}

#[test]
fn the_web_services_fold_of_the_stream_and_a_replay_of_the_recorders_copy_agree() {
    let world = World::new();
    let services = Services::start(&world, Some(&busy_targets(&world)));
    services.until_judged();
    let copies = std::fs::read_dir(services.archives()).expect("the recorder's copies");
    let copies: Vec<_> = copies.map(|entry| entry.expect("a directory").path()).collect();
    assert_eq!(copies.len(), 1, "one incarnation, one copy");
    for _ in 0..5 {
        let decision = services.api.post("/api/tools/status", &json!({})).expect("an answer").json();
        assert_decision_replays(&decision, &copies[0]);
    }
}
