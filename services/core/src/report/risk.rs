//! The table of rules, and the risk that follows from it. Missing data is never a low risk.

use spark_schemas::TimeNs;
use spark_schemas::event::{AlertState, Verdict};

use super::html::format::{names, percent_text, time_text};
use super::model::{Cite, Level, Report, Risk, Rule, Standing, TargetRow};
use crate::config::{Floors, Limits, ReportPolicy};
use crate::units::{DurationUs, RatioPpm, decimal};

/// What a rule says, before its figures are put beside it.
struct Finding {
    level: Level,
    observed: Option<String>,
    reason: String,
    evidence: Option<Cite>,
}

impl Finding {
    fn new(level: Level, observed: impl Into<Option<String>>, reason: String) -> Self {
        Self { level, observed: observed.into(), reason, evidence: None }
    }

    fn unknown(reason: &str) -> Self {
        Self::new(Level::Unknown, None, reason.to_owned())
    }
}

/// The texts that stand for a rule's limits.
#[derive(Default)]
struct Shown {
    medium: Option<String>,
    high: Option<String>,
    unknown: Option<String>,
}

impl Shown {
    fn rising<T: std::fmt::Display>(limits: &Limits<T>) -> Self {
        Self {
            medium: Some(format!("from {}", limits.medium)),
            high: Some(format!("from {}", limits.high)),
            unknown: Some("no data".to_owned()),
        }
    }

    fn falling(floors: &Floors) -> Self {
        let (medium, unknown) = (format!("below {}", floors.medium), format!("below {}", floors.unknown));
        Self { medium: Some(medium), high: None, unknown: Some(unknown) }
    }

    fn words(medium: &str, high: &str, unknown: &str) -> Self {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self { medium: text(medium), high: text(high), unknown: text(unknown) }
    }
}

fn percent(ppm: u64) -> String {
    format!("{} %", decimal(ppm, 4))
}

fn ms(us: u64) -> String {
    format!("{} ms", decimal(us, 3))
}

fn minutes(count: u64) -> String {
    if count == 1 { "1 minute".to_owned() } else { format!("{count} minutes") }
}

fn rising(figure: u64, medium: u64, high: u64) -> Level {
    match figure {
        _ if figure >= high => Level::High,
        _ if figure >= medium => Level::Medium,
        _ => Level::Low,
    }
}

fn falling(ppm: u64, floors: &Floors) -> Level {
    match ppm {
        _ if ppm < floors.unknown.0 => Level::Unknown,
        _ if ppm < floors.medium.0 => Level::Medium,
        _ => Level::Low,
    }
}

/// The risk of a report whose other parts are there.
pub(super) fn risk(report: &Report, policy: &ReportPolicy) -> Risk {
    let rule = |id: &str, title: &str, shown: Shown, found: Finding| Rule {
        id: id.to_owned(),
        title: title.to_owned(),
        level: found.level,
        observed: found.observed,
        medium: shown.medium,
        high: shown.high,
        unknown: shown.unknown,
        reason: found.reason,
        evidence: found.evidence,
    };
    let share = |limits: &Limits<RatioPpm>| Shown::rising(limits);
    let time = |limits: &Limits<DurationUs>| Shown::rising(limits);
    let rules = vec![
        rule("watched", "How much of the day was watched", Shown::falling(&policy.watched), watched(report, policy)),
        rule(
            "completeness",
            "How many of the due observations are there",
            Shown::falling(&policy.completeness),
            completeness(report, policy),
        ),
        rule(
            "error_rate",
            "Failed observations of all judged targets",
            share(&policy.error_rate),
            error_rate(report, policy),
        ),
        rule(
            "target_error_rate",
            "Failed observations of the worst target",
            share(&policy.target_error_rate),
            worst_target(report, policy),
        ),
        rule(
            "latency_p95",
            "95th percentile of latency of all judged targets",
            time(&policy.latency_p95),
            latency(report, policy),
        ),
        rule("incident_time", "Minutes of incidents", time(&policy.incident_time), incident_time(report, policy)),
        rule(
            "budget_spent",
            "Spent error budget of the worst objective",
            share(&policy.budget_spent),
            budget(report, policy),
        ),
        rule(
            "alerts",
            "Alerts that fire at the end",
            Shown::words("one fires", "one that pages fires", ""),
            alerts(report),
        ),
        rule(
            "gate_max_age",
            "Deployments that the gate let through",
            Shown::words("one without a fresh pass", "one against a failed gate", ""),
            gated(report),
        ),
        rule("log", "The log is whole", Shown::words("repaired, or frames rejected", "", "messages lost"), log(report)),
        rule(
            "clock_offset",
            "How far the agents' clocks are off",
            Shown { unknown: None, ..time(&policy.clock_offset) },
            clocks(report, policy),
        ),
        rule(
            "configuration",
            "The configuration in force is known",
            Shown::words("one was refused last", "", "none, or one that can't be read"),
            configuration(report),
        ),
    ];
    let level = rules.iter().map(|rule| rule.level).max().unwrap_or(Level::Unknown);
    let mut against: Vec<&Rule> = rules.iter().filter(|rule| rule.level > Level::Low).collect();
    against.sort_by_key(|rule| std::cmp::Reverse(rule.level));
    let reasons = against.iter().map(|rule| rule.reason.clone()).collect();
    Risk { level, recommendation: recommendation(level, report.draft), reasons, rules }
}

