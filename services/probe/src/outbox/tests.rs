//! The outbox under kills at every step, torn and damaged files, and a disk that fails for a while.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use spark_core::schedule::Schedule;
use spark_schemas::event::{Missed, MissedWhy, Observed, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, EventSubject, FRAME_VERSION, Frame, MsgId, Name, TimeNs};

use super::disk::plug;
use super::*;
use crate::error::OutboxError;

const SCHEDULE: Schedule = Schedule { interval_us: 1_000, offset_us: 0 };
/// Segments of some hundred bytes, so that they come and go all the time.
const BYTES_MAX: u64 = 16 * 500;

fn name() -> Name {
    Name::new("shop").unwrap()
}

fn observed(slot: u64) -> Event {
    Observed::passed(name(), SCHEDULE.slot_start(slot), 7).into()
}

fn listed(from: u64) -> Event {
    let schedule = TargetSchedule { target: name(), interval_us: SCHEDULE.interval_us, offset_us: SCHEDULE.offset_us };
    Targets { from_ns: SCHEDULE.slot_start(from), part: 0, parts: 1, targets: vec![schedule] }.into()
}

fn kept(boot: u8, seq: u64, events: Vec<Event>) -> Kept {
    let agent = name();
    let subject = EventSubject { partition: 0, agent: agent.clone(), class: Class::Obs };
    let boot = Boot([boot; 16]);
    let frame = Frame { v: FRAME_VERSION, agent, boot, seq, clock: Clock::default(), events };
    Kept { outgoing: Outgoing::new(subject, &frame).unwrap(), events: frame.events }
}

/// What the log has: the first of each message id.
#[derive(Default)]
struct Log(BTreeMap<MsgId, Outgoing>, Vec<MsgId>);

impl Log {
    fn take(&mut self, frames: &[Outgoing]) {
        for frame in frames {
            let known = self.0.entry(frame.msg_id).or_insert_with(|| {
                self.1.push(frame.msg_id);
                frame.clone()
            });
            assert_eq!(known.payload, frame.payload, "two frames under one message id");
        }
    }

    /// How often each slot is accounted for, by the log's frames.
    fn slots(&self) -> BTreeMap<u64, u32> {
        let mut slots = BTreeMap::new();
        let frames = self.1.iter().map(|id| Frame::decode_alone(&self.0[id].payload).unwrap());
        for event in frames.flat_map(|frame| frame.events) {
            let (first, count) = match event {
                Event::Observed(observed) => (observed.slot_ns, 1),
                Event::Missed(missed) => (missed.first_slot_ns, missed.slots),
                _ => continue,
            };
            let first = SCHEDULE.first_slot_from(first);
            (first..first + count).for_each(|slot| *slots.entry(slot).or_default() += 1);
        }
        slots
    }
}

/// One life of a probe, without its tasks: slots run from `from` to `to`. An error is a kill.
fn live(dir: &Path, boot: u8, from: u64, to: u64, log: &mut Log) -> Result<(), OutboxError> {
    let Opened { mut writer, mut reader, shared, .. } = open(dir, BYTES_MAX)?;
    let missing = shared.coverage().missing(SCHEDULE.slot_start(from), MissedWhy::NotRunning, |_, _| true);
    let mut events: Vec<Event> = missing.into_iter().map(Event::from).collect();
    events.push(listed(from));
    let mut seq = 0;
    for slot in from..to {
        events.push(observed(slot));
        if slot % 2 == 0 {
            writer.write(&[kept(boot, seq, std::mem::take(&mut events)), kept(boot, seq + 1, vec![listed(from)])])?;
            seq += 2;
        }
        // The log is away for a while, then takes what waits.
        if slot % 7 > 3 {
            let batch = reader.next(3)?;
            log.take(&batch.frames);
            reader.acknowledge(&batch)?;
        }
    }
    drain(&mut reader, log)
}

