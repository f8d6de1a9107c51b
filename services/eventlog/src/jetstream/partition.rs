//! Which partition a frame belongs to. The answer never changes for a given number of partitions.

use std::num::NonZeroU16;

use spark_schemas::Name;

use super::connect::Client;
use super::log::{JetStreamLog, OpenError};
use super::settings;

/// How many partitions the log has, as the stream of `partition` says. It is fixed by `spark nats init`.
pub async fn partitions(client: &Client, partition: u16) -> Result<NonZeroU16, OpenError> {
    let info = JetStreamLog::new(client, partition).info().await?;
    Ok(settings::partitions(&info.config))
}

/// The partition of an agent's observations: FNV-1a (64 bits) of its name, modulo the number of partitions.
pub fn partition_of(agent: &Name, partitions: NonZeroU16) -> u16 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = agent.bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    u16::try_from(hash % u64::from(partitions.get())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn count(partitions: u16) -> NonZeroU16 {
        NonZeroU16::new(partitions).unwrap()
    }

    #[test]
    fn an_agent_keeps_its_partition_for_ever() {
        // Written down once: a change would split the agents' frames over two streams.
        let golden = ["a", "ist-1", "ist-2", "ankara", "probe_7"].map(|agent| partition_of(&name(agent), count(16)));
        assert_eq!(golden, [12, 1, 8, 3, 7]);
    }

    #[test]
    fn one_partition_takes_all_and_many_share_fairly() {
        let mut counts = [0; 8];
        for i in 0..8_000 {
            let agent = name(&format!("agent-{i}"));
            assert_eq!(partition_of(&agent, count(1)), 0);
            counts[usize::from(partition_of(&agent, count(8)))] += 1;
        }
        assert!(counts.iter().all(|share| (800..1_200).contains(share)), "{counts:?}");
    }
}
