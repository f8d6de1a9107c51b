//! The Python of the tests: a virtual environment with fixed versions, which also brings the NATS server.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::debian;
use crate::process;

/// From the workspace's root.
const REQUIREMENTS_FILE: &str = "xtask/python-requirements.txt";
const REQUIREMENTS: &str = include_str!("../../python-requirements.txt");

/// Debian keeps the module `venv` in a package of its own.
const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// A virtual environment with everything in it.
pub struct Venv {
    /// Its interpreter.
    pub python: PathBuf,
    /// The NATS server among its programs.
    pub nats_server: PathBuf,
}

/// Returns the environment in `folder`, made anew when it is missing, damaged or made from other requirements.
pub fn get(folder: &Path) -> Result<Venv> {
    let home = folder.join("venv");
    let venv = Venv::at(&home);
    // Written last, so that it stands for a finished environment.
    let stamp = home.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == REQUIREMENTS) && venv.works() {
        return Ok(venv);
    }
    make(&home, &venv.python)?;
    fs::write(&stamp, REQUIREMENTS).with_context(|| format!("write {}", stamp.display()))?;
    ensure!(venv.works(), "{} is broken although pip was content", home.display());
    Ok(venv)
}

impl Venv {
    fn at(home: &Path) -> Self {
        let programs = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
        let program = |name: &str| programs.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        Self { python: program("python"), nats_server: program("nats-server") }
    }

    /// An environment breaks when the Python that it was made with is replaced.
    fn works(&self) -> bool {
        [&self.python, &self.nats_server].iter().all(|path| process::succeeds(process::program(path).arg("--version")))
    }
}

fn make(home: &Path, python: &Path) -> Result<()> {
    let host_python = host_python()?;
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("remove {}", home.display()))?;
    }
    process::run_aside(process::program(host_python).args(["-m", "venv"]).arg(home))?;

    process::run_aside(
        process::program(python)
            .args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"])
            .args(["--requirement", REQUIREMENTS_FILE]),
    )
    .context("install the Python packages of the tests")
}

/// The machine's Python, with the module that makes environments.
fn host_python() -> Result<&'static str> {
    let name = if cfg!(windows) { "python" } else { "python3" };
    let can_make = || process::succeeds(process::program(name).args(["-c", "import ensurepip, venv"]));
    if !can_make() && debian::can_install() {
        debian::install(&BTreeSet::from(PACKAGES))?;
    }
    ensure!(can_make(), "{name} with its module venv is missing: as root, `apt-get install {}`", PACKAGES.join(" "));
    Ok(name)
}
