//! An `SLO` document as the objectives that it promises.

use spark_schemas::Name;

use super::alert;
use super::fields::Fields;
use super::known::Known;
use super::object::Object;
use super::sli::{self, Indicator, Metric, Targets};
use super::time;
use super::yaml::{Node, Value};
use super::{Kind, Place, Refused, shown};
use crate::config::objective_rules::{broken_latency, broken_objective, broken_slice, broken_slice_objective};
use crate::config::{Budgeting, BurnAlert, Objective, Sli, SloWindow, Timeslices};
use crate::units::{DurationUs, RatioPpm};

/// An objective, and where its name and its targets stand.
#[derive(Debug)]
pub(super) struct Promise {
    pub objective: Objective,
    pub at: Place,
    pub targets: Targets,
}

/// What the objectives of one SLO share.
struct Common {
    indicator: Indicator,
    window: SloWindow,
    in_slices: bool,
}

/// Reads an `SLO`: an objective for each item of `objectives`.
pub(super) fn promises(slo: &Object<'_>, known: &Known) -> Result<Vec<Promise>, Refused> {
    let keys = [
        "description",
        "service",
        "indicator",
        "indicatorRef",
        "timeWindow",
        "budgetingMethod",
        "objectives",
        "alertPolicies",
    ];
    let fields = Fields::of(slo.spec()?, "the SLO's spec", &keys)?;
    let description = fields.description()?.or(slo.display_name).unwrap_or_default();
    let service = fields.need("service")?.name("service")?;
    let items = fields.need("objectives")?;
    for item in items.list("objectives")? {
        let fields = Fields::of(item, "an objective", &OBJECTIVE_KEYS)?;
        for key in ["indicator", "indicatorRef", "compositeWeight"] {
            fields.refuse(key, "composite SLOs are not read: write one SLO for each indicator")?;
        }
    }
    let indicator = match fields.one_of(["indicatorRef", "indicator"])? {
        ("indicatorRef", name) => known.indicators.find(name, "indicatorRef")?.clone(),
        (_, node) => sli::indicator(Object::indicator(node)?.spec()?, known)?,
    };
    let window = time::time_window(fields.need("timeWindow")?)?;
    let in_slices = in_slices(fields.need("budgetingMethod")?)?;
    let common = Common { indicator, window, in_slices };
    let alerts = alerts(&fields, known)?;

    let items = items.list("objectives")?;
    if items.is_empty() {
        return Err(fields.need("objectives")?.at.refused("objectives must have at least one item"));
    }
    let mut promises: Vec<Promise> = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        let fields = Fields::of(item, "an objective", &OBJECTIVE_KEYS)?;
        let display_name = fields.get("displayName");
        let said = display_name.map(|node| node.text("displayName")).transpose()?;
        let (name, at, description) = if items.len() == 1 {
            (slo.name.clone(), slo.name_at, description.to_owned())
        } else {
            let at = display_name.map_or(item.at, |node| node.at);
            let parts: Vec<&str> = said.into_iter().chain([description]).filter(|part| !part.is_empty()).collect();
            (name_of_one(&slo.name, said, n, at)?, at, parts.join(": "))
        };
        if promises.iter().any(|before| before.objective.name == name) {
            return Err(at.refused(format!("two objectives would have the name {:?}", name.as_str())));
        }
        let (sli, budgeting) = (common.sli(&fields)?, common.budgeting(&fields)?);
        let objective = Objective {
            name,
            description,
            service: Some(service.clone()),
            targets: common.indicator.targets.names.clone(),
            sli,
            objective: target(&fields)?,
            window: common.window.clone(),
            budgeting,
            alerts: alerts.clone(),
        };
        // Each rule was asked where its key stands; this is for one that would be forgotten there.
        if let Some(broken) = objective.broken_rule() {
            return Err(at.refused(broken.message));
        }
        promises.push(Promise { objective, at, targets: common.indicator.targets.clone() });
    }
    Ok(promises)
}

const OBJECTIVE_KEYS: [&str; 10] = [
    "displayName",
    "op",
    "value",
    "target",
    "targetPercent",
    "timeSliceTarget",
    "timeSliceWindow",
    "indicator",
    "indicatorRef",
    "compositeWeight",
];

/// The SLO's name and, after a dash, the objective's display name in letters and digits, or its place in the list.
fn name_of_one(slo: &Name, display_name: Option<&str>, n: usize, at: Place) -> Result<Name, Refused> {
    let words: Vec<String> = display_name
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let suffix = if words.is_empty() { (n + 1).to_string() } else { words.join("-") };
    let name = format!("{slo}-{suffix}");
    Name::new(&name).map_err(|error| at.refused(format!("the objective's name would be {}: {error}", shown(&name))))
}

