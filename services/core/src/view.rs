//! `view = f(state, now)`: figures, states and health of targets at an instant.

use std::collections::BTreeSet;

use spark_schemas::derived::{LatencyQuantiles, TargetState, WindowMessage};
use spark_schemas::event::{Observed, Outcome};
use spark_schemas::{Name, TimeNs};

use crate::bucket::{BucketStore, Tally};
use crate::config::{Config, Profile, Role, Target};
use crate::fold::State;
use crate::series::{NotKept, Series};
use crate::window::{Tier, Window};

/// The window that health, gate and pages judge by.
pub const SLO_WINDOW: Window = Window::M5;

/// A state looked at from an instant.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// Its closed buckets.
    pub store: &'a dyn BucketStore,
    /// The instant.
    pub at: TimeNs,
}

/// One window's figures, of one target or of several together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The window.
    pub window: Window,
    /// The start of its first bucket.
    pub from: TimeNs,
    /// The instant it ends at.
    pub to: TimeNs,
    /// What happened in it.
    pub tally: Tally,
    /// Observations that were due in it.
    pub expected: u64,
    /// Of these, received: each series for itself, so that one series' latest observation, which is not due yet, does not
    /// stand for another's missing one.
    pub received: u64,
}

/// One target at an instant.
#[derive(Debug, Clone)]
pub struct TargetView<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its configuration; `None` when only an agent's own configuration has it.
    pub config: Option<&'a Target>,
    /// What it is like.
    pub state: TargetState,
    /// The same in a sentence.
    pub reason: String,
    /// The observation of the latest slot, of any agent.
    pub latest: Option<&'a Observed>,
    /// How far past due the next observation is, in microseconds; `None` before the first.
    pub staleness_us: Option<u64>,
}

impl TargetView<'_> {
    /// Whether its figures are a demonstration.
    pub fn is_demo(&self) -> bool {
        self.config.is_some_and(|config| config.demo)
    }
}

/// What a profile's objectives are held against.
#[derive(Debug, Clone)]
pub struct Slo<'a> {
    /// The profile's name.
    pub profile_name: Name,
    /// Its thresholds.
    pub profile: Profile,
    /// The targets it looks at.
    pub targets: Vec<TargetView<'a>>,
    /// The last five minutes over them.
    pub figures: Figures,
    /// The most overdue target's staleness; `None` when some target was never observed, or there is none.
    pub staleness_us: Option<u64>,
}

/// There is no such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no profile {wanted:?}; there are: {known}")]
pub struct UnknownProfile {
    /// The name asked for.
    pub wanted: String,
    /// The names there are.
    pub known: String,
}

impl Figures {
    /// Failed of all observations, in parts per million, rounded up so that a failure never reads as none.
    pub fn error_rate_ppm(&self) -> Option<u64> {
        ppm_rounded_up(self.tally.failed, self.tally.count())
    }

    /// Received of expected observations, in parts per million, rounded down, at most a million.
    pub fn completeness_ppm(&self) -> Option<u64> {
        let (received, expected) = (u128::from(self.received), u128::from(self.expected));
        (expected > 0).then(|| (received * 1_000_000 / expected) as u64)
    }

    /// The 95th percentile of latency in microseconds.
    pub fn latency_p95_us(&self) -> Option<u64> {
        self.tally.latencies.quantile_us(950_000)
    }

    /// The quantiles that are shown.
    pub fn quantiles(&self) -> Option<LatencyQuantiles> {
        let quantile = |ppm| self.tally.latencies.quantile_us(ppm);
        Some(LatencyQuantiles {
            p50: quantile(500_000)?,
            p90: quantile(900_000)?,
            p95: quantile(950_000)?,
            p99: quantile(990_000)?,
            max: self.tally.latencies.max_us()?,
        })
    }

    /// As subscribers and the API see it; `target` is `*` for the default selection over all.
    pub fn to_message(&self, target: &str, staleness_us: Option<u64>) -> WindowMessage {
        WindowMessage {
            target: target.to_owned(),
            window: self.window.to_string(),
            from: rfc3339(self.from),
            to: rfc3339(self.to),
            count: self.tally.count(),
            failed: self.tally.failed,
            missed: self.tally.missed,
            expected: self.expected,
            error_rate_ppm: self.error_rate_ppm(),
            completeness_ppm: self.completeness_ppm(),
            staleness_ms: staleness_us.map(|us| us.div_ceil(1_000)),
            latency_us: self.quantiles(),
        }
    }
}