fn recommendation(level: Level, is_draft: bool) -> String {
    let what = match level {
        Level::Low => "Nothing in this day's evidence speaks against deploying.",
        Level::Medium => "Deploy with care: settle the points above first, or know why they may wait.",
        Level::Unknown => {
            "Do not take this day for a good one: too little of it is known. Find out why the evidence is missing, and \
             deploy only on the word of a gate that has data."
        }
        Level::High => "Do not deploy anything but the remedy until the points above are settled.",
    };
    match is_draft {
        true => format!("{what} The day is not closed yet, so this may change."),
        false => what.to_owned(),
    }
}

fn judged(report: &Report) -> impl Iterator<Item = &TargetRow> {
    report.targets.iter().filter(|row| row.standing == Standing::Judged)
}

fn watched(report: &Report, policy: &ReportPolicy) -> Finding {
    let (seen, all) = (report.evidence.watched_minutes.0, report.evidence.minutes.0);
    let Some(ppm) = (u128::from(seen) * 1_000_000).checked_div(u128::from(all)) else {
        return Finding::unknown("The day has not begun.");
    };
    let ppm = ppm as u64;
    let what = if report.draft { "minutes of the day so far" } else { "minutes of the day" };
    let reason = format!("Judged targets were observed in {seen} of {all} {what}.");
    Finding::new(falling(ppm, &policy.watched), percent(ppm), reason)
}

fn completeness(report: &Report, policy: &ReportPolicy) -> Finding {
    if let Some(row) = judged(report).find(|row| {
        row.figures.as_ref().is_none_or(|seen| seen.observations.0 == 0) && !is_all_maintenance(report, row)
    }) {
        return Finding::unknown(&format!("{} is to be judged, and was not observed at all.", row.target));
    }
    let figures = &report.totals;
    let Some(ppm) = figures.completeness_ppm else { return Finding::unknown("No observation was due.") };
    let reason = format!("{} of {} observations that were due are there.", figures.received, figures.expected);
    Finding { evidence: cite_all(report), ..Finding::new(falling(ppm.0, &policy.completeness), percent(ppm.0), reason) }
}

/// Whether nothing was due of a target because all of the day so far was left out.
fn is_all_maintenance(report: &Report, row: &TargetRow) -> bool {
    let due = row.figures.as_ref().map_or(0, |seen| seen.expected.0);
    let day_s = (report.seen_until.0.0 - report.from.0.0) / TimeNs::SECOND;
    due == 0
        && row.maintenance_s.0 >= day_s
        && judged(report).any(|other| other.figures.as_ref().is_some_and(|seen| seen.observations.0 > 0))
}

fn cite_all(report: &Report) -> Option<Cite> {
    let cites = judged(report).filter_map(|row| row.evidence);
    cites.reduce(|mut all, one| {
        all.add(one.first.0);
        all.add(one.last.0);
        all
    })
}

fn error_rate(report: &Report, policy: &ReportPolicy) -> Finding {
    let figures = &report.totals;
    let Some(ppm) = figures.error_rate_ppm else { return Finding::unknown("No judged target was observed.") };
    let level = rising(ppm.0, policy.error_rate.medium.0, policy.error_rate.high.0);
    let reason = format!("{} of {} observations of judged targets failed.", figures.failed, figures.observations);
    Finding { evidence: cite_all(report), ..Finding::new(level, percent(ppm.0), reason) }
}

