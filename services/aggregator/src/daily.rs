//! Daily reports made from the archives of a log: `spark report`, and drafts for the API.
//!
//! Only reads, and needs no service and no store. A day that was issued is read as it is; another one is folded from the
//! state behind the last issued day before it, or else from the log's first leaf, which takes as long as a replay does.

use std::path::Path;

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::{State, snapshot};
use spark_core::merkle::CompactRange;
use spark_core::report::{Day, Mark, Replay, Report, Span, U64, closes, day_of, origin};
use spark_core::view::{DECLARING, rfc3339};
use spark_eventlog::archive::{self, LeafIter, OpenError};
use spark_evidence::bundle::{Before, Days, IssueError};
use spark_schemas::{Leaf, TimeNs};

use crate::rebuild::{Archives, RebuildError, count_anew};
use crate::recorder::Kept;

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The day; by default the one that is not closed yet.
    pub day: Option<Day>,
    /// As the log was at this instant: of what it received later nothing is known.
    pub at: Option<TimeNs>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The log can't be folded.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// What was kept of an issued day can't be read.
    #[error("an issued report can't be read")]
    Issued(#[from] IssueError),
    /// Nothing was ever received, or not by that instant.
    #[error("the log is empty{}", .0.map(|at| format!(" at {}", rfc3339(at))).unwrap_or_default())]
    Empty(Option<TimeNs>),
    /// The log begins later.
    #[error("the log begins on {first}; there is no report of {wanted}")]
    Before {
        /// What was asked for.
        wanted: Day,
        /// The first day with a report.
        first: Day,
    },
    /// The day before it is not closed yet.
    #[error("the report of {wanted} has not begun; the open one is that of {open}")]
    NotBegun {
        /// What was asked for.
        wanted: Day,
        /// The day whose leaves still come.
        open: Day,
    },
}

impl From<OpenError> for ReportError {
    fn from(error: OpenError) -> Self {
        Self::Rebuild(error.into())
    }
}

/// Makes a report from what lies in a data directory; `progress` hears of each leaf. Blocks for as long as a replay takes.
pub fn report(data: &Path, wanted: Wanted, mut progress: impl FnMut()) -> Result<Report, ReportError> {
    let archives = Archives::find(data)?;
    let kept = archives.of(DECLARING)?;
    let (last_kept, sealed) = split(kept, wanted)?;
    let issued = Days::of(&data.join("evidence"), &last_kept.origin);
    if let (Some(day), None) = (wanted.day, wanted.at)
        && issued.issued()?.contains(&day)
    {
        return Ok(issued.report(day)?);
    }
    let begun = match behind_an_issued_day(&issued, last_kept, wanted)? {
        Some(begun) => begun,
        None => at_the_first_leaf(last_kept, sealed, wanted, &mut progress)?,
    };
    let Begun { mut state, mut buckets, mut leaves, mut day } = begun;
    loop {
        // Whoever has the whole log counts anew what is to be, before the day's leaves.
        count_anew(&mut state, &mut buckets, kept)?;
        let from = leaves.mark(&state)?;
        let mut replay = Replay::new(day, state, buckets);
        while let Some(bytes) = leaves.next_if(|received| !closes(day, replay.state(), received))? {
            replay.leaf(&decode(&bytes)?);
            progress();
        }
        let is_closed = leaves.peek()?.is_some();
        let is_wanted = wanted.day.map_or(!is_closed, |wanted| wanted == day);
        if is_wanted {
            let (first, last) = (from.seq.0 + 1, replay.state().head().position);
            replay.count_anew(|take| {
                for bytes in archive::leaves(&last_kept.dir, first)? {
                    let bytes = bytes?;
                    let leaf = decode(&bytes)?;
                    if leaf.seq > last {
                        break;
                    }
                    take(&leaf);
                }
                Ok::<_, RebuildError>(())
            })?;
            let to = leaves.mark(replay.state())?;
            let span = Span { origin: origin(replay.state()), from, to };
            return Ok(replay.finish(span, !is_closed).report);
        }
        if let Some(wanted) = wanted.day.filter(|_| !is_closed) {
            return Err(ReportError::NotBegun { wanted, open: day });
        }
        (state, buckets) = replay.into_state();
        day = day.next();
    }
}

/// Where the folding of days begins.
struct Begun {
    state: State,
    buckets: MemoryBuckets,
    leaves: Leaves,
    day: Day,
}

