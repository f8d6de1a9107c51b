//! `[[maintenance]]`: windows that are planned in the configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{Maintenance, MaintenanceAction};
use spark_schemas::{Name, TimeNs};

use super::Config;
use super::parse::{Broken, Step, first_twice};
use crate::units::as_text;
use crate::view::{parse_rfc3339, rfc3339};

/// Longer is no maintenance: a target that is away for a month is better taken out of the objectives.
const LENGTH_NS_MAX: u64 = 30 * 24 * 3_600 * TimeNs::SECOND;
const NUMBER_MAX: usize = 200;
/// Who declares what the configuration says.
const BY: &str = "configuration";

/// `[[maintenance]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedMaintenance {
    /// Its id.
    pub name: Name,
    /// What it covers. Empty: every target.
    #[serde(default)]
    pub targets: Vec<Name>,
    /// The first instant it covers.
    pub from: Instant,
    /// The first instant it no longer covers.
    pub to: Instant,
    /// Why, for people.
    pub reason: String,
}

/// An instant in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub TimeNs);

/// The text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no instant; write RFC 3339 such as \"2026-11-23T20:00:00Z\"")]
pub struct InstantError(String);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        parse_rfc3339(text).map(Self).ok_or_else(|| InstantError(text.to_owned()))
    }
}

as_text!(Instant: "an instant in quotes, such as \"2026-11-23T20:00:00Z\"");

impl PlannedMaintenance {
    /// As the configuration that came into force at `at_ns` declares it.
    pub fn declared(&self, at_ns: TimeNs) -> Maintenance {
        Maintenance {
            at_ns,
            id: self.name.clone(),
            action: MaintenanceAction::Add,
            targets: self.targets.clone(),
            from_ns: self.from.0,
            to_ns: self.to.0,
            reason: self.reason.clone(),
            by: BY.to_owned(),
        }
    }

    fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.to <= self.from {
            return Some(("to", "it must end after it begins".to_owned()));
        }
        if self.to.0.0 - self.from.0.0 > LENGTH_NS_MAX {
            let message = "a maintenance takes at most 30 days; take the target out of the objectives instead";
            return Some(("to", message.to_owned()));
        }
        if self.reason.trim().is_empty() || self.reason.len() > 500 || self.reason.chars().any(char::is_control) {
            return Some(("reason", "say why, on one line of at most 500 bytes".to_owned()));
        }
        None
    }
}

impl Config {
    pub(super) fn broken_rule_of_maintenances(&self) -> Option<Broken> {
        for (n, planned) in self.maintenances.iter().enumerate() {
            let at = |key| vec![Step::Key("maintenance"), Step::Index(n), Step::Key(key)];
            let broken = |key, message| Some(Broken { path: at(key), message });
            if n >= NUMBER_MAX {
                return broken(
                    "name",
                    format!("there are at most {NUMBER_MAX} maintenances; drop those that are over"),
                );
            }
            if self.maintenances[..n].iter().any(|earlier| earlier.name == planned.name) {
                let message = format!("maintenance {:?} is there twice: names must differ", planned.name.as_str());
                return broken("name", message);
            }
            if let Some((key, message)) = planned.broken_rule() {
                return broken(key, message);
            }
            let of_target = |place, message| {
                Some(Broken { path: at("targets").into_iter().chain([Step::Index(place)]).collect(), message })
            };
            if let Some((place, message)) = first_twice(&planned.targets) {
                return of_target(place, message);
            }
            if let Some(place) = planned.targets.iter().position(|target| self.target(target).is_none()) {
                return of_target(place, self.no_target(&planned.targets[place]));
            }
        }
        None
    }
}
