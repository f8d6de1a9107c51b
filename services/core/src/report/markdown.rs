//! A report as Markdown: for pull requests, chats and mail. The tables that decide, in the words of the page.

use std::fmt::Write as _;

use super::html::format::{grouped, latency_text, length_text, names, percent_text, span_text, time_text};
use super::model::{Amended, Cite, Figures, Report, TargetRow};
use super::number::U64;
use super::words;

const NONE: &str = "no data";

/// A text from outside in a table's cell.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => safe.extend(['\\', letter]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\n' | '\r' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

fn percent(ppm: Option<U64>) -> String {
    ppm.map_or(NONE.to_owned(), |ppm| format!("{} %", percent_text(ppm.0)))
}

fn cite(cite: Option<Cite>) -> String {
    match cite {
        None => String::new(),
        Some(Cite { first, last }) if first == last => format!("#{first}"),
        Some(Cite { first, last }) => format!("#{first}–#{last}"),
    }
}

/// Writes a table, or a sentence where there are no rows.
fn table(text: &mut String, title: &str, heads: &[&str], rows: &[Vec<String>], none: &str) {
    let _infallible = write!(text, "\n## {title}\n\n");
    if rows.is_empty() {
        let _infallible = writeln!(text, "{none}");
        return;
    }
    let _infallible = writeln!(text, "| {} |", heads.join(" | "));
    let _infallible = writeln!(text, "|{}", "---|".repeat(heads.len()));
    for row in rows {
        let _infallible = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// The whole report.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = head(report);
    let row = |rule: &super::model::Rule| {
        let seen = rule.observed.clone().unwrap_or(NONE.to_owned());
        vec![
            rule.level.as_str().to_owned(),
            rule.id.replace('_', "\\_"),
            cell(&seen),
            cell(&rule.reason),
            cite(rule.evidence),
        ]
    };
    let rules: Vec<_> = report.risk.rules.iter().map(row).collect();
    table(&mut text, "How the risk comes about", &["Says", "Rule", "Seen", "In words", "Leaves"], &rules, "");
    happened(&mut text, report);
    let heads =
        ["Target", "Observations", "Failed", "Error rate", "Evidence", "p50", "p95", "p99", "Slowest", "Leaves"];
    let rows: Vec<_> = report.targets.iter().map(target).collect();
    table(&mut text, "Targets over the day", &heads, &rows, "None.");
    objectives(&mut text, report);
    said(&mut text, report);
    amendments(&mut text, report);
    tail(&mut text, report);
    text
}

fn head(report: &Report) -> String {
    let draft = if report.draft { " (draft)" } else { "" };
    let mut text = format!("# Daily risk report, {}{draft}: {}\n\n", report.date, report.risk.level.as_str());
    for reason in &report.risk.reasons {
        let _infallible = writeln!(text, "- {}", cell(reason));
    }
    if !report.risk.reasons.is_empty() {
        text.push('\n');
    }
    let environment = report.environment.as_ref().map_or("unknown", |name| name.as_str());
    let _infallible = write!(
        text,
        "**{}**\n\nEnvironment {}, UTC day, seen until {}.\n",
        report.risk.recommendation,
        cell(environment),
        report.seen_until
    );
    text
}

fn happened(text: &mut String, report: &Report) {
    let day = report.date;
    let rows: Vec<_> = report
        .incidents
        .iter()
        .flat_map(|incident| incident.targets.iter().map(move |row| (incident, row)))
        .map(|(incident, row)| {
            let what: Vec<String> =
                row.reasons.iter().map(|one| format!("{} × {}", words::reason(one.reason), one.count)).collect();
            let judged = if incident.judged_minutes.0 > 0 { "" } else { " (not judged)" };
            vec![
                format!("{}–{}{judged}", time_text(row.from, day), time_text(row.to, day)),
                cell(&row.target),
                row.bad_minutes.to_string(),
                format!("{} of {}", row.failed, row.observations),
                what.join(", "),
                row.example.as_deref().map(cell).unwrap_or_default(),
                cite(row.evidence),
            ]
        })
        .collect();
    let heads = ["From – to", "Target", "Bad minutes", "Failed", "What failed", "Such as", "Leaves"];
    table(text, "Incidents", &heads, &rows, "No target failed for a minute or longer.");
    let rows: Vec<_> = report
        .silences
        .iter()
        .map(|row| {
            let span = format!("{}–{}", time_text(row.from, day), time_text(row.to, day));
            vec![span, length_text(row.from, row.to), cell(&names(&row.targets)), row.expected.to_string()]
        })
        .collect();
    let none = "No target was silent for longer than the policy allows.";
    table(text, "When nobody was looking", &["From – to", "For", "Targets", "Observations missing"], &rows, none);
}

fn figures(seen: &Figures) -> Vec<String> {
    let took = |of: fn(&super::model::Latency) -> U64| {
        seen.latency_us.as_ref().map_or(NONE.to_owned(), |took| latency_text(of(took).0))
    };
    vec![
        grouped(seen.observations.0),
        grouped(seen.failed.0),
        percent(seen.error_rate_ppm),
        percent(seen.completeness_ppm),
        took(|took| took.p50),
        took(|took| took.p95),
        took(|took| took.p99),
        took(|took| took.max),
    ]
}

fn target(row: &TargetRow) -> Vec<String> {
    let standing = words::standing(row.standing).map(|why| format!(" ({why})")).unwrap_or_default();
    let mut cells = vec![format!("{}{standing}", cell(&row.target))];
    cells.extend(row.figures.as_ref().map_or_else(|| vec![NONE.to_owned(); 8], figures));
    cells.push(cite(row.evidence));
    cells
}

fn objectives(text: &mut String, report: &Report) {
    let rows: Vec<_> = report
        .objectives
        .iter()
        .map(|row| {
            vec![
                cell(&row.objective),
                percent(Some(row.objective_ppm)),
                cell(&row.window),
                row.standing.replace('_', " "),
                percent(row.sli_ppm),
                percent(row.budget_spent_ppm),
            ]
        })
        .collect();
    let heads = ["Objective", "Asked for", "Window", "Standing", "Good", "Budget spent"];
    table(text, "Objectives at the day's end", &heads, &rows, "No objective is declared.");
}

fn said(text: &mut String, report: &Report) {
    let day = report.date;
    let rows: Vec<_> = report
        .deployments
        .iter()
        .map(|row| {
            let gate = row.gate.as_ref().map_or("not asked".to_owned(), |gate| {
                let covers = if gate.covers { "" } else { ", does not cover it" };
                format!("{}, {} before{covers}", words::verdict(gate.verdict), span_text(gate.age_s.0))
            });
            vec![
                time_text(row.at, day),
                cell(&format!("{} {}", row.service, row.version)),
                cell(&row.by),
                gate,
                format!("#{}", row.seq),
            ]
        })
        .collect();
    table(
        text,
        "Deployments",
        &["When", "What", "By", "The gate before it", "Leaf"],
        &rows,
        "No deployment was marked.",
    );
    let not_passed = |checks: &[super::model::CheckRow]| {
        checks
            .iter()
            .map(|check| format!("{} {}", cell(&check.id), words::check(check.verdict)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rows: Vec<_> = report
        .gate
        .iter()
        .map(|row| {
            vec![
                time_text(row.at, day),
                words::verdict(row.verdict).to_owned(),
                not_passed(&row.not_passed),
                cell(&row.by),
                row.id.clone(),
                format!("#{}", row.seq),
            ]
        })
        .collect();
    table(
        text,
        "Gate decisions",
        &["When", "Verdict", "Not passed", "Asked by", "Decision", "Leaf"],
        &rows,
        "The gate decided nothing.",
    );
    let rows: Vec<_> = report
        .canaries
        .iter()
        .map(|row| {
            vec![
                time_text(row.at, day),
                words::mode(row.mode).to_owned(),
                words::verdict(row.verdict).to_owned(),
                not_passed(&row.not_passed),
                row.id.clone(),
                format!("#{}", row.seq),
            ]
        })
        .collect();
    table(text, "Canaries", &["When", "Kind", "Verdict", "Not passed", "Run", "Leaf"], &rows, "No canary ran.");
    let rows: Vec<_> = report
        .maintenances
        .iter()
        .map(|row| {
            let targets = if row.targets.is_empty() { "all".to_owned() } else { names(&row.targets) };
            let said = if row.called_off { "called off" } else { "declared" };
            let seq = row.seq.map_or("earlier".to_owned(), |seq| format!("#{seq}"));
            vec![
                format!("{}–{}", time_text(row.from, day), time_text(row.to, day)),
                cell(&targets),
                cell(&row.reason),
                format!("{said} {}", time_text(row.declared, day)),
                seq,
            ]
        })
        .collect();
    table(
        text,
        "Maintenance",
        &["From – to", "Targets", "Why", "Said", "Leaf"],
        &rows,
        "None took time out of the day.",
    );
    let rows: Vec<_> = report
        .alerts
        .iter()
        .map(|row| {
            let seq = row.seq.map_or("earlier".to_owned(), |seq| format!("#{seq}"));
            vec![
                time_text(row.at, day),
                cell(&format!("{} {}", row.objective, row.windows)),
                words::alert(row.state).to_owned(),
                cell(&row.reason),
                seq,
            ]
        })
        .collect();
    table(
        text,
        "Alerts",
        &["Since", "Objective", "State", "Why", "Leaf"],
        &rows,
        "None changed its state, and none was on.",
    );
}

fn amendments(text: &mut String, report: &Report) {
    let shown = |amended: &Option<Amended>| {
        amended.as_ref().map_or("no longer kept".to_owned(), |Amended { figures, maintenance_s }| {
            format!(
                "{} of {} failed, {} of the evidence, {} in maintenance",
                figures.failed,
                figures.observations,
                percent(figures.completeness_ppm),
                span_text(maintenance_s.0)
            )
        })
    };
    let rows: Vec<_> = report
        .amendments
        .iter()
        .map(|row| {
            let causes: Vec<&str> = row.causes.iter().map(|cause| words::cause(*cause)).collect();
            vec![
                row.date.to_string(),
                cell(&row.target),
                causes.join("; "),
                shown(&row.then),
                shown(&row.now),
                cite(Some(row.evidence)),
            ]
        })
        .collect();
    let heads = ["Day", "Target", "Why", "As known then", "As known now", "Leaves"];
    table(text, "Amendments to earlier days", &heads, &rows, "Nothing became known of earlier days.");
}

fn tail(text: &mut String, report: &Report) {
    let evidence = &report.evidence;
    let _infallible = write!(
        text,
        "\n## The evidence\n\n{} leaves, {} frames, {} observations, {} missed checks; {} duplicates, {} rejected, {} lost.\n\n\
         - Log `{}`, leaves {} to {}, root `{}`\n- State `{}` to `{}`\n\n## How to read this\n\n",
        evidence.leaves,
        evidence.frames,
        evidence.observations,
        evidence.missed,
        evidence.duplicates,
        evidence.rejected,
        evidence.lost,
        report.log.origin,
        report.log.from.size,
        report.log.to.size,
        report.log.to.root,
        report.state.from,
        report.state.to,
    );
    for statement in &report.statements {
        let _infallible = writeln!(text, "- {}", cell(statement));
    }
}
