//! The short cut of the fault matrix (`cargo xtask soak` runs it for long): each row broken a few times.
//!
//! SPARK_TEST_SEED replays the random moments of an earlier run. Rows about the network, disks and the clock need root.

use spark_tests::Random;
use spark_tests::soak::{Order, Outcome, ROWS, Row, SABOTAGE};

/// A test for each row.
macro_rules! rows {
    ($($test:ident: $row:literal,)*) => {
        const TESTED: &[&str] = &[$($row),*];

        $(#[test]
        fn $test() {
            short_cut($row);
        })*
    };
}

rows! {
    kill_probe: "kill-probe",
    kill_aggregator: "kill-aggregator",
    kill_web: "kill-web",
    kill_nats: "kill-nats",
    kill_up: "kill-up",
    cut_probe_nats: "cut-probe-nats",
    cut_aggregator_nats: "cut-aggregator-nats",
    cut_web_nats: "cut-web-nats",
    cut_probe_target: "cut-probe-target",
    cut_minutes: "cut-minutes",
    stop_nats: "stop-nats",
    stream_deleted: "stream-deleted",
    stream_deleted_unread: "stream-deleted-unread",
    consumer_deleted: "consumer-deleted",
    slow_consumer: "slow-consumer",
    disk_server: "disk-server",
    disk_outbox: "disk-outbox",
    disk_aggregator: "disk-aggregator",
    disk_web: "disk-web",
    disk_up: "disk-up",
    clock: "clock",
    store_web: "store-web",
    store_aggregator: "store-aggregator",
    store_up: "store-up",
}

fn run(row: &Row) -> Outcome {
    let seed = Random::from_environment(row.name).seed();
    row.run(&Order { name: row.name, cycles: row.short, seed, is_short: true })
}

fn short_cut(name: &str) {
    let row = ROWS.iter().find(|row| row.name == name).expect("a row of the matrix");
    let outcome = run(row);
    match outcome.result {
        Ok(sums) => eprintln!("{name}: {} times in {:?}: {sums:?}", row.short, outcome.took),
        Err(wrong) => panic!("{name}: {wrong}"),
    }
}

#[test]
fn every_row_of_the_matrix_has_its_short_cut() {
    let rows: Vec<&str> = ROWS.iter().filter(|row| row.short > 0).map(|row| row.name).collect();
    assert_eq!(rows, TESTED);
}

#[test]
fn the_judge_notices_a_loss() {
    let wrong = run(&SABOTAGE).result.expect_err("frames were lost");
    assert!(wrong.contains("slots that nobody accounts for"), "{wrong}");
}