fn in_slices(method: &Node) -> Result<bool, Refused> {
    match method.text("budgetingMethod")? {
        "Occurrences" => Ok(false),
        "Timeslices" => Ok(true),
        "RatioTimeslices" => {
            let why = "Spark counts bad events or bad slices, and averages no ratios";
            Err(method.at.refused(format!("budgetingMethod RatioTimeslices: {why}: write Occurrences or Timeslices")))
        }
        other => {
            let methods = "there are Occurrences and Timeslices";
            Err(method.at.refused(format!("budgetingMethod {}: {methods}", shown(other))))
        }
    }
}

fn alerts(fields: &Fields<'_>, known: &Known) -> Result<Vec<BurnAlert>, Refused> {
    let items = fields.get("alertPolicies").map(|node| node.list("alertPolicies")).transpose()?;
    let mut alerts: Vec<BurnAlert> = Vec::new();
    for item in items.unwrap_or_default() {
        let alert = match alert::reference(item, "alertPolicyRef")? {
            Some(name) => known.policies.find(name, "alertPolicyRef")?.clone(),
            None => alert::policy(Object::inline(item, Kind::AlertPolicy)?.spec()?, known)?,
        };
        if alerts.iter().any(|before| alert.is_alike(before)) {
            return Err(item.at.refused("two policies of the SLO alert on the same window; a window has one"));
        }
        alerts.push(alert);
    }
    Ok(alerts)
}

/// `target` or `targetPercent`.
fn target(fields: &Fields<'_>) -> Result<RatioPpm, Refused> {
    let (key, node) = fields.one_of(["target", "targetPercent"])?;
    let ratio = RatioPpm(node.decimal(key, if key == "target" { 6 } else { 4 })?);
    match broken_objective(ratio) {
        Some(message) => Err(node.at.refused(message)),
        None => Ok(ratio),
    }
}

impl Common {
    fn sli(&self, fields: &Fields<'_>) -> Result<Sli, Refused> {
        if let Metric::Ratio(sli) = self.indicator.metric {
            for key in ["op", "value"] {
                fields.refuse(key, "it is for a thresholdMetric; a ratio is compared with target")?;
            }
            return Ok(sli);
        }
        let (op, value) = (fields.need("op")?, fields.need("value")?);
        let limit_us = value.decimal("value", 3)?;
        let limit_us = match op.text("op")? {
            "lte" => limit_us,
            // Latencies are whole microseconds.
            "lt" => limit_us.saturating_sub(1),
            "gt" | "gte" => return Err(op.at.refused("op: a promise of latency has an upper bound: write lte or lt")),
            other => return Err(op.at.refused(format!("op {}: there are lte, gte, lt, gt", shown(other)))),
        };
        match broken_latency(DurationUs(limit_us)) {
            Some(message) => Err(value.at.refused(format!("value (in milliseconds): {message}"))),
            None => Ok(Sli::Latency(DurationUs(limit_us))),
        }
    }

    fn budgeting(&self, fields: &Fields<'_>) -> Result<Budgeting, Refused> {
        if !self.in_slices {
            for key in ["timeSliceTarget", "timeSliceWindow"] {
                fields.refuse(key, "it is for budgetingMethod Timeslices")?;
            }
            return Ok(Budgeting::Occurrences);
        }
        let target = fields.need("timeSliceTarget")?;
        let objective = RatioPpm(target.decimal("timeSliceTarget", 6)?);
        if let Some(message) = broken_slice_objective(objective) {
            return Err(target.at.refused(message));
        }
        let window = fields.need("timeSliceWindow")?;
        let slice = slice_length(window)?;
        match broken_slice(slice, &self.window) {
            Some(message) => Err(window.at.refused(message)),
            None => Ok(Budgeting::Timeslices(Timeslices { slice, objective })),
        }
    }
}

/// A duration, or a number of minutes.
fn slice_length(node: &Node) -> Result<DurationUs, Refused> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match &node.value {
        Value::Scalar { text, is_plain: true } if is_number(text) => {
            let length = text.parse().ok().and_then(|minutes: u64| minutes.checked_mul(60 * 1_000_000));
            length.map(DurationUs).ok_or_else(|| node.at.refused("timeSliceWindow is too long"))
        }
        _ => time::duration(node, "timeSliceWindow"),
    }
}
