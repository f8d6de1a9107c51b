//! The fuzz targets: each run for a while, one after another, and a table of what came of it.
//!
//! What is found ends the run of its target, not the others'. The input is in `fuzz/artifacts` then.

mod libfuzzer;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, Stream};
use crate::progress::Progress;
use crate::workspace;
use libfuzzer::Figures;

/// From the workspace's root.
const FOLDER: &str = "fuzz";
const TOOLCHAIN: &str = "nightly";

/// An input that takes longer than this is a finding. It leaves room for a busy machine: nothing takes a second.
const SECONDS_MAX: u32 = 10;
const MEMORY_MIB_MAX: u32 = 2_048;
/// Longer inputs say nothing new, and make every run slower.
const BYTES_MAX: u32 = 4_096;
/// Instructions for an archive end sooner.
const ARCHIVE_BYTES_MAX: u32 = 72;
/// How often a line of progress is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(10);

/// Runs the targets, all of them unless one is named, each for so many minutes.
pub fn run(progress: &Progress, target: Option<&str>, minutes: f64) -> Result<ExitCode> {
    let seconds = (minutes * 60.0).round();
    ensure!((1.0..=1e6).contains(&seconds), "--minutes must be from a second to eleven days, not {minutes}");
    check_tools()?;
    let targets = wanted(target)?;
    progress.step("cargo fuzz build");
    process::run(&mut cargo_fuzz("build"))?;
    let mut table = vec![Figures::header()];
    let mut findings = 0;
    for target in &targets {
        progress.step(&format!("cargo fuzz run {target}"));
        let figures = run_one(progress, target, seconds as u64)?;
        findings += figures.findings;
        table.push(figures.line(target));
    }
    progress.done();
    println!("{}", table.join("\n"));
    Ok(ExitCode::from(u8::from(findings > 0)))
}

fn check_tools() -> Result<()> {
    let version = |arguments: &[&str]| process::succeeds(nightly_cargo().args(arguments));
    ensure!(
        version(&["--version"]),
        "fuzzing needs a nightly compiler: `rustup toolchain install {TOOLCHAIN} --profile minimal`"
    );
    ensure!(version(&["fuzz", "--version"]), "cargo-fuzz is missing: `cargo install cargo-fuzz --locked`");
    Ok(())
}

/// The targets are those that have seeds (`fuzz/properties/tests/seeds.rs` holds the two against each other).
fn wanted(target: Option<&str>) -> Result<Vec<String>> {
    let folder = folder().join("seeds");
    let read = || fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
    let names = read().with_context(|| format!("read {}", folder.display()))?;
    let mut all: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    all.sort();
    match target {
        None => Ok(all),
        Some(target) if all.iter().any(|known| known == target) => Ok(vec![target.to_owned()]),
        Some(target) => bail!("no target {target:?}; there are: {}", all.join(", ")),
    }
}

/// What the fuzzer finds worth keeping goes to `corpus`, which is nobody's but this machine's. It starts from that and
/// from the seeds.
fn run_one(progress: &Progress, target: &str, seconds: u64) -> Result<Figures> {
    let corpus = folder().join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("create {}", corpus.display()))?;
    let mut command = cargo_fuzz("run");
    command.arg(target).arg(&corpus).arg(folder().join("seeds").join(target)).arg("--");
    let dictionary = folder().join("dictionaries").join(target);
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let bytes_max = if target == "archive" { ARCHIVE_BYTES_MAX } else { BYTES_MAX };
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={SECONDS_MAX}"),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        format!("-max_len={bytes_max}"),
        // Threads that have not ended yet look like leaks.
        "-detect_leaks=0".to_owned(),
        "-print_funcs=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    let mut figures = Figures::default();
    let mut shown_at = progress.elapsed();
    let status = process::watch(&mut command, Stream::Err, |line| {
        figures.read(line);
        if !libfuzzer::is_progress(line) {
            eprintln!("{line}");
        } else if progress.elapsed() >= shown_at + SHOWN_EVERY {
            shown_at = progress.elapsed();
            progress.step(&format!("{target}: {}", libfuzzer::short(line)));
        }
    })?;
    if !status.success() && figures.findings == 0 {
        bail!("`cargo fuzz run {target}` failed ({status})");
    }
    Ok(figures)
}

fn cargo_fuzz(command: &str) -> Command {
    let mut cargo = nightly_cargo();
    cargo.args(["fuzz", command, "--fuzz-dir", FOLDER]);
    cargo
}

/// The compiler that `rust-toolchain.toml` names can't instrument code.
fn nightly_cargo() -> Command {
    let mut cargo = process::cargo_of(TOOLCHAIN);
    cargo.env("RUST_BACKTRACE", "1");
    cargo
}

fn folder() -> PathBuf {
    workspace::root().join(FOLDER)
}
