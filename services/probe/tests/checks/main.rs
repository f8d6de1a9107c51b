//! Checks against small real servers on real sockets: each condition met and broken, and each way to fail.
#![cfg(test)]

mod conditions;
mod dns;
mod hostile;
mod http;
mod redirects;
mod reuse;
mod servers;
mod tcp;
mod tls;

use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_probe::check::{CheckContext, CheckOutcome, PreparedCheck};
use spark_schemas::event::{FailReason, Outcome};
use spark_schemas::{Name, TimeNs};

/// 2026-01-01, give or take.
const NOW: TimeNs = TimeNs(1_767_225_600 * TimeNs::SECOND);

fn target(url: &str) -> Target {
    let mut target = Target::new(Name::new("checked").unwrap(), url.parse().unwrap());
    target.timeout = Some(DurationUs::from_secs(5));
    target
}

fn prepare(target: &Target) -> PreparedCheck {
    let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    PreparedCheck::new(target, &CheckContext::new(environment)).unwrap()
}

async fn run(target: &Target) -> CheckOutcome {
    prepare(target).run(NOW).await
}

#[track_caller]
fn assert_ok(seen: &CheckOutcome) {
    assert_eq!((seen.outcome, seen.reason), (Outcome::Ok, None), "{seen:?}");
    assert_eq!(seen.detail, None);
}

#[track_caller]
fn assert_failed(seen: &CheckOutcome, reason: FailReason, words: &str) {
    assert_eq!((seen.outcome, seen.reason), (Outcome::Fail, Some(reason)), "{seen:?}");
    let detail = seen.detail.as_deref().unwrap();
    assert!(detail.contains(words), "{detail:?} does not say {words:?}");
    assert!(!detail.is_empty() && detail.len() <= 200, "{detail:?}");
}
