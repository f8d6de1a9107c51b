//! Programs that come from the machine's packages: browser, Prometheus, network and container tools.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::debian;

/// A program that must be there.
pub struct Program {
    /// Names that it goes by; the first is Debian's.
    names: &'static [&'static str],
    /// The Debian package that has it.
    package: &'static str,
    /// The variable through which tests find it. One that is set already says where it is, and wins.
    variable: Option<&'static str>,
}

/// What `cargo xtask test` needs.
pub const FOR_TESTS: [Program; 9] = [
    Program {
        names: &["chromium", "chromium-browser", "google-chrome"],
        package: "chromium",
        variable: Some("SPARK_TEST_CHROMIUM"),
    },
    Program { names: &["chromedriver"], package: "chromium-driver", variable: Some("SPARK_TEST_CHROMEDRIVER") },
    Program { names: &["promtool"], package: "prometheus", variable: Some("SPARK_TEST_PROMTOOL") },
    Program { names: &["prometheus"], package: "prometheus", variable: Some("SPARK_TEST_PROMETHEUS") },
    Program {
        // The benchmark's peer.
        names: &["prometheus-blackbox-exporter", "blackbox_exporter"],
        package: "prometheus-blackbox-exporter",
        variable: Some("SPARK_TEST_BLACKBOX_EXPORTER"),
    },
    Program { names: &["ip"], package: "iproute2", variable: None },
    Program { names: &["iptables"], package: "iptables", variable: None },
    // Verifies what Spark signed.
    Program { names: &["openssl"], package: "openssl", variable: None },
    // Its library is what the tests use; the two come in one package.
    Program { names: &["faketime"], package: "faketime", variable: None },
];

/// What `cargo xtask compose-test` needs besides.
pub const FOR_COMPOSE: [Program; 4] = [
    Program {
        // The engine: a client alone starts nothing.
        names: &["dockerd"],
        package: "docker.io",
        variable: None,
    },
    Program { names: &["docker-compose"], package: "docker-compose", variable: None },
    Program { names: &["iptables"], package: "iptables", variable: None },
    Program { names: &["debootstrap"], package: "debootstrap", variable: None },
];

/// Finds the programs, installs the packages of those missing, and returns the variables to set.
pub fn get(programs: &'static [Program]) -> Result<Vec<(&'static str, PathBuf)>> {
    let missing: BTreeSet<&str> = programs
        .iter()
        .filter(|program| program.find().is_none() && program.said_path().is_none())
        .map(|program| program.package)
        .collect();
    if !missing.is_empty() && debian::can_install() {
        debian::install(&missing)?;
    }

    let mut exports = Vec::new();
    let mut hints = Vec::new();
    for program in programs {
        match (program.find(), program.variable) {
            (Some(path), Some(variable)) => exports.push((variable, path)),
            (Some(_), None) => {}
            (None, _) => hints.push(program.hint()),
        }
    }
    if !hints.is_empty() {
        bail!("tools are missing:\n  {}", hints.join("\n  "));
    }
    Ok(exports)
}

impl Program {
    fn find(&self) -> Option<PathBuf> {
        match self.said_path() {
            Some(path) => Some(path).filter(|path| path.is_file()),
            None => self.names.iter().find_map(|name| on_path(name, &search_path())),
        }
    }

    /// Where the program is, by its variable, when somebody set it.
    fn said_path(&self) -> Option<PathBuf> {
        self.variable.and_then(env::var_os).map(PathBuf::from)
    }

    /// What a person who misses it can do.
    fn hint(&self) -> String {
        let name = self.names[0];
        let from_debian = format!("{name}: as root, `apt-get install {}`", self.package);
        match (self.variable, self.said_path()) {
            (Some(variable), Some(path)) => format!("{name}: {variable} says {}, which is no file", path.display()),
            (Some(variable), None) => format!("{from_debian}; elsewhere, install it and set {variable} to its path"),
            (None, _) => from_debian,
        }
    }
}

/// PATH, and the folders for administrators, which some users' PATH leaves out.
fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::join_paths(env::split_paths(&path).chain(more)).unwrap_or(path)
}

fn on_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_package() {
        let hint = FOR_TESTS.iter().find(|program| program.names[0] == "ip").map(Program::hint).unwrap();
        assert_eq!(hint, "ip: as root, `apt-get install iproute2`");
    }

    #[test]
    fn a_program_is_searched_in_the_order_of_the_path() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let path = env::join_paths([here.join("nowhere"), here.join("src"), here.clone()]).unwrap();
        assert_eq!(on_path("Cargo.toml", &path), Some(here.join("Cargo.toml")));
        assert_eq!(on_path("no-such-program", &path), None);
    }
}
