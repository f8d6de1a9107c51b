//! `spark keys`: the keys that sign the log, made, shown and retired.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};
use spark_evidence::keys::KeysError;
use spark_evidence::{Keys, Vkey};

use crate::cli::{KeysArgs, KeysCommand, KeysRetireArgs, KeysShowArgs, OutputFormat};
use crate::exit::Unusable;
use crate::output::say;

/// Runs `spark keys …`.
pub fn keys(command: &KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::New(args) => new(args)?,
        KeysCommand::Show(args) => show(args)?,
        KeysCommand::Retire(args) => retire(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(args: &KeysArgs) -> anyhow::Result<Keys> {
    Keys::load(args.data.join("keys"), &[]).context("read the keys")
}

fn new(args: &KeysArgs) -> anyhow::Result<()> {
    let mut keys = load(args)?;
    let signer = keys.make().context("make a key")?;
    let (name, vkey) = (signer.name().to_owned(), signer.vkey().clone());
    say!("{}: made", keys.dir().join(format!("{name}.pem")).display())?;
    say!("{vkey}")?;
    match keys.active().count() {
        1 => say!("It signs from the next checkpoint on.")?,
        count => say!(
            "{count} keys sign from the next checkpoint on. Tell verifiers of this one, then `spark keys retire` the other."
        )?,
    }
    Ok(())
}

fn retire(args: &KeysRetireArgs) -> anyhow::Result<()> {
    let mut keys = load(&args.keys)?;
    match keys.retire(&args.name) {
        Ok(vkey) => {
            say!("{}: signs no more; its private part is deleted, its public part stays", args.name)?;
            say!("{vkey}")?;
            Ok(())
        }
        Err(error @ (KeysError::Unknown { .. } | KeysError::Last { .. })) => {
            Err(Unusable::Setting(error.to_string()).into())
        }
        Err(error) => Err(error).context("retire a key"),
    }
}

fn show(args: &KeysShowArgs) -> anyhow::Result<()> {
    let keys = load(&args.keys)?;
    let retired = keys.retired();
    let status = |vkey: &Vkey| if retired.contains(vkey) { "retired" } else { "signs" };
    if args.format == OutputFormat::Json {
        let one = |vkey: &Vkey| {
            json!({
                "name": vkey.name(), "status": status(vkey), "vkey": vkey.to_string(), "keyid": vkey.keyid(),
                "pem": vkey.to_pem(),
            })
        };
        let all: Vec<Value> = keys.public().map(one).collect();
        say!("{}", serde_json::to_string_pretty(&json!({ "keys": all }))?)?;
        return Ok(());
    }
    for vkey in keys.public() {
        say!("{} ({})", vkey.name(), status(vkey))?;
        say!("  vkey   {vkey}")?;
        say!("  keyid  {}", vkey.keyid())?;
        say!("{}", vkey.to_pem())?;
    }
    if keys.public().next().is_none() {
        say!("No keys in {}: the first start makes one, and so does `spark keys new`.", keys.dir().display())?;
    }
    Ok(())
}
