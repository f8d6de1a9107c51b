//! Indicators over Spark's own observations, the one metric source that it can read.

use spark_schemas::Name;

use super::fields::Fields;
use super::known::Known;
use super::yaml::Node;
use super::{Place, Refused, shown};
use crate::config::objective_rules::broken_latency;
use crate::config::{Config, Sli};
use crate::units::DurationUs;

/// The one `metricSource.type`, and the one type of `DataSource`.
pub(super) const OWN_SOURCE: &str = "Spark";

/// What an SLI measures, and of which targets.
#[derive(Debug, Clone)]
pub(super) struct Indicator {
    pub metric: Metric,
    pub targets: Targets,
}

/// Targets by name, and where each is named.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub names: Vec<Name>,
    pub at: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Metric {
    /// Good observations among all.
    Ratio(Sli),
    /// Latency in milliseconds, which each objective compares with a value of its own.
    Latency,
}

/// One `metricSource`.
struct Measured<'a> {
    at: Place,
    metric: &'a Node,
    latency_max: Option<DurationUs>,
    targets: Targets,
}

/// Reads an SLI's `spec`.
pub(super) fn indicator(spec: &Node, known: &Known) -> Result<Indicator, Refused> {
    let fields = Fields::of(spec, "the SLI's spec", &["description", "thresholdMetric", "ratioMetric"])?;
    fields.description()?;
    match fields.one_of(["ratioMetric", "thresholdMetric"])? {
        ("ratioMetric", node) => ratio(node, known),
        (_, node) => threshold(node, known),
    }
}

fn ratio(node: &Node, known: &Known) -> Result<Indicator, Refused> {
    let keys = ["counter", "good", "bad", "total", "raw", "rawType"];
    let fields = Fields::of(node, "ratioMetric", &keys)?;
    let raw = "Spark counts observations and reads no ratios made elsewhere: write good or bad, and total";
    for key in ["raw", "rawType"] {
        fields.refuse(key, raw)?;
    }
    let (key, part) = fields.one_of(["good", "bad"])?;
    let part = measured(part, known)?;
    part.must_be(key)?;
    let total = measured(fields.need("total")?, known)?;
    total.must_be("total")?;
    if let Some(counter) = fields.get("counter")
        && !counter.boolean("counter")?
    {
        return Err(counter.at.refused("counter: Spark counts observations, so it is true, or left out"));
    }
    if total.latency_max.is_some() {
        return Err(total.at.refused(format!("total counts every observation: latencyMax belongs to {key}")));
    }
    if total.targets.names != part.targets.names {
        return Err(total.at.refused(format!("total and {key} must name the same targets")));
    }
    let sli = part.latency_max.map_or(Sli::Availability, Sli::Latency);
    Ok(Indicator { metric: Metric::Ratio(sli), targets: part.targets })
}

fn threshold(node: &Node, known: &Known) -> Result<Indicator, Refused> {
    let measured = measured(node, known)?;
    measured.must_be("latencyMs")?;
    if measured.latency_max.is_some() {
        let message = "latencyMax is for good and bad: an objective's op and value say what latencyMs is compared with";
        return Err(measured.at.refused(message));
    }
    Ok(Indicator { metric: Metric::Latency, targets: measured.targets })
}

impl Measured<'_> {
    fn must_be(&self, metric: &str) -> Result<(), Refused> {
        let found = self.metric.text("metric")?;
        if found == metric {
            return Ok(());
        }
        Err(self.metric.at.refused(format!("metric must be {metric} here, not {}", shown(found))))
    }
}

fn measured<'a>(node: &'a Node, known: &Known) -> Result<Measured<'a>, Refused> {
    let node = Fields::of(node, "the metric", &["metricSource"])?.need("metricSource")?;
    let source = Fields::of(node, "metricSource", &["metricSourceRef", "type", "spec"])?;
    let kind = source.get("type");
    if let Some(kind) = kind {
        own_source(kind, "metricSource's type")?;
    }
    match source.get("metricSourceRef") {
        Some(reference) => _ = known.data_sources.find(reference, "metricSourceRef")?,
        None if kind.is_none() => {
            return Err(node
                .at
                .refused("metricSource needs type: Spark, or a metricSourceRef to a DataSource of that type"));
        }
        None => {}
    }
    let fields = Fields::of(source.need("spec")?, "Spark's metricSource", &["metric", "targets", "latencyMax"])?;
    let latency_max = fields.get("latencyMax").map(latency_max).transpose()?;
    let targets = fields.get("targets").map(targets).transpose()?.unwrap_or_default();
    Ok(Measured { at: fields.at, metric: fields.need("metric")?, latency_max, targets })
}

/// Refuses what Spark can't read.
pub(super) fn own_source(node: &Node, what: &str) -> Result<(), Refused> {
    let text = node.text(what)?;
    if text == OWN_SOURCE {
        return Ok(());
    }
    let message = format!("{what} {}: Spark reads no metrics but its own observations (type: Spark)", shown(text));
    Err(node.at.refused(message))
}

fn latency_max(node: &Node) -> Result<DurationUs, Refused> {
    let limit = match node.text("latencyMax")?.parse() {
        Ok(limit) => limit,
        Err(_) => return Err(node.at.refused("latencyMax must be a duration such as 300ms or 2s")),
    };
    match broken_latency(limit) {
        Some(message) => Err(node.at.refused(message)),
        None => Ok(limit),
    }
}

fn targets(node: &Node) -> Result<Targets, Refused> {
    let mut targets = Targets::default();
    for item in node.list("targets")? {
        let name = item.name("a target's name")?;
        if targets.names.contains(&name) {
            return Err(item.at.refused(format!("target {:?} is named twice", name.as_str())));
        }
        targets.names.push(name);
        targets.at.push(item.at);
    }
    if targets.names.is_empty() {
        return Err(node.at.refused("targets must name some; left out, it means all that are not demo"));
    }
    Ok(targets)
}

impl Targets {
    /// The first that `config` does not know.
    pub fn unknown(&self, config: &Config) -> Option<Refused> {
        let n = self.names.iter().position(|name| config.target(name).is_none())?;
        Some(self.at[n].refused(config.no_target(&self.names[n])))
    }
}
