//! A day's evidence is made, shipped and verified; days follow one another; what is missing is said.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::fs;

use spark_core::report::{Amended, Cause, Level};
use spark_evidence::bundle::{IssueError, name as bundle_name, ship, unpack};
use spark_evidence::verify::{Fault, Step, Verifying};
use spark_schemas::event::{Maintenance, MaintenanceAction, Outcome};
use spark_schemas::{Class, TimeNs};
use support::{Heard, MINUTE, World, day, files, first, name, verify};

const ALL: [Step; 8] = [
    Step::Key,
    Step::Attestations,
    Step::Files,
    Step::Checkpoints,
    Step::Frontier,
    Step::Leaves,
    Step::Continuity,
    Step::Replay,
];

#[test]
fn both_days_verify_and_follow_one_another() {
    let world = World::new();
    let issued = world.issue_both();
    assert_eq!(world.days().issued().unwrap(), [first(), first().next()]);
    assert_eq!(issued[0].report.log.to, issued[1].report.log.from);
    assert_eq!(issued[0].report.state.to, issued[1].report.state.from);
    assert_eq!(issued[0].report.log.from.size.0, 0);
    assert!(issued[1].report.risk.level != Level::Low, "there was an outage");
    for day in [first(), first().next()] {
        let bundle = world.bundle(day, world.dir.path());
        let heard = verify(&bundle, world.vkeys()).unwrap();
        assert_eq!(heard.0.iter().map(|(step, _)| *step).collect::<Vec<_>>(), ALL);
    }
    assert!(matches!(world.issue(first().next().next()), Err(IssueError::NotOver)));
    assert_eq!(world.days().issued().unwrap().len(), 2);
    assert_eq!(bundle_name("spark/prod/EVENTS@5", first()), "evidence-prod-EVENTS-2026-11-20");
}

#[test]
fn a_tape_archive_holds_the_same_files_and_is_the_same_each_time() {
    let world = World::new();
    world.issue_both();
    let day = first().next();
    let directory = world.bundle(day, world.dir.path());
    let state = world.days().after(first()).unwrap().state;
    let pack = || ship(&world.days().path(day), state.as_deref(), &world.view(), "evidence", Vec::new()).unwrap();
    let packed = pack();
    assert!(packed == pack());
    let file = world.path("bundle.tar.zst");
    fs::write(&file, packed).unwrap();
    let unpacked = unpack(&file, &world.path("scratch")).unwrap();
    let contents = |dir: &std::path::Path| -> Vec<_> {
        files(dir)
            .into_iter()
            .map(|file| (file.strip_prefix(dir).unwrap().to_owned(), fs::read(&file).unwrap()))
            .collect()
    };
    assert!(contents(&unpacked) == contents(&directory));
    verify(&unpacked, world.vkeys()).unwrap();
}

#[test]
fn a_day_without_leaves_has_a_report_and_says_that_nothing_is_known() {
    let mut world = World::empty();
    world.declare(first().start());
    world.observe(TimeNs(first().start().0 + MINUTE), Outcome::Ok);
    // Nothing for more than a day.
    world.observe(TimeNs(day("2026-11-22").start().0 + MINUTE), Outcome::Ok);
    world.observe(TimeNs(day("2026-11-22").start().0 + 10 * MINUTE), Outcome::Ok);
    let [_, quiet] = world.issue_both();
    assert_eq!(quiet.report.log.to.size.0 - quiet.report.log.from.size.0, 1);
    assert_eq!(quiet.report.risk.level, Level::Unknown);
    verify(&world.bundle(first().next(), world.dir.path()), world.vkeys()).unwrap();
}

