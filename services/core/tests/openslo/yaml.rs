//! Texts that are no YAML, or more of it than documents need.

use proptest::prelude::*;
use spark_core::openslo::{Source, read};

use crate::{
    CONDITION, NOTIFICATION_TARGET, POLICY, SLO, THRESHOLD, assert_change_refused, assert_refused, documents,
    objective_of, objectives_of,
};

#[test]
fn what_is_no_yaml_or_too_much_of_it_is_refused() {
    assert_refused("", (1, 1), "there is no document in it");
    assert_refused("# nothing\n---\n---\n...\n", (1, 1), "there is no document in it");
    assert_refused("a: b: c\n", (1, 5), "not YAML: mapping values are not allowed in this context");
    assert_refused("a: [1, 2\n", (2, 1), "not YAML: while parsing a flow sequence, expected ',' or ']'");
    assert_refused("a: 1\0\n", (1, 5), "not YAML: found unprintable character");
    assert_refused("a: *nobody\n", (1, 4), "not YAML: while parsing node, found unknown anchor");
    assert!(objectives_of("metadata:\n\tname: a\n").unwrap_err().starts_with("slo.yaml: line 2, column"), "a tab");
    assert_refused("a: 1\nb: 2\na: 3\n", (3, 1), "the key \"a\" is there twice, first in line 1");
    assert_change_refused(
        "kind: SLO\n",
        "kind: SLO\nkind: SLI\n",
        "kind: SLI",
        "the key \"kind\" is there twice, first in line 2",
    );
    assert_refused("? [a]\n: b\n", (1, 3), "a key is a word, not a list or mapping");
    assert_refused(
        "a: &x { b: c }\nd:\n  <<: *x\n",
        (3, 3),
        "merge keys (<<) are of YAML 1.1 and not read: write the keys out",
    );
    assert_refused("a: !!str 1\n", (1, 4), "tags such as !!str are not read: write the value alone");
    assert_refused("a: &x [*x]\n", (1, 8), "the alias stands inside of what it stands for");
    let deep = "more than 32 lists and mappings inside each other";
    assert_refused(&"[".repeat(33), (1, 33), deep);
    assert_refused(&"- ".repeat(300_000), (1, 65), deep);
    let big = format!("# {}\n{SLO}", "x".repeat(1024 * 1024));
    assert_refused(&big, (1, 1), "the file has more than 1048576 bytes");
    let values = "the file has more than 20000 values, with what aliases stand for";
    assert!(objectives_of(&format!("[{}]", "a,".repeat(30_000))).unwrap_err().ends_with(values));
    // Nine lines that stand for a billion texts.
    let mut bomb = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb += &format!("- &a{n} [{aliases}]\n");
    }
    assert!(objectives_of(&bomb).unwrap_err().ends_with(values));
}

#[test]
fn what_yaml_allows_is_read_all_the_same() {
    let expected = objective_of(SLO);
    assert_eq!(objective_of(&SLO.replace('\n', "\r\n")), expected, "lines that end as on Windows");
    assert_eq!(objective_of(&format!("\u{feff}{SLO}")), expected, "a byte order mark");
    assert_eq!(objective_of(&format!("%YAML 1.2\n---\n{SLO}...\n---\n")), expected, "directives and empty documents");
    let with_alias = SLO
        .replace("spec: { metric: good, targets: [checkout] }", "spec: { metric: good, targets: &whom [checkout] }")
        .replace("total, targets: [checkout]", "total, targets: *whom");
    assert_eq!(objective_of(&with_alias), expected);
}

#[test]
fn any_text_gives_objectives_or_an_error() {
    // Every prefix, and every line left out: nothing panics, and what is cut in the middle is no other promise.
    let all = documents(&[SLO, POLICY, CONDITION, NOTIFICATION_TARGET, THRESHOLD]);
    for end in (0..all.len()).step_by(7) {
        drop(read(&[Source { file: "a", text: &all[..end] }]));
    }
    let lines: Vec<&str> = all.lines().collect();
    for without in 0..lines.len() {
        let text: Vec<&str> = lines.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, line)| *line).collect();
        drop(read(&[Source { file: "a", text: &text.join("\n") }]));
    }
}

proptest! {
    /// Pieces of YAML in any order: the library under it must not panic or go on without end.
    #[test]
    fn no_text_is_too_strange(pieces in proptest::collection::vec(
        prop_oneof![
            "[ \n\t\r:?,&*!|>'\"%#@`~<=.a-c0-9\u{feff}ü\u{85}-]{1,4}",
            proptest::sample::select(vec![
                "- ", "? ", ": ", "a: ", "&a ", "*a", "!!str ", "%YAML 1.2\n", "---\n", "...\n", "|\n", ">2-\n", "\"\\u00",
                "\n  ", "[", "]", "{", "}", "<<: ", "kind: SLO\n", "apiVersion: openslo/v1\n", "metadata: { name: a }\n",
                "spec:\n",
            ])
            .prop_map(str::to_owned),
        ],
        0..40,
    )) {
        let documents = read(&[Source { file: "a", text: &pieces.concat() }]);
        prop_assert!(!documents.is_empty(), "what is no document says so");
    }
}
