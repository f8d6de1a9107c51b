//! The tools that tests need: found, or else installed, or else named in an error. Never skipped.
//!
//! Tests don't search for anything: each tool's path is in an environment variable, set here.

mod debian;
mod programs;
mod python;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::workspace;

/// The environment that tests run in.
pub struct Tools {
    exports: Vec<(&'static str, PathBuf)>,
}

impl Tools {
    /// Gets what is missing. One process at a time does so; another waits.
    pub fn get(progress: &Progress) -> Result<Self> {
        progress.step("tools for the tests");
        let folder = folder()?;
        let _lock = lock(&folder)?;
        let venv = python::get(&folder)?;
        let mut exports = vec![
            ("SPARK_BIN", workspace::spark_bin()),
            ("SPARK_TEST_NATS_SERVER", venv.nats_server),
            ("SPARK_TEST_PYTHON", venv.python),
        ];
        exports.extend(programs::get(&programs::FOR_TESTS)?);
        Ok(Self { exports })
    }

    /// Sets the variables for a process to be started.
    pub fn export_to(&self, command: &mut Command) {
        command.envs(self.exports.iter().map(|(name, path)| (name, path)));
    }

    /// The variables as lines that a shell can evaluate.
    pub fn shell_exports(&self) -> String {
        let mut lines = String::new();
        for (name, path) in &self.exports {
            let quoted = path.to_string_lossy().replace('\'', r"'\''");
            writeln!(lines, "export {name}='{quoted}'").expect("a String takes every write");
        }
        lines
    }
}

/// Gets what only the compose test needs: a container engine and the means to make an image without a registry.
pub fn get_for_compose(progress: &Progress) -> Result<()> {
    progress.step("tools for the compose test");
    let _lock = lock(&folder()?)?;
    programs::get(&programs::FOR_COMPOSE)?;
    Ok(())
}

fn folder() -> Result<PathBuf> {
    let folder = workspace::target_dir().join("tools");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Held until the file is dropped, also by a process that is killed.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.lock().with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_can_evaluate_the_exports() {
        let tools = Tools { exports: vec![("SPARK_BIN", PathBuf::from("/it's here/spark"))] };
        assert_eq!(tools.shell_exports(), "export SPARK_BIN='/it'\\''s here/spark'\n");
    }
}
