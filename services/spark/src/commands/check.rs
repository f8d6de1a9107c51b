//! `spark check`: says what a configuration file means, or what is wrong with it.

use std::process::ExitCode;

use spark_core::config::CheckKind;

use crate::cli::CheckArgs;
use crate::configuration::{self, Overrides};

/// Runs `spark check`.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = configuration::load(Some(&args.file), &Overrides::none()?)?;
    println!("{}: can be used", args.file.display());
    println!("environment {}, profile {}", config.environment, config.profile);
    let whose = if config.builtin_targets { ", Spark's own pages and the executor among them" } else { "" };
    println!("targets: {}{whose}", config.targets.len());
    for target in &config.targets {
        let offset_ms = target.schedule().offset_us / 1_000;
        let role = target.role.map(|role| format!(", role {role:?}").to_lowercase()).unwrap_or_default();
        let is_http = CheckKind::from_scheme(target.url.scheme()).is_some_and(CheckKind::is_http);
        let method = if is_http { format!("{} ", target.method) } else { String::new() };
        let demo = if target.demo { ", demo" } else { "" };
        println!(
            "  {:<24} {method}{} every {} (+{offset_ms} ms), timeout {}{role}{demo}",
            target.name,
            target.url,
            target.interval,
            target.timeout()
        );
        println!("  {:<24} good when {}", "", target.conditions().join(", "));
    }
    for (name, profile) in &config.profiles {
        println!(
            "profile {name}: p95 latency < {}, error rate < {}, staleness < {}; targets: {}",
            profile.latency_p95,
            profile.error_rate,
            profile.staleness,
            config.selection(profile).count()
        );
        if !profile.checks.is_empty() {
            let score = profile.score_min.map(|min| format!("; score at least {min}")).unwrap_or_default();
            let names: Vec<&str> = profile.checks.iter().map(|check| check.name.as_str()).collect();
            println!("  its gate also checks: {}{score}", names.join(", "));
        }
        for waiver in &profile.waivers {
            println!("  waived until {}: {} ({}, {})", waiver.until, waiver.check, waiver.reason, waiver.by);
        }
    }
    println!("digest {}", config.digest());
    Ok(ExitCode::SUCCESS)
}