fn drain(reader: &mut Reader, log: &mut Log) -> Result<(), OutboxError> {
    loop {
        let batch = reader.next(100)?;
        if batch.frames.is_empty() {
            return Ok(());
        }
        log.take(&batch.frames);
        reader.acknowledge(&batch)?;
    }
}

#[test]
fn a_kill_at_any_step_loses_no_slot_and_says_none_twice() {
    let mut steps = 0;
    loop {
        steps += 1;
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::default();
        live(dir.path(), 1, 10, 16, &mut log).unwrap();
        plug::pull_after(Some(steps));
        let end = live(dir.path(), 2, 20, 50, &mut log);
        let is_pulled = plug::is_pulled();
        // And once more, early in the next life.
        plug::pull_after(Some(steps % 11 + 1));
        let _killed = live(dir.path(), 3, 60, 70, &mut log);
        plug::pull_after(None);
        live(dir.path(), 4, 80, 90, &mut log).unwrap();
        let slots = log.slots();
        let wrong: Vec<_> = (10..89).filter(|slot| slots.get(slot) != Some(&1)).collect();
        assert!(wrong.is_empty(), "killed at step {steps}: not said exactly once: {wrong:?}");
        if !is_pulled {
            end.unwrap();
            break;
        }
    }
    assert!(steps > 100, "only {steps} steps");
}

#[test]
fn a_disk_that_fails_for_a_while_keeps_each_frame_once() {
    for steps in 1..6 {
        let dir = tempfile::tempdir().unwrap();
        let Opened { mut writer, mut reader, shared, .. } = open(dir.path(), BYTES_MAX).unwrap();
        writer.write(&[kept(1, 0, vec![listed(0), observed(0)])]).unwrap();
        let next = [kept(1, 1, vec![observed(1)]), kept(1, 2, vec![observed(2)])];
        plug::pull_after(Some(steps));
        let failed = writer.write(&next).is_err();
        assert_eq!((failed, shared.frames()), if steps <= 2 { (true, 1) } else { (false, 3) });
        plug::pull_after(None);
        if failed {
            writer.write(&next).unwrap();
        }
        writer.write(&[kept(1, 3, vec![observed(3)])]).unwrap();
        fs::remove_file(dir.path().join("acked")).unwrap();
        let mut log = Log::default();
        drain(&mut reader, &mut log).unwrap();
        let seqs: Vec<u64> = log.1.iter().map(|id| id.seq).collect();
        assert_eq!(seqs, [0, 1, 2, 3], "failed at step {steps}");
        assert_eq!((shared.damaged(), shared.frames()), (0, 0));
        drop((writer, reader, shared));
        // What a refused write left behind is the same again.
        drain(&mut open(dir.path(), BYTES_MAX).unwrap().reader, &mut log).unwrap();
        assert_eq!(log.slots(), (0..4).map(|slot| (slot, 1)).collect());
    }
}

/// A closed outbox with three frames in one segment: the segment's path and where each record ends.
fn three_frames(dir: &Path) -> (PathBuf, Vec<usize>) {
    let Opened { mut writer, shared, .. } = open(dir, 1024 * 1024).unwrap();
    let ends = (0..3).map(|seq| {
        let events = if seq == 0 { vec![listed(0), observed(0)] } else { vec![observed(seq)] };
        writer.write(&[kept(1, seq, events)]).unwrap();
        usize::try_from(shared.bytes()).unwrap()
    });
    (segment_path(dir, 1), ends.collect())
}

fn seqs(dir: &Path) -> (Vec<u64>, u64, Option<TimeNs>) {
    let Opened { mut reader, shared, .. } = open(dir, 1024 * 1024).unwrap();
    let until = shared.coverage().until("shop");
    let waiting = shared.frames();
    let batch = reader.next(100).unwrap();
    let seqs: Vec<u64> = batch.frames.iter().map(|frame| frame.msg_id.seq).collect();
    assert_eq!(waiting, seqs.len() as u64);
    (seqs, shared.damaged(), until)
}

