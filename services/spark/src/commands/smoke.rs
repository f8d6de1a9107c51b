//! `spark smoke`: the five pages and the health endpoint, asked for real.

use std::process::ExitCode;

use serde_json::Value;
use spark_aggregator::follow::describe;

use super::client;
use crate::cli::{OutputFormat, SmokeArgs};
use crate::exit;
use crate::output::{complain, say};

/// Runs `spark smoke`.
pub fn smoke(args: &SmokeArgs) -> anyhow::Result<ExitCode> {
    let url = client::api_url(&args.server.url, "/api/tools/smoke", &[]);
    let answer = match client::get(&url) {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => {
            complain!("spark smoke: {}", answer.problem());
            return Ok(exit::NO_DATA.into());
        }
        Err(error) => {
            complain!("spark smoke: {}", describe(error.as_ref()));
            return Ok(exit::NO_DATA.into());
        }
    };
    let (passed, total) = (answer.body["passed"].as_u64(), answer.body["total"].as_u64());
    if args.format == OutputFormat::Json {
        say!("{}", serde_json::to_string_pretty(&answer.body)?)?;
    } else {
        for check in answer.body["checks"].as_array().into_iter().flatten() {
            let verdict = if check["ok"] == true { "ok" } else { "FAILED" };
            let reason = check["reason"].as_str().unwrap_or_default();
            let path = check["path"].as_str().unwrap_or_default();
            say!("{verdict:<7} {path:<14} status {}, {} ms  {reason}", or_none(&check["status"]), check["ms"])?;
        }
        say!("smoke: {}/{}", passed.unwrap_or_default(), total.unwrap_or_default())?;
    }
    let all_passed = total.is_some_and(|total| total > 0) && passed == total;
    Ok(if all_passed { ExitCode::SUCCESS } else { exit::FAILED.into() })
}

fn or_none(value: &Value) -> String {
    if value.is_null() { "none".to_owned() } else { value.to_string() }
}
