//! `cargo xtask bench`: what Spark promises of its speed, measured, each figure beside its limit in the same run.
#![allow(clippy::print_stdout, reason = "a command's output")]

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::main()
}
