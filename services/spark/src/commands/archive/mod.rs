//! `spark archive`: the log on disk, examined and printed.

mod cat;
mod fsck;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use cat::cat;
pub use fsck::fsck;

use crate::exit::Unusable;

/// The archives below a data directory by the names of their logs, oldest first: that of `spark up`, or those that an
/// aggregator recorded. They may be damaged.
fn archives(data: &Path, log: Option<&str>) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = BTreeMap::new();
    let mut look = |dir: PathBuf| {
        if let Ok(origin) = fs::read_to_string(dir.join("origin")) {
            let name = origin.trim_end().to_owned();
            let created = name.rsplit_once('@').and_then(|(_, created)| created.parse::<u64>().ok());
            let stream = name.split('@').next().unwrap_or_default().to_owned();
            found.insert((stream, created), (name, dir));
        }
    };
    let base = data.join("archive");
    look(base.clone());
    if base.is_dir() {
        for entry in fs::read_dir(&base).with_context(|| format!("read {}", base.display()))? {
            look(entry?.path());
        }
    }
    let known: Vec<(String, PathBuf)> = found.into_values().collect();
    let names = known.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ");
    let wanted: Vec<_> = known.into_iter().filter(|(name, _)| log.is_none_or(|log| log == name)).collect();
    match (wanted.is_empty(), log) {
        (false, _) => Ok(wanted),
        (true, Some(log)) if !names.is_empty() => {
            Err(Unusable::Setting(format!("no archive of {log:?}; there are: {names}")).into())
        }
        (true, _) => Err(Unusable::Setting(format!("no archive in {}: say where with --data", base.display())).into()),
    }
}
