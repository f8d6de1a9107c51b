//! The days that were issued: each made once, from where the day before ended, through all logs that took each other's place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use spark_core::fold::{State, snapshot};
use spark_core::report::{Day, Mark, Report, day_of};
use spark_eventlog::archive::{View, directory_name};
use spark_schemas::{Leaf, TimeNs};

use super::make::{Before, IssueError, Issued, Making, STATE_TO, Until};
use super::{CHECKPOINT, REPORT_JSON};
use crate::durable;
use crate::keys::Keys;
use crate::signer::{SignError, Signed};

/// The days of one log whose reports were issued: a directory each.
#[derive(Debug, Clone)]
pub struct Days {
    dir: PathBuf,
}

impl Days {
    /// Those of the log `incarnation`, in `<data>/evidence`.
    pub fn of(evidence: &Path, incarnation: &str) -> Self {
        Self { dir: evidence.join(directory_name(incarnation)) }
    }

    /// Where the day is, once it is issued.
    pub fn path(&self, day: Day) -> PathBuf {
        self.dir.join(day.to_string())
    }

    /// The days that were issued, oldest first.
    pub fn issued(&self) -> Result<Vec<Day>, IssueError> {
        let listed = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        let listed = listed.map_err(|source| IssueError::io(&self.dir, source))?;
        // Whatever is not named after a day, such as one that a crash left half made, is no issued one.
        let mut days: Vec<Day> = listed.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// The report of an issued day.
    pub fn report(&self, day: Day) -> Result<Report, IssueError> {
        let path = self.path(day).join(REPORT_JSON);
        let bytes = fs::read(&path).map_err(|source| IssueError::io(&path, source))?;
        serde_json::from_slice(&bytes).map_err(|error| IssueError::Damaged { path, problem: error.to_string() })
    }

    /// SHA-256 of an issued day's `report.json`.
    pub fn digest(&self, day: Day) -> Result<[u8; 32], IssueError> {
        let path = self.path(day).join(REPORT_JSON);
        let bytes = fs::read(&path).map_err(|source| IssueError::io(&path, source))?;
        Ok(Sha256::digest(bytes).into())
    }

    /// What `day` begins with.
    pub fn before(&self, day: Day) -> Result<Before, IssueError> {
        match day.previous().filter(|previous| self.path(*previous).exists()) {
            Some(previous) => self.after(previous),
            None => Ok(Before::default()),
        }
    }

    /// What the day after `day` begins with.
    pub fn after(&self, day: Day) -> Result<Before, IssueError> {
        let Mark { size, seq, .. } = self.report(day)?.log.to;
        let path = self.path(day).join(CHECKPOINT);
        let checkpoint = fs::read_to_string(&path).map_err(|source| IssueError::io(&path, source))?;
        let path = self.path(day).join(STATE_TO);
        let state = File::open(&path).and_then(zstd::decode_all).map_err(|source| IssueError::io(&path, source))?;
        Ok(Before { size: size.0, seq: seq.0, checkpoint: Some(checkpoint), state: Some(state) })
    }

    /// Makes a day's evidence. It is there whole, or, after a crash, not at all.
    pub fn issue(&self, making: Making<'_>, progress: impl FnMut()) -> Result<Issued, IssueError> {
        let (path, half) = (self.path(making.day), self.dir.join(format!("{}.making", making.day)));
        // What a crash left half made.
        match fs::remove_dir_all(&half) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(IssueError::io(&half, source)),
            _ => {}
        }
        fs::create_dir_all(&half).map_err(|source| IssueError::io(&half, source))?;
        let issued = making.make(&half, progress).inspect_err(|_| {
            // It may be room that was missing.
            let _best_effort = fs::remove_dir_all(&half);
        })?;
        fs::rename(&half, &path)
            .and_then(|()| durable::sync_dir(&self.dir))
            .map_err(|source| IssueError::io(&path, source))?;
        Ok(issued)
    }
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Which log it is of (`EVENTS@<created>`).
    pub incarnation: String,
    /// Where it is.
    pub dir: PathBuf,
}

/// Signs a log's checkpoint of a size.
pub type Sign<'a> = &'a dyn Fn(&Log, u64) -> Result<Signed, SignError>;

/// The logs of one partition, oldest first, and the days that were issued of them.
pub struct Logs<'a> {
    /// Where issued days are kept.
    pub evidence: &'a Path,
    /// The archives; the last one is written to, the others were sealed.
    pub logs: &'a [Log],
    /// Who signs the statements.
    pub keys: &'a Keys,
    /// Who signs the checkpoints.
    pub sign: Sign<'a>,
    /// What `replay.json` says of this program.
    pub replayer: &'a Value,
}

