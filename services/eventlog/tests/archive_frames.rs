//! What the archive keeps: the recorder's frames and their gaps, views of a log that grows, message ids, closed readers.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod archive_support;
mod log_suite;

use archive_support::open;
use log_suite::{frames, read_error, take};
use spark_eventlog::archive::View;
use spark_eventlog::{EventLog, ReadError, Recorded};
use spark_schemas::Leaf;
use tempfile::TempDir;

fn recorded(seq: u64) -> Recorded {
    let subject = "spark.evt.0.a.obs".to_owned();
    Recorded { seq, received_ns: seq * 10, subject, msg_id: format!("id-{seq}"), payload: vec![seq as u8; 20].into() }
}

#[tokio::test]
async fn recorded_frames_are_kept_as_they_are_and_holes_are_named() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    archive.record((5..=8).map(recorded).collect()).await.unwrap();
    assert_eq!(archive.next_seq(), 9);
    archive.record((7..=9).map(recorded).collect()).await.unwrap();
    archive.record(vec![recorded(20)]).await.unwrap();
    archive.sync().await.unwrap();
    assert_eq!(archive.bounds().await.unwrap().last_seq, 20);
    drop(archive);

    let archive = open(dir.path());
    assert_eq!(archive.next_seq(), 21);
    let frames = take(&mut *archive.read(1).await.unwrap(), 8).await;
    assert_eq!(frames.iter().map(|frame| frame.seq).collect::<Vec<_>>(), [1, 5, 6, 7, 8, 9, 10, 20]);
    let gaps: Vec<_> = frames.iter().map(|frame| frame.to_leaf().gap_last_seq()).collect();
    assert_eq!((gaps[0], gaps[6]), (Some(4), Some(19)));
    assert_eq!(frames[6].received_ns, 200, "as the frame after it, so that two recorders write the same leaf");
    assert_eq!(frames[1], recorded(5));
    assert_eq!(frames[7], recorded(20));
}

#[tokio::test]
async fn positions_are_found_between_gaps() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let seqs: Vec<u64> =
        (0..3_000).filter(|seq| seq % 11 > 1 && !(500..1_800).contains(seq)).map(|seq| seq + 3).collect();
    archive.record(seqs.iter().map(|seq| recorded(*seq)).collect()).await.unwrap();
    archive.sync().await.unwrap();
    let last_seq = archive.bounds().await.unwrap().last_seq;
    let view = View::open(dir.path()).unwrap();
    for from in (1..last_seq).step_by(37) {
        let frame = take(&mut *archive.read(from).await.unwrap(), 1).await.remove(0);
        let covers = |leaf: Leaf<'_>| {
            leaf.seq == from || leaf.gap_last_seq().is_some_and(|last| (leaf.seq..=last).contains(&from))
        };
        assert!(covers(frame.to_leaf()), "{from}: {frame:?}");
        let leaf = view.leaves(from).unwrap().next().unwrap().unwrap();
        assert!(covers(Leaf::decode(&leaf).unwrap()), "{from}");
    }
    assert_eq!(view.leaves(last_seq + 1).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_reads_while_the_archive_is_written() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let appending = {
        let archive = archive.clone();
        tokio::spawn(async move {
            for start in (0..40_000).step_by(500) {
                let frames = (start..start + 500).map(|seq| log_suite::frame(1, seq, vec![1; 20])).collect();
                archive.append(frames).await.unwrap();
            }
        })
    };
    let mut sizes = Vec::new();
    while !appending.is_finished() {
        let durable = archive.tree().unwrap().0;
        let view = View::open(dir.path()).unwrap();
        assert!(view.size() >= durable);
        assert_eq!(view.leaves(1).unwrap().map(Result::unwrap).count() as u64, view.size());
        sizes.push(view.size());
    }
    appending.await.unwrap();
    assert!(sizes.is_sorted(), "{sizes:?}");
    assert_eq!(View::open(dir.path()).unwrap().size(), 40_000);
}

#[tokio::test]
async fn message_ids_are_known_after_a_restart() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).append(frames(0, 600)).await.unwrap();
    let archive = open(dir.path());
    let again = archive.append(frames(598, 601)).await.unwrap();
    assert_eq!(
        again.iter().map(|appended| (appended.seq, appended.duplicate)).collect::<Vec<_>>(),
        [(599, true), (600, true), (601, false)]
    );
    let error = tokio::time::timeout(std::time::Duration::ZERO, read_error(&archive, 602)).await;
    assert!(error.is_err(), "nothing more to read, and no error");
}

#[tokio::test]
async fn readers_end_when_the_archive_is_closed() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    archive.append(frames(0, 3)).await.unwrap();
    let mut reader = archive.read(1).await.unwrap();
    drop(archive);
    assert_eq!(take(&mut *reader, 3).await.len(), 3);
    assert!(matches!(reader.next_batch().await, Err(ReadError::Closed)));
}
