//! Notices a changed configuration file, by looking at it every second and on SIGHUP.

use std::path::PathBuf;
use std::time::Duration;

use spark_core::config::Config;
use spark_schemas::TimeNs;
use spark_schemas::event::ConfigRejected;
use tokio_util::sync::CancellationToken;

use crate::configuration::{self, Overrides};
use crate::exit::Unusable;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A configuration file that is kept in view.
pub struct Watched {
    file: PathBuf,
    overrides: Overrides,
    seen: Option<Vec<u8>>,
    hangups: Hangups,
}

impl Watched {
    /// Keeps `file` in view, which was just read. From now on SIGHUP asks for a look instead of ending the program.
    pub fn new(file: PathBuf, overrides: Overrides) -> Self {
        let seen = std::fs::read(&file).ok();
        Self { file, overrides, seen, hangups: Hangups::listen() }
    }

    /// Waits for the next change, and gives what the file says then; `None` at shutdown.
    pub async fn next_change(&mut self, shutdown: &CancellationToken) -> Option<Result<Config, Unusable>> {
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return None,
                () = self.hangups.next() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            // An editor may have moved the file away for a moment; a reload that was asked for says so.
            let now = tokio::fs::read(&self.file).await.ok();
            if (now.is_none() || now == self.seen) && !asked {
                continue;
            }
            self.seen = now;
            return Some(configuration::load(Some(&self.file), &self.overrides));
        }
    }

    /// The event that says a configuration was refused.
    pub fn rejected_event(&self, at: TimeNs, error: &Unusable) -> ConfigRejected {
        let error = spark_aggregator::follow::describe(error);
        ConfigRejected { at_ns: at, source: self.file.display().to_string(), error }
    }
}

/// SIGHUP, where there is one; none is missed between two looks.
#[cfg(unix)]
struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(hangups) => drop(hangups.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