fn ppm_rounded_up(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| (u128::from(part) * 1_000_000).div_ceil(u128::from(whole)) as u64)
}

/// An instant as RFC 3339 in UTC, with as many decimals of a second as it has.
pub fn rfc3339(at: TimeNs) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{at} ns"), // Beyond the year 9999; the codec's u64 ends in 2554.
    }
}

/// Reads RFC 3339; `None` when it is none, or before 1970.
pub fn parse_rfc3339(text: &str) -> Option<TimeNs> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(timestamp.as_nanosecond()).ok().map(TimeNs)
}

impl<'a> View<'a> {
    /// The configuration in force; the default one before any is.
    pub fn config(&self) -> std::borrow::Cow<'a, Config> {
        match &self.state.head().declarations.policy {
            Some(policy) => std::borrow::Cow::Borrowed(&policy.config),
            None => std::borrow::Cow::Owned(Config::default()),
        }
    }

    fn configured(&self) -> &'a [Target] {
        self.state.head().declarations.policy.as_ref().map_or(&[], |policy| &policy.config.targets)
    }

    /// Every target: those configured in their order, then those that only agents speak of and still probe.
    pub fn targets(&self) -> Vec<TargetView<'a>> {
        let configured = self.configured().iter().map(|target| self.target_view(&target.name, Some(target)));
        let in_config: BTreeSet<&Name> = self.configured().iter().map(|target| &target.name).collect();
        let probed = self.state.series().iter().filter(|series| is_probed(series)).map(target_of);
        let others: BTreeSet<&Name> = probed.filter(|name| !in_config.contains(name)).collect();
        configured.chain(others.into_iter().map(|name| self.target_view(name, None))).collect()
    }

    /// One target, if it is configured or was ever observed.
    pub fn target(&self, name: &str) -> Option<TargetView<'a>> {
        if let Some(target) = self.configured().iter().find(|target| target.name.as_str() == name) {
            return Some(self.target_view(&target.name, Some(target)));
        }
        let series = self.state.series_of(name).next()?;
        Some(self.target_view(&series.head.target, None))
    }

    fn target_view(&self, name: &'a Name, config: Option<&'a Target>) -> TargetView<'a> {
        // The agent with the freshest observation speaks for the target.
        let freshest = self
            .state
            .series_of(name)
            .filter(|series| series.head.latest.is_some())
            .max_by_key(|series| series.head.latest.as_ref().map(|latest| latest.slot_ns));
        let latest = freshest.and_then(|series| series.head.latest.as_ref());
        // Agents that the configuration names are waited for, each; a silent one is not covered by another that speaks.
        let named = config.map_or(&[][..], |config| self.agents_of(config));
        let silent = named.iter().find(|agent| self.staleness_of(name, agent).is_none());
        let staleness_us = match (named, silent) {
            ([], _) => freshest.and_then(|series| series.staleness_us(self.at)),
            (named, None) => named.iter().filter_map(|agent| self.staleness_of(name, agent)).max(),
            (_, Some(_)) => None,
        };
        let limit_us = self.active_profile().map_or(u64::MAX, |profile| profile.staleness.0);
        let (state, reason) = match (latest, staleness_us) {
            (None, _) => (TargetState::Unknown, "not observed yet".to_owned()),
            (Some(_), None) if let Some(agent) = silent => {
                (TargetState::Unknown, format!("agent {agent} has not observed it yet"))
            }
            // However old the observation is: nobody can say that the next one is overdue.
            (Some(_), None) => (TargetState::Unknown, "no agent has said how often it is probed".to_owned()),
            (Some(_), Some(us)) if us >= limit_us => {
                (TargetState::Unknown, format!("the next observation is {} s overdue", us / 1_000_000))
            }
            (Some(latest), _) if latest.outcome == Outcome::Fail => {
                let detail = latest.detail.as_deref().unwrap_or("failed");
                (TargetState::Down, detail.to_owned())
            }
            (Some(_), _) => (TargetState::Up, "the latest check passed".to_owned()),
        };
        TargetView { name, config, state, reason, latest, staleness_us }
    }

    fn agents_of(&self, target: &'a Target) -> &'a [Name] {
        let policy = self.state.head().declarations.policy.as_ref();
        policy.map_or(&[], |policy| policy.config.agents_of(target))
    }

    fn staleness_of(&self, target: &str, agent: &Name) -> Option<u64> {
        self.state.series_of(target).find(|series| series.head.agent == *agent)?.staleness_us(self.at)
    }

    fn active_profile(&self) -> Option<&'a Profile> {
        let policy = self.state.head().declarations.policy.as_ref()?;
        policy.config.profiles.get(&policy.config.profile)
    }

    /// A window of one target, all its agents together.
    pub fn window(&self, target: &str, window: Window) -> Result<Figures, NotKept> {
        self.figures(window, self.state.series_of(target))
    }

    /// A window of several targets together.
    pub fn window_over(&self, targets: &[TargetView<'a>], window: Window) -> Result<Figures, NotKept> {
        self.figures(window, targets.iter().flat_map(|target| self.state.series_of(target.name)))
    }

    /// A window of some series together.
    pub fn figures<'s>(&self, window: Window, series: impl Iterator<Item = &'s Series>) -> Result<Figures, NotKept> {
        let from = window.first_bucket(self.at);
        let mut figures = Figures { window, from, to: self.at, tally: Tally::default(), expected: 0, received: 0 };
        for one in series {
            let before = figures.tally.count();
            one.add_window(window, self.at, self.store, &mut figures.tally)?;
            let due = one.head.expectation.due(from, self.at);
            figures.expected += due;
            figures.received += due.min(figures.tally.count() - before);
        }
        Ok(figures)
    }

    /// What happened to `targets` in each bucket of `tier` from `from` up to the instant; empty buckets are left out.
    pub fn history(&self, targets: &[TargetView<'a>], tier: Tier, from: TimeNs) -> Vec<(TimeNs, Tally)> {
        let past = TimeNs(self.at.0.saturating_add(1));
        let mut by_start = std::collections::BTreeMap::<TimeNs, Tally>::new();
        for series in targets.iter().flat_map(|target| self.state.series_of(target.name)) {
            for bucket in series.buckets(tier, tier.bucket_start(from)..past, self.store) {
                by_start.entry(bucket.start).or_default().add(&bucket.tally);
            }
        }
        by_start.into_iter().collect()
    }

    /// The targets with that role.
    pub fn with_role(&self, role: Role) -> Vec<TargetView<'a>> {
        let is_it = |target: &&Target| target.role == Some(role);
        self.configured().iter().filter(is_it).map(|target| self.target_view(&target.name, Some(target))).collect()
    }

    /// The profile's figures; the configuration's own profile when `profile` is `None`.
    pub fn slo(&self, profile: Option<&str>) -> Result<Slo<'a>, UnknownProfile> {
        let config = self.config();
        let wanted = profile.unwrap_or(&config.profile);
        let Some((profile_name, profile)) = config.profiles.get_key_value(wanted) else {
            let known: Vec<&str> = config.profiles.keys().map(Name::as_str).collect();
            return Err(UnknownProfile { wanted: wanted.to_owned(), known: known.join(", ") });
        };
        let mut targets = self.targets();
        match profile.targets.as_slice() {
            [] => targets.retain(|target| !target.is_demo()),
            named => targets.retain(|target| named.contains(target.name)),
        }
        let overdue: Option<Vec<u64>> = targets.iter().map(|target| target.staleness_us).collect();
        let staleness_us = overdue.and_then(|all| all.into_iter().max());
        let nothing = || Figures {
            window: SLO_WINDOW,
            from: SLO_WINDOW.first_bucket(self.at),
            to: self.at,
            tally: Tally::default(),
            expected: 0,
            received: 0,
        };
        // An instant that the buckets no longer reach has no figures: it reads as no data, never as health.
        let figures = self.window_over(&targets, SLO_WINDOW).unwrap_or_else(|_not_kept| nothing());
        Ok(Slo { profile_name: profile_name.clone(), profile: profile.clone(), targets, figures, staleness_us })
    }
}

fn target_of(series: &Series) -> &Name {
    &series.head.target
}

fn is_probed(series: &Series) -> bool {
    series.head.expectation.current().is_some()
}
