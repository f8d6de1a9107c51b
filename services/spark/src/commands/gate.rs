//! `spark gate`: asks for a decision and turns it into an exit code. Anything that is not a clear answer is no pass.

use std::process::ExitCode;

use serde_json::Value;
use spark_aggregator::follow::describe;

use super::client::{self, Answer};
use crate::cli::{GateArgs, OutputFormat};
use crate::exit;
use crate::output::{complain, say};

/// Runs `spark gate`.
pub fn gate(args: &GateArgs) -> anyhow::Result<ExitCode> {
    let profile: Vec<(&str, &str)> = args.profile.iter().map(|name| ("profile", name.as_str())).collect();
    let url = client::api_url(&args.server.url, "/api/tools/status", &profile);
    let asked = if args.dry_run { client::get(&url) } else { client::post(&url) };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            complain!("spark gate: {}", describe(error.as_ref()));
            return Ok(exit::NO_DATA.into());
        }
    };
    match answer.status {
        200 => {}
        400..=499 => {
            complain!("spark gate: {}", answer.problem());
            return Ok(exit::USAGE.into());
        }
        _ => {
            complain!("spark gate: {}", answer.problem());
            return Ok(exit::NO_DATA.into());
        }
    }
    print(args, &answer)?;
    Ok(exit_code(answer.body.get("verdict").and_then(Value::as_str), args.strict).into())
}

/// What a verdict is to a script.
pub(super) fn exit_code(verdict: Option<&str>, strict: bool) -> u8 {
    match verdict {
        Some("pass") => 0,
        Some("warn") if !strict => 0,
        Some("warn" | "fail") => exit::FAILED,
        _ => exit::NO_DATA,
    }
}

fn print(args: &GateArgs, answer: &Answer) -> anyhow::Result<()> {
    if args.format == OutputFormat::Json {
        say!("{}", serde_json::to_string_pretty(&answer.body)?)?;
        return Ok(());
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let checks = answer.body.get("checks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for check in checks {
        let unit = text(&check["unit"]);
        let (observed, threshold) = (text(&check["observed"]), text(&check["threshold"]));
        let figures = if unit.is_empty() {
            format!("{observed}, wanted {threshold}")
        } else {
            format!("{observed} {unit}, limit {threshold} {unit}")
        };
        say!("{:<8} {:<24} {figures}  ({})", text(&check["verdict"]), text(&check["id"]), text(&check["reason"]))?;
    }
    let passed = checks.iter().filter(|check| check["verdict"] == "pass").count();
    let (verdict, profile) = (text(&answer.body["verdict"]), text(&answer.body["profile"]));
    say!(
        "gate: {verdict}, {passed}/{} checks passed, profile {profile}, at {}",
        checks.len(),
        text(&answer.body["at"])
    )?;
    if !args.dry_run {
        say!("decision {} is in the log", text(&answer.body["id"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_pass_is_a_pass() {
        assert_eq!(exit_code(Some("pass"), true), 0);
        assert_eq!(exit_code(Some("warn"), false), 0);
        assert_eq!(exit_code(Some("warn"), true), 1);
        assert_eq!(exit_code(Some("fail"), false), 1);
        for unclear in [Some("no_data"), Some(""), Some("PASS"), None] {
            assert_eq!(exit_code(unclear, false), 2, "{unclear:?}");
        }
    }
}
