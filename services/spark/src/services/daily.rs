//! Each day's evidence: issued when the day is over, said in the log, and given as a bundle to whoever asks.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use spark_aggregator::Projections;
use spark_aggregator::follow::describe;
use spark_aggregator::recorder::created_ns;
use spark_core::report::{Day, Report};
use spark_core::view::View;
use spark_eventlog::archive::{self, Archive, ArchiveOptions};
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::EventWriter;
use spark_evidence::bundle::{Days, Draft, IssueError, Issued, Log, Logs, Next, name, ship};
use spark_evidence::{Keys, SignError, Signed};
use spark_schemas::event::ReportIssued;
use spark_schemas::{TimeNs, subject};
use spark_web::BuildInfo;
use spark_web::evidence::{Document, NoDocument};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::evidence::LocalEvidence;

/// How often it is looked whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long it is waited at most before a day that could not be issued is tried again.
const RETRY_AT_MOST: Duration = Duration::from_secs(600);
/// What a draft is asked for by.
const DRAFT: &str = "draft";

/// Which program made a bundle.
pub(super) fn replayer(build: &BuildInfo) -> Value {
    let lock = spark_core::hex(&Sha256::digest(include_bytes!("../../../../Cargo.lock")));
    json!({
        "program": "spark",
        "version": build.version,
        "build": build.id,
        "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "cargoLock": { "sha256": lock },
        "arguments": ["evidence", "verify", "--replay"],
    })
}

impl LocalEvidence {
    /// The logs of a partition, oldest first.
    fn chain(&self, partition: u16) -> std::io::Result<Vec<Log>> {
        let stream = format!("{}@", subject::stream(partition));
        let own = self.logs()?.into_iter().filter(|(incarnation, _)| incarnation.starts_with(&stream));
        let mut logs: Vec<Log> = own.map(|(incarnation, dir)| Log { incarnation, dir }).collect();
        logs.sort_by_key(|log| created_ns(&log.incarnation));
        Ok(logs)
    }

    fn sign(&self, partition: u16, log: &Log, size: u64) -> Result<Signed, SignError> {
        match self.signer(partition).filter(|signer| signer.archive().incarnation() == log.incarnation) {
            Some(signer) => signer.sign_at(size),
            None => {
                let options =
                    ArchiveOptions { incarnation: Some(log.incarnation.clone()), ..ArchiveOptions::default() };
                let (archive, _torn_tail) = Archive::open(&log.dir, options)?;
                self.signer_of(archive).sign_at(size)
            }
        }
    }

    /// Looks at the logs of a partition, one at a time. Blocks.
    fn with_logs<T>(
        &self,
        partition: u16,
        look: impl FnOnce(&Logs<'_>) -> Result<T, IssueError>,
    ) -> Result<T, IssueError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = self.chain(partition).map_err(|source| IssueError::Io { path: self.days.clone(), source })?;
        let keys: Keys = self.keys.load().map_err(SignError::from)?;
        let sign = |log: &Log, size| self.sign(partition, log, size);
        look(&Logs { evidence: &self.days, logs: &logs, keys: &keys, sign: &sign, replayer: &self.replayer })
    }

    /// The bundle of a day, or a draft of the one that is not over. Blocks, and spools to a file without a name.
    pub(super) fn bundle(&self, asked: &str) -> Result<Document, NoDocument> {
        let failed = |error: &dyn std::error::Error| NoDocument::Unavailable(format!("{}.", describe(error)));
        let partition =
            self.first_partition().ok_or_else(|| NoDocument::Unavailable("The log was not seen yet.".to_owned()))?;
        if asked == DRAFT {
            return self.draft(partition);
        }
        let day: Day = asked.parse().map_err(|error| NoDocument::Absent(format!("{error}.")))?;
        let logs = self.chain(partition).map_err(|error| failed(&error))?;
        for log in logs.iter().rev() {
            let days = Days::of(&self.days, &log.incarnation);
            if !days.issued().map_err(|error| failed(&error))?.contains(&day) {
                continue;
            }
            let state = days.before(day).map_err(|error| failed(&error))?.state;
            let view = archive::View::open(&log.dir).map_err(|error| failed(&error))?;
            let report = days.report(day).map_err(|error| failed(&error))?;
            return self.spool(&days.path(day), state.as_deref(), &view, &report);
        }
        let about = "without a date there is a draft of the day that is not over";
        Err(NoDocument::Absent(format!("No report of {day} was issued; {about}.")))
    }

