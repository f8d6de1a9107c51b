//! The files of a bundle: each is the one that was attested, and there is no other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use spark_core::merkle::Hash;
use spark_core::report::Report;

use super::{Bundle, Refused, Step, tampered};
use crate::bundle::sums::Sums;
use crate::bundle::{ATTESTATIONS, KEYS, REPORT_JSON, SUMS, misfits};
use crate::dsse::Envelope;
use crate::statement::Statement;
use crate::vkey::Vkey;

/// The bundle's own keys: nothing is proved by them, but signatures of others than the trusted ones are held against them.
pub(super) fn listed_keys(dir: &Path) -> Vec<Vkey> {
    let files = fs::read_dir(dir.join(KEYS)).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.filter_map(|text| text.trim_end().parse().ok()).collect()
}

pub(super) fn text(dir: &Path, name: &str) -> Result<String, String> {
    fs::read_to_string(dir.join(name)).map_err(|error| format!("{name}: {error}"))
}

pub(super) fn files<'a>(
    dir: &'a Path,
    signed: &[Statement],
    envelopes: Vec<Envelope>,
    listed: Vec<Vkey>,
) -> Result<Bundle<'a>, Refused> {
    let refuse = tampered(Step::Files);
    let sums_text = text(dir, SUMS).map_err(&refuse)?;
    let of_sums = spark_core::hex(&Sha256::digest(&sums_text));
    let subjects = &signed[0].subject;
    if !subjects.iter().any(|subject| subject.name == SUMS && subject.digest.sha256 == of_sums) {
        return Err(refuse(format!("{SUMS} is not the one that was attested")));
    }
    let sums: Sums = sums_text.parse().map_err(|error| refuse(format!("{SUMS}: {error}")))?;
    let mut there = BTreeSet::new();
    list(dir, "", &mut there).map_err(|error| refuse(error.to_string()))?;
    for (name, digest) in sums.iter() {
        if !there.remove(name) {
            return Err(refuse(format!("{name} is missing")));
        }
        let found = digest_of(&dir.join(name)).map_err(|error| refuse(format!("{name}: {error}")))?;
        if found != *digest {
            return Err(refuse(format!("{name} was changed")));
        }
    }
    let besides = there.into_iter().find(|name| name != SUMS && name != ATTESTATIONS);
    if let Some(besides) = besides {
        return Err(refuse(format!("{besides} does not belong there")));
    }
    let json = text(dir, REPORT_JSON).map_err(&refuse)?;
    let report = Report::from_json(json.as_bytes()).map_err(|error| refuse(format!("{REPORT_JSON}: {error}")))?;
    if report.to_json().ok().as_deref() != Some(json.as_bytes()) {
        return Err(refuse(format!("{REPORT_JSON} is not in canonical JSON")));
    }
    if let Some(misfit) = misfits(&sums, &(report.log.from.size.0..report.log.to.size.0)) {
        return Err(refuse(misfit));
    }
    Ok(Bundle { dir, sums, report, envelopes, listed })
}

/// Every file beneath `dir`, by its path; links and the like are no files.
fn list(dir: &Path, prefix: &str, found: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else if kind.is_file() {
            found.insert(name);
        } else {
            return Err(io::Error::other(format!("{name} is neither a file nor a directory")));
        }
    }
    Ok(())
}

fn digest_of(path: &Path) -> io::Result<Hash> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
