//! `spark completions` and `spark man`: what shells and `man` know of Spark, made from the command line itself.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::output::say;

/// Runs `spark completions`.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "spark", &mut script);
    say!("{}", String::from_utf8(script)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `spark man`.
pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.out;
    let failed = || format!("write man pages into {}", dir.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(failed)?;
    say!("man pages are in {}; read one with: man -l {}", dir.display(), dir.join("spark-gate.1").display())?;
    Ok(ExitCode::SUCCESS)
}
