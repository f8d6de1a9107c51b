//! `spark check`: says what a configuration file or OpenSLO documents mean, or what is wrong with them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use spark_core::config::{CheckKind, Config, Objective};
use spark_core::openslo;

use crate::cli::CheckArgs;
use crate::configuration::{self, Overrides};
use crate::documents;
use crate::exit::{USAGE, Unusable};
use crate::output::{complain, say};

/// Runs `spark check`.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    match args.files.as_slice() {
        files if !files.is_empty() && files.iter().all(is_yaml) => explain_documents(files),
        [file] => explain_configuration(file),
        _ => Err(Unusable::Setting("check one configuration file, or OpenSLO documents (*.yaml)".to_owned()).into()),
    }
}

fn explain_configuration(file: &Path) -> anyhow::Result<ExitCode> {
    let config = match configuration::load(Some(file), &Overrides::none()?) {
        Err(Unusable::Documents(errors)) => {
            errors.iter().for_each(|error| complain!("spark: {error}"));
            return Ok(USAGE.into());
        }
        loaded => loaded?,
    };
    say!("{}: can be used", file.display())?;
    say!("environment {}, profile {}", config.environment, config.profile)?;
    let whose = if config.builtin_targets { ", Spark's own pages and the executor among them" } else { "" };
    say!("targets: {}{whose}", config.targets.len())?;
    for target in &config.targets {
        let offset_ms = target.schedule().offset_us / 1_000;
        let role = target.role.map(|role| format!(", role {role:?}").to_lowercase()).unwrap_or_default();
        let is_http = CheckKind::from_scheme(target.url.scheme()).is_some_and(CheckKind::is_http);
        let method = if is_http { format!("{} ", target.method) } else { String::new() };
        let demo = if target.demo { ", demo" } else { "" };
        say!(
            "  {:<24} {method}{} every {} (+{offset_ms} ms), timeout {}{role}{demo}",
            target.name,
            target.url,
            target.interval,
            target.timeout()
        )?;
        say!("  {:<24} good when {}", "", target.conditions().join(", "))?;
    }
    config.objectives.iter().try_for_each(|objective| explain(objective, &config))?;
    for planned in &config.maintenances {
        let names: Vec<&str> = planned.targets.iter().map(|name| name.as_str()).collect();
        let targets = if names.is_empty() { "every target".to_owned() } else { names.join(", ") };
        say!("maintenance {}: {} to {}, {targets}: {}", planned.name, planned.from, planned.to, planned.reason)?;
    }
    for hours in &config.service_hours {
        let names: Vec<&str> = hours.targets.iter().map(|name| name.as_str()).collect();
        let targets = if names.is_empty() { "every target".to_owned() } else { names.join(", ") };
        say!("service hours {}: {}; {targets}", hours.name, hours.in_words())?;
    }
    for (name, profile) in &config.profiles {
        say!(
            "profile {name}: p95 latency < {}, error rate < {}, staleness < {}; targets: {}",
            profile.latency_p95,
            profile.error_rate,
            profile.staleness,
            config.selection(profile).count()
        )?;
        if !profile.checks.is_empty() {
            let score = profile.score_min.map(|min| format!("; score at least {min}")).unwrap_or_default();
            let names: Vec<&str> = profile.checks.iter().map(|check| check.name.as_str()).collect();
            say!("  its gate also checks: {}{score}", names.join(", "))?;
        }
        for waiver in &profile.waivers {
            say!("  waived until {}: {} ({}, {})", waiver.until, waiver.check, waiver.reason, waiver.by)?;
        }
    }
    say!("digest {}", config.digest())?;
    Ok(ExitCode::SUCCESS)
}

fn explain(objective: &Objective, config: &Config) -> io::Result<()> {
    say!("objective {}", objective.name)?;
    for sentence in objective.explained(config) {
        say!("  {sentence}")?;
    }
    Ok(())
}

/// Documents alone: what each is, and the line and reason where one is refused.
fn explain_documents(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let texts = files.iter().map(|file| documents::read(file)).collect::<Result<Vec<_>, _>>()?;
    let found = openslo::read(&documents::sources(&texts));
    let config = Config::default();
    let mut refused = 0;
    for document in &found {
        let title = format!("{} {}", document.kind, document.name);
        match &document.outcome {
            Ok(objectives) => {
                say!("{}: line {}: {} can be used", document.file, document.line, title.trim())?;
                objectives.iter().try_for_each(|objective| explain(objective, &config))?;
            }
            Err(error) => {
                refused += 1;
                say!("{error} ({})", if title.trim().is_empty() { "the whole file" } else { title.trim() })?;
            }
        }
    }
    if refused > 0 {
        let message = format!("{refused} of {} documents can't be used", found.len());
        return Err(Unusable::Setting(message).into());
    }
    Ok(ExitCode::SUCCESS)
}
