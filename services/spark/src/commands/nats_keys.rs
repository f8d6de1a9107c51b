//! `spark nats keys`: a key for each program, and the accounts file that lets a NATS server know them.
//!
//! A seed is a secret and belongs to one program; it may be moved to where that runs. The public key stays here: the
//! accounts file is made from all of them each time.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use nkeys::{KeyPair, KeyPairType};

use super::nats_accounts::{User, accounts};
use crate::cli::NatsKeysArgs;
use crate::output::say;

const ACCOUNTS_FILE: &str = "accounts.conf";

/// Runs `spark nats keys`.
pub fn nats_keys(args: &NatsKeysArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let wanted = [User::Admin, User::Auditor, User::Aggregator, User::Web]
        .into_iter()
        .chain(args.agents.iter().cloned().map(User::Probe));
    let mut users = known(dir)?;
    for user in wanted {
        if users.insert(user.clone()) {
            make_key(dir, &user)?;
            say!("{}: made", dir.join(format!("{}.nk", user.stem())).display())?;
        }
    }
    let keys: Vec<(User, String)> =
        users.into_iter().map(|user| public_key(dir, &user).map(|key| (user, key))).collect::<Result<_, _>>()?;
    let path = dir.join(ACCOUNTS_FILE);
    write_at_once(&path, &accounts(&keys)).with_context(|| format!("write {}", path.display()))?;
    say!("{}: {} users", path.display(), keys.len())?;
    say!(
        "A server that runs takes it over with `nats-server --signal reload`, said twice when an agent is new; each program \
         takes its --nkey FILE."
    )?;
    if !keys.iter().any(|(user, _)| matches!(user, User::Probe(_))) {
        say!("No probe has a key yet: give each with --agent NAME.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever has a public key in `dir`.
fn known(dir: &Path) -> anyhow::Result<BTreeSet<User>> {
    let mut users = BTreeSet::new();
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry.with_context(|| format!("read {}", dir.display()))?.path();
        if path.extension().is_some_and(|end| end == "pub") {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(User::from_stem);
            users.insert(stem.with_context(|| format!("{}: the name says of no program of Spark", path.display()))?);
        }
    }
    Ok(users)
}

fn make_key(dir: &Path, user: &User) -> anyhow::Result<()> {
    let seed_path = dir.join(format!("{}.nk", user.stem()));
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("get randomness from the operating system")?;
    let key = KeyPair::new_from_raw(KeyPairType::User, random).context("make a key")?;
    let seed = key.seed().context("make a key")?;
    // One that is there without its public key is somebody's: it is never written over.
    let mut file = secret_file().open(&seed_path).with_context(|| format!("make {}", seed_path.display()))?;
    file.write_all(format!("{seed}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("write {}", seed_path.display()))?;
    let public_path = dir.join(format!("{}.pub", user.stem()));
    write_at_once(&public_path, &format!("{}\n", key.public_key()))
        .with_context(|| format!("write {}", public_path.display()))
}

fn public_key(dir: &Path, user: &User) -> anyhow::Result<String> {
    let path = dir.join(format!("{}.pub", user.stem()));
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let key = text.trim();
    match nkeys::from_public_key(key) {
        Ok(_) if key.starts_with('U') => Ok(key.to_owned()),
        _ => bail!("{}: not a user's public nkey (U…)", path.display()),
    }
}

/// A new file that only its owner can read, where the system knows of owners.
fn secret_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Replaces a file in one step: a server may be reading it.
fn write_at_once(path: &Path, text: &str) -> std::io::Result<()> {
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::rename(aside, path)
}
