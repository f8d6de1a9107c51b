//! The scripts in `tests/python`: an account of the log by software that is not Spark's.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::run;
use crate::tools::{python, repository};

/// A script of `tests/python`, to be run by the Python of the tests.
pub fn script(name: &str) -> Command {
    let mut command = python();
    // Neither the checkout nor a test's directory gets compiled files.
    command.arg("-B").arg(repository().join("tests/python").join(name));
    command
}

/// The sums of an archive, read from its files. With `until`, up to that sequence number.
///
/// # Panics
/// When the archive can't be read.
pub fn account_of_archive(dir: &Path, until: Option<u64>) -> Value {
    let mut command = script("account.py");
    command.arg("archive").arg(dir);
    account(command, until)
}

/// The sums of the log in NATS, read from its stream. With `until`, up to that sequence number.
///
/// # Panics
/// When the stream can't be read.
pub fn account_of_stream(url: &str, until: Option<u64>) -> Value {
    let mut command = script("account.py");
    command.args(["stream", url]);
    account(command, until)
}

fn account(mut command: Command, until: Option<u64>) -> Value {
    if let Some(until) = until {
        command.args(["--until", &until.to_string()]);
    }
    let done = run(command);
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).expect("the account is JSON")
}
