//! Making a day's evidence: the leaves are folded from the state before them, and everything but the leaves themselves is
//! kept in a directory, from which a bundle is shipped.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use spark_core::bucket::MemoryBuckets;
use spark_core::fold::snapshot::{self, SnapshotError};
use spark_core::fold::{Continuity, State};
use spark_core::report::{Day, Finished, Mark, Replay, Report, Span, U64};
use spark_eventlog::archive::{LoadError, OpenError, View};
use spark_schemas::{Leaf, LeafError};

use super::Log;
use super::attest::{Facts, statements, verdicts_of};
use super::entries::{self, Join};
use super::sums::Sums;
use super::{
    ATTESTATIONS, CHECKPOINT, CHECKPOINT_FROM, FRONTIER_FROM, KEYS, POLICY, REPLAY, REPORT_HTML, REPORT_JSON,
    STATE_FROM, SUMS,
};
use crate::dsse::Envelope;
use crate::durable::{self, Readers};
use crate::keys::Keys;
use crate::recount::count_anew;
use crate::signer::{SignError, Signed};
use crate::vkey::Vkey;

/// The state behind the last leaf, compressed: no part of the bundle, but the next day's first state.
pub(super) const STATE_TO: &str = "state.to.zst";
/// The report as Markdown: for people, no part of the bundle.
pub const REPORT_MD: &str = "report.md";
/// zstd's default; a state is mostly small counts, which it halves twice.
const COMPRESSION: i32 = 3;

