//! The simulations of fold and probe over many seeds. `cargo xtask test` runs them with few, so they have no short cut.

use std::env;
use std::process::Command;

use super::{Order, Sums};

/// Runs a test of the workspace with as many seeds as there are cycles; what it prints passes through.
pub(super) fn run(order: &Order, test: &[&str], variable: &str) -> Sums {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet"]).args(test).args(["--", "--test-threads=1"]);
    let status = cargo.env(variable, order.cycles.to_string()).status().expect("start cargo");
    assert!(status.success(), "{cargo:?}: {status}");
    Sums { effect: format!("{} seeds", order.cycles), ..Sums::default() }
}
