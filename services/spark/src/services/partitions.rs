//! Which partitions there are, and a service's part in them.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use spark_aggregator::Projection;
use spark_core::view::DECLARING;
use spark_eventlog::Bounds;
use spark_eventlog::jetstream::{self, Client};

use crate::exit::Unusable;

/// How long a start waits for NATS to say how many partitions there are.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a service keeps its stores: one for each partition.
pub struct Stores<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// The name of partition 0's; others have their number behind it.
    pub name: &'static str,
}

impl Stores<'_> {
    fn count(&self) -> u16 {
        (1..u16::MAX).find(|n| !self.of(*n).exists()).unwrap_or(u16::MAX)
    }

    fn of(&self, partition: u16) -> PathBuf {
        match partition {
            0 => self.data.join(self.name),
            n => self.data.join(format!("{}-{n}", self.name)),
        }
    }
}

/// How many partitions the log has: NATS is asked, but not waited for long. Where it does not answer, as many as there
/// are stores of, and at least `at_least`; whether that was right shows when it answers.
pub async fn known(client: &Client, stores: &Stores<'_>, at_least: u16) -> NonZeroU16 {
    ask(client).await.unwrap_or_else(|| NonZeroU16::new(stores.count().max(at_least)).unwrap_or(NonZeroU16::MIN))
}

async fn ask(client: &Client) -> Option<NonZeroU16> {
    let asked = async {
        client.established().await.ok()?;
        jetstream::partitions(client, DECLARING).await.ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}

/// The partitions of a log of so many that `asked` names: all of them when it names none.
pub fn owned(asked: &[u16], partitions: NonZeroU16) -> Result<Vec<u16>, Unusable> {
    let all = 0..partitions.get();
    match asked.iter().find(|partition| !all.contains(partition)) {
        Some(missing) => Err(Unusable::Setting(format!(
            "there is no partition {missing}: the log has {partitions}, numbered from 0"
        ))),
        None => Ok(all.filter(|partition| asked.is_empty() || asked.contains(partition)).collect()),
    }
}

/// How many partitions a probe publishes for: as it was told, else as NATS says, else one.
pub async fn told(client: &Client, told: Option<NonZeroU16>) -> Result<NonZeroU16, Unusable> {
    match (told, ask(client).await) {
        (Some(told), Some(found)) if told != found => Err(told_wrongly(told, found)),
        (told, found) => Ok(told.or(found).unwrap_or(NonZeroU16::MIN)),
    }
}

/// A probe that counts on another number of partitions than the log has would publish to the wrong one.
pub fn told_wrongly(told: NonZeroU16, found: NonZeroU16) -> Unusable {
    Unusable::Setting(format!(
        "this probe was started for a log of {told} partitions, the streams say {found}: observations would go to the \
         wrong one; start it again with --partitions {found}"
    ))
}

/// Opens the store of a partition of a stream that need not be reachable now.
pub async fn open_stream_projection(stores: &Stores<'_>, partition: u16) -> anyhow::Result<Projection> {
    let dir = stores.of(partition);
    let opened = tokio::task::spawn_blocking(move || Projection::open_stream(&dir, partition)).await?;
    opened.context("open the store of windows")
}

/// Opens a partition's store off the runtime's threads: it is verified as a whole.
pub async fn open_projection(dir: PathBuf, partition: u16, log: Bounds) -> anyhow::Result<Projection> {
    let opened = tokio::task::spawn_blocking(move || Projection::open_for(&dir, partition, &log)).await?;
    opened.context("open the store of windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregator_owns_what_it_is_told_of_what_there_is() {
        let three = NonZeroU16::new(3).unwrap();
        assert_eq!(owned(&[], three).unwrap(), [0, 1, 2]);
        assert_eq!(owned(&[2, 0, 2], three).unwrap(), [0, 2]);
        let error = owned(&[1, 3], three).unwrap_err().to_string();
        assert!(error.contains("there is no partition 3: the log has 3, numbered from 0"), "{error}");
    }
}
