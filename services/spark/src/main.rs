//! `spark`: is it safe to deploy, and can you prove it?
//!
//! The one binary. Only this crate wires parts together, reads the environment and installs the global metrics recorder
//! and log subscriber.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output")]

mod cli;
mod commands;
mod configuration;
mod demo;
mod edge;
mod exit;
mod reload;
mod services;
mod stand_in;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, NatsCommand, VerifyCommand};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let outcome = match cli.command {
        None => services::up(cli.up),
        Some(Command::Up(args)) => services::up(args),
        Some(Command::Probe(args)) => services::probe(args),
        Some(Command::Aggregator(args)) => services::aggregator(args),
        Some(Command::Web(args)) => services::web(args),
        Some(Command::Nats(NatsCommand::Init(args))) => services::nats_init(args),
        Some(Command::Nats(NatsCommand::Keys(args))) => commands::nats_keys(&args),
        Some(Command::Gate(args)) => commands::gate(&args),
        Some(Command::Verify(VerifyCommand::Gate(args))) => commands::verify_gate(&args),
        Some(Command::Completions(args)) => commands::completions(&args),
        Some(Command::Man(args)) => commands::man(&args),
        Some(Command::Smoke(args)) => commands::smoke(&args),
        Some(Command::Check(args)) => commands::check(&args),
        Some(Command::StandIn(args)) => stand_in::run(&args),
    };
    exit::report(outcome)
}