    fn draft(&self, partition: u16) -> Result<Document, NoDocument> {
        let failed = |error: &dyn std::error::Error| NoDocument::Unavailable(format!("{}.", describe(error)));
        // Beside the days, where there is room for them: a system's directory for scratch may be memory.
        let scratch = std::fs::create_dir_all(&self.days).and_then(|()| tempfile::tempdir_in(&self.days));
        let scratch = scratch.map_err(|error| failed(&error))?;
        // What is not durable yet can't be signed.
        let size = self.signer(partition).map(|signer| signer.archive().tree()).transpose();
        let size = size.map_err(|error| failed(&error))?.map_or(0, |(size, _)| size);
        let made = self.with_logs(partition, |logs| logs.draft(size, scratch.path(), || ()));
        match made.map_err(|error| failed(&error))? {
            None => Err(NoDocument::Absent("The log is empty: there is nothing to make a draft of.".to_owned())),
            Some(Draft { view, issued, state, .. }) => {
                self.spool(scratch.path(), state.as_deref(), &view, &issued.report)
            }
        }
    }

    fn spool(
        &self,
        day: &Path,
        state: Option<&[u8]>,
        view: &archive::View,
        report: &Report,
    ) -> Result<Document, NoDocument> {
        let failed = |error: &dyn std::error::Error| NoDocument::Unavailable(format!("{}.", describe(error)));
        let mut name = name(&report.log.origin, report.date);
        if report.draft {
            name += "-draft";
        }
        let file = tempfile::tempfile_in(&self.days).map_err(|error| failed(&error))?;
        let mut file = ship(day, state, view, &name, file).map_err(|error| failed(&error))?;
        std::io::Seek::rewind(&mut file).map_err(|error| failed(&error))?;
        Ok(Document::Evidence { name: format!("{name}.tar.zst"), file })
    }
}

/// What issues the days of one partition.
pub struct Daily {
    /// Whose logs.
    pub evidence: Arc<LocalEvidence>,
    /// Which of them.
    pub partition: u16,
    /// Where the time of the log shows, and what was said of reports.
    pub projections: Projections,
    /// Says in the log that a report was issued.
    pub writer: Arc<EventWriter>,
    /// When it is said.
    pub clock: WallClock,
}

/// What is known from the looks before.
#[derive(Default)]
struct Standing {
    /// The day that comes next.
    next: Option<Next>,
    /// Digests of the reports that were said, which may not be folded yet.
    said: BTreeSet<String>,
}

