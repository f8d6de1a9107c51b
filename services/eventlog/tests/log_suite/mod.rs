//! What every event log must do, whatever keeps it: the same checks for each implementation.
//!
//! A test file gives an `async fn` that makes an empty log, with whatever must live as long as it:
//! `log_suite::suite!(fresh_log);`

#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses the parts it needs")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spark_eventlog::{Appended, EventLog, LogReader, Outgoing, ReadError, Recorded, range};
use spark_schemas::{Boot, Class, EventSubject, FRAME_BYTES_MAX, MsgId, Name};

/// No step takes this long unless it hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Makes a test of every check; `$fresh` is an `async fn() -> (Arc<dyn EventLog>, _)`.
macro_rules! suite {
    ($fresh:path) => {
        log_suite::suite!($fresh:
            positions_rise_by_one_and_bounds_follow,
            what_is_read_is_what_was_appended,
            reading_starts_at_any_position,
            a_live_reader_sees_what_comes,
            a_reader_may_wait_for_a_position_that_is_not_there_yet,
            an_empty_append_is_nothing,
            a_repeated_message_id_is_a_duplicate,
            concurrent_appenders_each_keep_their_order,
            the_largest_frame_fits,
            a_cancelled_read_loses_nothing,
            two_readers_see_the_same,
            received_times_do_not_run_back,
            a_range_of_time_has_its_frames_and_no_others,
        );
    };
    ($fresh:path: $($check:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let (log, _keep) = $fresh().await;
                tokio::time::timeout(log_suite::DEADLINE, log_suite::$check(log)).await.expect("in time");
            }
        )+
    };
}
pub(crate) use suite;

/// A frame of boot `boot` with number `seq`; its payload need not be one.
pub fn frame(boot: u8, seq: u64, payload: impl Into<Bytes>) -> Outgoing {
    let subject = EventSubject { partition: 0, agent: Name::new("ist-1").unwrap(), class: Class::Obs };
    Outgoing { subject, msg_id: MsgId { boot: Boot([boot; 16]), seq }, payload: payload.into() }
}

/// Frames `from..to` of boot 1, of various lengths.
pub fn frames(from: u64, to: u64) -> Vec<Outgoing> {
    let payload = |seq: u64| (0..1 + seq * 37 % 301).map(|byte| (byte * 7 + seq) as u8).collect::<Vec<_>>();
    (from..to).map(|seq| frame(1, seq, payload(seq))).collect()
}

/// The next `count` frames or more.
pub async fn take(reader: &mut dyn LogReader, count: usize) -> Vec<Recorded> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = tokio::time::timeout(DEADLINE, reader.next_batch()).await.expect("in time").expect("a batch");
        assert!(!batch.is_empty(), "a batch has frames");
        taken.extend(batch);
    }
    taken
}

/// All frames from `from` up to the last that is there now.
pub async fn read_all(log: &dyn EventLog, from: u64) -> Vec<Recorded> {
    let last_seq = log.bounds().await.unwrap().last_seq;
    let mut reader = log.read(from).await.unwrap();
    take(&mut *reader, (last_seq + 1 - from) as usize).await
}

/// Asserts that `recorded` are `frames`, from `first_seq` on.
pub fn assert_same(recorded: &[Recorded], frames: &[Outgoing], first_seq: u64) {
    assert_eq!(recorded.len(), frames.len());
    for (seq, (recorded, frame)) in (first_seq..).zip(recorded.iter().zip(frames)) {
        assert_eq!(recorded.seq, seq);
        assert_eq!(recorded.subject, frame.subject.to_string());
        assert_eq!(recorded.msg_id.parse(), Ok(frame.msg_id));
        assert_eq!(recorded.payload, frame.payload, "payload of {seq}");
    }
}

fn new_at(seqs: std::ops::RangeInclusive<u64>) -> Vec<Appended> {
    seqs.map(|seq| Appended { seq, duplicate: false }).collect()
}

