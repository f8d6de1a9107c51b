//! The checks that a profile adds, and the score over those with a weight.

use spark_schemas::event::{CanaryRan, CheckResult, CheckVerdict, Verdict};

use super::objectives::Objectives;
use super::six::why_all_left_out;
use crate::config::{Asks, CanaryPassed, Complete, GateCheck, SCORE};
use crate::units::{RatioPpm, decimal};
use crate::view::{Slo, View};

/// What a check found, before it has a name.
pub(super) struct Found {
    pub(super) verdict: CheckVerdict,
    pub(super) observed: Option<String>,
    pub(super) threshold: String,
    pub(super) unit: &'static str,
    pub(super) samples: u64,
    pub(super) reason: String,
}

/// Every check that the profile adds, in its order, then the score if it asks for one.
pub(super) fn checks(view: &View<'_>, slo: &Slo<'_>, objectives: &mut Objectives<'_, '_>) -> Vec<CheckResult> {
    let profile = &slo.profile;
    let mut score = Score::default();
    let mut checks: Vec<CheckResult> = Vec::new();
    for check in &profile.checks {
        let mut found = judge(view, slo, objectives, check);
        if let Some(weight) = check.weight {
            score.count(u64::from(weight), &mut found);
        }
        checks.push(found.named(check.name.as_str()));
    }
    checks.extend(profile.score_min.map(|min| score.judge(min).named(SCORE)));
    checks
}

impl Found {
    fn named(self, id: &str) -> CheckResult {
        let Self { verdict, observed, threshold, unit, samples, reason } = self;
        CheckResult {
            id: id.into(),
            verdict,
            observed: observed.map(Into::into),
            threshold: Some(threshold.into()),
            unit: unit.into(),
            samples,
            reason,
            waived: false,
        }
    }
}

fn judge(view: &View<'_>, slo: &Slo<'_>, objectives: &mut Objectives<'_, '_>, check: &GateCheck) -> Found {
    match check.asks() {
        Some(Asks::Objective(met)) => objectives.met(met),
        Some(Asks::Budget(budget)) => objectives.budget_left(budget),
        Some(Asks::BurnRate(burn)) => objectives.burns_below(burn),
        Some(Asks::Completeness(complete)) => completeness(view, slo, complete),
        Some(Asks::Canary(canary)) => canary_passed(view, canary),
        // No configuration that was read has one.
        None => Found {
            verdict: CheckVerdict::NoData,
            observed: None,
            threshold: String::new(),
            unit: "",
            samples: 0,
            reason: "the check asks for nothing, or for several things".to_owned(),
        },
    }
}

fn completeness(view: &View<'_>, slo: &Slo<'_>, Complete { window, min, warn }: &Complete) -> Found {
    let what = format!("completeness over {window}");
    let figures = view.figures(*window, slo.judged().flat_map(|target| target.series.iter()));
    let (observed, samples, why) = match &figures {
        _ if slo.targets.is_empty() => (None, 0, "the profile selects no target".to_owned()),
        _ if slo.judged().next().is_none() => (None, 0, all_left_out(slo)),
        Err(error) => (None, 0, error.to_string()),
        Ok(figures) => (figures.completeness_ppm(), figures.received, "no observation was due".to_owned()),
    };
    let counts = figures.map_or(String::new(), |figures| format!(": {} of {}", figures.received, figures.expected));
    let (verdict, reason) = at_least(observed, min.0, warn.map(|warn| warn.0), &what, &why);
    let reason = if observed.is_some() { reason + &counts } else { reason };
    let observed = observed.map(|ppm| decimal(ppm, 4));
    Found { verdict, observed, threshold: decimal(min.0, 4), unit: "%", samples, reason }
}

/// What is in maintenance only is said as the first builds did, so that their decisions can be made again.
fn all_left_out(slo: &Slo<'_>) -> String {
    match slo.left_out().all(|target| target.maintenance.is_some()) {
        true => "every target is in maintenance".to_owned(),
        false => why_all_left_out("target", slo.left_out()),
    }
}

