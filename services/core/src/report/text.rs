//! A report in a few lines for a terminal.

use std::fmt::Write as _;

use super::html::format::{length_text, names, percent_text, time_text};
use super::model::Report;

/// The risk, its rules, and the incidents.
pub(super) fn text(report: &Report) -> String {
    let day = report.date;
    let draft = if report.draft { " (draft)" } else { "" };
    let mut text = format!("{day}{draft}  risk {}\n", report.risk.level.as_str());
    let _infallible = writeln!(text, "{}\n", report.risk.recommendation);
    for rule in &report.risk.rules {
        let _infallible = writeln!(text, "{:<8} {:<18} {}", rule.level.as_str(), rule.id, rule.reason);
    }
    for incident in &report.incidents {
        let _infallible = writeln!(
            text,
            "incident {}–{}, {}: {}{}",
            time_text(incident.from, day),
            time_text(incident.to, day),
            length_text(incident.from, incident.to),
            names(incident.names()),
            if incident.judged_minutes.0 == 0 { " (not judged)" } else { "" }
        );
    }
    for row in &report.objectives {
        let spent = row
            .budget_spent_ppm
            .map_or("no figures".to_owned(), |ppm| format!("{} % of its budget spent", percent_text(ppm.0)));
        let _infallible = writeln!(text, "slo      {}: {spent}", row.objective);
    }
    let log = &report.log;
    let _infallible = write!(
        text,
        "evidence {} leaves of {} ({} to {}), root {}",
        report.evidence.leaves, log.origin, log.from.size, log.to.size, log.to.root
    );
    text
}
