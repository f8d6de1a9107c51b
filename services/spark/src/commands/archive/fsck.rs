//! `spark archive fsck`: every hash computed anew from the leaves, and held against the tiles, the checkpoint, and what is
//! remembered beside the keys of what was signed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use spark_eventlog::archive::fsck::{Examination, Examined, Trust, examine};
use spark_eventlog::archive::{publish_checkpoint, read_checkpoint};
use spark_evidence::{Keys, Signed, remembered};

use super::archives;
use crate::cli::ArchiveFsckArgs;
use crate::commands::progress::Progress;
use crate::exit;
use crate::output::say;

/// Runs `spark archive fsck`.
pub fn fsck(args: &ArchiveFsckArgs) -> anyhow::Result<ExitCode> {
    let keys = Keys::look(args.archive.data.join("keys")).context("read the public keys")?;
    let mut is_sound = true;
    for (name, dir) in archives(&args.archive.data, args.archive.log.as_deref())? {
        is_sound &= one(&name, &dir, &keys, args.repair).with_context(|| format!("examine {}", dir.display()))?;
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { exit::FAILED.into() })
}

/// Whether the log is sound, or is again.
fn one(name: &str, dir: &Path, keys: &Keys, repair: bool) -> anyhow::Result<bool> {
    let mut report = Report { is_sound: true, mendable: 0 };
    let memory = remembered(keys.dir(), name);
    let beside = read_checkpoint(dir)?;
    let published = beside.as_deref().map(str::parse::<Signed>);
    let mut how = Examination::default();
    let known = memory.as_ref().ok().into_iter().flatten().chain(published.iter().flatten());
    how.sizes = known.map(|signed| signed.checkpoint.size).collect();
    how.published = published.iter().flatten().map(|signed| signed.checkpoint.size).next();

    let mut examined = run(dir, &how)?;
    let is_signed = |examined: &Examined| {
        let mut all = memory.as_ref().ok().into_iter().flatten().chain(published.iter().flatten()).peekable();
        all.peek().is_some() && all.all(|signed| root_fits(signed, examined))
    };
    if examined.flaws.iter().any(|flaw| flaw.is_doubtful) && !is_signed(&examined) {
        // The signed root tells which of the two is right.
        let other = Examination { trust: Trust::Leaves, ..how.clone() };
        let again = run(dir, &other)?;
        if is_signed(&again) {
            (how, examined) = (other, again);
        }
    }
    say!("{name}: {} leaves, sequence numbers up to {}", examined.size, examined.next_seq.saturating_sub(1))?;
    // Nothing is written over what contradicts what was signed.
    let contradicts = [memory.as_ref().ok().and_then(Option::as_ref), published.iter().flatten().next()]
        .into_iter()
        .flatten()
        .any(|signed| examined.roots.contains_key(&signed.checkpoint.size) && !root_fits(signed, &examined));
    if repair && !contradicts {
        examined = run(dir, &Examination { repair: true, ..how })?;
    }
    for flaw in &examined.flaws {
        let leaf = flaw.leaf.map(|leaf| format!(", leaf {leaf}")).unwrap_or_default();
        let fate = match (flaw.is_mended, flaw.is_mendable && !contradicts) {
            (true, _) => "repaired",
            (false, true) => "can be repaired",
            (false, false) => "can't be repaired: restore the file from a copy",
        };
        report.add(fate, &format!("{}{leaf}: {}", flaw.path.display(), flaw.problem))?;
    }
    match &memory {
        Ok(Some(signed)) => report.signed("remembered", signed, &examined, keys)?,
        Ok(None) => say!("  remembered  nothing was signed")?,
        Err(error) => report.add("can't be repaired: restore the file from a copy", &error.to_string())?,
    }
    match (&beside, &published, &memory) {
        (_, Some(Ok(signed)), _) => report.signed("checkpoint", signed, &examined, keys)?,
        (None, _, Ok(None)) => say!("  checkpoint  none yet")?,
        (_, _, Ok(Some(signed))) => {
            let what = "checkpoint: it is missing or damaged, and follows from what is remembered";
            if repair && root_fits(signed, &examined) {
                publish_checkpoint(dir, &signed.note.to_string())?;
                report.add("repaired", what)?;
                say!("  note        run fsck again for the tiles of that checkpoint")?;
            } else {
                report.add("can be repaired", what)?;
            }
        }
        _ => report.add("the next signing replaces it", "checkpoint: it is damaged")?,
    }
    if examined.torn_bytes > 0 {
        say!(
            "  note        {} bytes at the end were never acknowledged; the next start cuts them off",
            examined.torn_bytes
        )?;
    }
    if examined.spare_files > 0 {
        let done = if repair { "deleted" } else { "do no harm" };
        say!("  note        {} partial tiles of older checkpoints {done}", examined.spare_files)?;
    }
    match (report.is_sound, report.mendable) {
        (true, _) => say!("  sound")?,
        (false, 0) => say!("  not sound")?,
        (false, count) => say!("  not sound; --repair mends {count} of this")?,
    }
    Ok(report.is_sound)
}

fn run(dir: &Path, how: &Examination) -> anyhow::Result<Examined> {
    // How many there are is known at the end.
    let mut progress = Progress::new(if how.repair { "repaired" } else { "examined" }, 0);
    Ok(examine(dir, how, || progress.count())?)
}

fn root_fits(signed: &Signed, examined: &Examined) -> bool {
    examined.roots.get(&signed.checkpoint.size) == Some(&signed.checkpoint.root)
}

struct Report {
    is_sound: bool,
    mendable: u64,
}

impl Report {
    fn add(&mut self, fate: &str, what: &str) -> anyhow::Result<()> {
        self.is_sound &= fate == "repaired";
        self.mendable += u64::from(fate == "can be repaired");
        Ok(say!("  {fate}: {what}")?)
    }

    fn signed(&mut self, what: &str, signed: &Signed, examined: &Examined, keys: &Keys) -> anyhow::Result<()> {
        let (size, root) = (signed.checkpoint.size, BASE64_STANDARD.encode(signed.checkpoint.root));
        if examined.size < size {
            return self.add(
                "not repaired",
                &format!("{what}: {size} leaves were signed, and there are only {}", examined.size),
            );
        }
        if !root_fits(signed, examined) {
            let now = examined.roots.get(&size).map(|root| BASE64_STANDARD.encode(root)).unwrap_or_default();
            return self.add(
                "not repaired",
                &format!("{what}: root {root} was signed at {size} leaves, and these give {now}"),
            );
        }
        match signed.note.verify(keys.public()) {
            Ok(by) => {
                let by: BTreeSet<&str> = by.iter().map(|vkey| vkey.name()).collect();
                let by = by.into_iter().collect::<Vec<_>>().join(", ");
                Ok(say!("  {what:<11} {size} leaves, root {root}, signed by {by}")?)
            }
            Err(error) => self.add("not repaired", &format!("{what}: {error}")),
        }
    }
}
