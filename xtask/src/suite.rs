//! All tests of the workspace, with nextest when it is installed and with cargo's own runner when not.
//!
//! A failing test does not end the run: every test is run, and the caller gets the sum.

use std::io::{self, IsTerminal};
use std::process::Command;

use anyhow::Result;

use crate::process::{self, Stream};
use crate::progress::Progress;
use crate::tally::Tally;
use crate::tools::Tools;

/// Runs the tests and the examples in the documentation.
pub fn run(progress: &Progress, tools: &Tools) -> Result<Tally> {
    let mut tally = Tally::default();
    if process::has_cargo_command("nextest") {
        // nextest leaves these to cargo. They come first, so that its own list of failures is what stands last.
        progress.step("cargo test --workspace --doc");
        tally += with_libtest(tools, &["test", "--doc"])?;
        progress.step("cargo nextest run --workspace");
        tally += with_nextest(tools)?;
    } else {
        progress.step("cargo test --workspace");
        tally += with_libtest(tools, &["test"])?;
    }
    Ok(tally)
}

fn with_nextest(tools: &Tools) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = process::listen(&mut runner(tools, &["nextest", "run"]), Stream::Err, |line| {
        tally = Tally::from_nextest(line).unwrap_or(tally);
    })?;
    tally.note_end(status.success());
    Ok(tally)
}

fn with_libtest(tools: &Tools, command: &[&str]) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = process::listen(&mut runner(tools, command), Stream::Out, |line| {
        tally += Tally::from_libtest(line).unwrap_or_default();
    })?;
    tally.note_end(status.success());
    Ok(tally)
}

fn runner(tools: &Tools, arguments: &[&str]) -> Command {
    let mut command = process::cargo();
    command.args(arguments);
    command.args(["--workspace", "--locked", "--no-fail-fast"]);
    tools.export_to(&mut command);
    keep_colours(&mut command);
    command
}

/// A runner whose output goes through a pipe would drop its colours, although it ends at a terminal.
fn keep_colours(command: &mut Command) {
    if io::stderr().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
}
