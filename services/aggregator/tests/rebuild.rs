//! The log folded again from its copies: over incarnations and partitions, up to a position and no further back.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::path::Path;

use spark_aggregator::rebuild::{Archives, Rebuild, RebuildError};
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::State;
use spark_core::view::digest_over;
use spark_eventlog::Recorded;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_schemas::event::{Note, StreamPosition};
use spark_schemas::{Boot, Class, Clock, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};

const HOUR: u64 = 3_600 * TimeNs::SECOND;

fn frames(partition: u16, count: u64, run: u8) -> Vec<Recorded> {
    let frame = |n: u64| {
        let (at_ns, agent) = (TimeNs(HOUR + n), Name::new("ist-1").unwrap());
        let note = Note { at_ns, text: n.to_string(), by: String::new() };
        let subject = EventSubject { partition, agent: agent.clone(), class: Class::Ctl };
        let boot = Boot([run; 16]);
        let frame = Frame { v: FRAME_VERSION, agent, boot, seq: n, clock: Clock::default(), events: vec![note.into()] };
        Recorded {
            seq: n + 1,
            received_ns: at_ns.0,
            subject: subject.to_string(),
            msg_id: frame.msg_id().to_string(),
            payload: frame.encode().unwrap().into(),
        }
    };
    (0..count).map(frame).collect()
}

async fn record(dir: &Path, origin: &str, frames: Vec<Recorded>) {
    let options = ArchiveOptions { incarnation: Some(origin.to_owned()), ..ArchiveOptions::default() };
    let (archive, _) = Archive::open(dir, options).unwrap();
    archive.record(frames).await.unwrap();
    archive.sync().await.unwrap();
}

fn position(partition: u16, origin: &str, seq: u64) -> StreamPosition {
    StreamPosition { partition, seq, origin: origin.to_owned() }
}

/// The digest of a state that folded these.
fn digest(logs: &[(&str, &[Recorded])]) -> spark_core::merkle::Hash {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    for (origin, frames) in logs {
        state.begin(origin);
        frames.iter().for_each(|frame| drop(state.apply(&frame.to_leaf(), &mut buckets)));
    }
    state.digest()
}

#[tokio::test]
async fn incarnations_and_partitions_are_folded_to_their_positions() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    let (first, second, other) = (frames(0, 5, 1), frames(0, 4, 2), frames(1, 6, 3));
    for (origin, frames) in [("EVENTS@9", &first), ("EVENTS@10", &second), ("EVENTS-1@7", &other)] {
        record(&archive.join(origin), origin, frames.clone()).await;
    }
    let archives = Archives::find(dir.path()).unwrap();
    assert_eq!(archives.leaves().unwrap(), 15);
    let mut rebuild = Rebuild::new(&archives);
    let mut leaves = 0;
    let mut to = |positions: &[StreamPosition]| {
        let result = rebuild.advance(positions, || leaves += 1);
        result.map(|()| rebuild.digest(positions))
    };

    let alone = to(&[position(0, "EVENTS@9", 3)]).unwrap();
    assert_eq!(alone, spark_core::hex(&digest(&[("EVENTS@9", &first[..3])])));
    let both = to(&[position(0, "EVENTS@10", 2), position(1, "EVENTS-1@7", 4)]).unwrap();
    let declaring = digest(&[("EVENTS@9", &first), ("EVENTS@10", &second[..2])]);
    let wanted = digest_over([(0, declaring), (1, digest(&[("EVENTS-1@7", &other[..4])]))]);
    assert_eq!(both, spark_core::hex(&wanted));
    // The stream was made anew and nothing had come yet.
    let mut fresh = Rebuild::new(&archives);
    let nothing_yet = [position(0, "EVENTS@10", 0)];
    fresh.advance(&nothing_yet, || {}).unwrap();
    assert_eq!(fresh.digest(&nothing_yet), spark_core::hex(&digest(&[("EVENTS@9", &first), ("EVENTS@10", &[])])));

    for (wanted, error) in [
        (position(0, "EVENTS@10", 1), "was folded beyond sequence number 1 of EVENTS@10"),
        (position(0, "EVENTS@9", 5), "was folded beyond sequence number 5 of EVENTS@9"),
        (position(0, "EVENTS@11", 1), "not up to sequence number 1 of EVENTS@11"),
        (position(2, "EVENTS-2@1", 1), "partition 2 is not in this directory"),
        (position(1, "EVENTS-1@7", 99), "partition 1 is here up to sequence number 6 of EVENTS-1@7"),
    ] {
        let said = to(&[wanted]).unwrap_err().to_string();
        assert!(said.contains(error), "{said}");
    }
    assert_eq!(leaves, 5 + 2 + 6, "each leaf once");
}

#[tokio::test]
async fn a_directory_without_a_log_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [dir.path().to_owned(), dir.path().join("nowhere")] {
        assert!(matches!(Archives::find(&dir), Err(RebuildError::NoLog(_))));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    record(&dir.path().join("archive"), "EVENTS@1", frames(0, 3, 1)).await;
    assert_eq!(Archives::find(dir.path()).unwrap().leaves().unwrap(), 3, "of `spark up`");
    assert_eq!(Archives::find(&dir.path().join("archive")).unwrap().leaves().unwrap(), 3, "the archive itself");
}
