//! Installing Debian packages, where we may.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::process;

/// Installing needs apt-get and root; we never ask for a password.
pub fn can_install() -> bool {
    process::succeeds(process::program("apt-get").arg("--version")) && is_root()
}

/// Installs packages from the machine's own sources.
pub fn install(packages: &BTreeSet<&str>) -> Result<()> {
    apt_get(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    apt_get(&install)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    process::run_aside(
        process::program("apt-get")
            .args(["--quiet", "--option", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .context("install Debian packages")
}

fn is_root() -> bool {
    process::read(process::program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
