//! Notices a changed configuration file, or one of those that it names, by looking at it every second and on SIGHUP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spark_core::config::Config;
use spark_schemas::TimeNs;
use spark_schemas::event::ConfigRejected;
use tokio_util::sync::CancellationToken;

use crate::configuration::{self, Overrides};
use crate::documents;
use crate::exit::Unusable;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Files and what was in them when they were last looked at; nothing for one that could not be read.
type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A configuration file that is kept in view, with the files that it names.
pub struct Watched {
    file: PathBuf,
    overrides: Overrides,
    seen: Contents,
    hangups: Hangups,
}

impl Watched {
    /// Keeps `file` in view, which was just read. From now on SIGHUP asks for a look instead of ending the program.
    pub fn new(file: PathBuf, overrides: Overrides) -> Self {
        let seen = contents(&file, named_in(&file).unwrap_or_default());
        Self { file, overrides, seen, hangups: Hangups::listen() }
    }

    /// Waits for the next change, and gives what the files say then; `None` at shutdown.
    pub async fn next_change(&mut self, shutdown: &CancellationToken) -> Option<Result<Config, Unusable>> {
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return None,
                () = self.hangups.next() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if self.has_changed(asked).await {
                return Some(configuration::load(Some(&self.file), &self.overrides));
            }
        }
    }

    /// Looks once at each file. An editor may have moved one away for a moment; a reload that was asked for says so.
    async fn has_changed(&mut self, asked: bool) -> bool {
        let Some(now) = self.look(self.named()).await else { return false };
        let is_new =
            |(file, bytes): (&PathBuf, &Option<Vec<u8>>)| bytes.is_some() && self.seen.get(file) != Some(bytes);
        if !asked && !now.iter().any(is_new) {
            return false;
        }
        // The configuration may name others now. Whatever differs from this look later is a change of its own.
        let named = named_in(&self.file).unwrap_or_else(|| self.named());
        self.seen = self.look(named).await.unwrap_or(now);
        true
    }

    fn named(&self) -> Vec<PathBuf> {
        self.seen.keys().filter(|file| **file != self.file).cloned().collect()
    }

    /// Away from the runtime's threads: there may be many files.
    async fn look(&self, named: Vec<PathBuf>) -> Option<Contents> {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || contents(&file, named)).await.ok()
    }

    /// The event that says a configuration was refused.
    pub fn rejected_event(&self, at: TimeNs, error: &Unusable) -> ConfigRejected {
        let error = spark_aggregator::follow::describe(error);
        ConfigRejected { at_ns: at, source: self.file.display().to_string(), error }
    }
}

fn contents(file: &Path, named: Vec<PathBuf>) -> Contents {
    let named = named.into_iter().map(|named| {
        let bytes = documents::bytes_of(&named).ok();
        (named, bytes)
    });
    named.chain([(file.to_owned(), std::fs::read(file).ok())]).collect()
}

/// The files that a configuration names; `None` as long as it can't be used.
fn named_in(file: &Path) -> Option<Vec<PathBuf>> {
    configuration::read(file).ok().map(|config| documents::files(&config, file))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_files_that_a_configuration_names_are_kept_in_view_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("spark.toml");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let service = |name: &str| format!("apiVersion: openslo/v1\nkind: Service\nmetadata: {{ name: {name} }}\n");
        write("spark.toml", "openslo = [\"a.yaml\"]\n");
        write("a.yaml", &service("a"));
        let mut watched = Watched::new(file, Overrides::none().unwrap());
        assert!(!watched.has_changed(false).await);
        assert!(watched.has_changed(true).await, "who asks is answered");

        write("a.yaml", "kind: nothing\n");
        assert!(watched.has_changed(false).await);
        let error = configuration::load(Some(&watched.file), &watched.overrides).unwrap_err();
        let event = watched.rejected_event(TimeNs(1), &error);
        let reason = "a.yaml: line 1, column 1: apiVersion is missing in a document";
        assert!(event.error.contains(reason), "{}", event.error);

        write("spark.toml", "openslo = [\"a.yaml\", \"b.yaml\"]\n");
        assert!(watched.has_changed(false).await);
        write("b.yaml", &service("b"));
        assert!(watched.has_changed(false).await, "a file that was missing came");
        std::fs::remove_file(directory.path().join("b.yaml")).unwrap();
        assert!(!watched.has_changed(false).await, "it may be back in a moment");
        write("b.yaml", &service("b"));
        assert!(!watched.has_changed(false).await, "it is back as it was");

        write("spark.toml", "openslo = \n");
        assert!(watched.has_changed(false).await);
        write("b.yaml", &service("c"));
        assert!(watched.has_changed(false).await, "a broken configuration names what it named before");
    }
}