pub async fn positions_rise_by_one_and_bounds_follow(log: Arc<dyn EventLog>) {
    let empty = log.bounds().await.unwrap();
    assert_eq!((empty.first_seq, empty.last_seq), (1, 0), "an empty log");
    assert_eq!(log.append(frames(0, 1)).await.unwrap(), new_at(1..=1));
    assert_eq!(log.append(frames(1, 301)).await.unwrap(), new_at(2..=301));
    assert_eq!(log.append(frames(301, 302)).await.unwrap(), new_at(302..=302));
    let bounds = log.bounds().await.unwrap();
    assert_eq!((bounds.first_seq, bounds.last_seq), (1, 302));
    assert_eq!(bounds.incarnation, empty.incarnation);
    assert!(bounds.incarnation.starts_with("EVENTS"), "{}", bounds.incarnation);
    assert!(bounds.incarnation.contains('@'), "{}", bounds.incarnation);
}

pub async fn what_is_read_is_what_was_appended(log: Arc<dyn EventLog>) {
    let frames = frames(0, 1_000);
    for part in frames.chunks(137) {
        log.append(part.to_vec()).await.unwrap();
    }
    assert_same(&read_all(&*log, 1).await, &frames, 1);
}

pub async fn reading_starts_at_any_position(log: Arc<dyn EventLog>) {
    let frames = frames(0, 600);
    log.append(frames.clone()).await.unwrap();
    for from in [1, 2, 255, 256, 257, 258, 300, 511, 512, 513, 514, 599, 600] {
        assert_same(&read_all(&*log, from).await, &frames[from as usize - 1..], from);
    }
}

pub async fn a_live_reader_sees_what_comes(log: Arc<dyn EventLog>) {
    let frames = frames(0, 800);
    let mut reader = log.read(1).await.unwrap();
    let mut seen = Vec::new();
    for part in frames.chunks(10) {
        let (taken, appended) = tokio::join!(take(&mut *reader, part.len()), log.append(part.to_vec()));
        appended.unwrap();
        seen.extend(taken);
    }
    assert_same(&seen, &frames, 1);
}

pub async fn a_reader_may_wait_for_a_position_that_is_not_there_yet(log: Arc<dyn EventLog>) {
    let frames = frames(0, 10);
    log.append(frames[..3].to_vec()).await.unwrap();
    let mut reader = log.read(6).await.unwrap();
    let (taken, appended) = tokio::join!(take(&mut *reader, 5), log.append(frames[3..].to_vec()));
    appended.unwrap();
    assert_same(&taken, &frames[5..], 6);
}

pub async fn an_empty_append_is_nothing(log: Arc<dyn EventLog>) {
    assert_eq!(log.append(Vec::new()).await.unwrap(), []);
    assert_eq!(log.bounds().await.unwrap().last_seq, 0);
}

pub async fn a_repeated_message_id_is_a_duplicate(log: Arc<dyn EventLog>) {
    let first = frames(0, 3);
    log.append(first.clone()).await.unwrap();
    let again = log.append(first.clone()).await.unwrap();
    assert_eq!(again, [1, 2, 3].map(|seq| Appended { seq, duplicate: true }));
    let mixed = log.append(frames(2, 4)).await.unwrap();
    assert_eq!(mixed, [Appended { seq: 3, duplicate: true }, Appended { seq: 4, duplicate: false }]);
    let other_boot = log.append(vec![frame(2, 0, "x")]).await.unwrap();
    assert_eq!(other_boot, [Appended { seq: 5, duplicate: false }]);
    let seqs: Vec<_> = read_all(&*log, 1).await.iter().map(|frame| frame.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5], "duplicates are not kept");
}

pub async fn concurrent_appenders_each_keep_their_order(log: Arc<dyn EventLog>) {
    let appender = |boot: u8| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut at = Vec::new();
            for start in (0..60).step_by(3) {
                let frames = (start..start + 3).map(|seq| frame(boot, seq, vec![boot; 50])).collect();
                at.extend(log.append(frames).await.unwrap().into_iter().map(|appended| appended.seq));
            }
            at
        })
    };
    let appenders: Vec<_> = (0..8).map(|boot| (boot, appender(boot))).collect();
    let mut placed = Vec::new();
    for (boot, appender) in appenders {
        let at = appender.await.unwrap();
        assert!(at.is_sorted(), "boot {boot}: {at:?}");
        placed.extend(at.into_iter().zip((0..).map(|seq| frame(boot, seq, vec![boot; 50]))));
    }
    placed.sort_by_key(|(seq, _)| *seq);
    let frames: Vec<_> = placed.into_iter().map(|(_, frame)| frame).collect();
    assert_same(&read_all(&*log, 1).await, &frames, 1);
}

