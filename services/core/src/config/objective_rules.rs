//! The rules of objectives, one function each, so that `spark.toml` and OpenSLO documents are held to the same ones.
//! Each gives what is wrong; the caller knows where it stands.

use std::collections::BTreeSet;

use jiff::tz::TimeZoneDatabase;

use super::parse::{Broken, Step};
use super::{Budgeting, BurnAlert, BurnRate, Config, Objective, Sli, SloWindow, Timeslices};
use crate::units::{DurationUs, RatioPpm};

const ALL: RatioPpm = RatioPpm(1_000_000);
const MINUTE: DurationUs = DurationUs::from_secs(60);
const DAY: DurationUs = DurationUs::from_secs(86_400);
/// A budget of one part per million burns at most a million times too fast.
const BURN_RATE_MAX: BurnRate = BurnRate(1_000_000 * 1_000);
/// Each is read every second, to see whether it changed.
const FILES_MAX: usize = 64;

pub(crate) fn broken_objective(objective: RatioPpm) -> Option<String> {
    let is_good = 0 < objective.0 && objective < ALL;
    (!is_good).then(|| "an objective is more than 0% and less than 100%, so that there is a budget".to_owned())
}

pub(crate) fn broken_latency(limit: DurationUs) -> Option<String> {
    let is_good = 0 < limit.0 && limit <= DAY;
    (!is_good).then(|| format!("a latency limit is more than 0s and at most {DAY}"))
}

/// Names are taken as the database spells them, so that the same zone gives the same digest.
pub(crate) fn broken_time_zone(name: &str) -> Option<String> {
    const WRITE: &str = "write an IANA name such as \"Europe/Istanbul\" or \"UTC\"";
    let zone = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown());
    match zone.as_ref().map(|zone| zone.iana_name()) {
        None => Some(format!("no time zone {name:?}; {WRITE}")),
        Some(Some(spelled)) if spelled != name => Some(format!("no time zone {name:?}; did you mean {spelled:?}?")),
        Some(_) => None,
    }
}

/// Whole minutes, because seconds are kept for an hour only; a divisor of the day, so that slices begin at the same
/// times each day.
pub(crate) fn broken_slice(slice: DurationUs, window: &SloWindow) -> Option<String> {
    if slice < MINUTE || !slice.0.is_multiple_of(MINUTE.0) || !DAY.0.is_multiple_of(slice.0) {
        return Some(
            "a slice is a whole number of minutes that divides a day, such as \"1m\", \"5m\" or \"1h\"".into(),
        );
    }
    match window {
        SloWindow::Rolling(window) if slice.0 > window.length_ns() / 1_000 => {
            Some(format!("a slice of {slice} is longer than the window of {window}"))
        }
        _ => None,
    }
}

pub(crate) fn broken_slice_objective(objective: RatioPpm) -> Option<String> {
    (objective.0 == 0 || objective > ALL)
        .then(|| "the objective of a slice is more than 0% and at most 100%".to_owned())
}

pub(crate) fn broken_burn_rate(rate: BurnRate) -> Option<String> {
    let is_good = 0 < rate.0 && rate <= BURN_RATE_MAX;
    (!is_good).then(|| format!("a burn rate is more than 0 and at most {BURN_RATE_MAX}"))
}

pub(crate) fn broken_hold(alert: &BurnAlert) -> Option<String> {
    (alert.hold.0 > alert.long.length_ns() / 1_000)
        .then(|| format!("an alert that must hold for {} is later than its long window ({})", alert.hold, alert.long))
}

impl BurnAlert {
    fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.short >= self.long {
            let message =
                format!("the short window ({}) must be shorter than the long one ({})", self.short, self.long);
            return Some(("short", message));
        }
        None.or_else(|| Some(("burn_rate", broken_burn_rate(self.burn_rate)?)))
            .or_else(|| Some(("for", broken_hold(self)?)))
    }

    /// Whether another alert of the same objective has its severity and pair of windows: by those its state is known.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        (self.severity.as_str(), self.long, self.short) == (other.severity.as_str(), other.long, other.short)
    }
}