/// The verdict on a figure that must be at least `min`, with a sentence.
pub(super) fn at_least<F: PartialOrd>(
    observed: Option<F>,
    min: F,
    warn: Option<F>,
    what: &str,
    why_no_data: &str,
) -> (CheckVerdict, String) {
    match observed {
        None => (CheckVerdict::NoData, format!("no data for {what}: {why_no_data}")),
        Some(observed) if observed < min => (CheckVerdict::Fail, format!("{what} is less than asked")),
        Some(observed) if warn.is_some_and(|warn| observed < warn) => {
            (CheckVerdict::Warn, format!("{what} is enough, and less than it warns at"))
        }
        Some(_) => (CheckVerdict::Pass, format!("{what} is enough")),
    }
}

fn canary_passed(view: &View<'_>, CanaryPassed { mode, target, max_age }: &CanaryPassed) -> Found {
    // What a canary found after the instant that is looked from was not known then.
    let judged = |canary: &CanaryRan| canary.comparison.as_ref().map(|comparison| comparison.candidate.target.clone());
    let of_kind = |canary: &&CanaryRan| {
        let is_of_target = target.as_ref().is_none_or(|target| judged(canary).as_ref() == Some(target));
        canary.mode == *mode && is_of_target && canary.at_ns <= view.at
    };
    let latest = view.declarations().canaries.iter().filter(of_kind).max_by_key(|canary| canary.at_ns);
    let age_us = latest.map(|canary| view.at.since_us(canary.at_ns));
    let (verdict, reason) = match (latest, age_us) {
        (Some(canary), Some(age_us)) if age_us <= max_age.0 => {
            (check_verdict(canary.verdict), format!("canary {} ran {} s before", canary.id, decimal(age_us / 1_000, 3)))
        }
        (Some(canary), Some(age_us)) => (
            CheckVerdict::NoData,
            format!("canary {} ran {} s before: that is more than {max_age}", canary.id, age_us / 1_000_000),
        ),
        _ => (CheckVerdict::NoData, "no canary of this kind ran".to_owned()),
    };
    let is_known = verdict != CheckVerdict::NoData;
    Found {
        verdict,
        observed: latest.filter(|_| is_known).map(|canary| canary.verdict.as_str().to_owned()),
        threshold: "pass".to_owned(),
        unit: "",
        samples: latest.map_or(0, |canary| canary.checks.iter().map(|check| check.samples).max().unwrap_or(0)),
        reason,
    }
}

const fn check_verdict(verdict: Verdict) -> CheckVerdict {
    match verdict {
        Verdict::Pass => CheckVerdict::Pass,
        Verdict::Warn => CheckVerdict::Warn,
        Verdict::Fail => CheckVerdict::Fail,
        Verdict::NoData => CheckVerdict::NoData,
    }
}

/// The weights of the checks that hold, among those of all that could be judged.
#[derive(Default)]
struct Score {
    held: u64,
    judged: u64,
    checks: u64,
}

impl Score {
    /// Counts a check. One that fails warns instead: the score fails in its place. One without data stays what it is, so
    /// that no weight hides it.
    fn count(&mut self, weight: u64, found: &mut Found) {
        let holds = match found.verdict {
            CheckVerdict::NoData => return,
            CheckVerdict::Fail => false,
            CheckVerdict::Pass | CheckVerdict::Warn => true,
        };
        self.checks += 1;
        self.judged += weight;
        if holds {
            self.held += weight;
        } else {
            found.verdict = CheckVerdict::Warn;
            found.reason = format!("{}; it fails, and counts {weight} in the score", found.reason);
        }
    }

    fn judge(&self, min: RatioPpm) -> Found {
        let observed = (u128::from(self.held) * 1_000_000).checked_div(u128::from(self.judged)).map(|ppm| ppm as u64);
        let (verdict, reason) = at_least(observed, min.0, None, "the score", "no check with a weight could be judged");
        let counts = format!(": {} of {}", self.held, self.judged);
        Found {
            verdict,
            observed: observed.map(|ppm| decimal(ppm, 4)),
            threshold: decimal(min.0, 4),
            unit: "%",
            samples: self.checks,
            reason: if observed.is_some() { reason + &counts } else { reason },
        }
    }
}