fn worst_target(report: &Report, policy: &ReportPolicy) -> Finding {
    let rates = judged(report).filter_map(|row| Some((row.figures.as_ref()?.error_rate_ppm?.0, row)));
    // Of several the first in the order of the report.
    let Some((ppm, row)) = rates.reduce(|worst, one| if one.0 > worst.0 { one } else { worst }) else {
        return Finding::unknown("No judged target was observed.");
    };
    let level = rising(ppm, policy.target_error_rate.medium.0, policy.target_error_rate.high.0);
    let reason = match (&row.figures, ppm) {
        (_, 0) | (None, _) => "No judged target failed.".to_owned(),
        (Some(seen), _) => format!("{} failed in {} of {} observations.", row.target, seen.failed, seen.observations),
    };
    Finding { evidence: row.evidence, ..Finding::new(level, percent(ppm), reason) }
}

fn latency(report: &Report, policy: &ReportPolicy) -> Finding {
    let Some(latency) = report.totals.latency_us else { return Finding::unknown("No judged target was observed.") };
    let level = rising(latency.p95.0, policy.latency_p95.medium.0, policy.latency_p95.high.0);
    let reason = format!("95 % of the observations of judged targets took at most {}.", ms(latency.p95.0));
    Finding { evidence: cite_all(report), ..Finding::new(level, ms(latency.p95.0), reason) }
}

fn incident_time(report: &Report, policy: &ReportPolicy) -> Finding {
    if judged(report).any(|row| row.figures.is_none()) {
        return Finding::unknown("The minutes of the day are no longer kept.");
    }
    let judged = || report.incidents.iter().filter(|incident| incident.judged_minutes.0 > 0);
    let count: u64 = judged().map(|incident| incident.judged_minutes.0).sum();
    let level = rising(count.saturating_mul(60_000_000), policy.incident_time.medium.0, policy.incident_time.high.0);
    let reason = match judged().count() {
        0 => "No judged target had an incident.".to_owned(),
        1 => format!("One incident of judged targets took {}: {}.", minutes(count), first_incidents(report)),
        many => {
            format!("{many} incidents of judged targets took {} in all: {}.", minutes(count), first_incidents(report))
        }
    };
    let cites = judged().flat_map(|incident| &incident.targets).filter_map(|target| target.evidence);
    let evidence = cites.reduce(|mut all, one| {
        all.add(one.first.0);
        all.add(one.last.0);
        all
    });
    Finding { evidence, ..Finding::new(level, minutes(count), reason) }
}

/// The longest incidents that count, by when they began.
fn first_incidents(report: &Report) -> String {
    const SHOWN: usize = 3;
    let mut longest: Vec<_> = report.incidents.iter().filter(|incident| incident.judged_minutes.0 > 0).collect();
    let more = longest.len().saturating_sub(SHOWN);
    longest.sort_by_key(|incident| std::cmp::Reverse(incident.judged_minutes));
    longest.truncate(SHOWN);
    longest.sort_by_key(|incident| incident.from);
    let of = |incident: &&super::model::Incident| {
        let span = |at| time_text(at, report.date);
        format!("{} from {} to {}", names(incident.names()), span(incident.from), span(incident.to))
    };
    let shown = longest.iter().map(of).collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}

fn budget(report: &Report, policy: &ReportPolicy) -> Finding {
    if report.objectives.is_empty() {
        return Finding::new(Level::Low, None, "No objective is declared.".to_owned());
    }
    let spent = report.objectives.iter().filter_map(|row| Some((row.budget_spent_ppm?.0, row)));
    let worst = spent.reduce(|worst, one| if one.0 > worst.0 { one } else { worst });
    let finding = worst.map(|(ppm, row)| {
        let level = rising(ppm, policy.budget_spent.medium.0, policy.budget_spent.high.0);
        let spent = percent_text(ppm);
        let reason = format!("{} has spent {spent} % of its error budget over {}.", row.objective, row.window);
        Finding::new(level, percent(ppm), reason)
    });
    let uncounted = report.objectives.iter().find(|row| row.budget_spent_ppm.is_none());
    match (finding, uncounted) {
        // What is known to be spent is, whatever the others are.
        (Some(finding), _) if finding.level == Level::High => finding,
        (_, Some(row)) if row.standing == "recomputing" => {
            Finding::unknown(&format!("{} is counted anew from the log, and has no figures yet.", row.objective))
        }
        (_, Some(row)) => Finding::unknown(&format!("{} has no events to judge by.", row.objective)),
        (Some(finding), None) => finding,
        (None, None) => Finding::unknown("No objective has figures."),
    }
}

