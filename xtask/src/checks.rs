//! Checks that need no test run: format, lints, and what we depend on.

use anyhow::{Context, Result};

use crate::process;
use crate::progress::Progress;

/// Every file is formatted as rustfmt would.
pub fn format(progress: &Progress) -> Result<()> {
    progress.step("cargo fmt --all --check");
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
        .context("the code is not formatted; `cargo fmt --all` mends it")?;
    // The fuzz targets are a workspace of their own.
    process::run(process::cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
        .context("the fuzz targets are not formatted; `cargo fmt --manifest-path fuzz/Cargo.toml` mends it")
}

/// No lint complains, in any crate, test or example.
pub fn clippy(progress: &Progress) -> Result<()> {
    progress.step("cargo clippy --workspace --all-targets");
    process::run(process::cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

/// Licences, known weaknesses, duplicates and sources are as `deny.toml` wants them.
///
/// A tool of convenience: where it is not installed, this says so and passes.
pub fn dependencies(progress: &Progress, no_advisories: bool) -> Result<()> {
    progress.step("cargo deny check");
    if !process::has_cargo_command("deny") {
        eprintln!("not checked: cargo-deny is missing; `cargo install --locked cargo-deny` gets it");
        return Ok(());
    }
    let mut command = process::cargo();
    command.args(["deny", "--locked", "check", "--hide-inclusion-graph"]);
    if no_advisories {
        command.args(["bans", "licenses", "sources"]);
    }
    process::run(&mut command)
        .context("cargo-deny is not content (without the network, try `cargo xtask lint --no-advisories`)")
}
