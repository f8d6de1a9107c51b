//! Child processes: how they are started, and what is said when one fails.
//!
//! Every process starts in the workspace's root, and its own output passes through to the reader.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program, to be run in the workspace's root.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(workspace::root());
    command
}

/// The cargo that runs this very command.
///
/// `cargo run` describes the xtask package in the environment. Some build scripts ask to be run anew when those
/// variables change, so they are taken out: a build from here and one by hand are then the same to cargo.
pub fn cargo() -> Command {
    without_package(program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// The cargo of another toolchain, by way of rustup.
pub fn cargo_of(toolchain: &str) -> Command {
    let mut command = without_package(program("rustup"));
    command.args(["run", toolchain, "cargo"]);
    // They name this toolchain's.
    for name in ["CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(name);
    }
    command
}

fn without_package(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Whether `cargo NAME` is installed.
pub fn has_cargo_command(name: &str) -> bool {
    succeeds(cargo().args([name, "--version"]))
}

/// Whether a command can be started and ends well. Its output is not shown.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command to its end; an error names it as typed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start `{}`", as_typed(command)))?;
    ended_well(command, status)
}

/// Runs a command whose output is for the reader, but is not this command's own: it goes to standard error.
pub fn run_aside(command: &mut Command) -> Result<()> {
    run(command.stdout(io::stderr()))
}

/// Runs a command and returns what it wrote to standard output.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("start `{}`", as_typed(command)))?;
    ended_well(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("read the output of `{}`", as_typed(command)))
}

/// Which of a child's streams to listen to.
#[derive(Clone, Copy)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Runs a command, and hands over each line of one of its streams while passing it on.
///
/// The other stream is the reader's own. That the command fails is not an error here: the caller has the status.
pub fn listen(command: &mut Command, stream: Stream, on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    match stream {
        Stream::Out => read_lines(command, stream, io::stdout(), on_line),
        Stream::Err => read_lines(command, stream, io::stderr(), on_line),
    }
}

/// As [`listen`], but passes nothing on: what is shown is the caller's choice.
pub fn watch(command: &mut Command, stream: Stream, on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    read_lines(command, stream, io::sink(), on_line)
}

fn read_lines(command: &mut Command, stream: Stream, to: impl Write, on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    match stream {
        Stream::Out => command.stdout(Stdio::piped()),
        Stream::Err => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().with_context(|| format!("start `{}`", as_typed(command)))?;
    let passed_on = match stream {
        Stream::Out => pass_on(child.stdout.take(), to, on_line),
        Stream::Err => pass_on(child.stderr.take(), to, on_line),
    };
    let status = child.wait();
    passed_on.with_context(|| format!("read the output of `{}`", as_typed(command)))?;
    status.with_context(|| format!("wait for `{}`", as_typed(command)))
}

fn pass_on(from: Option<impl Read>, mut to: impl Write, mut on_line: impl FnMut(&str)) -> io::Result<()> {
    let mut from = BufReader::new(from.expect("the stream was piped"));
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    to.flush()
}

fn ended_well(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", as_typed(command));
    }
    Ok(())
}

/// The command as a person would type it: without the folders of the program and without its environment.
fn as_typed(command: &Command) -> String {
    let program = command.get_program();
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let mut line = name.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(&name).to_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_as_typed() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["fmt", "--all"]).env("SPARK_BIN", "spark");
        assert_eq!(as_typed(&command), "cargo fmt --all");
    }

    #[test]
    fn lines_are_passed_on_unchanged_and_heard_without_their_end() {
        let mut passed = Vec::new();
        let mut heard = Vec::new();
        let from = &b"one\r\ntwo\xff\n\nlast"[..];
        pass_on(Some(from), &mut passed, |line| heard.push(line.to_owned())).unwrap();
        assert_eq!(passed, from);
        assert_eq!(heard, ["one", "two\u{fffd}", "", "last"]);
    }

    #[test]
    fn only_variables_about_the_package_are_taken_out() {
        assert!(describes_a_package("CARGO_PKG_NAME"));
        assert!(describes_a_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_a_package("CARGO_HOME"));
        assert!(!describes_a_package("CARGO_TARGET_DIR"));
    }
}