/// The day that comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Whose log.
    pub log: Log,
    /// The day.
    pub day: Day,
    /// Another log has taken this one's place: it has no more leaves to come.
    pub is_sealed: bool,
}

/// A draft that was made.
#[derive(Debug)]
pub struct Draft {
    /// Of which day.
    pub next: Next,
    /// The log as it was looked at.
    pub view: View,
    /// The report.
    pub issued: Issued,
    /// The state that the day begins with.
    pub state: Option<Vec<u8>>,
}

impl Logs<'_> {
    /// Which day comes next; `None` before the first leaf.
    pub fn next(&self) -> Result<Option<Next>, IssueError> {
        for (n, log) in self.logs.iter().enumerate() {
            let is_sealed = n + 1 < self.logs.len();
            let days = self.days(log);
            // Opening an archive reads its newest leaves: only where they are needed.
            let day = match days.issued()?.pop() {
                Some(last) if is_sealed && days.report(last)?.log.to.size.0 == View::open(&log.dir)?.size() => continue,
                Some(last) => last.next(),
                None => {
                    let Some(first) = View::open(&log.dir)?.leaves(1)?.next() else { continue };
                    let received = TimeNs(Leaf::decode(&first?)?.received_ns);
                    let known = match self.before(log, None)?.state {
                        Some(state) => snapshot::decode(&state)?.0,
                        None => State::default(),
                    };
                    day_of(&known, received)
                }
            };
            return Ok(Some(Next { log: log.clone(), day, is_sealed }));
        }
        Ok(None)
    }

    fn days(&self, log: &Log) -> Days {
        Days::of(self.evidence, &log.incarnation)
    }

    /// What a day begins with: where the last one of its log ended, or else the log before it.
    fn before(&self, log: &Log, last: Option<Day>) -> Result<Before, IssueError> {
        if let Some(last) = last {
            return self.days(log).after(last);
        }
        let earlier = self.logs.iter().take_while(|earlier| *earlier != log);
        for earlier in earlier.collect::<Vec<_>>().into_iter().rev() {
            if let Some(last) = self.days(earlier).issued()?.pop() {
                return Ok(Before { state: self.days(earlier).after(last)?.state, ..Before::default() });
            }
        }
        Ok(Before::default())
    }

    /// Issues the next day, if it is over.
    pub fn issue_next(&self, progress: impl FnMut()) -> Result<Option<Issued>, IssueError> {
        let Some(Next { log, day, is_sealed }) = self.next()? else { return Ok(None) };
        let view = View::open(&log.dir)?;
        let before = self.before(&log, self.days(&log).issued()?.pop())?;
        let until = if is_sealed { Until::Sealed(view.size()) } else { Until::Closed };
        let sign = |size| (self.sign)(&log, size);
        let making = self.making(&view, day, before, until, &sign);
        match Days::of(self.evidence, &log.incarnation).issue(making, progress) {
            // The leaf that closes it may be seen before it is durable; a moment later it is.
            Err(IssueError::NotOver | IssueError::Sign(SignError::Short { .. })) => Ok(None),
            issued => issued.map(Some),
        }
    }

    /// Makes a draft of the next day in `dir`, of the first `size` leaves of the newest log, which must be durable, and gives
    /// what it begins with; `None` before the first leaf.
    pub fn draft(&self, size: u64, dir: &Path, progress: impl FnMut()) -> Result<Option<Draft>, IssueError> {
        let Some(next) = self.next()? else { return Ok(None) };
        let view = View::open(&next.log.dir)?;
        if next.is_sealed {
            return Err(IssueError::Over);
        }
        let until = Until::Draft(size);
        let sign = |size| (self.sign)(&next.log, size);
        let before = self.before(&next.log, self.days(&next.log).issued()?.pop())?;
        let state = before.state.clone();
        let issued = self.making(&view, next.day, before, until, &sign).make(dir, progress)?;
        Ok(Some(Draft { next, view, issued, state }))
    }

    fn making<'a>(
        &'a self,
        view: &'a View,
        day: Day,
        before: Before,
        until: Until,
        sign: &'a dyn Fn(u64) -> Result<Signed, SignError>,
    ) -> Making<'a> {
        Making { view, logs: self.logs, day, before, until, sign, keys: self.keys, replayer: self.replayer }
    }
}