#[test]
fn a_hole_that_the_log_declares_is_said_and_one_that_it_does_not_is_refused() {
    let mut world = World::empty();
    world.declare(first().start());
    let at = |quarter: u64| TimeNs(first().start().0 + quarter * 15 * MINUTE + MINUTE);
    world.observe(at(0), Outcome::Ok);
    world.swallow();
    world.lose(1);
    world.observe(at(1), Outcome::Ok);
    world.observe(at(100), Outcome::Ok);
    world.swallow();
    world.observe(at(101), Outcome::Ok);
    world.observe(at(194), Outcome::Ok);
    let [declared, _] = world.issue_both();
    assert_eq!(declared.report.evidence.lost.0, 1);
    let heard = verify(&world.bundle(first(), world.dir.path()), world.vkeys()).unwrap();
    let said = &heard.0.iter().find(|(step, _)| *step == Step::Continuity).unwrap().1;
    assert!(said.contains("1 messages are declared lost"), "{said}");

    let refused = verify(&world.bundle(first().next(), world.dir.path()), world.vkeys()).err().unwrap();
    assert_eq!((refused.step, refused.fault), (Step::Continuity, Fault::Incomplete));
    assert_eq!(refused.fault.exit_code(), 2);
}

#[test]
fn a_second_party_s_checkpoint_shows_a_rewritten_history() {
    let world = World::new();
    world.issue_both();
    let signer = world.signer();
    let bundle = world.bundle(first().next(), world.dir.path());
    let note = |size: u64| signer.sign_at(size).unwrap().note.to_string();
    let verify = |witnessed: String, with_log: bool| {
        let log = with_log.then(|| world.view());
        let verifying = Verifying { trusted: world.vkeys(), witnessed: vec![witnessed], log, ..Verifying::default() };
        verifying.verify(&bundle, &mut Heard::default())
    };
    let from = world.leaves_before(TimeNs(first().end().0 + 5 * MINUTE));
    for size in [from, from + 7] {
        verify(note(size), false).unwrap();
    }
    let refused = verify(note(3), false).err().unwrap();
    assert_eq!((refused.step, refused.fault), (Step::Witness, Fault::Incomplete), "{refused}");
    verify(note(3), true).unwrap();

    // The same owner's other log.
    let other = World::new();
    assert!(other.view().size() > from);
    let rewritten =
        spark_evidence::Checkpoint { origin: "spark/test/EVENTS@5".to_owned(), size: from + 7, root: [7; 32] };
    let refused = verify(world.keys().sign_note(rewritten.to_string()).unwrap().to_string(), false).err().unwrap();
    assert_eq!((refused.step, refused.fault), (Step::Witness, Fault::Tampered));
    let stranger = verify(other.signer().sign_at(from).unwrap().note.to_string(), false).err().unwrap();
    assert_eq!((stranger.step, stranger.fault), (Step::Witness, Fault::UnknownSigner));
}

#[test]
fn what_comes_after_a_report_amends_the_next_one_and_both_verify() {
    let mut world = World::empty();
    let at = |quarter: u64| TimeNs(first().start().0 + quarter * 15 * MINUTE + MINUTE);
    world.declare(TimeNs(first().start().0 + 6 * MINUTE));
    for quarter in (1..98).filter(|quarter| *quarter != 40) {
        world.observe(at(quarter), Outcome::Ok);
    }
    let early = world.issue(first()).unwrap();
    let file = world.days().path(first()).join("report.json");
    let before = fs::read(&file).unwrap();

    world.observe_late(at(40), at(100), Outcome::Fail);
    let maintenance = Maintenance {
        at_ns: at(101),
        id: name("disks"),
        action: MaintenanceAction::Add,
        targets: vec![name("login")],
        from_ns: at(60),
        to_ns: at(64),
        reason: "said afterwards".to_owned(),
        by: "a test".to_owned(),
    };
    world.say(at(101), Class::Ctl, vec![maintenance.into()]);
    for quarter in 102..194 {
        world.observe(at(quarter), Outcome::Ok);
    }
    let late = world.issue(first().next()).unwrap();

    assert!(early.report.amendments.is_empty());
    assert!(fs::read(&file).unwrap() == before, "an issued report stays");
    let of = |target: &str| late.report.amendments.iter().find(|one| one.target == name(target)).unwrap();
    let failed = |one: &Option<Amended>| one.as_ref().unwrap().figures.failed.0;
    let shop = of("checkout");
    assert_eq!((shop.date, failed(&shop.then), failed(&shop.now)), (first(), 0, 15));
    assert!(shop.causes.contains(&Cause::LateObservations));
    assert!(of("login").causes.contains(&Cause::Maintenance) && of("login").then != of("login").now);
    for day in [first(), first().next()] {
        verify(&world.bundle(day, world.dir.path()), world.vkeys()).unwrap();
    }
}
