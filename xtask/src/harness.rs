//! Programs of the test harness that are run by name: the benchmark, the soak test, the compose test.
//!
//! They always run against a release build; a debug build says nothing about time.

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::progress::Progress;
use crate::tools::{self, Tools};
use crate::workspace;

const COMPOSE_SCRIPT: &str = "tests/compose/run.sh";

/// Runs the benchmark.
pub fn bench(progress: &Progress, args: &[String]) -> Result<()> {
    run_bin(progress, "bench", args)
}

/// Runs the soak test.
pub fn soak(progress: &Progress, args: &[String]) -> Result<()> {
    run_bin(progress, "soak", args)
}

/// Starts the compose stack in a container engine of its own and checks it.
pub fn compose_test(progress: &Progress) -> Result<()> {
    let script = workspace::root().join(COMPOSE_SCRIPT);
    ensure!(script.is_file(), "{COMPOSE_SCRIPT} does not exist");
    let tools = Tools::get(progress)?;
    tools::get_for_compose(progress)?;
    build_spark(progress)?;
    progress.step(COMPOSE_SCRIPT);
    let mut command = process::program(script);
    tools.export_to(&mut command);
    process::run(&mut command)
}

/// Builds the program as users get it.
pub fn build_spark(progress: &Progress) -> Result<()> {
    progress.step("cargo build --release -p spark");
    process::run(process::cargo().args(["build", "--release", "--locked", "-p", "spark"]))
}

fn run_bin(progress: &Progress, bin: &str, args: &[String]) -> Result<()> {
    const RELEASE: [&str; 4] = ["--release", "--locked", "-p", "spark-tests"];

    // First, because it is the quickest to fail: cargo says at once when there is no such program.
    progress.step(&format!("cargo build --release -p spark-tests --bin {bin}"));
    process::run(process::cargo().arg("build").args(RELEASE).args(["--bin", bin]))
        .with_context(|| format!("spark-tests has no program `{bin}` that builds"))?;
    let tools = Tools::get(progress)?;
    build_spark(progress)?;
    progress.step(bin);
    let mut command = process::cargo();
    command.args(["run", "--quiet"]).args(RELEASE).args(["--bin", bin, "--"]);
    command.args(args);
    tools.export_to(&mut command);
    process::run(&mut command)
}
