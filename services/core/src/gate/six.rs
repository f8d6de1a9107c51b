//! The six checks that every gate makes.

use spark_schemas::derived::TargetState;
use spark_schemas::event::{CheckResult, CheckVerdict};

use crate::config::Role;
use crate::health::{Health, Status};
use crate::units::decimal;
use crate::view::{SLO_WINDOW, Slo, TargetView, View, past, rfc3339};

/// So many targets that are not judged are named, of each reason.
const NAMED_MAX: usize = 10;

/// The six checks, in the order of [`crate::config::SIX`].
pub(super) fn checks(view: &View<'_>, slo: &Slo<'_>, health: &Health) -> Vec<CheckResult> {
    let profile = &slo.profile;
    let samples = slo.figures.tally.count();
    let left_out = left_out(slo.left_out());
    let below =
        |id: &str, observed: Option<u64>, (limit, warn): (u64, Option<u64>), places: u32, unit: &str, what: &str| {
            let (verdict, reason) = match observed {
                None => (CheckVerdict::NoData, format!("no data for {what}: {}", why_no_data(slo))),
                Some(observed) if observed < limit && warn.is_some_and(|warn| observed >= warn) => {
                    let reason = format!("{what} is below its limit, and not below what it warns at{left_out}");
                    (CheckVerdict::Warn, reason)
                }
                Some(observed) if observed < limit => {
                    (CheckVerdict::Pass, format!("{what} is below its limit{left_out}"))
                }
                Some(_) => (CheckVerdict::Fail, format!("{what} is not below its limit{left_out}")),
            };
            CheckResult {
                id: id.into(),
                verdict,
                observed: observed.map(|figure| decimal(figure, places).into()),
                threshold: Some(decimal(limit, places).into()),
                unit: unit.into(),
                samples,
                reason,
                waived: false,
            }
        };
    vec![
        up_check("ui.up", view, Role::Ui, "user interface"),
        up_check("executor.up", view, Role::Executor, "executor"),
        status_check(view, health, samples),
        below(
            "healthz.slo.latencyP95",
            slo.figures.latency_p95_us(),
            (profile.latency_p95.0, profile.warn_latency_p95.map(|warn| warn.0)),
            3,
            "ms",
            "p95 latency over the last 5 minutes",
        ),
        below(
            "healthz.slo.errorRate",
            slo.figures.error_rate_ppm(),
            (profile.error_rate.0, profile.warn_error_rate.map(|warn| warn.0)),
            4,
            "%",
            "the error rate over the last 5 minutes",
        ),
        below(
            "healthz.slo.staleness",
            slo.staleness_us.map(|us| us / 1_000),
            (profile.staleness.0 / 1_000, profile.warn_staleness.map(|warn| warn.0 / 1_000)),
            3,
            "s",
            "the staleness of the most overdue target",
        ),
    ]
}

/// Which targets are not judged, and why, to be said after a sentence.
fn left_out<'t>(targets: impl Iterator<Item = &'t TargetView<'t>>) -> String {
    match NotJudged::of(targets).said() {
        said if said.is_empty() => said,
        said => format!("; left out, {said}"),
    }
}

/// Why all of `what`, which are not judged, are not.
pub(super) fn why_all_left_out<'t>(what: &str, targets: impl Iterator<Item = &'t TargetView<'t>>) -> String {
    let left_out = NotJudged::of(targets);
    let (maintenance, hours) = (left_out.in_maintenance.said(), left_out.outside_hours.said());
    match (maintenance.is_empty(), hours.is_empty()) {
        (_, true) => format!("every {what} is in maintenance: {maintenance}"),
        (true, _) => format!("every {what} is outside of its service hours: {hours}"),
        _ => format!("every {what} is in maintenance or outside of its service hours: {maintenance}, {hours}"),
    }
}

/// Targets that are not judged, by why.
#[derive(Default)]
struct NotJudged {
    in_maintenance: Names,
    outside_hours: Names,
}

/// A check is read by people, and its event has to fit a frame: the first few names, and how many there are.
#[derive(Default)]
struct Names {
    first: Vec<String>,
    all: usize,
}

