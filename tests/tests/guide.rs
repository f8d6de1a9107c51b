//! The programs in the subscriber's guide, run as they stand there.

use std::fs;
use std::process::Command;

use spark_tests::{Guarded, GuardedServices, Process, World, python, repository};

/// The block of code that follows `<!-- test: NAME -->`.
fn example(name: &str) -> String {
    let guide = fs::read_to_string(repository().join("docs/subscribers.md")).expect("the guide");
    let (_, after) = guide.split_once(&format!("<!-- test: {name} -->\n```python\n")).expect("the guide has it");
    after.split_once("```").expect("the block ends").0.to_owned()
}

#[test]
fn the_guides_programs_read_with_an_auditors_key() {
    let world = World::new();
    let nats = Guarded::single(&world, &["ist-1"], None);
    nats.init(1);
    let _services = GuardedServices::start(&world, &nats, None);
    let start = |name: &str| {
        let mut command: Command = python();
        command.arg("-B").arg(world.file(name, &example(name))).arg(nats.urls()).arg(nats.key("auditor"));
        Process::start(command, name, &world.logs())
    };
    let (mut live, mut log) = (start("live.py"), start("log.py"));
    let observed = log.printed("ist-1 executor ");
    assert!(observed.starts_with("ok ") && observed.ends_with(" us"), "{observed}");
    let window = live.printed("executor: ");
    assert!(window.contains("0 of ") && window.contains("failed, p95 "), "{window}");
    // The log goes on while it is read.
    world.executor.set_status("/health", 500);
    assert!(log.printed("ist-1 executor fail ").ends_with(" us"));
    let health = live.printed("executor is down: ");
    assert!(!health.is_empty());
}
