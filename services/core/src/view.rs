//! `view = f(state, now)`: figures, states and health of targets at an instant, over one partition or over several.
//!
//! Each partition is folded by itself. Windows add up exactly, so what is shown of several is what one would show; what
//! is declared and decided is in partition 0.

mod figures;
mod objectives;
pub mod past;
mod series;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use spark_schemas::derived::TargetState;
use spark_schemas::event::{Heartbeat, Maintenance, Observed, Outcome, StreamPosition, TimeSpan};
use spark_schemas::{Class, Name, TimeNs};

use crate::bucket::{BucketStore, Tally};
use crate::config::{Config, Profile, Role, Target};
use crate::fold::{AgentRun, Declarations, State, Totals};
use crate::maintenance::covers;
use crate::merkle::Hash;
use crate::series::{NotKept, Series};
use crate::service_hours::outside_until;
use crate::window::{Tier, Window};

pub use figures::Figures;
pub use series::SeriesView;

use series::Kept;

/// The window that health, gate and pages judge by.
pub const SLO_WINDOW: Window = Window::M5;

/// The partition that has declarations and decisions.
pub const DECLARING: u16 = 0;

/// The fold of one partition.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Its number.
    pub partition: u16,
    /// Its state.
    pub state: &'a State,
    /// Its closed buckets.
    pub store: &'a dyn BucketStore,
}

impl Part<'_> {
    /// Up to where its log was folded.
    pub fn position(&self) -> StreamPosition {
        let head = self.state.head();
        StreamPosition { partition: self.partition, seq: head.position, origin: head.origin.clone() }
    }
}

/// The partitions' states looked at from an instant.
#[derive(Clone)]
pub struct View<'a> {
    /// Each partition by itself.
    pub parts: Vec<Part<'a>>,
    /// The instant.
    pub at: TimeNs,
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
    pub reason: Cow<'a, str>,
    /// The observation of the latest slot, of any agent.
    pub latest: Option<&'a Observed>,
    /// How far past due the next observation is, in microseconds; `None` before the first.
    pub staleness_us: Option<u64>,
    /// The maintenance that it is in, if any; of several the one that ends last.
    pub maintenance: Option<&'a Maintenance>,
    /// Outside of its service hours: when they begin again. `None` within them.
    pub outside_hours_until: Option<TimeNs>,
    /// What each agent saw of it, in the order of their names.
    pub series: Rc<[SeriesView<'a>]>,
}

impl TargetView<'_> {
    /// Whether its figures are a demonstration.
    pub fn is_demo(&self) -> bool {
        self.config.is_some_and(|config| config.demo)
    }

    /// Whether it is judged: not while it is in maintenance, or outside of its service hours.
    pub fn is_judged(&self) -> bool {
        self.maintenance.is_none() && self.outside_hours_until.is_none()
    }
}

/// What a profile's objectives are held against.
#[derive(Debug, Clone)]
pub struct Slo<'a> {
    /// The profile's name.
    pub profile_name: Name,
    /// Its thresholds.
    pub profile: Profile,
    /// The targets it looks at. Those that are not judged are left out of its figures.
    pub targets: Vec<TargetView<'a>>,
    /// The last five minutes over them.
    pub figures: Figures,
    /// The most overdue target's staleness; `None` when some target was never observed, or there is none.
    pub staleness_us: Option<u64>,
}

impl<'a> Slo<'a> {
    /// The targets that its figures are of: those that are judged now.
    pub fn judged(&self) -> impl Iterator<Item = &TargetView<'a>> {
        self.targets.iter().filter(|target| target.is_judged())
    }

    /// The others.
    pub fn left_out(&self) -> impl Iterator<Item = &TargetView<'a>> {
        self.targets.iter().filter(|target| !target.is_judged())
    }
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