impl NotJudged {
    fn of<'t>(targets: impl Iterator<Item = &'t TargetView<'t>>) -> Self {
        let mut sorted = Self::default();
        for target in targets {
            match (target.maintenance, target.outside_hours_until) {
                (Some(maintenance), _) => sorted.in_maintenance.add(target, || maintenance.id.to_string()),
                (None, Some(until)) => sorted.outside_hours.add(target, || format!("until {}", rfc3339(until))),
                (None, None) => {}
            }
        }
        sorted
    }

    fn said(&self) -> String {
        let of = |why: &str, names: &Names| (names.all > 0).then(|| format!("{why}: {}", names.said()));
        let parts =
            [of("in maintenance", &self.in_maintenance), of("outside of their service hours", &self.outside_hours)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl Names {
    fn add(&mut self, target: &TargetView<'_>, note: impl FnOnce() -> String) {
        self.all += 1;
        if self.all <= NAMED_MAX {
            self.first.push(format!("{} ({})", target.name, note()));
        }
    }

    fn said(&self) -> String {
        let mut names = self.first.join(", ");
        if self.all > NAMED_MAX {
            names += &format!(", and {} more", self.all - NAMED_MAX);
        }
        names
    }
}

fn why_no_data(slo: &Slo<'_>) -> String {
    if slo.targets.is_empty() {
        return "the profile selects no target".to_owned();
    }
    if slo.judged().next().is_none() {
        return why_all_left_out("target", slo.left_out());
    }
    match slo.judged().find(|target| target.staleness_us.is_none()) {
        Some(target) if target.series.iter().any(|series| series.latest().is_some()) && target.latest.is_none() => {
            format!("of target {} {}", target.name, target.reason)
        }
        Some(target) if target.latest.is_none() => format!("target {} was never observed", target.name),
        Some(target) => format!("no agent has said how often target {} is probed", target.name),
        None => "no observation in the window".to_owned(),
    }
}

fn up_check(id: &str, view: &View<'_>, role: Role, what: &str) -> CheckResult {
    let targets = view.with_role(role).into_iter().map(|target| past::as_of(view, target));
    let (targets, not_judged): (Vec<_>, Vec<_>) = targets.partition(TargetView::is_judged);
    let in_state = |state| targets.iter().filter(move |target| target.state == state);
    let name_them = |targets: &mut dyn Iterator<Item = &TargetView<'_>>| {
        let named: Vec<String> = targets.map(|target| format!("{} ({})", target.name, target.reason)).collect();
        named.join(", ")
    };
    let (verdict, observed, reason) = if targets.is_empty() && not_judged.is_empty() {
        (CheckVerdict::NoData, None, format!("no target has the role of {what}"))
    } else if targets.is_empty() {
        (CheckVerdict::NoData, None, why_all_left_out(&format!("{what} target"), not_judged.iter()))
    } else if in_state(TargetState::Down).next().is_some() {
        let down = name_them(&mut in_state(TargetState::Down));
        (CheckVerdict::Fail, Some("down"), format!("down: {down}"))
    } else if in_state(TargetState::Unknown).next().is_some() {
        let unknown = name_them(&mut in_state(TargetState::Unknown));
        (CheckVerdict::NoData, Some("unknown"), format!("unknown: {unknown}"))
    } else {
        (CheckVerdict::Pass, Some("up"), format!("every {what} target is up{}", left_out(not_judged.iter())))
    };
    let samples = view.window_over(&targets, SLO_WINDOW).map_or(0, |figures| figures.tally.count());
    CheckResult {
        id: id.into(),
        verdict,
        observed: observed.map(Into::into),
        threshold: Some("up".into()),
        unit: "".into(),
        samples,
        reason,
        waived: false,
    }
}

fn status_check(view: &View<'_>, health: &Health, samples: u64) -> CheckResult {
    if past::is_past(view) {
        return CheckResult {
            id: "healthz.status".into(),
            verdict: CheckVerdict::NoData,
            observed: None,
            threshold: Some(Status::Up.as_str().into()),
            unit: "".into(),
            samples: 0,
            reason: "how Spark itself was at a past instant is not kept".to_owned(),
            waived: false,
        };
    }
    let verdict = match health.status {
        Status::Up => CheckVerdict::Pass,
        Status::Degraded if health.no_data => CheckVerdict::NoData,
        Status::Degraded | Status::Down => CheckVerdict::Fail,
    };
    let reason =
        if health.reasons.is_empty() { "every part of Spark works".to_owned() } else { health.reasons.join("; ") };
    CheckResult {
        id: "healthz.status".into(),
        verdict,
        observed: Some(health.status.as_str().into()),
        threshold: Some(Status::Up.as_str().into()),
        unit: "".into(),
        samples,
        reason,
        waived: false,
    }
}
