//! Which partitions there are, and a service's part in them.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use spark_aggregator::Projection;
use spark_eventlog::jetstream::{self, Client, JetStreamLog, partition_of};
use spark_eventlog::{Bounds, EventLog};
use spark_schemas::Name;

use crate::exit::Unusable;

/// A partition that is followed.
pub struct Followed {
    /// Its stream.
    pub log: Arc<dyn EventLog>,
    /// What is known of it.
    pub projection: Projection,
    /// The stream's incarnation.
    pub incarnation: String,
}

impl Followed {
    /// Opens a partition's stream, and what was kept of it in `stores`.
    pub async fn open(client: &Client, partition: u16, stores: &Stores<'_>) -> anyhow::Result<Self> {
        let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::open(client, partition).await?);
        let bounds = log.bounds().await?;
        let incarnation = bounds.incarnation.clone();
        let projection = open_projection(stores.of(partition), partition, bounds).await?;
        Ok(Self { log, projection, incarnation })
    }
}

/// Where a service keeps its stores: one for each partition.
pub struct Stores<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// The name of partition 0's; others have their number behind it.
    pub name: &'static str,
}

impl Stores<'_> {
    fn of(&self, partition: u16) -> PathBuf {
        match partition {
            0 => self.data.join(self.name),
            n => self.data.join(format!("{}-{n}", self.name)),
        }
    }
}

/// Every partition of the log, as `spark nats init` made it.
pub async fn all(client: &Client) -> anyhow::Result<Vec<u16>> {
    Ok((0..jetstream::partitions(client, 0).await?.get()).collect())
}

/// The partitions of `all` that `asked` names: all of them when it names none.
pub fn owned(asked: &[u16], all: &[u16]) -> Result<Vec<u16>, Unusable> {
    if asked.is_empty() {
        return Ok(all.to_vec());
    }
    match asked.iter().find(|partition| !all.contains(partition)) {
        Some(missing) => Err(Unusable::Setting(format!(
            "there is no partition {missing}: the log has {}, numbered from 0",
            all.len()
        ))),
        None => Ok(all.iter().copied().filter(|partition| asked.contains(partition)).collect()),
    }
}

/// Where the observations of `agent` go. `told` is the number of partitions as it was told to the probe.
pub async fn home(client: &Client, agent: &Name, told: Option<NonZeroU16>) -> anyhow::Result<u16> {
    let Some(told) = told else {
        return Ok(partition_of(agent, jetstream::partitions(client, 0).await?));
    };
    let home = partition_of(agent, told);
    let found = jetstream::partitions(client, home).await?;
    if found != told {
        return Err(Unusable::Setting(format!(
            "this probe was told that the log has {told} partitions, its streams say {found}: observations would go to the \
             wrong one"
        ))
        .into());
    }
    Ok(home)
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
        assert_eq!(owned(&[], &[0, 1, 2]).unwrap(), [0, 1, 2]);
        assert_eq!(owned(&[2, 0, 2], &[0, 1, 2]).unwrap(), [0, 2]);
        let error = owned(&[1, 3], &[0, 1, 2]).unwrap_err().to_string();
        assert!(error.contains("there is no partition 3: the log has 3, numbered from 0"), "{error}");
    }
}
