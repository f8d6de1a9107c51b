//! `spark maintenance` and `spark deploy`: what people say to a running Spark, on the log once it is answered.

use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};
use spark_aggregator::follow::describe;

use super::client::{self, Answer};
use crate::cli::{
    DeployCommand, DeployMarkArgs, ListArgs, MaintenanceAddArgs, MaintenanceCancelArgs, MaintenanceCommand,
    OutputFormat,
};
use crate::exit;
use crate::output::{complain, say};

const MAINTENANCES: &str = "/api/v1/maintenances";
const DEPLOYMENTS: &str = "/api/v1/deployments";

/// Runs `spark maintenance`.
pub fn maintenance(command: &MaintenanceCommand) -> anyhow::Result<ExitCode> {
    match command {
        MaintenanceCommand::Add(args) => add(args),
        MaintenanceCommand::Cancel(args) => cancel(args),
        MaintenanceCommand::List(args) => list(args, MAINTENANCES, "maintenances", print_maintenance),
    }
}

/// Runs `spark deploy`.
pub fn deploy(command: &DeployCommand) -> anyhow::Result<ExitCode> {
    match command {
        DeployCommand::Mark(args) => mark(args),
        DeployCommand::List(args) => list(args, DEPLOYMENTS, "deployments", print_deployment),
    }
}

fn add(args: &MaintenanceAddArgs) -> anyhow::Result<ExitCode> {
    let mut request = json!({ "targets": args.targets, "from": args.from, "reason": args.reason });
    set(&mut request, "to", args.to.as_deref());
    set(&mut request, "for", args.length.map(|length| length.to_string()));
    set(&mut request, "id", args.id.as_deref());
    set(&mut request, "by", args.declaring.by.as_deref());
    let url = client::api_url(&args.declaring.server.url, MAINTENANCES, &[]);
    finish("spark maintenance", client::post(&url, Some(&request)), args.declaring.format, print_maintenance)
}

fn cancel(args: &MaintenanceCancelArgs) -> anyhow::Result<ExitCode> {
    let said = [("by", &args.declaring.by), ("reason", &args.reason)];
    let query: Vec<(&str, &str)> = said.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?))).collect();
    let url = client::api_url(&args.declaring.server.url, &format!("{MAINTENANCES}/{}", args.id), &query);
    finish("spark maintenance", client::delete(&url), args.declaring.format, print_maintenance)
}

fn mark(args: &DeployMarkArgs) -> anyhow::Result<ExitCode> {
    let mut request = json!({ "service": args.service, "version": args.version, "at": args.at });
    set(&mut request, "by", args.declaring.by.as_deref());
    let url = client::api_url(&args.declaring.server.url, DEPLOYMENTS, &[]);
    finish("spark deploy", client::post(&url, Some(&request)), args.declaring.format, print_deployment)
}

fn list(args: &ListArgs, path: &str, key: &str, print: fn(&Value) -> io::Result<()>) -> anyhow::Result<ExitCode> {
    let url = client::api_url(&args.server.url, path, &[]);
    let print_all = |body: &Value| {
        let all = body[key].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().try_for_each(print)?;
        if all.is_empty() { say!("no {key}") } else { Ok(()) }
    };
    finish("spark", client::get(&url), args.format, print_all)
}

fn finish(
    command: &str,
    asked: anyhow::Result<Answer>,
    format: OutputFormat,
    print: impl Fn(&Value) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let answer = match asked {
        Ok(answer) if matches!(answer.status, 200 | 201) => answer,
        Ok(answer) => {
            complain!("{command}: {}", answer.problem());
            let is_refused = (400..500).contains(&answer.status);
            return Ok(if is_refused { exit::USAGE } else { exit::NO_DATA }.into());
        }
        Err(error) => {
            complain!("{command}: {}", describe(error.as_ref()));
            return Ok(exit::NO_DATA.into());
        }
    };
    match format {
        OutputFormat::Json => say!("{}", serde_json::to_string_pretty(&answer.body)?)?,
        OutputFormat::Text => print(&answer.body)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_maintenance(one: &Value) -> io::Result<()> {
    let names: Vec<&str> = one["targets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let targets = if names.is_empty() { "every target".to_owned() } else { names.join(", ") };
    let [id, state, from, to, reason, by, declared_at] =
        ["id", "state", "from", "to", "reason", "by", "declared_at"].map(|key| one[key].as_str().unwrap_or("-"));
    say!("{id:<12} {state:<9} {from} to {to}  {targets}: {reason}  (by {by})")?;
    if one["retroactive"] == true {
        let after = one["declared_after_s"].as_u64().unwrap_or_default();
        say!("{:<12} a correction: declared at {declared_at}, {after} s after it began", "")?;
    }
    if let Some(cancelled) = one["cancelled"].as_object() {
        let [at, by, why] = ["at", "by", "reason"].map(|key| cancelled[key].as_str().unwrap_or_default());
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        say!("{:<12} called off at {at} by {by}{why}", "")?;
    }
    print_repeated(one)
}

fn print_deployment(one: &Value) -> io::Result<()> {
    let [service, version, at, by] = ["service", "version", "at", "by"].map(|key| one[key].as_str().unwrap_or("-"));
    say!("{at}  {service} {version}  (by {by})")?;
    print_repeated(one)
}

fn print_repeated(one: &Value) -> io::Result<()> {
    if one["repeated"] == true { say!("it was known already; nothing was written") } else { Ok(()) }
}

fn set(request: &mut Value, key: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        request[key] = json!(value);
    }
}
