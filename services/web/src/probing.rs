//! Checks that canaries run themselves. The service is given somebody who does: it makes no check of its own.

use async_trait::async_trait;
use spark_core::canary::{MockRuns, ProbedTarget};
use spark_core::config::Target;

/// The built-in target could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the built-in target can't be started")]
pub struct ProbingError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Checks endpoints now.
#[async_trait]
pub trait Probing: Send + Sync {
    /// Checks each target `runs` times. One that can't be checked, or not in time, says why.
    async fn real(&self, targets: Vec<Target>, runs: u32) -> Vec<ProbedTarget>;

    /// Starts the built-in target, asks each of its variants, and ends it.
    async fn mock(&self) -> Result<MockRuns, ProbingError>;
}

/// Somebody who checks nothing, and says so: for services that are not to reach out.
pub struct NoProbing;

const NOBODY: &str = "nobody checks endpoints here";

#[async_trait]
impl Probing for NoProbing {
    async fn real(&self, targets: Vec<Target>, _runs: u32) -> Vec<ProbedTarget> {
        let unchecked = |target: Target| ProbedTarget { target: target.name, runs: Err(NOBODY.to_owned()) };
        targets.into_iter().map(unchecked).collect()
    }

    async fn mock(&self) -> Result<MockRuns, ProbingError> {
        Err(ProbingError(NOBODY.into()))
    }
}
