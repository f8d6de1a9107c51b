//! `spark nats init`: makes the partitions' streams, and changes none that is there unless asked.

use std::num::NonZeroU16;

use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{Context, ErrorCode};
use serde_json::json;
use spark_schemas::subject;

use super::api::{self, ApiError};
use super::connect::Client;
use super::settings::{self, Differences};

/// So many partitions are looked for at least: those beyond what is asked for say that too few are asked for.
const LOOKED_FOR: u16 = 16;

/// What the streams should be like.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// How many partitions the log has; fixed from the first day.
    pub partitions: NonZeroU16,
    /// On how many servers each stream is kept: 1, or 3 on a cluster.
    pub replicas: usize,
    /// When a stream is full and refuses frames, in bytes; `None` for no limit but the disk.
    pub max_bytes: Option<i64>,
    /// Change these three of streams that are there.
    pub update: bool,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { partitions: NonZeroU16::MIN, replicas: 1, max_bytes: None, update: false }
    }
}

/// What became of one partition's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The stream's name.
    pub stream: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done for a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there and is now.
    Created,
    /// It was there, and like this.
    Unchanged,
    /// It was there, and these settings were changed.
    Updated(Differences),
}

/// Why the streams are not all there.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is such a stream, but not like this.
    #[error("stream {stream} exists with other settings: {differences}")]
    Differs {
        /// The stream's name.
        stream: String,
        /// All of them.
        differences: Differences,
    },
    /// The log has more partitions than asked for.
    #[error("the log has {found} partitions, not {wanted}: with fewer, what is in the others would be in no figure")]
    Fewer {
        /// How many there are.
        found: NonZeroU16,
        /// How many were asked for.
        wanted: NonZeroU16,
    },
    /// The server did not do it.
    #[error("can't make sure of stream {stream}")]
    Api {
        /// The stream's name.
        stream: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
}

/// Makes the streams that are missing. One with other settings is an error that names each; nothing is made or changed
/// then. Any stream that is found says how many partitions the log has, also when others were deleted.
pub async fn init(client: &Client, options: &InitOptions) -> Result<Vec<Initialised>, InitError> {
    let context = client.jetstream();
    let partitions = options.partitions.get();
    let mut all = Vec::new();
    for partition in 0..partitions.saturating_add(1).max(LOOKED_FOR) {
        let wanted = settings::wanted(partition, options);
        let found = match info(&context, partition).await {
            Ok(found) => Some(found.config),
            Err(error) if error.is(ErrorCode::STREAM_NOT_FOUND) => None,
            Err(source) => return Err(InitError::Api { stream: wanted.name, source }),
        };
        if let Some(found) = &found {
            refuse_fewer(found, options)?;
        }
        if partition < partitions {
            let plan = Plan::of(found, &wanted, options.update)?;
            all.push((wanted, plan));
        }
    }
    let mut done = Vec::new();
    for (wanted, plan) in all {
        done.push(plan.carry_out(&context, wanted).await?);
    }
    Ok(done)
}

/// The stream of `partition` as the server has it.
pub(super) async fn info(context: &Context, partition: u16) -> Result<Info, ApiError> {
    api::ask(context, format!("STREAM.INFO.{}", subject::stream(partition)), &json!({})).await
}

fn refuse_fewer(found: &Config, options: &InitOptions) -> Result<(), InitError> {
    match settings::partitions(found) {
        found if found > options.partitions => Err(InitError::Fewer { found, wanted: options.partitions }),
        _ => Ok(()),
    }
}

/// What is to be done for a stream.
enum Plan {
    Create,
    Keep,
    Update(Box<Config>, Differences),
}

impl Plan {
    fn of(found: Option<Config>, wanted: &Config, may_update: bool) -> Result<Self, InitError> {
        let Some(found) = found else { return Ok(Self::Create) };
        let differences = settings::differences(&found, wanted);
        if differences.0.is_empty() {
            return Ok(Self::Keep);
        }
        if !may_update || differences.0.iter().any(|difference| !difference.can_change) {
            return Err(InitError::Differs { stream: wanted.name.clone(), differences });
        }
        Ok(Self::Update(Box::new(settings::with_choices(found, wanted)), differences))
    }

    async fn carry_out(self, context: &Context, wanted: Config) -> Result<Initialised, InitError> {
        let stream = wanted.name.clone();
        let (request, config, outcome) = match self {
            Self::Keep => return Ok(Initialised { stream, outcome: Outcome::Unchanged }),
            Self::Create => ("CREATE", wanted, Outcome::Created),
            Self::Update(changed, differences) => ("UPDATE", *changed, Outcome::Updated(differences)),
        };
        match api::ask::<_, Info>(context, format!("STREAM.{request}.{stream}"), &config).await {
            Ok(_) => Ok(Initialised { stream, outcome }),
            Err(source) => Err(InitError::Api { stream, source }),
        }
    }
}
