//! Alert policies, their conditions, and whom they tell.

use super::fields::Fields;
use super::known::Known;
use super::object::Object;
use super::yaml::Node;
use super::{Kind, Refused, shown, time};
use crate::config::objective_rules::{broken_burn_rate, broken_hold};
use crate::config::{BurnAlert, BurnRate};
use crate::units::DurationUs;
use crate::window::Window;

/// The one target of notifications: alerts are events in Spark's log, and messages to who subscribes.
const OWN_TARGET: &str = "log";

/// Reads an `AlertPolicy`'s `spec`: its one condition.
pub(super) fn policy(spec: &Node, known: &Known) -> Result<BurnAlert, Refused> {
    let keys = [
        "description",
        "alertWhenNoData",
        "alertWhenResolved",
        "alertWhenBreaching",
        "conditions",
        "notificationTargets",
    ];
    let fields = Fields::of(spec, "the policy's spec", &keys)?;
    fields.description()?;
    let breaching = fields.need("alertWhenBreaching")?;
    if !breaching.boolean("alertWhenBreaching")? {
        return Err(breaching.at.refused("alertWhenBreaching must be true: a policy that alerts of nothing is none"));
    }
    // What Spark does anyway may be said; the opposite would be a promise that nobody keeps.
    let fixed = [
        ("alertWhenResolved", true, "an alert's end is always said: write true, or leave it out"),
        ("alertWhenNoData", false, "an alert needs data; missing data shows in completeness and fails the gate"),
    ];
    for (key, always, why) in fixed {
        if let Some(node) = fields.get(key)
            && node.boolean(key)? != always
        {
            return Err(node.at.refused(format!("{key}: {why}")));
        }
    }
    let item = fields.need("conditions")?.only_item("conditions")?;
    let alert = match reference(item, "conditionRef")? {
        Some(name) => known.conditions.find(name, "conditionRef")?.clone(),
        None => condition(Object::inline(item, Kind::AlertCondition)?.spec()?)?,
    };
    let tells = fields.get("notificationTargets").map(|node| node.list("notificationTargets")).transpose()?;
    for item in tells.unwrap_or_default() {
        match reference(item, "targetRef")? {
            Some(name) => known.notification_targets.find(name, "targetRef")?,
            None => &notification_target(Object::inline(item, Kind::AlertNotificationTarget)?.spec()?)?,
        };
    }
    Ok(alert)
}

/// Reads an `AlertCondition`'s `spec`.
pub(super) fn condition(spec: &Node) -> Result<BurnAlert, Refused> {
    let fields = Fields::of(spec, "the condition's spec", &["description", "severity", "condition"])?;
    fields.description()?;
    let severity = fields.need("severity")?.name("severity")?;
    let keys = ["kind", "op", "threshold", "lookbackWindow", "alertAfter"];
    let fields = Fields::of(fields.need("condition")?, "condition", &keys)?;
    if let Some(kind) = fields.get("kind")
        && kind.text("kind")? != "burnrate"
    {
        return Err(kind.at.refused("the only kind of condition is burnrate"));
    }
    let op = fields.need("op")?;
    match op.text("op")? {
        "gt" => {}
        "gte" => return Err(op.at.refused("op: an alert holds when the budget burns faster than threshold: write gt")),
        "lt" | "lte" => return Err(op.at.refused("op: a budget that burns slowly is nothing to alert of: write gt")),
        other => return Err(op.at.refused(format!("op {}: there are lte, gte, lt, gt", shown(other)))),
    }
    let threshold = fields.need("threshold")?;
    let burn_rate = BurnRate(threshold.decimal("threshold", 3)?);
    if let Some(message) = broken_burn_rate(burn_rate) {
        return Err(threshold.at.refused(message));
    }
    let lookback = fields.need("lookbackWindow")?;
    let long = time::window(lookback, "lookbackWindow")?;
    let Some(short) = short_window(long) else {
        return Err(lookback
            .at
            .refused("lookbackWindow must be longer than 5m, so that a shorter one can end the alert"));
    };
    let after = fields.get("alertAfter");
    let hold = after.map_or(Ok(DurationUs(0)), |node| time::duration(node, "alertAfter"))?;
    let alert = BurnAlert { hold, ..BurnAlert::new(severity, long, short, burn_rate) };
    match (broken_hold(&alert), after) {
        (Some(message), Some(node)) => Err(node.at.refused(message)),
        _ => Ok(alert),
    }
}

/// The window that tells whether the budget still burns. `OpenSLO` has none; The Site Reliability Workbook (chapter 5)
/// takes a twelfth of the long one, so this is the longest of Spark's that is no longer, and 5m at least.
fn short_window(long: Window) -> Option<Window> {
    let is_short = |window: &Window| window.length_ns() <= (long.length_ns() / 12).max(Window::M5.length_ns());
    Window::ALL.into_iter().rev().find(is_short).filter(|short| *short < long)
}

/// Reads an `AlertNotificationTarget`'s `spec`.
pub(super) fn notification_target(spec: &Node) -> Result<(), Refused> {
    let fields = Fields::of(spec, "the notification target's spec", &["description", "target"])?;
    fields.description()?;
    let target = fields.need("target")?;
    let text = target.text("target")?;
    if text == OWN_TARGET {
        return Ok(());
    }
    let why = "Spark tells nobody by itself; alerts are events in its log and messages on spark.alert.<slo>";
    Err(target.at.refused(format!("target {}: {why}: write log", shown(text))))
}

/// The name in `{ key: name }`, unless the item is an object itself.
pub(super) fn reference<'a>(item: &'a Node, key: &'static str) -> Result<Option<&'a Node>, Refused> {
    let is_reference = item.mapping("an item")?.iter().any(|(there, _)| there.text == key);
    if !is_reference {
        return Ok(None);
    }
    Fields::of(item, "a reference", &[key])?.need(key).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_window_is_a_twelfth_or_less() {
        let short = |long| short_window(long).map(Window::as_str);
        let googles = [(Window::H1, "5m"), (Window::H6, "30m"), (Window::D1, "2h"), (Window::D3, "6h")];
        for (long, expected) in googles {
            assert_eq!(short(long), Some(expected), "{long}");
        }
        assert_eq!(short(Window::M5), None);
        assert_eq!(short(Window::M30), Some("5m"));
        assert_eq!(short(Window::H2), Some("5m"));
        assert_eq!(short(Window::D7), Some("6h"));
        assert_eq!(short(Window::D28), Some("1d"));
        assert_eq!(short(Window::D30), Some("1d"));
    }
}