impl Daily {
    /// Issues days as they end, until `stop`.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failure, mut pause, mut standing) = (String::new(), LOOK_EVERY, Standing::default());
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            match self.close(&mut standing).await {
                Ok(()) => {
                    failure.clear();
                    pause = LOOK_EVERY;
                }
                Err(error) => {
                    // It takes as long as folding a day to fail again.
                    standing.next = None;
                    pause = (pause * 2).min(RETRY_AT_MOST);
                    ticks.reset_after(pause);
                    let text = describe(error.as_ref());
                    if failure != text {
                        tracing::error!(partition = self.partition, error = text, "a day's report is not issued");
                        failure = text;
                    }
                }
            }
        }
    }

    /// Says what was issued and is not in the log, and issues every day that is over. Nothing on the disk is looked at
    /// until the day that comes `next` has ended, or another log took this one's place.
    async fn close(&self, standing: &mut Standing) -> anyhow::Result<()> {
        let Some(signer) = self.evidence.signer(self.partition) else { return Ok(()) }; // The log was not seen yet.
        if !self.projections.are_live() {
            return Ok(()); // What was said of reports is not known yet.
        }
        let now = self.projections.view((self.clock)(), |view| self.fold_time(&view))?;
        let waits = |next: &Next| next.log.incarnation == signer.archive().incarnation() && now < next.day.end();
        if standing.next.as_ref().is_some_and(waits) {
            return Ok(());
        }
        loop {
            let Some((coming, is_over)) = self.look(standing).await? else { return Ok(()) };
            standing.next = Some(coming);
            let (evidence, partition) = (Arc::clone(&self.evidence), self.partition);
            let issue = move || evidence.with_logs(partition, |logs| logs.issue_next(|| ()));
            let issued = if is_over { tokio::task::spawn_blocking(issue).await?? } else { None };
            let Some(Issued { report, digest }) = issued else { return Ok(()) };
            let (date, risk) = (report.date.to_string(), report.risk.level.as_str());
            tracing::info!(date, risk, origin = report.log.origin, "issued the day's report");
            self.say(&report, &digest, standing).await?;
        }
    }

    /// The time of this partition's log: others may be ahead, and close nothing here.
    fn fold_time(&self, view: &View<'_>) -> TimeNs {
        let own = view.parts.iter().find(|part| part.partition == self.partition);
        own.map_or(TimeNs(0), |part| part.state.head().fold_time)
    }

    /// Whether the next day is over, by the log's own time; `None` without a log. What a crash kept from being said about
    /// the last one is said.
    async fn look(&self, standing: &mut Standing) -> anyhow::Result<Option<(Next, bool)>> {
        let (evidence, partition) = (Arc::clone(&self.evidence), self.partition);
        let look = move || {
            evidence.with_logs(partition, |logs| {
                let Some(next) = logs.next()? else { return Ok(None) };
                let days = Days::of(logs.evidence, &next.log.incarnation);
                let last =
                    days.issued()?.pop().map(|last| Ok::<_, IssueError>((days.report(last)?, days.digest(last)?)));
                Ok(Some((next, last.transpose()?)))
            })
        };
        let Some((next, last)) = tokio::task::spawn_blocking(look).await?? else { return Ok(None) };
        let seen = self.projections.view((self.clock)(), |view| {
            let declarations = view.declarations();
            // Two logs may have a report of one day each.
            let is_known = |digest: &str| declarations.reports.iter().any(|one| one.digest == digest);
            let is_said = last.as_ref().is_none_or(|(_, digest)| {
                let digest = spark_core::hex(digest);
                standing.said.contains(&digest) || is_known(&digest)
            });
            let policy = declarations.policy.as_ref().map(|policy| policy.config.report.clone());
            let grace = policy.unwrap_or_default().grace;
            (is_said, next.is_sealed || next.day.is_closed_by(self.fold_time(&view), grace))
        })?;
        let (is_said, is_over) = seen;
        if let Some((report, digest)) = last.filter(|_| !is_said) {
            self.say(&report, &digest, standing).await?;
        }
        Ok(Some((next, is_over)))
    }

    async fn say(&self, report: &Report, digest: &[u8; 32], standing: &mut Standing) -> anyhow::Result<()> {
        let (from_seq, to_seq) = (report.log.from.seq.0 + 1, report.log.to.seq.0 + 1);
        let (date, digest) = (report.date.to_string().into(), spark_core::hex(digest).into());
        let issued = ReportIssued { at_ns: (self.clock)(), date, digest, from_seq, to_seq };
        let digest = issued.digest.to_string();
        self.writer.write(vec![issued.into()]).await?;
        standing.said.insert(digest);
        Ok(())
    }
}
