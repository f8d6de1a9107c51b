//! A projection that follows a log, as aggregator (with a recorder) and web (without) do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spark_aggregator::follow::{Follow, FollowError};
use spark_aggregator::recorder::Recorder;
use spark_aggregator::{FoldStatus, Projection, Projections};
use spark_core::fold::StateHead;
use spark_eventlog::clock;
use spark_eventlog::jetstream::JetStreamLog;
use spark_schemas::TimeNs;
use spark_tests::wait::{self, LONG};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where it keeps what it knows.
pub struct Place {
    pub store: PathBuf,
    pub archives: Option<PathBuf>,
}

impl Place {
    pub fn aggregator(dir: &Path) -> Self {
        Self { store: dir.join("aggregator/store"), archives: Some(dir.join("aggregator/archive")) }
    }

    pub fn web(dir: &Path) -> Self {
        Self { store: dir.join("web/store"), archives: None }
    }
}

pub struct Following {
    pub projection: Projection,
    stop: CancellationToken,
    end: JoinHandle<Result<(), FollowError>>,
}

impl Following {
    pub fn start(place: &Place, log: &JetStreamLog) -> Self {
        let projection = Projection::open_stream(&place.store, 0).unwrap();
        let follow = Follow {
            projection: projection.clone(),
            log: Arc::new(log.clone()),
            recorder: place.archives.as_ref().map(|dir| Recorder::open(dir, 0).unwrap()),
            dead_letters: None,
            clock: clock::system(),
        };
        let stop = CancellationToken::new();
        Self { projection, end: tokio::spawn(follow.run(stop.clone())), stop }
    }

    pub fn head(&self) -> StateHead {
        self.projection.view(TimeNs(0), |view| view.parts[0].state.head().clone()).unwrap()
    }

    /// The digest and what it is of.
    pub fn digest(&self) -> (String, u64, String) {
        let seen = Projections::from(self.projection.clone()).view_with_digest(TimeNs(0), |view, digest| {
            let head = view.parts[0].state.head();
            (head.origin.clone(), head.position, digest)
        });
        seen.unwrap()
    }

    /// Frames of `ist-1` that are missing.
    pub fn missing(&self) -> u64 {
        self.projection.view(TimeNs(0), |view| view.agent_runs().iter().map(|run| run.marks.missing()).sum()).unwrap()
    }

    pub async fn until(&self, what: &str, mut holds: impl FnMut(&StateHead, &FoldStatus) -> bool) {
        let began = wait::now();
        loop {
            let (head, status) = (self.head(), self.projection.status());
            if holds(&head, &status) {
                return;
            }
            assert!(!self.end.is_finished(), "{what}: following ended, {status:?}");
            assert!(began.elapsed() < LONG, "not in time: {what}; at last {status:?}, {head:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub async fn until_counted(&self, frames: u64) {
        self.until(&format!("{frames} frames counted"), |head, _| head.totals.frames >= frames).await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.end.await.unwrap().unwrap();
    }

    /// Waits for it to give up.
    pub async fn failure(self) -> FollowError {
        tokio::time::timeout(LONG, self.end).await.expect("it gives up").unwrap().unwrap_err()
    }
}
