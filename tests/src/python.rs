//! The scripts in `tests/python`: an account of the log by software that is not Spark's.

use std::ffi::{OsStr, OsString};
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
    Account::default().until(until).of_archive(dir)
}

/// The sums of the log in NATS, read from its stream. With `until`, up to that sequence number.
///
/// # Panics
/// When the stream can't be read.
pub fn account_of_stream(url: &str, until: Option<u64>) -> Value {
    Account::default().until(until).of_stream(url)
}

/// An account of a log, and what it is to say.
#[derive(Debug, Default)]
pub(crate) struct Account {
    options: Vec<OsString>,
}

impl Account {
    /// Up to this sequence number.
    pub(crate) fn until(self, until: Option<u64>) -> Self {
        match until {
            Some(until) => self.with("--until", until.to_string()),
            None => self,
        }
    }

    /// After an archive of an earlier incarnation of the stream.
    pub(crate) fn before(self, dir: &Path) -> Self {
        self.with("--before", dir)
    }

    /// Also the sums at these positions.
    pub(crate) fn at(self, positions: &[u64]) -> Self {
        let positions: Vec<String> = positions.iter().map(u64::to_string).collect();
        if positions.is_empty() { self } else { self.with("--at", positions.join(",")) }
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.options.extend([name.into(), value.into()]);
        self
    }

    /// The sums of an archive.
    pub(crate) fn of_archive(self, dir: &Path) -> Value {
        self.of("archive", dir.as_os_str())
    }

    /// The sums of the stream.
    pub(crate) fn of_stream(self, url: &str) -> Value {
        self.of("stream", url.as_ref())
    }

    fn of(self, source: &str, place: &OsStr) -> Value {
        let mut command = script("account.py");
        command.arg(source).arg(place).args(self.options);
        let done = run(command);
        assert_eq!(done.code, 0, "{}", done.stderr);
        serde_json::from_str(&done.stdout).expect("the account is JSON")
    }
}
