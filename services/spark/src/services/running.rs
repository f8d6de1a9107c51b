//! Parts that run side by side: when one ends early the whole service ends, and says which.

use std::future::Future;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::edge;

type Outcome = (&'static str, anyhow::Result<()>);

/// The parts of a running service.
#[derive(Default)]
pub struct Running {
    parts: JoinSet<Outcome>,
    failure: Option<anyhow::Error>,
}

impl Running {
    /// Starts a part.
    pub fn start(&mut self, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.parts.spawn(async move { (name, part.await) });
    }

    /// Waits until somebody wants the program to end, or a part ends by itself.
    pub async fn until_asked_to_stop(&mut self) {
        tokio::select! {
            () = edge::asked_to_stop() => tracing::info!("stopping"),
            ended = self.parts.join_next() => {
                let ended_early = match ended {
                    Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} ended by itself"),
                    Some(Ok((name, Err(error)))) => error.context(name),
                    Some(Err(error)) => anyhow::Error::new(error).context("a part panicked"),
                    None => return,
                };
                self.failure = Some(ended_early);
            }
        }
    }

    /// Cancels `token` and waits until no more than `parts_left` parts run.
    pub async fn stop(&mut self, token: &CancellationToken, parts_left: usize) {
        token.cancel();
        while self.parts.len() > parts_left {
            let outcome = match self.parts.join_next().await {
                Some(Ok((name, outcome))) => outcome.context(name),
                Some(Err(error)) => Err(error).context("a part panicked"),
                None => return,
            };
            if let Err(error) = outcome {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// What went wrong first, if anything did.
    pub fn into_result(self) -> anyhow::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}
