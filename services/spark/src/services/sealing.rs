//! Has the log signed: at least every minute while it grows, at each decision of the gate, when the keys change, and at
//! the end. A log that was made anew has its last checkpoint signed before the next one's first.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use spark_aggregator::Projections;
use spark_aggregator::derived::Publish;
use spark_aggregator::follow::describe;
use spark_aggregator::recorder::Kept;
use spark_eventlog::archive::{Archive, ArchiveOptions, View, read_checkpoint};
use spark_eventlog::clock::{self, WallClock};
use spark_evidence::{Checkpoint, Given, KeyPlace, Keys, LogSigner, SignError, Signed};
use spark_schemas::{metric, subject};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::evidence::LocalEvidence;
use crate::cli::SigningArgs;

/// A checkpoint is at most so old while there are new leaves.
const SIGN_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The environment variable that may hold a key itself.
const KEY_VARIABLE: &str = "SPARK_SIGNING_KEY";

/// Where the keys of the data directory are, and those that are given; makes a first key when there is none.
pub fn prepare_keys(data: &Path, args: &SigningArgs) -> anyhow::Result<KeyPlace> {
    let mut given: Vec<Given> = args.signing_keys.iter().cloned().map(Given::File).collect();
    if let Ok(pem) = std::env::var(KEY_VARIABLE) {
        given.push(Given::Pem(pem));
    }
    let place = KeyPlace { dir: data.join("keys"), given };
    Keys::load_or_make(&place.dir, &place.given).context("read the keys that sign the log")?;
    Ok(place)
}

/// Signs what is left to sign of archives that nobody writes to any more. Blocks.
pub fn finish(evidence: &LocalEvidence, kept: &[Kept]) -> anyhow::Result<()> {
    for Kept { origin, dir } in kept {
        let signed = read_checkpoint(dir)?.and_then(|text| text.parse::<Signed>().ok());
        let signed = signed.map_or(0, |known| known.checkpoint.size);
        if View::open(dir)?.size() == signed {
            continue;
        }
        let options = ArchiveOptions { incarnation: Some(origin.clone()), ..ArchiveOptions::default() };
        let (archive, _torn_tail) = Archive::open(dir, options)?;
        match evidence.signer_of(archive).sign() {
            Ok(_) => tracing::info!(origin, "signed the last checkpoint of an older log"),
            Err(error) => tracing::error!(origin, error = describe(&error), "an older log is not signed to its end"),
        }
    }
    Ok(())
}

/// What has the log of one partition signed.
pub struct Sealing {
    /// Who knows the signers.
    pub evidence: Arc<LocalEvidence>,
    /// Whose log.
    pub partition: u16,
    /// The archive that is written to.
    pub archive: watch::Receiver<Option<Archive>>,
    /// Where decisions of the gate show.
    pub projections: Projections,
    /// Where checkpoints go besides.
    pub publisher: Option<Arc<dyn Publish>>,
}

#[derive(Default)]
struct Standing {
    signer: Option<Arc<LogSigner>>,
    /// When the last attempt began.
    tried: Option<Instant>,
    /// The decision that was seen last.
    gate: Option<String>,
    /// What went wrong, as it was said.
    failure: String,
}

impl Sealing {
    /// Signs what is due until `stop`, and then once more.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let clock = clock::system();
        let mut standing = Standing { gate: self.gate(&clock), ..Standing::default() };
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let current = self.archive.borrow().clone();
            let known = standing.signer.as_ref().map(|signer| signer.archive().incarnation().to_owned());
            if let Some(archive) = current.filter(|archive| known.as_deref() != Some(archive.incarnation())) {
                // The log was made anew, or is seen for the first time.
                self.sign(&mut standing).await;
                standing.signer = Some(self.evidence.open(self.partition, archive));
                standing.tried = None;
            }
            let gate = self.gate(&clock);
            let is_due = standing.tried.is_none_or(|tried| tried.elapsed() >= SIGN_EVERY) || gate != standing.gate;
            standing.gate = gate;
            let has_leaves = standing.signer.as_ref().is_some_and(|signer| signer.archive().next_seq() > 1);
            if is_due && has_leaves {
                self.sign(&mut standing).await;
            }
        }
        self.sign(&mut standing).await;
        Ok(())
    }

    /// The decision of the gate that was made last.
    fn gate(&self, clock: &WallClock) -> Option<String> {
        let last = |view: spark_core::view::View<'_>| {
            view.declarations().gate_decisions.back().map(|gate| gate.id.to_string())
        };
        self.projections.view(clock(), last).ok().flatten()
    }

    async fn sign(&self, standing: &mut Standing) {
        let Some(signer) = standing.signer.clone() else { return };
        standing.tried = Some(Instant::now());
        // What the fold has seen is to be in it. A log that takes nothing more is signed as far as it is durable.
        if let Err(error) = signer.archive().sync().await {
            tracing::debug!(error = describe(&error), "the archive is signed as far as it is durable");
        }
        let signed = tokio::task::spawn_blocking(move || signer.sign()).await;
        match signed {
            Ok(Ok(signed)) => {
                standing.failure.clear();
                if let Some(signed) = signed {
                    self.tell(&signed).await;
                }
            }
            Ok(Err(error)) => {
                let reason = if matches!(error, SignError::Fork { .. }) { "fork" } else { "other" };
                metrics::counter!(metric::CHECKPOINT_FAILURES, "reason" => reason).increment(1);
                let text = describe(&error);
                if standing.failure != text {
                    tracing::error!(partition = self.partition, error = text, "the log is not signed");
                    standing.failure = text;
                }
            }
            Err(error) => tracing::error!(error = describe(&error), "signing the log ended"),
        }
    }

    async fn tell(&self, signed: &Signed) {
        let Checkpoint { origin, size, .. } = &signed.checkpoint;
        tracing::debug!(origin, size, "signed a checkpoint");
        metrics::gauge!(metric::CHECKPOINT_LEAVES, "partition" => self.partition.to_string()).set(*size as f64);
        let Some(publisher) = &self.publisher else { return };
        let note = Bytes::from(signed.note.to_string());
        if let Err(error) = publisher.publish(subject::CHECKPOINT.to_owned(), note).await {
            tracing::warn!(error = describe(error.as_ref()), "a checkpoint was not published");
        }
    }
}
