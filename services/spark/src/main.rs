//! `spark`: is it safe to deploy, and can you prove it?
//!
//! The one binary. Only this crate wires parts together, reads the environment and installs the global metrics recorder
//! and log subscriber.

mod canary;
mod cli;
mod commands;
mod configuration;
mod demo;
mod documents;
mod edge;
mod exit;
mod output;
mod reload;
mod services;
mod stand_in;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{ArchiveCommand, Cli, Command, EvidenceCommand, NatsCommand, VerifyCommand};

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
        Some(Command::Canary(args)) => commands::canary(&args),
        Some(Command::Verify(VerifyCommand::Canary(args))) => commands::verify_canary(&args),
        Some(Command::Verify(VerifyCommand::Gate(args))) => commands::verify_gate(&args),
        Some(Command::Archive(ArchiveCommand::Fsck(args))) => commands::fsck(&args),
        Some(Command::Archive(ArchiveCommand::Cat(args))) => commands::cat(&args),
        Some(Command::Evidence(EvidenceCommand::Export(args))) => commands::export(&args),
        Some(Command::Evidence(EvidenceCommand::Verify(args))) => commands::verify_bundle(&args),
        Some(Command::Keys(command)) => commands::keys(&command),
        Some(Command::Completions(args)) => commands::completions(&args),
        Some(Command::Man(args)) => commands::man(&args),
        Some(Command::Maintenance(command)) => commands::maintenance(&command),
        Some(Command::Deploy(command)) => commands::deploy(&command),
        Some(Command::Report(args)) => commands::report(&args),
        Some(Command::Smoke(args)) => commands::smoke(&args),
        Some(Command::Check(args)) => commands::check(&args),
        Some(Command::StandIn(args)) => stand_in::run(&args),
    };
    exit::report(outcome)
}
