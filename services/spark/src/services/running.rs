//! Parts that run side by side, in stages that end in the order of the flow. When one part ends early the whole service
//! ends, and says which.

use std::future::Future;

use anyhow::Context as _;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::edge;

type Outcome = (&'static str, anyhow::Result<()>);

/// Parts that are told to end together.
#[derive(Default)]
pub struct Stage {
    stop: CancellationToken,
    parts: TaskTracker,
}

/// The parts of a running service.
#[derive(Default)]
pub struct Running {
    parts: JoinSet<Outcome>,
    failure: Option<anyhow::Error>,
}

impl Running {
    /// Starts a part of `stage`; it ends when the token that it is given is cancelled.
    pub fn start<P>(&mut self, stage: &Stage, name: &'static str, part: impl FnOnce(CancellationToken) -> P)
    where
        P: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let part = part(stage.stop.clone());
        self.parts.spawn(stage.parts.track_future(async move { (name, part.await) }));
    }

    /// Waits until somebody wants the program to end, or a part ends by itself.
    pub async fn until_asked_to_stop(&mut self) {
        tokio::select! {
            () = edge::asked_to_stop() => tracing::info!("stopping"),
            Some(ended) = self.parts.join_next() => {
                let early = match &ended {
                    Ok((name, Ok(()))) => Some(anyhow::anyhow!("{name} ended by itself")),
                    _ => None,
                };
                self.failure = early.or_else(|| failure_of(ended));
            }
        }
    }

    /// Tells the parts of `stage` to end, and waits until they have.
    pub async fn stop(&self, stage: &Stage) {
        stage.stop.cancel();
        stage.parts.close();
        stage.parts.wait().await;
    }

    /// What went wrong first, if anything did, once every part has ended.
    pub async fn into_result(mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.parts.join_next().await {
            self.failure = self.failure.or_else(|| failure_of(ended));
        }
        self.failure.map_or(Ok(()), Err)
    }
}

fn failure_of(ended: Result<Outcome, JoinError>) -> Option<anyhow::Error> {
    match ended {
        Ok((name, outcome)) => outcome.context(name).err(),
        Err(panicked) => Some(anyhow::Error::new(panicked).context("a part panicked")),
    }
}
