//! What a stream must be like, field by field: compared at `init`, insisted on at `open`.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use spark_schemas::subject;

use super::InitOptions;

/// The longest message in a stream, headers included: a frame of 64,000 bytes and what travels with it.
pub const MESSAGE_BYTES_MAX: i32 = 64_512;
/// How long the server remembers message ids. An optimisation: what is counted once is the fold's business.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
const UNLIMITED: i64 = -1;

/// The entry of a stream's metadata that says how many partitions the log has.
const PARTITIONS: &str = "spark_partitions";

/// How many partitions the log has, as its streams say; one that says nothing is the only one.
pub(super) fn partitions(found: &Config) -> NonZeroU16 {
    found.metadata.get(PARTITIONS).and_then(|number| number.parse().ok()).unwrap_or(NonZeroU16::MIN)
}

/// `found` with the owner's choices as in `wanted`.
pub(super) fn with_choices(found: Config, wanted: &Config) -> Config {
    let mut metadata = found.metadata.clone();
    metadata.extend(wanted.metadata.clone());
    Config { num_replicas: wanted.num_replicas, max_bytes: wanted.max_bytes, metadata, ..found }
}

/// The stream of `partition` as `spark nats init` makes it.
pub(super) fn wanted(partition: u16, options: &InitOptions) -> Config {
    Config {
        name: subject::stream(partition),
        description: Some(format!("Spark's event log, partition {partition}")),
        subjects: vec![subjects_of(partition)],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        num_replicas: options.replicas,
        max_bytes: options.max_bytes.unwrap_or(UNLIMITED),
        max_messages: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        max_message_size: MESSAGE_BYTES_MAX,
        max_consumers: -1,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        allow_atomic_publish: true,
        metadata: HashMap::from([(PARTITIONS.to_owned(), options.partitions.to_string())]),
        ..Config::default()
    }
}

/// What the stream of `partition` takes.
pub(super) fn subjects_of(partition: u16) -> String {
    format!("spark.evt.{partition}.>")
}

/// What follows when a setting is not as wanted.
enum Rank {
    /// Acknowledged frames could be lost, changed or kept out: the stream is refused, for this reason.
    Safety(&'static str),
    /// The owner's choice; may be changed later.
    Choice,
    /// Only compared.
    Plain,
}

struct Setting {
    field: &'static str,
    rank: Rank,
    show: fn(&Config) -> String,
}

macro_rules! settings {
    ($($field:literal, $rank:expr, $show:expr;)+) => {
        &[$(Setting { field: $field, rank: $rank, show: $show }),+]
    };
}

const SETTINGS: &[Setting] = settings! {
    "storage", Rank::Safety("a stream in memory is gone when the server stops"), |c| format!("{:?}", c.storage).to_lowercase();
    "persist_mode", Rank::Safety("frames are acknowledged before they are on disk"), |c| {
        if c.persist_mode == Some(PersistenceMode::Async) { "async" } else { "default" }.to_owned()
    };
    "no_ack", Rank::Safety("nothing would be acknowledged at all"), |c| c.no_ack.to_string();
    "discard", Rank::Safety("a full stream must refuse new frames, not forget old ones"), |c| format!("{:?}", c.discard).to_lowercase();
    "retention", Rank::Safety("frames go away when they were read"), |c| format!("{:?}", c.retention).to_lowercase();
    "max_msgs_per_subject", Rank::Safety("an agent's new frames push out its old ones"), |c| c.max_messages_per_subject.to_string();
    "deny_delete", Rank::Safety("a single frame could be deleted"), |c| c.deny_delete.to_string();
    "deny_purge", Rank::Safety("the stream could be emptied"), |c| c.deny_purge.to_string();
    "allow_rollup_hdrs", Rank::Safety("one message could replace all before it"), |c| c.allow_rollup.to_string();
    "allow_msg_ttl", Rank::Safety("a publisher could let its frame vanish"), |c| c.allow_message_ttl.to_string();
    "allow_msg_counter", Rank::Safety("the server would rewrite payloads"), |c| c.allow_message_counter.to_string();
    "allow_msg_schedules", Rank::Safety("a message could publish others later"), |c| c.allow_message_schedules.to_string();
    "subjects", Rank::Safety("it takes other messages than this partition's frames, or not all of them"), |c| c.subjects.join(", ");
    "subject_transform", Rank::Safety("frames would be stored under another subject"), |c| shown(&c.subject_transform);
    "mirror", Rank::Safety("a mirror takes no frames of its own"), |c| shown(&c.mirror.as_ref().map(|source| &source.name));
    "sources", Rank::Safety("frames of other streams would come in between"), |c| {
        let names: Vec<&str> = c.sources.iter().flatten().map(|source| source.name.as_str()).collect();
        names.join(", ")
    };
    "max_msg_size", Rank::Safety("it must take every frame and nothing that the archive can't"), |c| c.max_message_size.to_string();
    "sealed", Rank::Safety("a sealed stream takes no frames"), |c| c.sealed.to_string();
    "num_replicas", Rank::Choice, |c| c.num_replicas.to_string();
    "max_bytes", Rank::Choice, |c| c.max_bytes.to_string();
    "partitions of the log", Rank::Choice, |c| partitions(c).to_string();
    "max_msgs", Rank::Plain, |c| c.max_messages.to_string();
    "max_age", Rank::Plain, |c| format!("{:?}", c.max_age);
    "max_consumers", Rank::Plain, |c| c.max_consumers.to_string();
    "duplicate_window", Rank::Plain, |c| format!("{:?}", c.duplicate_window);
    "allow_direct", Rank::Plain, |c| c.allow_direct.to_string();
    "allow_atomic", Rank::Plain, |c| c.allow_atomic_publish.to_string();
    "republish", Rank::Plain, |c| shown(&c.republish);
};

fn shown<T: fmt::Debug>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

/// A setting that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, as NATS calls it.
    pub field: &'static str,
    /// What the stream has.
    pub found: String,
    /// What it should have.
    pub wanted: String,
    /// Whether it may be changed in a stream that has frames.
    pub can_change: bool,
}

