//! Where the programs are that tests start. `cargo xtask test` says it in variables; without them the usual places.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const HINT: &str = "run `cargo xtask test`, or `cargo build -p spark` and `eval \"$(cargo xtask tools)\"`";

/// The workspace's root.
///
/// # Panics
/// Never: this crate is a folder of the workspace.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace")
}

/// Cargo's target directory.
pub(crate) fn target_dir() -> PathBuf {
    repository().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The program under test, without whatever the environment says of another Spark.
///
/// # Panics
/// When it has not been built.
pub fn spark() -> Command {
    let built = ["release/spark", "debug/spark"].map(|path| target_dir().join(path));
    clean(find("SPARK_BIN", &built))
}

/// The NATS server.
pub(crate) fn nats_server() -> Command {
    Command::new(find("SPARK_TEST_NATS_SERVER", &[target_dir().join("tools/venv/bin/nats-server")]))
}

/// The Python of the tests, with its packages.
///
/// # Panics
/// When it is not there.
pub fn python() -> Command {
    clean(find("SPARK_TEST_PYTHON", &[target_dir().join("tools/venv/bin/python")]))
}

/// A real browser's program.
pub(crate) fn chromium() -> PathBuf {
    find("SPARK_TEST_CHROMIUM", &["/usr/bin/chromium".into(), "/usr/bin/chromium-browser".into()])
}

/// What drives it.
pub(crate) fn chromedriver() -> Command {
    Command::new(find("SPARK_TEST_CHROMEDRIVER", &["/usr/bin/chromedriver".into()]))
}

/// A real Prometheus.
///
/// # Panics
/// When it is not installed.
pub fn prometheus() -> Command {
    Command::new(find("SPARK_TEST_PROMETHEUS", &["/usr/bin/prometheus".into()]))
}

/// Prometheus's prober, which Spark's checks are measured beside.
///
/// # Panics
/// When it is not installed.
pub fn blackbox_exporter() -> Command {
    Command::new(find("SPARK_TEST_BLACKBOX_EXPORTER", &["/usr/bin/prometheus-blackbox-exporter".into()]))
}

/// Prometheus's own checker.
///
/// # Panics
/// When it is not installed.
pub fn promtool() -> Command {
    Command::new(find("SPARK_TEST_PROMTOOL", &["/usr/bin/promtool".into()]))
}

/// The library that gives a process another wall clock (libfaketime).
///
/// # Panics
/// When it is not installed.
pub(crate) fn faketime() -> PathBuf {
    const LIBRARY: &str = "faketime/libfaketime.so.1";
    let machine = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let usual = [machine.as_str(), "/usr/lib64", "/usr/lib"].map(|dir| Path::new(dir).join(LIBRARY));
    find("SPARK_TEST_FAKETIME", &usual)
}

fn find(variable: &str, usual: &[PathBuf]) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return path.into();
    }
    let found = usual.iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{variable} is not set and {usual:?} is not there: {HINT}")).clone()
}

fn clean(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SPARK_") {
            command.env_remove(name);
        }
    }
    command
}
