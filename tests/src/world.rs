//! A world for one test: a private directory, an executor to watch, free ports.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::site::Site;

/// Below the range from which operating systems take ports for outgoing connections: one that a server gives up for a
/// moment is still there when it comes back.
const PORTS: std::ops::Range<u64> = 12_000..32_000;

/// What one test has to itself.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    /// Stands for the trading executor.
    pub executor: Site,
}

impl World {
    /// A new one, gone when it is dropped.
    ///
    /// # Panics
    /// When no directory can be made.
    #[expect(clippy::new_without_default, reason = "it starts a server and makes a directory")]
    pub fn new() -> Self {
        Self::with(Site::open())
    }

    /// The same with an executor that was opened already.
    ///
    /// # Panics
    /// When no directory can be made.
    pub fn with(executor: Site) -> Self {
        let dir = tempfile::Builder::new().prefix("spark-test-").tempdir().expect("a temporary directory");
        let world = Self { dir, executor };
        fs::create_dir(world.logs()).expect("a directory for logs");
        world
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where processes log to.
    pub fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// Writes a file and gives its path.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_at_once(&path, text);
        path
    }
}

/// Replaces a file in one step, as a careful editor does.
fn write_at_once(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    fs::write(&aside, text).and_then(|()| fs::rename(&aside, path)).expect("write a file of the test");
}

/// A port that nobody uses, and that nobody is given by chance.
///
/// # Panics
/// When a hundred ports in a row are in use.
pub fn free_port() -> u16 {
    let start = RandomState::new().hash_one(std::process::id());
    let span = PORTS.end - PORTS.start;
    let mut candidates = (0..100).map(|n| (PORTS.start + (start.wrapping_add(n * 7)) % span) as u16);
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// A `[[target]]` of a configuration.
pub fn target_toml(name: &str, url: &str, interval: &str) -> String {
    format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\ninterval = \"{interval}\"\n\n")
}
