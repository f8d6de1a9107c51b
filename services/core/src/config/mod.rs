//! The one configuration: its types, its defaults, and its rules. Reading files and the environment is done elsewhere.

mod canary;
mod condition;
mod dns;
mod explain;
mod gate;
mod json_path;
mod maintenance;
mod objective;
pub(crate) mod objective_rules;
mod parse;
mod report;
mod service_hours;
mod target;
mod target_rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use spark_schemas::Name;

pub use canary::{Alpha, AlphaError, Canary};
pub use condition::{HeaderCondition, JsonCondition, Pattern, contains};
pub use dns::{DnsQuestion, DnsRecordError, DnsUrlError, RecordType};
pub use gate::{Asks, BudgetLeft, BurnsBelow, CanaryPassed, Complete, GateCheck, ObjectiveMet, SCORE, SIX, Waiver};
pub use json_path::JsonPath;
pub use maintenance::{Instant, InstantError, PlannedMaintenance};
pub use objective::{
    Budgeting, BurnAlert, BurnRate, BurnRateError, CalendarUnit, CalendarWindow, Objective, Sli, SloWindow, Timeslices,
};
pub use parse::ConfigError;
pub use report::{Floors, Limits, ReportPolicy};
pub use service_hours::{Day, ServiceHours, TimeOfDay, TimeOfDayError};
pub use target::{CheckKind, Connection, Role, StatusRange, StatusRanges, Target};

use crate::json;
use crate::units::{DurationUs, RatioPpm};

/// Everything a `spark.toml` can say. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where this Spark watches, such as `production`; part of the evidence's origin.
    pub environment: Name,
    /// The profile that pages, health and gate use unless told otherwise.
    pub profile: Name,
    /// The agents expected to probe every target that names none itself. Empty: those that say they do.
    pub agents: Vec<Name>,
    /// Watch Spark's own pages and the executor as well, beside the targets listed here.
    pub builtin_targets: bool,
    /// What is watched.
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
    /// Objectives with error budgets.
    #[serde(rename = "slo", skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Objective>,
    /// Files with OpenSLO documents, relative to the configuration file. What they promise is in `objectives` once they
    /// are read; which file it came from is not part of the policy, so it is not recorded.
    #[serde(skip_serializing)]
    pub openslo: Vec<String>,
    /// Maintenances that are planned.
    #[serde(rename = "maintenance", skip_serializing_if = "Vec::is_empty")]
    pub maintenances: Vec<PlannedMaintenance>,
    /// The hours in which targets are to work. A target that none covers always is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_hours: Vec<ServiceHours>,
    /// Sets of objectives by name.
    pub profiles: BTreeMap<Name, Profile>,
    /// How canaries are judged.
    #[serde(skip_serializing_if = "Canary::is_default")]
    pub canary: Canary,
    /// How daily reports are made, and what they call a risk.
    #[serde(skip_serializing_if = "ReportPolicy::is_default")]
    pub report: ReportPolicy,
    /// The probe agent's own settings.
    pub probe: Probe,
}

/// What a profile asks of the last five minutes over its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The 95th percentile of latency must be below this.
    pub latency_p95: DurationUs,
    /// The share of failed observations must be below this.
    pub error_rate: RatioPpm,
    /// The most overdue target must be less overdue than this.
    pub staleness: DurationUs,
    /// The gate warns when the 95th percentile of latency is not below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_latency_p95: Option<DurationUs>,
    /// It warns when the share of failed observations is not below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_error_rate: Option<RatioPpm>,
    /// It warns when the most overdue target is not less overdue than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_staleness: Option<DurationUs>,
    /// The targets it looks at. Empty: every target that is not demo.
    #[serde(default)]
    pub targets: Vec<Name>,
    /// What the gate asks beside the six checks.
    #[serde(default, rename = "check", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<GateCheck>,
    /// The share of all weights that checks with a weight must reach together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_min: Option<RatioPpm>,
    /// Checks that may lack data for a while.
    #[serde(default, rename = "waiver", skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
}

/// The probe agent's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// How long observations wait for others to share a frame with.
    pub linger: DurationUs,
    /// How many checks may run at once.
    pub concurrency: usize,
    /// How many bytes of frames the outbox keeps while the log is away.
    pub outbox_bytes_max: u64,
}

impl Default for Probe {
    fn default() -> Self {
        Self { linger: DurationUs::from_ms(50), concurrency: 1_000, outbox_bytes_max: 256 * 1024 * 1024 }
    }
}

impl Default for Config {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the literals are valid names")]
        let name = |text: &str| Name::new(text).expect("a valid literal");
        let profile = |p95_ms, error_ppm, staleness_s| Profile {
            latency_p95: DurationUs::from_ms(p95_ms),
            error_rate: RatioPpm(error_ppm),
            staleness: DurationUs::from_secs(staleness_s),
            warn_latency_p95: None,
            warn_error_rate: None,
            warn_staleness: None,
            targets: Vec::new(),
            checks: Vec::new(),
            score_min: None,
            waivers: Vec::new(),
        };
        Self {
            environment: name("local"),
            profile: name("dev"),
            agents: Vec::new(),
            builtin_targets: true,
            targets: Vec::new(),
            objectives: Vec::new(),
            openslo: Vec::new(),
            maintenances: Vec::new(),
            service_hours: Vec::new(),
            profiles: BTreeMap::from([
                (name("dev"), profile(150, 50_000, 30)),
                (name("prod"), profile(120, 20_000, 15)),
            ]),
            canary: Canary::default(),
            report: ReportPolicy::default(),
            probe: Probe::default(),
        }
    }
}

impl Config {
    /// The canonical JSON that is recorded when this configuration comes into force.
    pub fn canonical_json(&self) -> String {
        json::canonical(self)
    }

    /// The configuration that [`Config::canonical_json`] wrote.
    pub fn from_canonical_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// SHA-256 of the canonical JSON, in hex.
    pub fn digest(&self) -> String {
        crate::hex(&Sha256::digest(self.canonical_json().as_bytes()))
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name.as_str() == name)
    }

    /// The targets a profile looks at: those it names, else every one that is not demo.
    pub fn selection<'a>(&'a self, profile: &'a Profile) -> impl Iterator<Item = &'a Target> {
        self.targets.iter().filter(|target| match profile.targets.as_slice() {
            [] => !target.demo,
            named => named.contains(&target.name),
        })
    }

    /// The objective of that name.
    pub fn objective(&self, name: &str) -> Option<&Objective> {
        self.objectives.iter().find(|objective| objective.name.as_str() == name)
    }

    /// The agents expected to probe `target`; empty when any that says it does will do.
    pub fn agents_of<'a>(&'a self, target: &'a Target) -> &'a [Name] {
        if target.agents.is_empty() { &self.agents } else { &target.agents }
    }
}
