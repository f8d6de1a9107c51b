//! The log folded again from its copies on disk, without a service and without a store: for decisions that are made again.
//!
//! Only reads, so a service may be writing meanwhile. The memory it takes grows with the series and not with the log.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use spark_core::bucket::MemoryBuckets;
use spark_core::config::Config;
use spark_core::fold::{Policy, State};
use spark_core::view::{DECLARING, Part, View, digest_over};
use spark_eventlog::archive::{self, LeafIter, LoadError, OpenError};
use spark_evidence::recount;
use spark_schemas::event::{GateDecided, StreamPosition};
use spark_schemas::{Class, Event, EventSubject, Frame, Leaf, LeafError, TimeNs};

use crate::recorder::{Kept, RecorderError, kept_in};

/// Why the log can't be folded again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no log in the directory.
    #[error("there is no log in {}: name the data directory of `spark up` or of `spark aggregator`", .0.display())]
    NoLog(PathBuf),
    /// The archives can't be listed.
    #[error(transparent)]
    List(#[from] RecorderError),
    /// An archive can't be opened.
    #[error("an archive can't be opened")]
    Open(#[from] OpenError),
    /// An archive is damaged.
    #[error("an archive is damaged")]
    Load(#[from] LoadError),
    /// A leaf is none.
    #[error("a leaf can't be read")]
    Leaf(#[from] LeafError),
    /// A partition's archive is not here.
    #[error("partition {0} is not in this directory: copy the archives of every owner into one directory")]
    NoPartition(u16),
    /// The log or the place in it is not here.
    #[error("partition {} is here up to {here}, not up to {}: the copy is older, or of another log", .wanted.partition, place(.wanted))]
    NotReached {
        /// What was asked for.
        wanted: StreamPosition,
        /// What is here.
        here: String,
    },
    /// The fold is beyond that place, and can't go back.
    #[error("partition {} was folded beyond {} for a decision made before", .0.partition, place(.0))]
    Passed(StreamPosition),
}

fn place(position: &StreamPosition) -> String {
    format!("sequence number {} of {}", position.seq, position.origin)
}

/// The copies of a log on disk: of each partition those of its incarnations, oldest first.
#[derive(Debug, Clone)]
pub struct Archives(BTreeMap<u16, Vec<Kept>>);

impl Archives {
    /// Those in a data directory: the archive of `spark up`, or what an aggregator recorded. Blocks.
    pub fn find(data: &Path) -> Result<Self, RebuildError> {
        for dir in [data.join("archive"), data.to_owned()] {
            match archive::View::open(&dir) {
                Ok(view) => {
                    let kept = Kept { origin: view.incarnation().to_owned(), dir };
                    return Ok(Self(BTreeMap::from([(DECLARING, vec![kept])])));
                }
                Err(OpenError::Absent { .. }) => {}
                Err(OpenError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            let mut partitions = BTreeMap::new();
            for partition in partitions_in(&dir) {
                let kept = kept_in(&dir, partition)?;
                if !kept.is_empty() {
                    partitions.insert(partition, kept);
                }
            }
            if !partitions.is_empty() {
                return Ok(Self(partitions));
            }
        }
        Err(RebuildError::NoLog(data.to_owned()))
    }

    /// Every gate decision, in the order of the log. A frame that was sent again has its decisions again.
    pub fn decisions(&self) -> Result<Decisions, RebuildError> {
        let declaring = self.0.get(&DECLARING).ok_or(RebuildError::NoPartition(DECLARING))?;
        let later = declaring.iter().cloned().collect();
        Ok(Decisions { origin: String::new(), leaves: None, later, found: VecDeque::new() })
    }

    /// Those of one partition, oldest first.
    pub(crate) fn of(&self, partition: u16) -> Result<&[Kept], RebuildError> {
        self.0.get(&partition).map(Vec::as_slice).ok_or(RebuildError::NoPartition(partition))
    }

    /// How many leaves there are in all.
    pub fn leaves(&self) -> Result<u64, RebuildError> {
        let each = self.0.values().flatten().map(|kept| Ok(archive::View::open(&kept.dir)?.size()));
        each.sum()
    }
}

/// The partitions that have archives in `dir`, by the names of its directories.
fn partitions_in(dir: &Path) -> Vec<u16> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let partition = |name: &str| match name.split_once('@')?.0 {
        "EVENTS" => Some(0),
        other => other.strip_prefix("EVENTS-")?.parse().ok(),
    };
    let mut found: Vec<u16> = names.filter_map(|name| partition(name.to_str()?)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn decisions_of(leaf: &Leaf<'_>) -> impl Iterator<Item = GateDecided> + use<> {
    let subject: Option<EventSubject> = leaf.subject.parse().ok();
    let subject = subject.filter(|subject| subject.class == Class::Ctl);
    let frame = subject.and_then(|subject| Frame::decode(leaf.payload, &subject).ok());
    frame.into_iter().flat_map(|frame| frame.events).filter_map(|event| match event {
        Event::GateDecided(decision) => Some(decision),
        _ => None,
    })
}

/// A decision as the log has it.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The decision; its positions name their log.
    pub decision: GateDecided,
    /// In the log they do not.
    pub is_unnamed: bool,
    /// The log it is in.
    pub origin: String,
    /// Its sequence number there.
    pub seq: u64,
}

impl Decided {
    fn new(mut decision: GateDecided, origin: &str, seq: u64) -> Self {
        // What was said before positions named their log is of the log that it is in.
        let unnamed = decision.positions.iter_mut().filter(|position| position.origin.is_empty());
        let is_unnamed = unnamed.map(|position| origin.clone_into(&mut position.origin)).count() > 0;
        Self { decision, is_unnamed, origin: origin.to_owned(), seq }
    }
}

/// The decisions of a log; it ends at the first error.
pub struct Decisions {
    origin: String,
    leaves: Option<LeafIter>,
    later: VecDeque<Kept>,
    found: VecDeque<Decided>,
}

impl Decisions {
    fn find_next(&mut self) -> Result<Option<Decided>, RebuildError> {
        loop {
            if let Some(decided) = self.found.pop_front() {
                return Ok(Some(decided));
            }
            let Some(leaf) = self.leaves.as_mut().and_then(Iterator::next) else {
                let Some(next) = self.later.pop_front() else { return Ok(None) };
                self.leaves = Some(archive::leaves(&next.dir, 1)?);
                self.origin = next.origin;
                continue;
            };
            let bytes = leaf?;
            let leaf = Leaf::decode(&bytes)?;
            let decided = |decision| Decided::new(decision, &self.origin, leaf.seq);
            self.found.extend(decisions_of(&leaf).map(decided));
        }
    }
}

impl Iterator for Decisions {
    type Item = Result<Decided, RebuildError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.find_next();
        if found.is_err() {
            (self.leaves, self.later) = (None, VecDeque::new());
        }
        found.transpose()
    }
}

/// The states of all partitions at some position.
pub struct Rebuild(BTreeMap<u16, Folding>);

struct Folding {
    kept: Vec<Kept>,
    /// What comes after the log that is folded now.
    later: VecDeque<Kept>,
    leaves: Option<LeafIter>,
    state: State,
    buckets: MemoryBuckets,
}

impl Rebuild {
    /// Nothing is folded yet.
    pub fn new(archives: &Archives) -> Self {
        Self::from(archives, &State::default())
    }

    /// The same under the profiles and objectives of `config`, whatever the log declares.
    pub fn under(archives: &Archives, config: Config) -> Self {
        Self::from(archives, &State::under(config))
    }

    fn from(archives: &Archives, state: &State) -> Self {
        let folding = |kept: &Vec<Kept>| Folding {
            kept: kept.clone(),
            later: kept.iter().cloned().collect(),
            leaves: None,
            state: state.clone(),
            buckets: MemoryBuckets::default(),
        };
        Self(archives.0.iter().map(|(partition, kept)| (*partition, folding(kept))).collect())
    }

    /// Folds every partition on to its position; `progress` hears of each leaf. Partitions that are not mentioned stay
    /// where they are.
    pub fn advance(&mut self, positions: &[StreamPosition], mut progress: impl FnMut()) -> Result<(), RebuildError> {
        for position in positions {
            let folding = self.0.get_mut(&position.partition).ok_or(RebuildError::NoPartition(position.partition))?;
            folding.advance(position, &mut progress)?;
        }
        Ok(())
    }

    /// The digest over the states of these partitions, in hex.
    pub fn digest(&mut self, positions: &[StreamPosition]) -> String {
        let of = |(partition, folding): (&u16, &mut Folding)| {
            let is_asked = positions.iter().any(|position| position.partition == *partition);
            is_asked.then(|| (*partition, folding.state.digest()))
        };
        spark_core::hex(&digest_over(self.0.iter_mut().filter_map(of)))
    }

    /// Looks at these partitions from the instant `at`.
    pub fn view(&self, positions: &[StreamPosition], at: TimeNs) -> View<'_> {
        let asked = self.0.iter().filter(|(partition, _)| positions.iter().any(|one| one.partition == **partition));
        let parts = asked.map(|(partition, Folding { state, buckets, .. })| Part {
            partition: *partition,
            state,
            store: buckets,
        });
        View { parts: parts.collect(), at }
    }

    /// The configuration that the log declared.
    pub fn policy(&self) -> Option<&Policy> {
        self.0.get(&DECLARING)?.state.declared_policy()
    }

    /// Counts what objectives lack: events that were folded before their rules were declared.
    pub fn count_anew(&mut self) -> Result<(), RebuildError> {
        let specs = self.0.get(&DECLARING).map(|declaring| declaring.state.declared_specs()).unwrap_or_default();
        for (partition, folding) in &mut self.0 {
            if *partition != DECLARING {
                folding.state.set_objectives(&specs, &mut folding.buckets);
            }
            count_anew(&mut folding.state, &mut folding.buckets, &folding.kept)?;
        }
        Ok(())
    }
}

impl Folding {
    fn advance(&mut self, to: &StreamPosition, progress: &mut impl FnMut()) -> Result<(), RebuildError> {
        let head = self.state.head();
        let is_to_come = head.origin == to.origin || self.later.iter().any(|kept| kept.origin == to.origin);
        if !is_to_come {
            let is_past = head.sealed.iter().any(|sealed| sealed.origin == to.origin);
            return Err(if is_past { RebuildError::Passed(to.clone()) } else { self.not_reached(to) });
        }
        while self.state.head().origin != to.origin || self.state.head().position < to.seq {
            let Some(leaf) = self.leaves.as_mut().and_then(Iterator::next) else {
                self.begin_next(to)?;
                continue;
            };
            let bytes = leaf?;
            self.state.apply(&Leaf::decode(&bytes)?, &mut self.buckets);
            progress();
        }
        if self.state.head().position > to.seq { Err(RebuildError::Passed(to.clone())) } else { Ok(()) }
    }

    fn begin_next(&mut self, to: &StreamPosition) -> Result<(), RebuildError> {
        if self.state.head().origin == to.origin {
            return Err(self.not_reached(to));
        }
        let Some(next) = self.later.pop_front() else { return Err(self.not_reached(to)) };
        self.state.begin(&next.origin);
        self.leaves = Some(archive::leaves(&next.dir, 1)?);
        Ok(())
    }

    fn not_reached(&self, to: &StreamPosition) -> RebuildError {
        let head = self.state.head();
        let here = self.later.back().map_or_else(
            || format!("sequence number {} of {}", head.position, head.origin),
            |kept| kept.origin.clone(),
        );
        RebuildError::NotReached { wanted: to.clone(), here }
    }
}

/// Counts what objectives lack, from the archives in `kept`.
pub(crate) fn count_anew(state: &mut State, buckets: &mut MemoryBuckets, kept: &[Kept]) -> Result<(), RebuildError> {
    let dir_of = |origin: &str| kept.iter().find(|kept| kept.origin == origin).map(|kept| kept.dir.clone());
    recount::count_anew(state, buckets, dir_of)
}
