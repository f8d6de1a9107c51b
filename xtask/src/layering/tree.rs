//! Reading `cargo tree --prefix depth` and holding it against the rules. Pure: text in, complaints out.

use super::rules::{IMPURE, Owned};

/// A line of the tree: how deep, and which package.
#[derive(Debug, PartialEq, Eq)]
struct Node<'a> {
    depth: usize,
    name: &'a str,
}

/// Reads `2rustversion v1.0.23 (proc-macro)`; `None` for the empty lines between trees.
fn node(line: &str) -> Option<Node<'_>> {
    let digits_len = line.find(|c: char| !c.is_ascii_digit())?;
    let (depth, package) = line.split_at(digits_len);
    Some(Node { depth: depth.parse().ok()?, name: package.split(' ').next()? })
}

/// What the tree of a pure crate has and should not, with the way to it.
pub fn impurities(tree: &str) -> Vec<String> {
    let mut way = Vec::new();
    let mut found = Vec::new();
    for node in tree.lines().filter_map(node) {
        way.truncate(node.depth);
        way.push(node.name);
        if let Some(what) = impurity(node.name) {
            found.push(format!("{} must stay pure, but {} brings in {what}: {}", way[0], node.name, way.join(" > ")));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn impurity(name: &str) -> Option<&'static str> {
    IMPURE.iter().find(|(_, names)| names.contains(&name)).map(|(what, _)| *what)
}

/// Which crate names a dependency that belongs to another. `tree` has depth 1, one root for each workspace member.
pub fn trespasses(tree: &str, owned: &[Owned], exempt: &[&str]) -> Vec<String> {
    let mut root = "";
    let mut found = Vec::new();
    for node in tree.lines().filter_map(node) {
        if node.depth == 0 {
            root = node.name;
        } else if let Some(rule) = owned.iter().find(|rule| rule.dependency == node.name)
            && rule.owner != root
            && !exempt.contains(&root)
        {
            found.push(format!("{root} depends on {}, but only {} may", rule.dependency, rule.owner));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_depth_and_name() {
        assert_eq!(node("12rustversion v1.0.23 (proc-macro)"), Some(Node { depth: 12, name: "rustversion" }));
        assert_eq!(node("0spark-core v0.1.0 (/src/services/core)"), Some(Node { depth: 0, name: "spark-core" }));
        assert_eq!(node(""), None);
        assert_eq!(node("12"), None);
    }

    #[test]
    fn a_clean_tree_has_no_impurities() {
        let tree = "0spark-core v0.1.0 (/src)\n1jiff v0.2.1\n2jiff-tzdb v0.1.0\n1timeless v1.0.0\n1tokio-free v1.0.0\n";
        assert_eq!(impurities(tree), Vec::<String>::new());
    }

    #[test]
    fn an_impurity_is_named_with_the_way_to_it() {
        let tree = "0spark-core v0.1.0 (/src)\n1serde v1.0.0\n2serde_core v1.0.0\n1cache v3.0.0\n2tokio v1.54.1\n3mio v1.0.0\n1sha2 v0.10.9\n";
        assert_eq!(
            impurities(tree),
            [
                "spark-core must stay pure, but mio brings in the network: spark-core > cache > tokio > mio",
                "spark-core must stay pure, but tokio brings in async: spark-core > cache > tokio",
            ]
        );
    }

    #[test]
    fn only_the_owner_may_name_what_is_owned() {
        let owned = [Owned { dependency: "sled", owner: "spark-aggregator" }];
        let tree = "0spark-aggregator v0.1.0 (/src)\n1sled v0.34.7\n\n\
                    0spark-web v0.1.0 (/src)\n1spark-aggregator v0.1.0 (/src)\n1sled v0.34.7\n\n\
                    0spark-tests v0.1.0 (/src)\n1sled v0.34.7\n";
        assert_eq!(
            trespasses(tree, &owned, &["spark-tests"]),
            ["spark-web depends on sled, but only spark-aggregator may"]
        );
    }
}