/// Settings that are not as wanted; shown in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences(pub Vec<Difference>);

/// A setting with which acknowledged frames are not safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting, as NATS calls it.
    pub field: &'static str,
    /// What the stream has.
    pub found: String,
    /// What it must have.
    pub wanted: String,
    /// What could happen.
    pub reason: &'static str,
}

/// Everything that makes a stream unsafe; shown in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// All settings in which `found` is not `wanted`.
pub(super) fn differences(found: &Config, wanted: &Config) -> Differences {
    let differing = SETTINGS.iter().filter_map(|setting| {
        let (found, wanted) = ((setting.show)(found), (setting.show)(wanted));
        let can_change = matches!(setting.rank, Rank::Choice);
        (found != wanted).then_some(Difference { field: setting.field, found, wanted, can_change })
    });
    Differences(differing.collect())
}

/// Why the stream of `partition` is not safe to append to; empty when it is.
pub(super) fn faults(found: &Config, partition: u16) -> Faults {
    let wanted = wanted(partition, &InitOptions::default());
    let unsafe_ones = SETTINGS.iter().filter_map(|setting| {
        let Rank::Safety(reason) = setting.rank else { return None };
        let (found, wanted) = ((setting.show)(found), (setting.show)(&wanted));
        (found != wanted).then_some(Fault { field: setting.field, found, wanted, reason })
    });
    Faults(unsafe_ones.collect())
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Difference { field, found, wanted, .. }) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{field} is {found:?}, not {wanted:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Fault { field, found, wanted, reason }) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{field} is {found:?}, not {wanted:?} ({reason})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_makes_is_safe() {
        for partition in [0, 7] {
            assert_eq!(faults(&wanted(partition, &InitOptions::default()), partition), Faults(vec![]));
        }
    }

    #[test]
    fn the_owners_choices_are_not_unsafe() {
        let config = Config {
            num_replicas: 5,
            max_bytes: 1,
            max_age: Duration::from_secs(60),
            ..wanted(0, &InitOptions::default())
        };
        assert_eq!(faults(&config, 0), Faults(vec![]));
    }

    #[test]
    fn a_difference_says_what_is_and_what_should_be() {
        let wanted = wanted(0, &InitOptions::default());
        let found = Config { storage: StorageType::Memory, num_replicas: 3, ..wanted.clone() };
        let differences = differences(&found, &wanted);
        assert_eq!(differences.to_string(), r#"storage is "memory", not "file", num_replicas is "3", not "1""#);
        assert_eq!(differences.0.iter().map(|d| d.can_change).collect::<Vec<_>>(), [false, true]);
    }
}