/// Behind the last day before the wanted one that was issued, whose state was kept.
fn behind_an_issued_day(issued: &Days, kept: &Kept, wanted: Wanted) -> Result<Option<Begun>, ReportError> {
    let is_before =
        |day: &Day| wanted.day.is_none_or(|wanted| *day < wanted) && wanted.at.is_none_or(|at| day.end() <= at);
    let Some(last) = issued.issued()?.into_iter().rfind(is_before) else { return Ok(None) };
    let Before { size, seq, state: Some(state), .. } = issued.after(last)? else { return Ok(None) };
    let (state, buckets) = snapshot::decode(&state).map_err(IssueError::from)?;
    // Its last leaves may have been received after the instant that is asked for.
    if wanted.at.is_some_and(|at| state.head().fold_time > at) {
        return Ok(None);
    }
    let leaves = Leaves::open_at(kept, wanted.at, size, seq)?;
    Ok(Some(Begun { state, buckets, leaves, day: last.next() }))
}

/// At the first leaf of a log, behind those that were sealed before it.
fn at_the_first_leaf(
    kept: &Kept,
    sealed: &[Kept],
    wanted: Wanted,
    progress: &mut impl FnMut(),
) -> Result<Begun, ReportError> {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    for one in sealed {
        state.begin(&one.origin);
        let mut leaves = Leaves::open(one, wanted.at)?;
        while let Some(bytes) = leaves.next()? {
            state.apply(&decode(&bytes)?, &mut buckets);
            progress();
        }
    }
    state.begin(&kept.origin);
    let mut leaves = Leaves::open(kept, wanted.at)?;
    let first = leaves.peek()?.ok_or(ReportError::Empty(wanted.at))?;
    let day = day_of(&state, first);
    match wanted.day.filter(|wanted| *wanted < day) {
        Some(wanted) => Err(ReportError::Before { wanted, first: day }),
        None => Ok(Begun { state, buckets, leaves, day }),
    }
}

fn decode(bytes: &[u8]) -> Result<Leaf<'_>, RebuildError> {
    Ok(Leaf::decode(bytes)?)
}

/// The archive with the report's leaves, and those before it. A day in which a stream was made anew has a report in each
/// log: the newest is given.
fn split(kept: &[Kept], wanted: Wanted) -> Result<(&Kept, &[Kept]), ReportError> {
    let is_too_late = |received: TimeNs| {
        wanted.at.is_some_and(|at| received > at) || wanted.day.is_some_and(|day| received >= day.end())
    };
    for n in (0..kept.len()).rev() {
        let first = Leaves::open(&kept[n], None)?.peek()?;
        if n == 0 || first.is_some_and(|received| !is_too_late(received)) {
            return Ok((&kept[n], &kept[..n]));
        }
    }
    Err(ReportError::Empty(wanted.at))
}

/// The leaves of an archive, one ahead, up to an instant.
struct Leaves {
    view: archive::View,
    leaves: LeafIter,
    until: Option<TimeNs>,
    ahead: Option<(bytes::Bytes, TimeNs)>,
    taken: u64,
}

impl Leaves {
    fn open(kept: &Kept, until: Option<TimeNs>) -> Result<Self, ReportError> {
        Self::open_at(kept, until, 0, 0)
    }

    /// Behind the first `taken` leaves, the last of which has sequence number `seq`.
    fn open_at(kept: &Kept, until: Option<TimeNs>, taken: u64, seq: u64) -> Result<Self, ReportError> {
        let view = archive::View::open(&kept.dir)?;
        let leaves = view.leaves(seq + 1).map_err(RebuildError::from)?;
        Ok(Self { view, leaves, until, ahead: None, taken })
    }

    /// When the log took the next leaf.
    fn peek(&mut self) -> Result<Option<TimeNs>, RebuildError> {
        if self.ahead.is_none() {
            let Some(bytes) = self.leaves.next().transpose()? else { return Ok(None) };
            let received = TimeNs(decode(&bytes)?.received_ns);
            if self.until.is_some_and(|until| received > until) {
                self.until = Some(TimeNs(0)); // Nothing behind it is looked at, whatever its time says.
                return Ok(None);
            }
            self.ahead = Some((bytes, received));
        }
        Ok(self.ahead.as_ref().map(|(_, received)| *received))
    }

    fn next(&mut self) -> Result<Option<bytes::Bytes>, RebuildError> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wants: impl FnOnce(TimeNs) -> bool) -> Result<Option<bytes::Bytes>, RebuildError> {
        if !self.peek()?.is_some_and(wants) {
            return Ok(None);
        }
        self.taken += 1;
        Ok(self.ahead.take().map(|(bytes, _)| bytes))
    }

    /// Behind the leaves that were taken.
    fn mark(&self, state: &State) -> Result<Mark, RebuildError> {
        let range = self.view.frontier_at(self.taken)?.unwrap_or_else(CompactRange::default);
        let root = spark_core::hex(&range.root());
        Ok(Mark { size: U64(self.taken), seq: U64(state.head().position), root })
    }
}
