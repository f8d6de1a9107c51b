//! Full disks and failing syncs, which take injected faults.

use std::path::Path;

use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use tempfile::TempDir;

use super::*;

fn open(dir: &Path) -> Archive {
    Archive::open(dir, ArchiveOptions::default()).unwrap().0
}

fn frames(numbers: std::ops::Range<u64>) -> Vec<Outgoing> {
    let subject = EventSubject { partition: 0, agent: Name::new("a").unwrap(), class: Class::Obs };
    let msg_id = |seq| MsgId { boot: Boot([1; 16]), seq };
    numbers
        .map(|seq| Outgoing { subject: subject.clone(), msg_id: msg_id(seq), payload: vec![7; 100].into() })
        .collect()
}

async fn seqs(archive: &Archive, count: usize) -> Vec<u64> {
    let mut reader = archive.read(1).await.unwrap();
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.extend(reader.next_batch().await.unwrap().iter().map(|frame| frame.seq));
    }
    seqs
}

#[tokio::test]
async fn a_full_disk_refuses_frames_and_takes_them_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    archive.append(frames(0..3)).await.unwrap();
    for room in [0, 1, 50, 200, 400] {
        archive.0.faults.set_room(Some(room));
        let error = archive.append(frames(3..6)).await.unwrap_err();
        assert!(matches!(error, AppendError::Full(_)), "{error:?}");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("wal"), "names the file");
        assert_eq!(archive.next_seq(), 4);
    }
    archive.0.faults.set_room(None);
    let appended = archive.append(frames(3..6)).await.unwrap();
    assert_eq!(appended[0], Appended { seq: 4, duplicate: false }, "its message id was forgotten");
    drop(archive);
    let (archive, repair) = Archive::open(dir.path(), ArchiveOptions::default()).unwrap();
    assert_eq!(repair, None, "the segment was cut back");
    assert_eq!(seqs(&archive, 6).await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_failed_sync_stops_the_archive() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    archive.append(frames(0..3)).await.unwrap();
    let mut reader = archive.read(4).await.unwrap();
    archive.0.faults.fail_sync();
    for numbers in [3..4, 4..5] {
        let error = archive.append(frames(numbers)).await.unwrap_err();
        assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
        let why = std::error::Error::source(&error).unwrap();
        assert!(why.downcast_ref::<Stopped>().is_some(), "{why:?}");
    }
    assert!(matches!(archive.sync().await, Err(AppendError::Unavailable(_))));
    assert!(matches!(reader.next_batch().await, Err(ReadError::Unavailable(_))));
    assert_eq!(seqs(&archive, 3).await, [1, 2, 3], "what is durable can be read");
    drop(archive);
    let archive = open(dir.path());
    assert!(archive.bounds().await.unwrap().last_seq >= 3);
}

#[tokio::test]
async fn a_frame_that_fits_no_leaf_is_refused_alone() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let mut too_long = frames(0..2);
    too_long[1].payload = vec![0; spark_schemas::LEAF_BYTES_MAX].into();
    let (refused, taken) = tokio::join!(archive.append(too_long), archive.append(frames(5..7)));
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    assert_eq!(taken.unwrap().iter().map(|appended| appended.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(archive.append(frames(0..1)).await.unwrap()[0], Appended { seq: 3, duplicate: false });
}

#[tokio::test]
async fn recorded_frames_become_durable_without_being_asked_for() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let frame =
        Recorded { seq: 1, received_ns: 5, subject: "s".into(), msg_id: String::new(), payload: vec![1].into() };
    archive.record(vec![frame]).await.unwrap();
    assert_eq!(seqs(&archive, 1).await, [1], "the reader waits for the sync");
}
