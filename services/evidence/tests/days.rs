//! Days are issued one after the other, once, also across logs that took each other's place and after a crash.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::fs;

use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_evidence::bundle::{Days, IssueError, Log, Logs, ship_to};
use spark_evidence::{KeyPlace, LogSigner};
use spark_schemas::TimeNs;
use spark_schemas::event::Outcome;
use support::{MINUTE, ORIGIN, World, first, verify};

fn logs<T>(world: &World, logs: &[Log], look: impl FnOnce(&Logs<'_>) -> T) -> T {
    let keys = world.keys();
    let sign = |log: &Log, size| {
        if log.incarnation == ORIGIN {
            return world.signer().sign_at(size);
        }
        let options = ArchiveOptions { incarnation: Some(log.incarnation.clone()), ..ArchiveOptions::default() };
        let archive = Archive::open(&log.dir, options).unwrap().0;
        let keys = KeyPlace { dir: world.path("keys"), given: Vec::new() };
        LogSigner::new(archive, "test", keys).sign_at(size)
    };
    let replayer = World::replayer();
    look(&Logs { evidence: &world.path("evidence"), logs, keys: &keys, sign: &sign, replayer: &replayer })
}

#[test]
fn each_day_is_issued_once_when_it_is_over() {
    let mut world = World::empty();
    let next = |world: &World| {
        world.view();
        logs(world, &[world.log()], |logs| logs.issue_next(|| ())).unwrap().map(|issued| issued.report.date)
    };
    assert_eq!(next(&world), None);
    world.declare(TimeNs(first().start().0 + 6 * MINUTE));
    world.observe(TimeNs(first().end().0 + 4 * MINUTE), Outcome::Ok);
    assert_eq!(next(&world), None, "what comes late is waited for");
    world.observe(TimeNs(first().end().0 + 5 * MINUTE), Outcome::Ok);
    assert_eq!(next(&world), Some(first()));
    assert_eq!(next(&world), None);
    // Nothing for three days.
    world.observe(TimeNs(first().end().0 + 3 * 24 * 60 * MINUTE + 6 * MINUTE), Outcome::Ok);
    assert_eq!(
        [next(&world), next(&world), next(&world), next(&world)],
        [Some(first().next()), Some(first().next().next()), Some(first().next().next().next()), None,]
    );
    assert_eq!(world.days().issued().unwrap().len(), 4);
}

#[test]
fn what_a_crash_left_half_made_is_made_anew_and_what_is_there_stays() {
    let world = World::new();
    world.view();
    let half = world.path("evidence").join(ORIGIN).join(format!("{}.making", first()));
    fs::create_dir_all(half.join("policy")).unwrap();
    fs::write(half.join("report.json"), "{").unwrap();
    assert_eq!(world.days().issued().unwrap(), []);
    let issue = || logs(&world, &[world.log()], |logs| logs.issue_next(|| ())).unwrap();
    let issued = issue().unwrap();
    assert!(!half.exists());
    let report = fs::read(world.days().path(first()).join("report.json")).unwrap();
    assert_eq!(issued.report.to_json().unwrap(), report);
    issue().unwrap();
    assert!(issue().is_none());
    assert!(fs::read(world.days().path(first()).join("report.json")).unwrap() == report);
}

#[test]
fn a_draft_of_the_day_verifies_and_is_issued_nowhere() {
    let world = World::new();
    world.view();
    let dir = world.path("draft");
    let draft = || logs(&world, &[world.log()], |logs| logs.draft(world.archive.tree().unwrap().0, &dir, || ()));
    assert!(matches!(draft(), Err(IssueError::Over)));
    world.issue_both();
    let made = draft().unwrap().unwrap();
    assert!(made.issued.report.draft && made.next.day == first().next().next());
    let bundle = world.path("bundle");
    ship_to(&dir, made.state.as_deref(), &made.view, &bundle).unwrap();
    verify(&bundle, world.vkeys()).unwrap();
    assert_eq!(world.days().issued().unwrap().len(), 2);
}

#[test]
fn a_log_that_took_another_s_place_begins_with_its_state() {
    let world = World::new();
    world.view();
    // The stream was made anew on the third day.
    let mut other = World::empty();
    let third = first().next().next();
    other.observe(TimeNs(third.start().0 + 90 * MINUTE), Outcome::Ok);
    other.observe(TimeNs(third.end().0 + 10 * MINUTE), Outcome::Ok);
    other.view();
    let dir = world.path("anew");
    fs::create_dir_all(&dir).unwrap();
    let anew = Log { incarnation: "EVENTS@9".to_owned(), dir: dir.clone() };
    let options = ArchiveOptions { incarnation: Some(anew.incarnation.clone()), ..ArchiveOptions::default() };
    let (archive, _) = Archive::open(&dir, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for leaf in other.view().leaves(1).unwrap() {
        let leaf = leaf.unwrap();
        let leaf = spark_schemas::Leaf::decode(&leaf).unwrap();
        let recorded = spark_eventlog::Recorded {
            seq: leaf.seq,
            received_ns: leaf.received_ns,
            subject: leaf.subject.to_owned(),
            // Another run of the agent.
            msg_id: leaf.msg_id.to_owned(),
            payload: leaf.payload.to_vec().into(),
        };
        runtime.block_on(archive.record(vec![recorded])).unwrap();
    }
    drop(archive);
    let chain = [world.log(), anew];
    let mut issued = Vec::new();
    while let Some(one) = logs(&world, &chain, |logs| logs.issue_next(|| ())).unwrap() {
        issued.push((one.report.log.origin, one.report.date, one.report.state));
    }
    let names: Vec<_> = issued.iter().map(|(origin, day, _)| (origin.as_str(), *day)).collect();
    let (old, new) = ("spark/test/EVENTS@5", "spark/test/EVENTS@9");
    assert_eq!(names, [(old, first()), (old, first().next()), (old, third), (new, third)]);
    for log in &chain {
        let days = Days::of(&world.path("evidence"), &log.incarnation);
        for day in days.issued().unwrap() {
            let bundle = world.path(&format!("{}-{day}", log.incarnation));
            let view = spark_eventlog::archive::View::open(&log.dir).unwrap();
            let before = days.before(day).unwrap().state;
            ship_to(&days.path(day), before.as_deref(), &view, &bundle).unwrap();
            verify(&bundle, world.vkeys()).unwrap_or_else(|refused| panic!("{} {day}: {refused}", log.incarnation));
        }
    }
}