fn alerts(report: &Report) -> Finding {
    let firing = || report.alerts.iter().filter(|row| row.at_the_end && row.state == AlertState::Firing);
    let pages = firing().find(|row| row.severity.as_ref().is_none_or(|severity| severity.as_str() == "page"));
    let count = firing().count();
    let (level, reason) = match (pages, firing().next()) {
        (Some(row), _) => (Level::High, format!("An alert of {} that pages somebody is firing.", row.objective)),
        (None, Some(row)) => (Level::Medium, format!("An alert of {} is firing.", row.objective)),
        (None, None) => (Level::Low, "No alert fires.".to_owned()),
    };
    let evidence = pages.or(firing().next()).and_then(|row| row.seq).map(|seq| Cite::one(seq.0));
    Finding { evidence, ..Finding::new(level, count.to_string(), reason) }
}

fn gated(report: &Report) -> Finding {
    let uncovered = || report.deployments.iter().filter(|row| row.gate.as_ref().is_none_or(|gate| !gate.covers));
    let against = uncovered().find(|row| row.gate.as_ref().is_some_and(|gate| gate.verdict == Verdict::Fail));
    let (all, not) = (report.deployments.len(), uncovered().count());
    let (level, reason) = match (against, uncovered().next()) {
        _ if all == 0 => (Level::Low, "Nothing was deployed.".to_owned()),
        (Some(row), _) => {
            (Level::High, format!("{} {} went out although the gate had failed.", row.service, row.version))
        }
        (None, Some(row)) => {
            (Level::Medium, format!("{} {} went out without a fresh pass of the gate.", row.service, row.version))
        }
        (None, None) => (Level::Low, "The gate let every deployment through.".to_owned()),
    };
    let evidence = against.or(uncovered().next()).map(|row| Cite::one(row.seq.0));
    Finding { evidence, ..Finding::new(level, format!("{} of {all}", all - not), reason) }
}

fn log(report: &Report) -> Finding {
    let evidence = &report.evidence;
    let (lost, rejected, repairs) = (evidence.lost.0, evidence.rejected.0, evidence.repairs.len());
    let holes: u64 = report.agents.iter().map(|row| row.holes.0).sum();
    let (level, reason) = match () {
        () if lost > 0 => (Level::Unknown, format!("The log lost {lost} messages.")),
        () if holes > 0 => (Level::Medium, format!("{holes} frames that agents numbered are not in the log.")),
        () if rejected > 0 => (Level::Medium, format!("{rejected} frames were rejected.")),
        () if repairs > 0 => (Level::Medium, "A torn end of the log was cut.".to_owned()),
        () => (Level::Low, "No message was lost, and no frame rejected.".to_owned()),
    };
    let gap = evidence.gaps.first().map(|gap| gap.missing);
    let first = gap.or(evidence.rejections.first().map(|row| Cite::one(row.seq.0)));
    let cite = first.or(evidence.repairs.first().map(|row| Cite::one(row.seq.0)));
    Finding { evidence: cite, ..Finding::new(level, format!("{lost} lost, {rejected} rejected"), reason) }
}

fn clocks(report: &Report, policy: &ReportPolicy) -> Finding {
    let farthest = |row: &super::model::AgentRow| {
        Some(row.clock.offset_us_min?.0.unsigned_abs().max(row.clock.offset_us_max?.0.unsigned_abs()))
    };
    let offsets = report.agents.iter().filter_map(|row| Some((farthest(row)?, row)));
    let Some((us, row)) = offsets.reduce(|worst, one| if one.0 > worst.0 { one } else { worst }) else {
        return Finding::new(Level::Low, None, "No agent has measured its clock.".to_owned());
    };
    let level = rising(us, policy.clock_offset.medium.0, policy.clock_offset.high.0);
    let reason = format!("The clock of {} was off by at most {}.", row.agent, ms(us));
    Finding { evidence: row.clock.seq.map(|seq| Cite::one(seq.0)), ..Finding::new(level, ms(us), reason) }
}

fn configuration(report: &Report) -> Finding {
    let Some(policy) = &report.policy else {
        return Finding::unknown("No configuration that this build can read is in force.");
    };
    let refused = report.configurations.last().filter(|row| row.error.is_some());
    let (level, reason) = match refused {
        Some(_) => (Level::Medium, "A changed configuration was refused; the one before stays in force.".to_owned()),
        None => (Level::Low, "The configuration in force is in the log.".to_owned()),
    };
    let evidence = report.configurations.last().map(|row| Cite::one(row.seq.0));
    Finding { evidence, ..Finding::new(level, policy.digest[..policy.digest.len().min(16)].to_owned(), reason) }
}
