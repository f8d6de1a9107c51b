//! The writer: one thread that takes everything queued, writes it, syncs once, and answers all (group commit).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use bytes::Bytes;
use spark_core::merkle::Hash;
use spark_schemas::{Leaf, LeafError, metric};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{NoRoom, Stopped, is_full};
use super::recent::Recent;
use super::shared::{Filled, Shared};
use super::wal::{self, Segment, WriteError};
use crate::clock::WallClock;
use crate::{AppendError, Appended, Outgoing, Recorded};

/// What is written and synced together, at most, in bytes of payload; one request may be longer.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// A segment is followed by a new one after this many leaves or bytes.
const SEGMENT_LEAVES: u64 = 16_384;
const SEGMENT_BYTES: u64 = 16 << 20;
/// Recorded frames are synced after this long or this many bytes.
const RECORD_SYNC_AFTER: Duration = Duration::from_secs(1);
const RECORD_SYNC_BYTES: u64 = 4 << 20;

type Answer<T> = oneshot::Sender<Result<T, AppendError>>;

/// A request to the writer.
pub(super) enum Command {
    /// Append frames, durably.
    Append(Vec<Outgoing>, Answer<Vec<Appended>>),
    /// Keep frames that another log recorded.
    Record(Vec<Recorded>, Answer<()>),
    /// Make everything durable.
    Sync(Answer<()>),
    /// Make everything durable and end.
    Close,
}

impl Command {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(frames, _) => frames.iter().map(|frame| frame.payload.len()).sum(),
            Self::Record(frames, _) => frames.iter().map(|frame| frame.payload.len()).sum(),
            Self::Sync(_) | Self::Close => 0,
        }
    }

    fn refuse(self, error: AppendError) {
        // Whoever asked may have left; then nobody needs the answer.
        let _ = match self {
            Self::Append(_, answer) => answer.send(Err(error)).is_ok(),
            Self::Record(_, answer) | Self::Sync(answer) => answer.send(Err(error)).is_ok(),
            Self::Close => true,
        };
    }
}

pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub segment: Segment,
    pub clock: WallClock,
    pub sealer: Sender<Filled>,
    pub recent: Recent,
    pub position: Position,
    /// The position, for those who ask what to record next.
    pub written_seq: Arc<AtomicU64>,
    /// Leaves that are written and not synced.
    pub unsynced: Unsynced,
    /// The segment does not end with a mark.
    pub mark_due: bool,
}

/// Where the log is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// How many leaves are written.
    pub leaves: u64,
    pub next_seq: u64,
    pub received_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Unsynced {
    leaves: Vec<(Bytes, Hash)>,
    bytes: u64,
    since: Option<Instant>,
}

/// Leaves on their way into the segment.
#[derive(Default)]
struct Group {
    buffer: Vec<u8>,
    leaves: Vec<(std::ops::Range<usize>, Hash)>,
    appended: u64,
    must_sync: bool,
    answers: Vec<Reply>,
}

enum Reply {
    Append(Vec<Appended>, Answer<Vec<Appended>>),
    Done(Answer<()>),
}

impl Writer {
    /// Writes until it is told to close or all handles are gone.
    pub fn run(mut self, commands: &Receiver<Command>) {
        while let Some(group) = self.next_group(commands) {
            let is_last = group.iter().any(|command| matches!(command, Command::Close));
            self.commit(group);
            if is_last {
                break;
            }
        }
        self.end();
    }