impl Objective {
    /// The first rule that it breaks by itself.
    pub(crate) fn broken_rule(&self) -> Option<Broken> {
        self.broken_promise().or_else(|| {
            self.alerts.iter().enumerate().find_map(|(n, alert)| {
                let broken =
                    |key, message| Broken { path: vec![Step::Key("alerts"), Step::Index(n), Step::Key(key)], message };
                if let Some((key, message)) = alert.broken_rule() {
                    return Some(broken(key, message));
                }
                let is_repeated = self.alerts[..n].iter().any(|other| alert.is_alike(other));
                is_repeated.then(|| broken("long", twice_windows(alert)))
            })
        })
    }

    fn broken_promise(&self) -> Option<Broken> {
        let broken = |path, message| Some(Broken { path, message });
        let mut seen = BTreeSet::new();
        if let Some(n) = self.targets.iter().position(|target| !seen.insert(target)) {
            let message = format!("target {:?} is named twice", self.targets[n].as_str());
            return broken(vec![Step::Key("targets"), Step::Index(n)], message);
        }
        if let Sli::Latency(limit) = self.sli
            && let Some(message) = broken_latency(limit)
        {
            return broken(vec![Step::Key("sli"), Step::Key("latency")], message);
        }
        if let Some(message) = broken_objective(self.objective) {
            return broken(vec![Step::Key("objective")], message);
        }
        if let SloWindow::Calendar(window) = &self.window
            && let Some(message) = broken_time_zone(&window.time_zone)
        {
            return broken(vec![Step::Key("window"), Step::Key("time_zone")], message);
        }
        if let Budgeting::Timeslices(Timeslices { slice, objective }) = self.budgeting {
            let at = |key| vec![Step::Key("budgeting"), Step::Key("timeslices"), Step::Key(key)];
            if let Some(message) = broken_slice(slice, &self.window) {
                return broken(at("slice"), message);
            }
            if let Some(message) = broken_slice_objective(objective) {
                return broken(at("objective"), message);
            }
        }
        None
    }
}

impl Config {
    pub(crate) fn broken_rule_of_objectives(&self) -> Option<Broken> {
        let mut names = BTreeSet::new();
        for (n, objective) in self.objectives.iter().enumerate() {
            let at = |path: Vec<Step>| [Step::Key("slo"), Step::Index(n)].into_iter().chain(path).collect();
            if !names.insert(&objective.name) {
                let message = twice(&objective.name);
                return Some(Broken { path: at(vec![Step::Key("name")]), message });
            }
            if let Some(n) = objective.targets.iter().position(|target| self.target(target).is_none()) {
                let message = self.no_target(&objective.targets[n]);
                return Some(Broken { path: at(vec![Step::Key("targets"), Step::Index(n)]), message });
            }
            if let Some(Broken { path, message }) = objective.broken_rule() {
                return Some(Broken { path: at(path), message });
            }
        }
        let broken = |n, message: &str| {
            Some(Broken { path: vec![Step::Key("openslo"), Step::Index(n)], message: message.to_owned() })
        };
        let mut files = BTreeSet::new();
        for (n, file) in self.openslo.iter().enumerate() {
            if n == FILES_MAX {
                return broken(n, &format!("openslo names at most {FILES_MAX} files"));
            } else if file.is_empty() {
                return broken(n, "openslo must name files");
            } else if file.contains(['*', '?']) {
                // A pattern that matches nothing would be a promise that silently isn't there.
                return broken(n, "openslo names each file; patterns are not read");
            } else if !files.insert(file) {
                return broken(n, "the file is named twice");
            }
        }
        None
    }

    pub(crate) fn no_target(&self, name: &str) -> String {
        let known: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!("no target {name:?}; there are: {known}")
    }
}

pub(crate) fn twice_windows(BurnAlert { severity, long, short, .. }: &BurnAlert) -> String {
    format!("another alert of this objective is a {severity} over {long} and {short}, too; each such pair has one")
}

pub(crate) fn twice(name: &str) -> String {
    format!("objective {name:?} is there twice: names must differ")
}
