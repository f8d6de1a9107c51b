//! `cargo xtask bench`: the rows of DESIGN.md "Numbers", measured, each beside its limit in the same run.
#![allow(clippy::print_stdout, reason = "a command's output")]

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::main()
}
