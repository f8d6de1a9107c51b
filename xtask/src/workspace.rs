//! Where things are: the workspace's root, its target directory, the spark binary.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Cargo's target directory, absolute.
pub fn target_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target)
}

/// The release build of the program, whether or not it has been built yet.
pub fn spark_bin() -> PathBuf {
    target_dir().join("release").join(format!("spark{}", env::consts::EXE_SUFFIX))
}
