//! Asks a running Spark, once or until the answer is clear.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spark_aggregator::follow::describe;
use spark_schemas::event::{CheckVerdict, Verdict};
use tokio::time::Instant;
use url::Url;

use super::decision::Decision;
use crate::cli::GateArgs;
use crate::commands::client::{self, Answer};
use crate::output::complain;

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_secs(1);

/// What came of asking.
pub(super) enum Answered {
    /// A decision, also as the API gave it.
    Decision(Box<Decision>, Value),
    /// The question is wrong.
    Refused(String),
    /// Nobody answered, or not like Spark.
    Nobody(String),
}

impl Answered {
    fn of(asked: anyhow::Result<Answer>) -> Self {
        match asked {
            Err(error) => Self::Nobody(describe(error.as_ref())),
            Ok(answer) if answer.status == 200 => match serde_json::from_value(answer.body.clone()) {
                Ok(decision) => Self::Decision(Box::new(decision), answer.body),
                Err(error) => Self::Nobody(format!("the answer is no decision: {error}")),
            },
            Ok(answer) if (400..=499).contains(&answer.status) => Self::Refused(answer.problem()),
            Ok(answer) => Self::Nobody(answer.problem()),
        }
    }

    /// Why waiting may help; `None` once the answer is clear.
    fn unclear(&self) -> Option<String> {
        match self {
            Self::Refused(_) => None,
            Self::Nobody(why) => Some(why.clone()),
            Self::Decision(decision, _) if decision.verdict() != Verdict::NoData => None,
            Self::Decision(decision, _) => {
                let lacks = |check: &&super::decision::Check| check.verdict == CheckVerdict::NoData && !check.waived;
                let first = decision.checks.iter().find(lacks);
                Some(first.map_or("no check".to_owned(), |check| format!("{}: {}", check.id, check.reason)))
            }
        }
    }
}

/// Asks as `args` say. While it waits it only looks, so that one question leaves one decision in the log.
pub(super) fn ask(args: &GateArgs) -> anyhow::Result<Answered> {
    let profile = args.profile.iter().map(|name| ("profile", name.as_str()));
    let at = args.at.iter().map(|at| ("at", at.as_str()));
    let query: Vec<(&str, &str)> = profile.chain(at).collect();
    let url = client::api_url(&args.server.url, "/api/tools/status", &query);
    let only_looks = args.dry_run || args.at.is_some();
    if let Some(wait) = args.wait {
        let seen = wait_until_clear(&url, wait.to_std());
        if only_looks {
            return Ok(seen);
        }
    }
    let asked = if only_looks { client::get(&url) } else { client::post(&url, &json!({ "by": args.by })) };
    Ok(Answered::of(asked))
}

/// Looks until the answer is clear or the time is over, and says on standard error what it waits for.
fn wait_until_clear(url: &Url, wait: Duration) -> Answered {
    let began = Instant::now();
    loop {
        let seen = Answered::of(client::get(url));
        let left = wait.saturating_sub(began.elapsed());
        let Some(why) = seen.unclear() else { return seen };
        if left.is_zero() {
            complain!("spark gate: waited {} s in vain: {why}", wait.as_secs());
            return seen;
        }
        complain!("spark gate: waiting, {} s left: {why}", left.as_secs());
        thread::sleep(PAUSE.min(left));
    }
}