#[test]
fn a_record_torn_at_any_byte_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = three_frames(dir.path());
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), ends[2]);
    for length in ends[1]..ends[2] {
        fs::write(&path, &whole[..length]).unwrap();
        let until = SCHEDULE.slot_start(1).0 + 1;
        assert_eq!(seqs(dir.path()), (vec![0, 1], 0, Some(TimeNs(until))), "torn at {length}");
        assert_eq!(fs::read(&path).unwrap().len(), ends[1]);
    }
}

#[test]
fn damage_in_the_middle_costs_one_record_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = three_frames(dir.path());
    let whole = fs::read(&path).unwrap();
    for at in ends[0]..ends[1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let (seqs, damaged, _until) = seqs(dir.path());
        assert_eq!((seqs, damaged), (vec![0, 2], 1), "damaged at {at}");
    }
}

#[test]
fn any_bytes_in_any_file_are_opened_without_a_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let dir = tempfile::tempdir().unwrap();
    let (path, _ends) = three_frames(dir.path());
    let whole = fs::read(&path).unwrap();
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..draw() % 4 + 1 {
            let at = usize::try_from(draw()).unwrap() % bytes.len();
            bytes[at] = u8::try_from(draw() % 256).unwrap();
        }
        bytes.truncate(usize::try_from(draw()).unwrap() % (bytes.len() + 1));
        fs::write(&path, &bytes).unwrap();
        fs::write(dir.path().join("acked"), &bytes[..bytes.len().min(24)]).unwrap();
        fs::write(dir.path().join("state.json"), &bytes[..bytes.len().min(60)]).unwrap();
        let Opened { mut reader, .. } = open(dir.path(), 1024 * 1024).unwrap();
        drain(&mut reader, &mut Log::default()).unwrap();
    }
}

#[test]
fn acknowledged_frames_are_not_sent_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    three_frames(dir.path());
    let Opened { mut reader, shared, .. } = open(dir.path(), 1024 * 1024).unwrap();
    let batch = reader.next(2).unwrap();
    reader.acknowledge(&batch).unwrap();
    assert_eq!(shared.frames(), 1);
    drop((reader, shared));
    assert_eq!(seqs(dir.path()).0, [2]);
}

#[test]
fn a_second_probe_is_told_that_the_directory_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 1024 * 1024).unwrap();
    let error = open(dir.path(), 1024 * 1024).unwrap_err();
    assert!(matches!(error, OutboxError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&*dir.path().to_string_lossy()), "{error}");
    drop(first);
    open(dir.path(), 1024 * 1024).unwrap();
}

#[test]
fn a_path_that_can_not_be_a_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = open(&dir.path().join("file"), 1024 * 1024).unwrap_err();
    assert!(matches!(&error, OutboxError::Io { .. }) && error.to_string().contains("file"), "{error}");
}

#[test]
fn missed_slots_cover_a_gap_and_the_bound_counts_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, mut reader, shared, .. } = open(dir.path(), BYTES_MAX).unwrap();
    let missed = Missed {
        target: name(),
        first_slot_ns: SCHEDULE.slot_start(0),
        interval_us: SCHEDULE.interval_us,
        slots: 100,
        why: MissedWhy::Late,
    };
    writer.write(&[kept(1, 0, vec![listed(0), missed.into()])]).unwrap();
    assert_eq!(shared.coverage().until("shop"), Some(TimeNs(SCHEDULE.slot_start(99).0 + 1)));
    let mut seq = 1;
    while shared.room() > 0 {
        writer.write(&[kept(1, seq, vec![observed(99 + seq)])]).unwrap();
        seq += 1;
    }
    let on_disk = || -> u64 {
        let files = fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        files
            .filter(|file| file.path().extension().is_some_and(|end| end == "seg"))
            .map(|f| f.metadata().unwrap().len())
            .sum()
    };
    assert_eq!(on_disk(), shared.bytes());
    assert!(shared.bytes() >= BYTES_MAX);
    drain(&mut reader, &mut Log::default()).unwrap();
    assert_eq!(on_disk(), shared.bytes());
    assert!(shared.room() > BYTES_MAX * 3 / 4);
}
