//! What a profile asks of the gate beyond the six checks, and what it waives by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use spark_schemas::Name;
use spark_schemas::event::CanaryMode;

use super::maintenance::Instant;
use super::objective::BurnRate;
use super::parse::{Broken, Step};
use super::{Config, Profile};
use crate::slo::{BURN_WINDOWS, burn_windows};
use crate::units::{DurationUs, RatioPpm};
use crate::window::Window;
use Step::{Index, Key};

/// The checks that every gate makes.
pub const SIX: [&str; 6] = [
    "ui.up",
    "executor.up",
    "healthz.status",
    "healthz.slo.latencyP95",
    "healthz.slo.errorRate",
    "healthz.slo.staleness",
];

/// The check that stands for all checks with a weight.
pub const SCORE: &str = "score";

/// One more check of a profile's gate: exactly one of the tables says what it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateCheck {
    /// Its name in decisions.
    pub name: Name,
    /// What it counts in the profile's score. With a weight it warns where it would fail, and the score fails instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objective: Option<ObjectiveMet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetLeft>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burn_rate: Option<BurnsBelow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryPassed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completeness: Option<Complete>,
}

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the payloads say it")]
pub enum Asks<'a> {
    Objective(&'a ObjectiveMet),
    Budget(&'a BudgetLeft),
    BurnRate(&'a BurnsBelow),
    Canary(&'a CanaryPassed),
    Completeness(&'a Complete),
}

/// An objective is met over its window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveMet {
    /// Which.
    pub slo: Name,
    /// It warns when the share of good events is below this, although the objective is met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<RatioPpm>,
}

/// An objective has so much of its error budget left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLeft {
    /// Whose.
    pub slo: Name,
    /// It fails when less is left.
    pub min: RatioPpm,
    /// It warns when less is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<RatioPpm>,
}

/// An objective's budget burns slower than this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnsBelow {
    /// Whose.
    pub slo: Name,
    /// Over which window.
    pub window: Window,
    /// It fails when the burn rate is not below this.
    pub below: BurnRate,
    /// It warns when the burn rate is not below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<BurnRate>,
}

/// The latest canary of a kind passed, not too long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryPassed {
    /// Which kind.
    pub mode: CanaryMode,
    /// Of comparisons: only those that judged this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// An older one tells nothing.
    pub max_age: DurationUs,
}

/// So many of the observations that were due over the profile's targets are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// Over which window.
    pub window: Window,
    /// It fails when fewer are there.
    pub min: RatioPpm,
    /// It warns when fewer are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<RatioPpm>,
}

/// A check that may lack data until then. A failure is never waived: whoever would ship in spite of one changes the
/// threshold, which the log shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The check's name.
    pub check: String,
    /// The first instant at which it no longer applies.
    pub until: Instant,
    /// Why.
    pub reason: String,
    /// Who waives.
    pub by: String,
}

/// Whether the objectives of OpenSLO documents that a configuration names are among its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Documents {
    /// They are added later, and what asks for them is checked then.
    ToCome,
    /// All objectives are there.
    Read,
}

