//! How the program ends: one place for exit codes and for what a failed command says.

use std::process::ExitCode;

use anyhow::Error;
use spark_core::config::ConfigError;
use spark_core::openslo::DocumentError;

use crate::output::complain;

/// The command did what it was asked, and what it found is bad: a failed gate, a failed smoke test.
pub const FAILED: u8 = 1;
/// There is nothing to judge by: no data, unreachable, or still replaying.
pub const NO_DATA: u8 = 2;
/// The command line or the configuration can't be used (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;

/// A configuration that can't be used: exit code 64.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file can't be read.
    #[error("can't read the configuration {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file breaks a rule.
    #[error("{path}: {error}")]
    Invalid {
        /// The file.
        path: String,
        /// Where and why.
        error: ConfigError,
    },
    /// OpenSLO documents that can't be used.
    #[error("{}", first_of(.0))]
    Documents(Vec<DocumentError>),
    /// A flag or an environment variable can't be used.
    #[error("{0}")]
    Setting(String),
}

fn first_of(errors: &[DocumentError]) -> String {
    match errors {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} (and {} more; `spark check` lists them)", more.len()),
    }
}

/// Help and version are answers; anything else that clap says is a usage error.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _closed_pipe = error.print();
    if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS }
}

/// Says on standard error what went wrong, with everything behind it, and picks the exit code.
pub fn report(outcome: Result<ExitCode, Error>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            complain!("spark: {}", spark_aggregator::follow::describe(error.as_ref()));
            if error.downcast_ref::<Unusable>().is_some() { USAGE.into() } else { FAILED.into() }
        }
    }
}
