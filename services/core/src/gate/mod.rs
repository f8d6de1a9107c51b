//! The deploy gate: six checks, those that the profile adds, a verdict, and never a pass on missing data.
//!
//! A decision is a function of the view and of what [`Circumstances`] lists, and it records both: where the log was, and
//! what the log does not have. So it can be made again from the log alone.

mod compare;
mod configured;
mod objectives;
mod six;
mod waivers;

use spark_schemas::Name;
use spark_schemas::event::{CheckResult, CheckVerdict, GateDecided, StreamPosition, Verdict};

use crate::fold::SEMANTICS;
use crate::health::{Component, Health, Status, judge};
use crate::json;
use crate::view::{Part, Slo, UnknownProfile, View, past};

pub use compare::{Difference, differences};

use objectives::Objectives;

/// What a decision is made with besides the view and the profile.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// SHA-256 of the state, in hex.
    pub state_digest: String,
    /// How the parts of Spark are.
    pub components: Vec<Component>,
    /// Objectives that have no figures yet, whatever the view knows of them by now.
    pub recounting: Vec<Name>,
    /// The build that decides.
    pub build: String,
    /// Who asks.
    pub by: String,
}

impl Circumstances {
    /// Those under which a decision was made.
    pub fn of(decided: &GateDecided, state_digest: String) -> Self {
        let GateDecided { components, recounting, build, by, .. } = decided.clone();
        Self { state_digest, components, recounting, build, by }
    }
}

/// Every check of the profile's gate, waivers applied.
pub fn checks(view: &View<'_>, slo: &Slo<'_>, health: &Health) -> Vec<CheckResult> {
    checks_with(view, slo, health, &mut Objectives::new(view, &[]))
}

fn checks_with(
    view: &View<'_>,
    slo: &Slo<'_>,
    health: &Health,
    objectives: &mut Objectives<'_, '_>,
) -> Vec<CheckResult> {
    let mut checks = six::checks(view, slo, health);
    checks.extend(configured::checks(view, slo, objectives));
    waivers::apply(&slo.profile.waivers, view.at, &mut checks);
    match &view.declarations().policy_unreadable {
        Some(digest) => {
            let why =
                format!("this build can't read the configuration in force (digest {digest}): it is too old for it");
            checks.into_iter().map(|check| without_data(check, &why)).collect()
        }
        None => checks,
    }
}

/// The verdict over all checks: any failure fails; else anything unwaived without data is `no_data`; no checks at all too.
pub fn verdict(checks: &[CheckResult]) -> Verdict {
    let any = |verdict| {
        checks.iter().any(|check| check.verdict == verdict && !(check.waived && verdict == CheckVerdict::NoData))
    };
    if any(CheckVerdict::Fail) {
        Verdict::Fail
    } else if checks.is_empty() || any(CheckVerdict::NoData) {
        Verdict::NoData
    } else if any(CheckVerdict::Warn) {
        Verdict::Warn
    } else {
        Verdict::Pass
    }
}

/// A decision, with an identity computed from its content. The configuration's own profile when `profile` is `None`.
pub fn decide(
    view: &View<'_>,
    profile: Option<&str>,
    circumstances: Circumstances,
) -> Result<GateDecided, UnknownProfile> {
    let Circumstances { state_digest, mut components, recounting, build, by } = circumstances;
    // Of a part that works nothing is judged but that: how long it has is for people who look now.
    components.iter_mut().filter(|part| part.status == Status::Up).for_each(|part| part.detail.clear());
    let slo = past::slo(view, profile)?;
    let mut objectives = Objectives::new(view, &recounting);
    let checks = checks_with(view, &slo, &judge(&components, &slo), &mut objectives);
    let policy = view.declarations().policy.as_ref();
    Ok(named(GateDecided {
        id: "".into(),
        at_ns: view.at,
        verdict: verdict(&checks),
        profile: slo.profile_name.clone(),
        waivers: waivers::applied(&slo.profile.waivers, &checks),
        checks,
        components,
        recounting: objectives.recounting(),
        positions: view.parts.iter().map(Part::position).collect::<Vec<StreamPosition>>(),
        policy_digest: policy.map(|policy| policy.digest.as_str()).unwrap_or_default().into(),
        state_digest: state_digest.into(),
        semantics: SEMANTICS,
        build,
        by,
    }))
}

/// The decision where there is nothing to judge by, whatever some of the figures look like. No waiver lifts that.
pub fn withhold(mut decided: GateDecided, why: &str) -> GateDecided {
    decided.checks = decided.checks.into_iter().map(|check| without_data(check, why)).collect();
    decided.waivers.clear();
    decided.verdict = Verdict::NoData;
    named(decided)
}

fn without_data(check: CheckResult, why: &str) -> CheckResult {
    CheckResult {
        verdict: CheckVerdict::NoData,
        observed: None,
        samples: 0,
        reason: why.to_owned(),
        waived: false,
        ..check
    }
}

/// The decision with the identity that its content has.
pub fn named(decided: GateDecided) -> GateDecided {
    let unnamed = GateDecided { id: "".into(), ..decided };
    GateDecided { id: crate::identity(&json::bytes(&unnamed)).into(), ..unnamed }
}