impl GateCheck {
    /// What it asks; `None` unless it asks exactly one thing, which no configuration that was read does.
    pub fn asks(&self) -> Option<Asks<'_>> {
        let all = [
            self.objective.as_ref().map(Asks::Objective),
            self.budget.as_ref().map(Asks::Budget),
            self.burn_rate.as_ref().map(Asks::BurnRate),
            self.canary.as_ref().map(Asks::Canary),
            self.completeness.as_ref().map(Asks::Completeness),
        ];
        let mut all = all.into_iter().flatten();
        all.next().filter(|_| all.next().is_none())
    }

    fn broken_rule(&self, config: &Config, documents: Documents) -> Option<Broken> {
        let Some(asks) = self.asks() else {
            let kinds = "objective, budget, burn_rate, canary and completeness";
            let message = format!("a check has exactly one of {kinds}");
            return Some(Broken { path: vec![Key("name")], message });
        };
        let (kind, slo) = match asks {
            Asks::Objective(met) => ("objective", Some(&met.slo)),
            Asks::Budget(budget) => ("budget", Some(&budget.slo)),
            Asks::BurnRate(burn) => ("burn_rate", Some(&burn.slo)),
            Asks::Canary(_) => ("canary", None),
            Asks::Completeness(_) => ("completeness", None),
        };
        let broken = |key, message: String| Some(Broken { path: vec![Key(kind), Key(key)], message });
        if let Some(slo) = slo.filter(|slo| config.objective(slo).is_none()) {
            if documents == Documents::ToCome {
                return None;
            }
            let known = names(config.objectives.iter().map(|objective| objective.name.as_str()));
            return broken("slo", format!("no objective {:?}; there are: {known}", slo.as_str()));
        }
        let above = |warn: Option<RatioPpm>, min: RatioPpm| warn.is_some_and(|warn| warn <= min);
        match asks {
            Asks::Objective(ObjectiveMet { slo, warn }) => {
                let objective = config.objective(slo)?.objective;
                above(*warn, objective)
                    .then(|| broken("warn", format!("warn must be above the objective ({objective})")))?
            }
            Asks::Budget(BudgetLeft { min, warn, .. }) | Asks::Completeness(Complete { min, warn, .. }) => {
                above(*warn, *min).then(|| broken("warn", format!("warn must be above min ({min})")))?
            }
            Asks::BurnRate(BurnsBelow { slo, window, .. })
                if config.objective(slo).is_some_and(|objective| !burn_windows(objective).contains(window)) =>
            {
                let kept = names(BURN_WINDOWS.iter().map(|window| window.as_str()));
                broken("window", format!("burn rates are kept over {kept} and over the windows of alerts"))
            }
            Asks::BurnRate(burn) if burn.below.0 == 0 => broken("below", "below must be more than 0".to_owned()),
            Asks::BurnRate(BurnsBelow { below, warn, .. }) => {
                let is_beyond = warn.is_some_and(|warn| warn >= *below);
                is_beyond.then(|| broken("warn", format!("warn must be below {below}")))?
            }
            Asks::Canary(canary) if canary.max_age.0 == 0 => {
                broken("max_age", "max_age must be more than 0s".to_owned())
            }
            Asks::Canary(CanaryPassed { target: Some(_), mode, .. }) if *mode != CanaryMode::Compare => {
                broken("target", "target is for canaries of mode \"compare\"".to_owned())
            }
            Asks::Canary(CanaryPassed { target: Some(target), .. }) if config.target(target).is_none() => {
                broken("target", config.no_target(target))
            }
            Asks::Canary(_) => None,
        }
    }
}

impl Profile {
    /// The first rule that the profile's checks and waivers break, and the keys below the profile that lead to it.
    pub(super) fn broken_gate_rule(&self, config: &Config, documents: Documents) -> Option<Broken> {
        let mut seen = BTreeSet::new();
        for (n, check) in self.checks.iter().enumerate() {
            let broken = |path: Vec<Step>, message| {
                Some(Broken { path: [Key("check"), Index(n)].into_iter().chain(path).collect(), message })
            };
            let name = check.name.as_str();
            if name == SCORE || !seen.insert(name) {
                let why =
                    if name == SCORE { "that is what all weights together are called" } else { "names must differ" };
                return broken(vec![Key("name")], format!("a check can't be called {name:?}: {why}"));
            }
            if check.weight == Some(0) {
                return broken(vec![Key("weight")], "weight must be at least 1".to_owned());
            }
            if check.weight.is_some() && self.score_min.is_none() {
                return broken(vec![Key("weight")], "a weight counts only in a profile with score_min".to_owned());
            }
            if let Some(Broken { path, message }) = check.broken_rule(config, documents) {
                return broken(path, message);
            }
        }
        self.broken_score_rule().or_else(|| self.broken_waiver_rule())
    }

    fn broken_score_rule(&self) -> Option<Broken> {
        let score_min = self.score_min?;
        let message = if score_min.0 == 0 {
            "score_min must be more than 0%"
        } else if self.checks.iter().all(|check| check.weight.is_none()) {
            "score_min needs checks with a weight"
        } else {
            return None;
        };
        Some(Broken { path: vec![Key("score_min")], message: message.to_owned() })
    }

    fn broken_waiver_rule(&self) -> Option<Broken> {
        let mut waived = BTreeSet::new();
        self.waivers.iter().enumerate().find_map(|(n, waiver)| {
            let broken = |key, message: String| Some(Broken { path: vec![Key("waiver"), Index(n), Key(key)], message });
            let check = waiver.check.as_str();
            if !self.check_names().any(|known| known == check) {
                let known = names(self.check_names());
                return broken("check", format!("no check {check:?}; there are: {known}"));
            }
            if !waived.insert(check) {
                return broken("check", format!("check {check:?} is waived twice"));
            }
            let blank =
                [("reason", &waiver.reason), ("by", &waiver.by)].into_iter().find(|(_, text)| text.trim().is_empty());
            blank.and_then(|(key, _)| broken(key, format!("{key} must say something")))
        })
    }

    /// The names of all checks that the profile's gate makes.
    pub fn check_names(&self) -> impl Iterator<Item = &str> {
        let score = self.score_min.map(|_| SCORE);
        SIX.into_iter().chain(self.checks.iter().map(|check| check.name.as_str())).chain(score)
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