pub async fn the_largest_frame_fits(log: Arc<dyn EventLog>) {
    let frames: Vec<_> = (0..20).map(|seq| frame(1, seq, vec![seq as u8; FRAME_BYTES_MAX])).collect();
    log.append(frames[..15].to_vec()).await.unwrap();
    log.append(frames[15..].to_vec()).await.unwrap();
    assert_same(&read_all(&*log, 1).await, &frames, 1);
}

pub async fn a_cancelled_read_loses_nothing(log: Arc<dyn EventLog>) {
    let frames = frames(0, 1_500);
    log.append(frames[..1_000].to_vec()).await.unwrap();
    let appending = {
        let (log, rest) = (Arc::clone(&log), frames[1_000..].to_vec());
        tokio::spawn(async move {
            for part in rest.chunks(5) {
                log.append(part.to_vec()).await.unwrap();
            }
        })
    };
    let mut reader = log.read(1).await.unwrap();
    let mut seen: Vec<Recorded> = Vec::new();
    for patience_us in (0..).map(|turn: u64| turn * 13 % 400) {
        match tokio::time::timeout(Duration::from_micros(patience_us), reader.next_batch()).await {
            Ok(batch) => seen.extend(batch.unwrap()),
            Err(_cancelled) => {}
        }
        if seen.len() == frames.len() {
            break;
        }
    }
    appending.await.unwrap();
    assert_same(&seen, &frames, 1);
}

pub async fn two_readers_see_the_same(log: Arc<dyn EventLog>) {
    let frames = frames(0, 700);
    let (mut early, appended) = (log.read(1).await.unwrap(), log.append(frames.clone()).await);
    appended.unwrap();
    let mut late = log.read(1).await.unwrap();
    let early = take(&mut *early, frames.len()).await;
    assert_eq!(early, take(&mut *late, frames.len()).await);
    assert_same(&early, &frames, 1);
}

pub async fn received_times_do_not_run_back(log: Arc<dyn EventLog>) {
    for part in frames(0, 100).chunks(9) {
        log.append(part.to_vec()).await.unwrap();
    }
    let times: Vec<_> = read_all(&*log, 1).await.iter().map(|frame| frame.received_ns).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[0] > 0);
}

/// The error of a reader that met one.
pub async fn read_error(log: &dyn EventLog, from: u64) -> ReadError {
    let mut reader = match log.read(from).await {
        Ok(reader) => reader,
        Err(error) => return error,
    };
    loop {
        if let Err(error) = tokio::time::timeout(DEADLINE, reader.next_batch()).await.expect("in time") {
            return error;
        }
    }
}

pub async fn a_range_of_time_has_its_frames_and_no_others(log: Arc<dyn EventLog>) {
    let within = async |from_ns: u64, to_ns: u64, last_seq: u64| {
        let mut seqs = Vec::new();
        range::received_within(&*log, from_ns..to_ns, last_seq, |frame| seqs.push(frame.seq)).await.unwrap();
        seqs
    };
    assert_eq!(within(0, u64::MAX, u64::MAX).await, [0; 0], "an empty log");
    for seq in 0..40 {
        log.append(frames(seq, seq + 1)).await.unwrap();
    }
    let all = read_all(&*log, 1).await;
    let times: Vec<u64> = all.iter().map(|frame| frame.received_ns).collect();
    let (first, last) = (times[0], times[39]);
    for (from_ns, to_ns, last_seq) in [
        (0, u64::MAX, u64::MAX),
        (0, u64::MAX, 17),
        (first, last, 40),
        (first + 1, last + 1, 40),
        (times[10], times[30], 40),
        (times[10], times[30], 20),
        (times[20], times[20], 40),
        (last + 1, u64::MAX, 40),
        (0, first, 40),
    ] {
        let is_in = |frame: &&Recorded| (from_ns..to_ns).contains(&frame.received_ns) && frame.seq <= last_seq;
        let expected: Vec<u64> = all.iter().filter(is_in).map(|frame| frame.seq).collect();
        assert_eq!(within(from_ns, to_ns, last_seq).await, expected, "{from_ns} to {to_ns}, up to {last_seq}");
    }
}