/// Why a day's evidence can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A file can't be read or written.
    #[error("can't use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The archive can't be opened.
    #[error("the archive can't be opened")]
    Open(#[from] OpenError),
    /// The archive is damaged.
    #[error("the archive is damaged")]
    Load(#[from] LoadError),
    /// A leaf can't be read.
    #[error("a leaf can't be read")]
    Leaf(#[from] LeafError),
    /// The state that a day begins with can't be used.
    #[error("the state before the day can't be used")]
    State(#[from] SnapshotError),
    /// The report can't be written as JSON.
    #[error("can't write the report as JSON")]
    Json(#[from] serde_json::Error),
    /// The checkpoint is not signed.
    #[error("the checkpoint can't be signed")]
    Sign(#[from] SignError),
    /// The log has no leaf yet that closes the day.
    #[error("the day is not over: no leaf was received after its end and the grace")]
    NotOver,
    /// A draft was asked for of a day that is over.
    #[error("the day is over: its report is about to be issued")]
    Over,
    /// The archive is not the one whose leaves the day before ended with.
    #[error("the archive has no leaf {0}: it is not the one that the day before was made from")]
    NotThere(u64),
    /// A file of an earlier day is not as it was written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl IssueError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What a day begins with: where the one before it ended.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// How many leaves there are before it.
    pub size: u64,
    /// The last sequence number before it.
    pub seq: u64,
    /// The signed checkpoint of that size; none at 0.
    pub checkpoint: Option<String>,
    /// The state, as [`snapshot::encode`] wrote it; none when nothing was folded.
    pub state: Option<Vec<u8>>,
}

/// How far a day's evidence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Up to the first leaf that closes the day, which must be there.
    Closed,
    /// A draft of a day that is not over: so many leaves of the log.
    Draft(u64),
    /// As many leaves as the log will ever have, because another has taken its place.
    Sealed(u64),
}

/// A day's evidence to be made.
pub struct Making<'a> {
    /// The archive.
    pub view: &'a View,
    /// It and those whose place it took.
    pub logs: &'a [Log],
    /// The day.
    pub day: Day,
    /// What it begins with.
    pub before: Before,
    /// How far it goes.
    pub until: Until,
    /// Signs the checkpoint of a size.
    pub sign: &'a dyn Fn(u64) -> Result<Signed, SignError>,
    /// Who signs the statements.
    pub keys: &'a Keys,
    /// What `replay.json` says of this program.
    pub replayer: &'a Value,
}

/// A day's evidence that was made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The report.
    pub report: Report,
    /// SHA-256 of `report.json`.
    pub digest: [u8; 32],
}

impl Making<'_> {
    /// Makes it in `dir`, which must be empty or absent; durable when it returns. `progress` hears of each leaf.
    pub fn make(self, dir: &Path, progress: impl FnMut()) -> Result<Issued, IssueError> {
        let mut files = Files { dir, sums: Sums::default() };
        let (state, buckets) = match &self.before.state {
            Some(state) => snapshot::decode(state)?,
            None => (State::default(), MemoryBuckets::default()),
        };
        let Folded { report, checkpoint, mut state, mut buckets, verdicts } =
            self.fold(state, buckets, &mut files, progress)?;
        // From all logs, so that the next day begins with it; a replay of this one has only its own leaves.
        let dir_of = |origin: &str| self.logs.iter().find(|log| log.incarnation == origin).map(|log| log.dir.clone());
        count_anew::<IssueError>(&mut state, &mut buckets, dir_of)?;

        let to_state = zstd::encode_all(&snapshot::encode(&mut state, &buckets)[..], COMPRESSION);
        files.write(STATE_TO, &to_state.map_err(|source| IssueError::io(&dir.join(STATE_TO), source))?)?;
        files.write(REPORT_MD, report.to_markdown().as_bytes())?;

        files.put(CHECKPOINT, checkpoint.note.to_string().as_bytes())?;
        if let Some(checkpoint) = self.before.checkpoint.as_ref().filter(|_| self.before.size > 0) {
            files.put(CHECKPOINT_FROM, checkpoint.as_bytes())?;
            let frontier = self.view.frontier_at(self.before.size)?.unwrap_or_default();
            files.put(FRONTIER_FROM, &frontier.hashes().concat())?;
        }
        match &self.before.state {
            // It lies with the day before, compressed.
            Some(state) if self.before.size > 0 => files.sums.insert(STATE_FROM, Sha256::digest(state).into()),
            // It is that of another log, whose place this one took.
            Some(state) => files.put(STATE_FROM, state)?,
            None => {}
        }
        if let Some(policy) = &state.head().declarations.policy {
            files.put(POLICY, policy.config.canonical_json().as_bytes())?;
        }
        let json = report.to_json()?;
        files.put(REPORT_JSON, &json)?;
        files.put(REPORT_HTML, report.to_html().as_bytes())?;
        files.put(REPLAY, &canonical(self.replayer))?;
        for key in self.keys.public() {
            let name = key.name().rsplit('/').next().unwrap_or_default();
            files.put(&format!("{KEYS}{name}.vkey"), format!("{key}\n").as_bytes())?;
            files.put(&format!("{KEYS}{name}.pem"), key.to_pem().as_bytes())?;
        }
        let signers: Vec<Vkey> = self.keys.active().map(|signer| signer.vkey().clone()).collect();
        let sums = files.sums.clone();
        let facts =
            Facts { report: &report, sums: &sums, replayer: self.replayer, signers: &signers, verdicts: &verdicts };
        #[expect(clippy::expect_used, reason = "the files that they speak of were put there above")]
        let signed = statements(facts).expect("the files were put there above").into_iter();
        let lines = signed.map(|one| Envelope::sign(one.to_bytes(), self.keys.active()).to_line() + "\n");
        files.write(ATTESTATIONS, lines.collect::<String>().as_bytes())?;
        files.write(SUMS, sums.to_string().as_bytes())?;
        Ok(Issued { digest: Sha256::digest(&json).into(), report })
    }

    fn fold(
        &self,
        mut state: State,
        buckets: MemoryBuckets,
        files: &mut Files<'_>,
        mut progress: impl FnMut(),
    ) -> Result<Folded, IssueError> {
        let first = self.before.size;
        state.begin(self.view.incarnation());
        let (mut continuity, mut verdicts) = (Continuity::after(&state), Vec::new());
        let mut replay = Replay::new(self.day, state, buckets);
        let mut join = Join::new(first);
        let mut seq = self.before.seq;
        let mut leaves = self.view.leaves(seq + 1)?;
        if leaves.next_index() != first {
            return Err(IssueError::NotThere(first));
        }
        loop {
            if matches!(self.until, Until::Draft(size) | Until::Sealed(size) if size == join.next()) {
                break;
            }
            let Some(bytes) = leaves.next().transpose()? else {
                return Err(match self.until {
                    Until::Closed => IssueError::NotOver,
                    Until::Draft(_) | Until::Sealed(_) => IssueError::NotThere(join.next()),
                });
            };
            let leaf = Leaf::decode(&bytes)?;
            if replay.is_closed_by(&leaf) {
                match self.until {
                    Until::Closed | Until::Sealed(_) => break,
                    Until::Draft(_) => return Err(IssueError::Over),
                }
            }
            if let Some((subject, frame)) = continuity.take_declared(&leaf) {
                verdicts.extend(verdicts_of(&bytes, &subject, frame));
            }
            replay.leaf(&leaf);
            seq = leaf.next_seq() - 1;
            files.entries(join.push(&bytes).map_err(|source| IssueError::io(files.dir, source))?);
            progress();
        }
        files.entries(join.rest());
        replay.count_anew(|take| {
            for bytes in self.view.leaves(self.before.seq + 1)?.take((join.next() - first) as usize) {
                take(&Leaf::decode(&bytes?)?);
            }
            Ok::<_, IssueError>(())
        })?;
        let mark = |size, seq| {
            let frontier = self.view.frontier_at(size)?.ok_or(IssueError::NotThere(size))?;
            Ok::<_, IssueError>(Mark { size: U64(size), seq: U64(seq), root: spark_core::hex(&frontier.root()) })
        };
        let checkpoint = (self.sign)(join.next())?;
        let span = Span {
            origin: checkpoint.checkpoint.origin.clone(),
            from: mark(first, self.before.seq)?,
            to: mark(join.next(), seq)?,
        };
        let Finished { report, state, buckets } = replay.finish(span, matches!(self.until, Until::Draft(_)));
        Ok(Folded { report, checkpoint, state, buckets, verdicts })
    }
}

struct Folded {
    report: Report,
    checkpoint: Signed,
    state: State,
    buckets: MemoryBuckets,
    verdicts: Vec<super::attest::Attested>,
}

/// The files of a bundle that is made.
struct Files<'a> {
    dir: &'a Path,
    sums: Sums,
}

impl Files<'_> {
    /// A file of leaves: it is not written, since the archive has them.
    fn entries(&mut self, file: Option<(u64, Vec<u8>)>) {
        if let Some((index, bytes)) = file {
            self.sums.insert(entries::path(index), Sha256::digest(bytes).into());
        }
    }

    /// Writes a file that belongs to the bundle.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), IssueError> {
        self.sums.insert(name, Sha256::digest(bytes).into());
        self.write(name, bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), IssueError> {
        let path = self.dir.join(name);
        durable::write(&path, bytes, Readers::All).map_err(|source| IssueError::io(&path, source))
    }
}

#[expect(clippy::expect_used, reason = "JSON already")]
fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("JSON already")
}
