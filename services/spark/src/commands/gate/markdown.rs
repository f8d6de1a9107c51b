//! A decision as Markdown: for a job summary, or a comment on a change.

use std::fmt::Write as _;

use spark_schemas::event::{CheckVerdict, Verdict};

use super::decision::Decision;

/// A heading with the verdict and a table of the checks.
pub(super) fn of(decision: &Decision) -> String {
    let verdict = decision.verdict();
    let (passed, all) = decision.passed();
    let mut text = format!(
        "### {} Deploy gate: {}\n\nProfile {}, {}: {passed} of {all} checks passed.\n\n",
        sign(verdict),
        escaped(verdict.as_str()),
        code(&decision.profile),
        escaped(&decision.at),
    );
    text.push_str("| | Check | Observed | Asked for | |\n|---|---|---|---|---|\n");
    for check in &decision.checks {
        let verdict = if check.is_waived() { "waived" } else { check.verdict.as_str() };
        let _infallible = writeln!(
            text,
            "| {} {} | {} | {} | {} | {} |",
            check_sign(check.verdict),
            escaped(verdict),
            code(&check.id),
            escaped(&check.observed()),
            escaped(&check.threshold()),
            escaped(&check.reason),
        );
    }
    for waiver in &decision.waivers {
        let (until, reason, by) = (escaped(&waiver.until), escaped(&waiver.reason), escaped(&waiver.by));
        let _infallible = writeln!(text, "\nWaived until {until}: {} ({reason}, {by}).", code(&waiver.check));
    }
    let kept = if decision.evidence.recorded { "in the log" } else { "a preview, not recorded" };
    let policy = decision.evidence.policy_digest.get(..12).unwrap_or("none");
    let _infallible = write!(text, "\nDecision {}, {kept}; policy {}.", code(&decision.id), code(policy));
    text
}

/// The same where nobody decided.
pub(super) fn of_nothing(why: &str) -> String {
    format!("### {} Deploy gate: no answer\n\n{}", sign(Verdict::NoData), escaped(why))
}

const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Warn => "⚠️",
        Verdict::Fail => "❌",
        Verdict::NoData => "❔",
    }
}

const fn check_sign(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Pass => sign(Verdict::Pass),
        CheckVerdict::Warn => sign(Verdict::Warn),
        CheckVerdict::Fail => sign(Verdict::Fail),
        CheckVerdict::NoData => sign(Verdict::NoData),
    }
}

/// Text that stays text: what a watched service says must not become a link, a mention or a row.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '@' | '<' | '>' | '&' | '#' => {
                let _infallible = write!(escaped, "&#{};", u32::from(c));
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Code, for names that have no backticks.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '|', '\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::super::decision::tests::decision;
    use super::*;

    #[test]
    fn every_check_is_one_row_whatever_its_reason_says() {
        let value = decision("fail", &[("ui.up", "pass"), ("executor.up", "fail"), ("checkout-budget", "no_data")]);
        let text = of(&serde_json::from_value(value).unwrap());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 2 + 3, "{text}");
        for row in &rows {
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(cells, 6, "{row}");
        }
        assert!(
            rows[3].starts_with("| ❌ fail | `executor.up` | 1.5 ms | 2 ms | a &#60;reason&#62; of"),
            "{}",
            rows[3]
        );
        assert!(!text.contains("@all") && !text.contains('\u{1}'), "{text}");
        assert!(text.starts_with("### ❌ Deploy gate: fail\n"), "{text}");
        assert!(of_nothing("[x](http://evil)").contains("\\[x\\](http://evil)"));
    }
}
