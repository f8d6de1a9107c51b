//! `spark check`: says what a configuration file means, or what is wrong with it.

use std::process::ExitCode;

use spark_core::config::CheckKind;

use crate::cli::CheckArgs;
use crate::configuration::{self, Overrides};
use crate::output::say;

/// Runs `spark check`.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = configuration::load(Some(&args.file), &Overrides::none()?)?;
    say!("{}: can be used", args.file.display())?;
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
    for (name, profile) in &config.profiles {
        say!(
            "profile {name}: p95 latency < {}, error rate < {}, staleness < {}; targets: {}",
            profile.latency_p95,
            profile.error_rate,
            profile.staleness,
            config.selection(profile).count()
        )?;
    }
    say!("digest {}", config.digest())?;
    Ok(ExitCode::SUCCESS)
}