    /// Everything that is queued, up to a limit; `None` when nobody can ask any more.
    fn next_group(&mut self, commands: &Receiver<Command>) -> Option<Vec<Command>> {
        let first = loop {
            let Some(since) = self.unsynced.since else { break commands.recv().ok()? };
            match commands.recv_timeout(RECORD_SYNC_AFTER.saturating_sub(since.elapsed())) {
                Ok(command) => break command,
                Err(RecvTimeoutError::Timeout) => {
                    // The failure is kept in the shared state and given to whoever asks next.
                    let _ = self.sync();
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        };
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < GROUP_BYTES_MAX
            && let Ok(command) = commands.try_recv()
        {
            bytes += command.bytes();
            group.push(command);
        }
        Some(group)
    }

    fn commit(&mut self, commands: Vec<Command>) {
        if let Some(stopped) = self.shared.stopped() {
            return commands.into_iter().for_each(|command| command.refuse(stopped.clone().into()));
        }
        if let Err(no_room) = self.shared.wait_for_sealer() {
            return commands.into_iter().for_each(|command| command.refuse(no_room.clone().into()));
        }
        let before = self.position;
        let mut group = Group::default();
        if self.mark_due && self.unsynced.leaves.is_empty() {
            group.buffer.extend_from_slice(&wal::mark(self.position.leaves, self.segment.len()));
        }
        for command in commands {
            self.stage(command, &mut group);
        }
        let written = self.write(&mut group).inspect_err(|_error| {
            self.position = before;
            self.recent.forget_from(before.next_seq);
        });
        let outcome =
            written.and_then(|()| if group.must_sync { self.sync().map_err(Failure::Stopped) } else { Ok(()) });
        match outcome {
            Ok(()) => {
                self.recent.prune(self.position.received_ns);
                self.written_seq.store(self.position.next_seq, Ordering::Release);
                metrics::counter!(metric::LOG_APPENDED).increment(group.appended);
                group.answers.into_iter().for_each(Reply::send);
            }
            Err(failure) => group.answers.into_iter().for_each(|reply| reply.fail(failure.clone().into())),
        }
    }

    fn stage(&mut self, command: Command, group: &mut Group) {
        let (position, leaves, bytes) = (self.position, group.leaves.len(), group.buffer.len());
        group.must_sync |= !matches!(command, Command::Record(..));
        let (staged, reply) = match command {
            Command::Append(frames, answer) => match self.stage_append(&frames, group) {
                Ok(appended) => {
                    group.appended += (group.leaves.len() - leaves) as u64;
                    (Ok(()), Reply::Append(appended, answer))
                }
                Err(error) => (Err(error), Reply::Append(Vec::new(), answer)),
            },
            Command::Record(frames, answer) => (self.stage_record(&frames, group), Reply::Done(answer)),
            Command::Sync(answer) => (Ok(()), Reply::Done(answer)),
            Command::Close => return,
        };
        match staged {
            Ok(()) => group.answers.push(reply),
            Err(error) => {
                self.position = position;
                self.recent.forget_from(position.next_seq);
                group.leaves.truncate(leaves);
                group.buffer.truncate(bytes);
                reply.fail(AppendError::Refused(Box::new(error)));
            }
        }
    }

    fn stage_append(&mut self, frames: &[Outgoing], group: &mut Group) -> Result<Vec<Appended>, LeafError> {
        let received_ns = self.position.received_ns.max((self.clock)().0);
        let mut appended = Vec::with_capacity(frames.len());
        self.recent.prune(received_ns);
        for frame in frames {
            let seq = self.position.next_seq;
            let known = self.recent.seq_of(&frame.msg_id);
            if known.is_none() {
                let (subject, msg_id) = (frame.subject.to_string(), frame.msg_id.to_string());
                let leaf = Leaf { seq, received_ns, subject: &subject, msg_id: &msg_id, payload: &frame.payload };
                self.stage_leaf(&leaf, group)?;
                self.recent.insert(received_ns, frame.msg_id, seq);
            }
            appended.push(Appended { seq: known.unwrap_or(seq), duplicate: known.is_some() });
        }
        Ok(appended)
    }

    fn stage_record(&mut self, frames: &[Recorded], group: &mut Group) -> Result<(), LeafError> {
        for frame in frames {
            let expected = self.position.next_seq;
            if frame.seq < expected {
                continue;
            }
            if frame.seq > expected {
                let gap = Recorded::gap(expected, frame.seq - 1, frame.received_ns);
                self.stage_leaf(&gap.to_leaf(), group)?;
            }
            self.stage_leaf(&frame.to_leaf(), group)?;
        }
        Ok(())
    }

    fn stage_leaf(&mut self, leaf: &Leaf<'_>, group: &mut Group) -> Result<(), LeafError> {
        group.leaves.push(wal::push_record(&mut group.buffer, &leaf.encode()?));
        self.position =
            Position { leaves: self.position.leaves + 1, next_seq: leaf.next_seq(), received_ns: leaf.received_ns };
        Ok(())
    }

    fn write(&mut self, group: &mut Group) -> Result<(), Failure> {
        if group.leaves.is_empty() {
            return Ok(());
        }
        match self.segment.write(&group.buffer) {
            Ok(()) => {}
            Err(WriteError::Undone(error)) if is_full(&error) => {
                return Err(Failure::NoRoom(NoRoom { path: self.segment.path().to_owned(), source: Arc::new(error) }));
            }
            Err(WriteError::Undone(error) | WriteError::Broken(error)) => {
                return Err(Failure::Stopped(self.stop(error)));
            }
        }
        let buffer = Bytes::from(std::mem::take(&mut group.buffer));
        self.unsynced.bytes += buffer.len() as u64;
        self.unsynced.since.get_or_insert_with(Instant::now);
        let leaves = group.leaves.drain(..).map(|(range, hash)| (buffer.slice(range), hash));
        self.unsynced.leaves.extend(leaves);
        let is_late = self.unsynced.since.is_some_and(|since| since.elapsed() >= RECORD_SYNC_AFTER);
        group.must_sync |= is_late || self.unsynced.bytes >= RECORD_SYNC_BYTES;
        Ok(())
    }

    /// Makes everything written durable and visible.
    fn sync(&mut self) -> Result<(), Stopped> {
        let Unsynced { leaves, .. } = std::mem::take(&mut self.unsynced);
        if leaves.is_empty() {
            return Ok(());
        }
        self.segment.sync().map_err(|error| self.stop(error))?;
        self.mark_due = true;
        for bundle in self.shared.publish(leaves, self.position.next_seq) {
            // The sealer is gone only when the archive has stopped, which the next append is told.
            let _ = self.sealer.send(bundle);
        }
        let segment_start = self.shared.state().segments.back().copied().unwrap_or_default();
        if self.position.leaves - segment_start >= SEGMENT_LEAVES || self.segment.len() >= SEGMENT_BYTES {
            self.start_segment();
        }
        Ok(())
    }

    /// Without room for a new segment the old one goes on.
    fn start_segment(&mut self) {
        match Segment::create(&self.shared.dir, self.position.leaves) {
            Ok(segment) => {
                self.shared.state().segments.push_back(self.position.leaves);
                self.segment = segment;
                self.mark_due = false;
            }
            Err(error) if is_full(&error) => tracing::warn!(%error, "no room for a new write-ahead segment"),
            Err(error) => drop(self.stop(error)),
        }
    }

    fn stop(&self, error: std::io::Error) -> Stopped {
        let stopped = Stopped::new(self.segment.path(), error);
        self.shared.stop(stopped.clone());
        stopped
    }

    /// Syncs, and marks that it did, so that at the next open even the last leaf is known to have been durable.
    fn end(&mut self) {
        if self.sync().is_ok() && self.mark_due && self.shared.stopped().is_none() {
            let mark = wal::mark(self.position.leaves, self.segment.len());
            if self.segment.write(&mark).is_ok() && self.segment.sync().is_err() {
                tracing::warn!(path = %self.segment.path().display(), "the last mark may not be durable; no leaf is lost");
            }
        }
        self.shared.close();
    }
}

/// Why a group was not written.
#[derive(Clone)]
enum Failure {
    NoRoom(NoRoom),
    Stopped(Stopped),
}

impl From<Failure> for AppendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoRoom(no_room) => no_room.into(),
            Failure::Stopped(stopped) => stopped.into(),
        }
    }
}

impl Reply {
    /// Whoever asked may have left; then nobody needs the answer.
    fn send(self) {
        match self {
            Self::Append(appended, answer) => drop(answer.send(Ok(appended))),
            Self::Done(answer) => drop(answer.send(Ok(()))),
        }
    }

    fn fail(self, error: AppendError) {
        match self {
            Self::Append(_, answer) => drop(answer.send(Err(error))),
            Self::Done(answer) => drop(answer.send(Err(error))),
        }
    }
}
