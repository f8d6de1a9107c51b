//! The walls between crates: who may depend on what, and what the pure crates may not touch.
//!
//! The rules are tables in [`rules`]. The rest reads what is there: cargo's dependency tree and the source.

mod lexer;
mod paths;
mod rules;
mod sources;
mod test_items;
mod tree;

use anyhow::{Result, bail};

use crate::process;
use crate::progress::Progress;
use rules::{OWNED, PURE_CRATES, SOURCE_RULES, TEST_CRATES};

/// Checks every rule, and names every place that breaks one.
pub fn check(progress: &Progress) -> Result<()> {
    progress.step("layering");
    let mut broken = Vec::new();
    for pure in PURE_CRATES {
        let tree = cargo_tree(&["-p", pure, "--edges", "normal"])?;
        broken.extend(tree::impurities(&tree));
    }
    // At depth 1 a crate that was seen as a dependency before would come without its own.
    let neighbours = cargo_tree(&["--workspace", "--edges", "normal,build", "--depth", "1", "--no-dedupe"])?;
    broken.extend(tree::trespasses(&neighbours, &OWNED, &TEST_CRATES));
    for rule in &SOURCE_RULES {
        broken.extend(sources::breaches(rule)?);
    }
    if !broken.is_empty() {
        bail!("the layering is broken (the rules are in xtask/src/layering/rules.rs):\n  {}", broken.join("\n  "));
    }
    Ok(())
}

fn cargo_tree(arguments: &[&str]) -> Result<String> {
    process::read(process::cargo().args(["tree", "--locked", "--prefix", "depth"]).args(arguments))
}
