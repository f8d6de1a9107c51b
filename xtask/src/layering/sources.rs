//! Holding the source of some folders against a rule about paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::paths::{self, Source};
use super::rules::SourceRule;
use crate::workspace;

/// Every place that breaks the rule, as `file:line: complaint`.
pub fn breaches(rule: &SourceRule) -> Result<Vec<String>> {
    let mut files = BTreeMap::new();
    for folder in rule.folders {
        read_folder(&workspace::root().join(folder), &mut files)?;
    }
    let for_tests = test_files(&files);
    let mut found = Vec::new();
    for (file, source) in &files {
        if for_tests.iter().any(|tests| file.starts_with(tests)) {
            continue;
        }
        let shown = file.strip_prefix(workspace::root()).unwrap_or(file);
        found.extend(
            complaints(source, rule)
                .into_iter()
                .map(|(line, complaint)| format!("{}:{line}: {complaint}", shown.display())),
        );
    }
    Ok(found)
}

fn complaints(source: &Source, rule: &SourceRule) -> Vec<(usize, String)> {
    let mut complaints = Vec::new();
    for path in &source.paths {
        if let Some(banned) = rule.banned.iter().find(|banned| path.is_within(banned)) {
            complaints.push((path.line, format!("{banned} is used, but {}", rule.because)));
        }
    }
    complaints.dedup();
    complaints
}

fn read_folder(folder: &Path, files: &mut BTreeMap<PathBuf, Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("read {}", folder.display()))?.path();
        if path.is_dir() {
            read_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            files.insert(path, paths::read(&source));
        }
    }
    Ok(())
}

/// The files and folders of modules that are compiled for tests only.
fn test_files(files: &BTreeMap<PathBuf, Source>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (file, source) in files {
        for module in &source.test_modules {
            let home = module_home(file).join(module);
            found.push(home.with_extension("rs"));
            found.push(home);
        }
    }
    found
}

/// The folder in which the modules that a file declares are looked for.
fn module_home(file: &Path) -> PathBuf {
    let is_root = file.file_name().is_some_and(|name| name == "lib.rs" || name == "main.rs" || name == "mod.rs");
    if is_root { file.with_file_name("") } else { file.with_extension("") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_DISK: SourceRule =
        SourceRule { folders: &[], banned: &["std::fs", "std::env"], because: "there is no disk here" };

    #[test]
    fn a_complaint_says_what_and_why_once_a_line() {
        let source = paths::read("fn f() {\n    std::fs::read(std::fs::canonicalize(x));\n}");
        assert_eq!(complaints(&source, &NO_DISK), [(2, "std::fs is used, but there is no disk here".to_owned())]);
    }

    #[test]
    fn modules_for_tests_are_left_out_by_file_and_folder() {
        let declares = || paths::read("#[cfg(test)] mod oracle;");
        let files =
            BTreeMap::from([(PathBuf::from("src/lib.rs"), declares()), (PathBuf::from("src/fold.rs"), declares())]);
        let expected = ["src/fold/oracle.rs", "src/fold/oracle", "src/oracle.rs", "src/oracle"];
        assert_eq!(test_files(&files), expected.map(PathBuf::from));
    }
}
