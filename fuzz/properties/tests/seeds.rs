//! Every seed that is kept holds its property. What the fuzzer once found is among them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic in a test is its report, and says which seed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use spark_properties::TARGETS;

/// A folder of small files, so that a clone stays small and this test quick.
const SEEDS_BYTES_MAX: u64 = 50_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn check(name: &str) {
    let (_, property) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let seeds = files(fuzz().join("seeds").join(name));
    assert!(!seeds.is_empty(), "{name} has seeds");
    for seed in &seeds {
        // Shown when it fails.
        println!("{}", seed.display());
        property(&fs::read(seed).unwrap());
    }
    let bytes: u64 = seeds.iter().map(|seed| fs::metadata(seed).unwrap().len()).sum();
    assert!(bytes <= SEEDS_BYTES_MAX, "{name} has {bytes} bytes of seeds");
}

#[test]
fn the_archive_keeps_its_property() {
    check("archive");
}

#[test]
fn the_conditions_keep_their_property() {
    check("condition");
}

#[test]
fn the_configuration_keeps_its_property() {
    check("config");
}

#[test]
fn the_decoder_keeps_its_property() {
    check("decoder");
}

#[test]
fn every_property_has_a_target_and_seeds_and_no_target_is_without_a_property() {
    let names = |folder: &str| -> BTreeSet<String> {
        files(fuzz().join(folder)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let properties: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), properties);
    assert_eq!(names("seeds"), properties);
}