/// The digest of several partitions' states: of a single one its own; else SHA-256 over each one's number, as two bytes
/// with the high one first, and its state's digest, in the order of the numbers.
pub fn digest_over(digests: impl IntoIterator<Item = (u16, Hash)>) -> Hash {
    let digests: Vec<(u16, Hash)> = digests.into_iter().collect();
    if let [(_, alone)] = digests[..] {
        return alone;
    }
    let mut hasher = Sha256::new();
    for (partition, digest) in digests {
        hasher.update(partition.to_be_bytes());
        hasher.update(digest);
    }
    hasher.finalize().into()
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
    /// A view of a log that is one partition.
    pub fn of_one(state: &'a State, store: &'a dyn BucketStore, at: TimeNs) -> Self {
        Self { parts: vec![Part { partition: DECLARING, state, store }], at }
    }

    /// What was declared and decided; nothing where partition 0 is not looked at.
    pub fn declarations(&self) -> &'a Declarations {
        static NONE: std::sync::LazyLock<Declarations> = std::sync::LazyLock::new(Declarations::default);
        let declaring = self.parts.iter().find(|part| part.partition == DECLARING);
        declaring.map_or(&NONE, |part| &part.state.head().declarations)
    }

    /// The greatest `received_ns` of any partition.
    pub fn fold_time(&self) -> TimeNs {
        self.parts.iter().map(|part| part.state.head().fold_time).max().unwrap_or_default()
    }

    /// Counts over all partitions.
    pub fn totals(&self) -> Totals {
        self.parts.iter().map(|part| part.state.head().totals).sum()
    }

    /// Every run of every agent; one that published to several partitions once for each.
    pub fn agent_runs(&self) -> Vec<AgentRun<'a>> {
        let mut runs: Vec<AgentRun<'a>> = self.parts.iter().flat_map(|part| part.state.agent_runs()).collect();
        runs.sort_by_key(|run| (run.agent, run.class, run.boot));
        runs
    }

    /// The latest heartbeat of an agent.
    pub fn heartbeat(&self, agent: &str, class: Class) -> Option<&'a Heartbeat> {
        let heard = self.parts.iter().filter_map(|part| part.state.head().heartbeats.get(agent)?.get(&class));
        heard.max_by_key(|heartbeat| heartbeat.at_ns)
    }

    /// The configuration in force; the default one before any is.
    pub fn config(&self) -> Cow<'a, Config> {
        match &self.declarations().policy {
            Some(policy) => Cow::Borrowed(&policy.config),
            None => Cow::Owned(Config::default()),
        }
    }

    fn configured(&self) -> &'a [Target] {
        self.declarations().policy.as_ref().map_or(&[], |policy| &policy.config.targets)
    }

    /// Every target: those configured in their order, then those that only agents speak of and still probe.
    pub fn targets(&self) -> Vec<TargetView<'a>> {
        let configured = self.configured().iter().map(|target| self.target_view(&target.name, Some(target)));
        let in_config: BTreeSet<&Name> = self.configured().iter().map(|target| &target.name).collect();
        let all = self.parts.iter().flat_map(|part| part.state.series());
        let probed = all.filter(|series| series.head.expectation.current().is_some()).map(|series| &series.head.target);
        let others: BTreeSet<&Name> = probed.filter(|name| !in_config.contains(name)).collect();
        configured.chain(others.into_iter().map(|name| self.target_view(name, None))).collect()
    }

    /// One target, if it is configured or was ever observed.
    pub fn target(&self, name: &str) -> Option<TargetView<'a>> {
        if let Some(target) = self.configured().iter().find(|target| target.name.as_str() == name) {
            return Some(self.target_view(&target.name, Some(target)));
        }
        let name = self.series_of(name).first()?.target;
        Some(self.target_view(name, None))
    }

    /// What each agent saw of a target, and what is expected of those that the configuration names; in their order.
    pub fn series_of(&self, target: &str) -> Vec<SeriesView<'a>> {
        let declared = self.declarations().expected.get_key_value(target);
        if let ([part], None) = (self.parts.as_slice(), declared) {
            let alone = |series: &'a Series| {
                SeriesView::new(&series.head.target, &series.head.agent, vec![(series, part.store)], None)
            };
            return part.state.series_of(target).map(alone).collect();
        }
        let mut by_agent: BTreeMap<&'a Name, (&'a Name, Vec<Kept<'a>>)> = BTreeMap::new();
        if let Some((target, agents)) = declared {
            agents.keys().for_each(|agent| drop(by_agent.insert(agent, (target, Vec::new()))));
        }
        for part in &self.parts {
            for series in part.state.series_of(target) {
                let (_, kept) = by_agent.entry(&series.head.agent).or_insert((&series.head.target, Vec::new()));
                kept.push((series, part.store));
            }
        }
        let expected = |agent| declared.and_then(|(_, agents)| agents.get(agent));
        let of = |(agent, (target, kept))| SeriesView::new(target, agent, kept, expected(agent));
        by_agent.into_iter().map(of).collect()
    }

    fn target_view(&self, name: &'a Name, config: Option<&'a Target>) -> TargetView<'a> {
        let series: Rc<[SeriesView<'a>]> = self.series_of(name).into();
        let staleness_of = |agent: &Name| series.iter().find(|one| one.agent == agent)?.staleness_us(self.at);
        // The agent with the freshest observation speaks for the target.
        let freshest = series.iter().filter_map(|one| Some((one, one.latest()?)));
        let freshest = freshest.max_by_key(|(_, latest)| latest.slot_ns);
        let latest = freshest.map(|(_, latest)| latest);
        // Agents that the configuration names are waited for, each; a silent one is not covered by another that speaks.
        let named = config.map_or(&[][..], |config| self.agents_of(config));
        let silent = named.iter().find(|agent| staleness_of(agent).is_none());
        let staleness_us = match (named, silent) {
            ([], _) => freshest.and_then(|(series, _)| series.staleness_us(self.at)),
            (named, None) => named.iter().filter_map(staleness_of).max(),
            (_, Some(_)) => None,
        };
        let limit_us = self.active_profile().map_or(u64::MAX, |profile| profile.staleness.0);
        let (state, reason) = match (latest, staleness_us) {
            (None, _) => (TargetState::Unknown, "not observed yet".into()),
            (Some(_), None) if let Some(agent) = silent => {
                (TargetState::Unknown, format!("agent {agent} has not observed it yet").into())
            }
            // However old the observation is: nobody can say that the next one is overdue.
            (Some(_), None) => (TargetState::Unknown, "no agent has said how often it is probed".into()),
            (Some(_), Some(us)) if us >= limit_us => {
                (TargetState::Unknown, format!("the next observation is {} s overdue", us / 1_000_000).into())
            }
            (Some(latest), _) if latest.outcome == Outcome::Fail => {
                (TargetState::Down, latest.detail.as_deref().unwrap_or("failed").into())
            }
            (Some(_), _) => (TargetState::Up, "the latest check passed".into()),
        };
        let maintenance = self.maintenance_of(name);
        let outside_hours_until = outside_until(self.declarations().service_hours(), name, self.at);
        TargetView { name, config, state, reason, latest, staleness_us, maintenance, outside_hours_until, series }
    }

    /// The maintenance that a target is in at the instant; of several the one that ends last.
    fn maintenance_of(&self, target: &str) -> Option<&'a Maintenance> {
        let at_that_time = |one: &&Maintenance| one.from_ns <= self.at && self.at < one.to_ns;
        let in_force = self.declarations().maintenances_in_force().filter(at_that_time);
        in_force.filter(|one| covers(one, target)).max_by_key(|one| one.to_ns)
    }

    /// The times of `window` that count for no figure of a target.
    fn left_out_in(&self, window: Window, target: &str) -> Vec<TimeSpan> {
        let to_ns = TimeNs(self.at.0.saturating_add(window.tier().width_ns()));
        self.left_out_within(target, TimeSpan { from_ns: window.first_bucket(self.at), to_ns })
    }

    /// The times within `span` that count for no figure of a target: maintenance, and outside of its service hours.
    pub fn left_out_within(&self, target: &str, span: TimeSpan) -> Vec<TimeSpan> {
        self.declarations().left_out(target, span)
    }

    fn agents_of(&self, target: &'a Target) -> &'a [Name] {
        self.declarations().policy.as_ref().map_or(&[], |policy| policy.config.agents_of(target))
    }

    fn active_profile(&self) -> Option<&'a Profile> {
        let policy = self.declarations().policy.as_ref()?;
        policy.config.profiles.get(&policy.config.profile)
    }

    /// A window of one target, all its agents together, without the time that it was in maintenance or outside of its
    /// service hours.
    pub fn window(&self, target: &str, window: Window) -> Result<Figures, NotKept> {
        self.figures(window, &self.series_of(target))
    }

    /// A window of several targets together.
    pub fn window_over(&self, targets: &[TargetView<'a>], window: Window) -> Result<Figures, NotKept> {
        self.figures(window, targets.iter().flat_map(|target| target.series.iter()))
    }

    /// A window of some series together. Buckets that lie wholly in a maintenance of their target, or outside of its
    /// service hours, are left out; how wide they are is the window's tier.
    pub fn figures<'s>(
        &self,
        window: Window,
        series: impl IntoIterator<Item = &'s SeriesView<'a>>,
    ) -> Result<Figures, NotKept>
    where
        'a: 's,
    {
        let mut figures = Figures::empty(window, self.at);
        for one in series {
            let before = figures.tally.count();
            let excluded = self.left_out_in(window, one.target);
            one.add_window(window, self.at, &excluded, &mut figures.tally)?;
            let due = one.due(window.tier(), window.first_bucket(self.at), self.at, &excluded);
            figures.expected += due;
            figures.received += due.min(figures.tally.count() - before);
        }
        Ok(figures)
    }

    /// The same of a stretch that begins with the bucket of `tier` at `from` and goes up to the instant.
    pub fn figures_since<'s>(
        &self,
        tier: Tier,
        from: TimeNs,
        series: impl IntoIterator<Item = &'s SeriesView<'a>>,
    ) -> Result<Figures, NotKept>
    where
        'a: 's,
    {
        let to_ns = TimeNs(self.at.0.saturating_add(tier.width_ns()));
        self.figures_without(tier, from, series, |target| {
            self.left_out_within(target, TimeSpan { from_ns: from, to_ns })
        })
    }

    /// The same without the whole buckets that lie in `excluded` of their target.
    pub(crate) fn figures_without<'s>(
        &self,
        tier: Tier,
        from: TimeNs,
        series: impl IntoIterator<Item = &'s SeriesView<'a>>,
        excluded: impl Fn(&str) -> Vec<TimeSpan>,
    ) -> Result<Figures, NotKept>
    where
        'a: 's,
    {
        let mut figures = Figures { from, ..Figures::empty(Window::D1, self.at) };
        for one in series {
            let before = figures.tally.count();
            let excluded = excluded(one.target);
            one.add_since(tier, from, self.at, &excluded, &mut figures.tally)?;
            let due = one.due(tier, from, self.at, &excluded);
            figures.expected += due;
            figures.received += due.min(figures.tally.count() - before);
        }
        Ok(figures)
    }

    /// What happened to `targets` in each bucket of `tier` from `from` up to the instant; empty buckets are left out.
    pub fn history(&self, targets: &[TargetView<'a>], tier: Tier, from: TimeNs) -> Vec<(TimeNs, Tally)> {
        let starts = tier.bucket_start(from)..TimeNs(self.at.0.saturating_add(1));
        let mut by_start = BTreeMap::<TimeNs, Tally>::new();
        for series in targets.iter().flat_map(|target| target.series.iter()) {
            for bucket in series.buckets(tier, starts.clone()) {
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
        self.slo_of(self.targets(), profile)
    }

    /// The same of targets that were looked at before: all that there are.
    pub fn slo_of(&self, mut targets: Vec<TargetView<'a>>, profile: Option<&str>) -> Result<Slo<'a>, UnknownProfile> {
        let config = self.config();
        let wanted = profile.unwrap_or(&config.profile);
        let Some((profile_name, profile)) = config.profiles.get_key_value(wanted) else {
            let known: Vec<&str> = config.profiles.keys().map(Name::as_str).collect();
            return Err(UnknownProfile { wanted: wanted.to_owned(), known: known.join(", ") });
        };
        match profile.targets.as_slice() {
            [] => targets.retain(|target| !target.is_demo()),
            named => targets.retain(|target| named.contains(target.name)),
        }
        // A target is left out as a whole while it is not judged. Where all are, nothing is left to judge by.
        let judged = || targets.iter().filter(|target| target.is_judged());
        let overdue: Option<Vec<u64>> = judged().map(|target| target.staleness_us).collect();
        let staleness_us = overdue.and_then(|all| all.into_iter().max());
        // An instant that the buckets no longer reach has no figures: it reads as no data, never as health.
        let figures = self.figures(SLO_WINDOW, judged().flat_map(|target| target.series.iter()));
        let figures = figures.unwrap_or_else(|_not_kept| Figures::empty(SLO_WINDOW, self.at));
        Ok(Slo { profile_name: profile_name.clone(), profile: profile.clone(), targets, figures, staleness_us })
    }
}
