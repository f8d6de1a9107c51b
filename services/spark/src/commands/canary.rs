//! `spark canary` and `spark verify canary`: ask for a verdict and turn it into an exit code. Anything that is not a clear
//! answer is no pass.

use std::io;
use std::process::ExitCode;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use spark_aggregator::follow::describe;
use spark_schemas::event::Verdict;

use super::client::{self, Answer};
use super::gate::exit_code;
use crate::cli::{
    CanaryArgs, CanaryAsking, CanaryCommand, CanaryCompareArgs, CanaryModeArg, OutputFormat, VerifyCanaryArgs,
};
use crate::exit::{self, Unusable};
use crate::output::{complain, say};

const PATH: &str = "/api/tools/canary";

/// Runs `spark canary`.
pub fn canary(args: &CanaryArgs) -> anyhow::Result<ExitCode> {
    let (mut request, asking) = match &args.command {
        None => (now(args)?, &args.asking),
        Some(CanaryCommand::Compare(args)) => (comparison(args), &args.asking),
    };
    let CanaryAsking { server, by, format, strict } = asking;
    set(&mut request, "by", by.as_ref());
    let url = client::api_url(&server.url, PATH, &[]);
    let answer = match understood("spark canary", client::post(&url, Some(&Value::Object(request)))) {
        Ok(answer) => answer,
        Err(code) => return Ok(code.into()),
    };
    match format {
        OutputFormat::Json => say!("{}", serde_json::to_string_pretty(&answer.body)?)?,
        OutputFormat::Text => print(&answer.body)?,
    }
    let verdict = Verdict::deserialize(&answer.body["verdict"]).unwrap_or(Verdict::NoData);
    Ok(exit_code(verdict, *strict).into())
}

/// Runs `spark verify canary`.
pub fn verify_canary(args: &VerifyCanaryArgs) -> anyhow::Result<ExitCode> {
    // An id is hex digits: whatever else somebody types stays one part of the path.
    let id: String = args.id.chars().filter(char::is_ascii_alphanumeric).collect();
    if id.is_empty() || id != args.id {
        return Err(Unusable::Setting(format!("{:?} is no canary's id", args.id)).into());
    }
    let url = client::api_url(&args.server.url, &format!("{PATH}/{id}/verify"), &[]);
    let answer = match understood("spark verify", client::get(&url)) {
        Ok(answer) => answer,
        Err(code) => return Ok(code.into()),
    };
    let is_reproduced = answer.body["reproduced"] == true;
    if args.format == OutputFormat::Json {
        say!("{}", serde_json::to_string_pretty(&answer.body)?)?;
    } else if is_reproduced {
        say!("canary {id}: made again from the log, and the same: {}", text(&answer.body["recorded"]["verdict"]))?;
    } else {
        let verdict = |run: &str| text(&answer.body[run]["verdict"]);
        say!("canary {id}: NOT the same: recorded {}, made again {}", verdict("recorded"), verdict("again"))?;
        for run in ["recorded", "again"] {
            say!("{run}:")?;
            print_checks(&answer.body[run])?;
        }
    }
    Ok(if is_reproduced { ExitCode::SUCCESS } else { exit::FAILED.into() })
}

/// The answer, or the exit code of what went wrong, which was said.
fn understood(command: &str, asked: anyhow::Result<Answer>) -> Result<Answer, u8> {
    match asked {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => {
            complain!("{command}: {}", answer.problem());
            // What is gone from the log, or can't be made again, is no wrong usage.
            Err(if matches!(answer.status, 400 | 404 | 413) { exit::USAGE } else { exit::NO_DATA })
        }
        Err(error) => {
            complain!("{command}: {}", describe(error.as_ref()));
            Err(exit::NO_DATA)
        }
    }
}

fn now(args: &CanaryArgs) -> Result<Map<String, Value>, Unusable> {
    let is_mock = args.mode == Some(CanaryModeArg::Mock);
    if is_mock && (args.runs.is_some() || !args.targets.is_empty() || args.profile.is_some()) {
        let message = "--runs, --target and --profile are for --mode real: the mock asks its own target";
        return Err(Unusable::Setting(message.to_owned()));
    }
    let mut request = Map::new();
    set(&mut request, "mode", Some(if is_mock { "mock" } else { "real" }));
    set(&mut request, "runs", args.runs);
    let names = || args.targets.iter().map(|name| name.as_str()).collect::<Vec<_>>();
    set(&mut request, "targets", (!args.targets.is_empty()).then(names));
    set(&mut request, "profile", args.profile.as_ref().map(|name| name.as_str()));
    Ok(request)
}

fn comparison(args: &CanaryCompareArgs) -> Map<String, Value> {
    let mut request = Map::new();
    set(&mut request, "mode", Some("compare"));
    for (key, name) in [("baseline", &args.baseline), ("candidate", &args.candidate), ("target", &args.target)] {
        set(&mut request, key, name.as_ref().map(|name| name.as_str()));
    }
    set(&mut request, "deployment", args.deployment.as_ref());
    set(&mut request, "at", args.at.as_ref());
    for (key, span) in [("window", args.window), ("before", args.before), ("after", args.after)] {
        set(&mut request, key, span.map(|span| span.to_string()));
    }
    request
}

fn set(request: &mut Map<String, Value>, key: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        request.insert(key.to_owned(), json!(value));
    }
}

fn print(run: &Value) -> io::Result<()> {
    if let Some(comparison) = run["comparison"].as_object() {
        for side in ["baseline", "candidate"] {
            let side_of = &comparison[side];
            let [target, from, to, observed, failed, missed] =
                ["target", "from", "to", "observed", "failed", "missed"].map(|key| text(&side_of[key]));
            say!(
                "{side:<9} {target}, {from} to {to}: {observed} observations, {failed} failed, {missed} slots missed"
            )?;
        }
    }
    print_checks(run)?;
    let checks = run["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let passed = checks.iter().filter(|check| check["verdict"] == "pass").count();
    let (mode, verdict, at) = (text(&run["mode"]), text(&run["verdict"]), text(&run["at"]));
    say!("canary ({mode}): {verdict}, {passed}/{} checks passed, at {at}", checks.len())?;
    say!("run {} is in the log", text(&run["id"]))
}

fn print_checks(run: &Value) -> io::Result<()> {
    for check in run["checks"].as_array().into_iter().flatten() {
        say!("{:<8} {:<20} {}", text(&check["verdict"]), text(&check["id"]), text(&check["reason"]))?;
    }
    Ok(())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
