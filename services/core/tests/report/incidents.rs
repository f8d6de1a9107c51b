//! Incidents and silences.

use spark_core::report::{Level, Standing, U64};
use spark_schemas::event::FailReason;
use spark_schemas::event::Outcome::Fail;

use crate::world::{World, at, level, maintenance, row, rule};

const DAY_MINUTES: u64 = 24 * 60;

#[test]
fn an_outage_is_an_incident_with_its_minutes_reasons_and_leaves() {
    let mut world = World::new();
    world.well(0..600);
    let first = world.next_seq();
    world.down("shop", 600..640);
    world.well(640..DAY_MINUTES);
    let report = world.first_day();
    assert_eq!(report.incidents.len(), 1);
    let incident = &report.incidents[0];
    assert_eq!((incident.from.0, incident.to.0), (at(600), at(640)));
    assert_eq!((incident.bad_minutes, incident.judged_minutes), (U64(40), U64(40)));
    assert!(!incident.continues_before && !incident.continues_after);
    let shop = &incident.targets[0];
    assert_eq!((shop.failed, shop.observations), (U64(120), U64(120)));
    assert_eq!((shop.reasons[0].reason, shop.reasons[0].count), (FailReason::Status, U64(120)));
    assert_eq!(shop.example.as_deref(), Some("status 503, expected 200-299"));
    let cite = shop.evidence.unwrap();
    assert_eq!((cite.first, cite.last), (U64(first), U64(first + 39)));
    assert_eq!(report.risk.level, Level::High);
    assert_eq!(rule(&report, "incident_time").observed.as_deref(), Some("40 minutes"));
    // 120 of 4320: 2.7778 %, rounded up.
    assert_eq!(row(&report, "shop").figures.as_ref().unwrap().error_rate_ppm, Some(U64(27_778)));
    assert_eq!(level(&report, "target_error_rate"), Level::Medium);
}

#[test]
fn bad_minutes_close_together_are_one_incident_and_others_are_not() {
    let mut world = World::new();
    world.well(0..600);
    world.down("shop", 600..602);
    world.well(602..606); // four minutes between
    world.down("shop", 606..607);
    world.well(607..612); // five
    world.down("feed", 612..613);
    world.well(613..DAY_MINUTES);
    let report = world.first_day();
    let spans: Vec<_> = report.incidents.iter().map(|one| (one.from.0, one.to.0, one.bad_minutes.0)).collect();
    assert_eq!(spans, [(at(600), at(607), 3), (at(612), at(613), 1)]);
    assert_eq!(report.incidents[0].targets.len(), 1);
}

#[test]
fn targets_that_fail_at_the_same_time_are_one_incident_and_the_worst_minute_is_named() {
    let mut world = World::new();
    world.well(0..600);
    world.down("feed", 600..603);
    world.minute(603, |_| Fail);
    world.well(604..DAY_MINUTES);
    let report = world.first_day();
    assert_eq!(report.incidents.len(), 2, "the demonstration's is another one");
    let incident = &report.incidents[0];
    let names: Vec<_> = incident.targets.iter().map(|one| (one.target.as_str(), one.bad_minutes.0)).collect();
    assert_eq!(names, [("feed", 4), ("shop", 1)]);
    assert_eq!((incident.worst.target.as_str(), incident.worst.at.0), ("feed", at(600)));
    assert_eq!(incident.judged_minutes, U64(4));
    assert_eq!(report.incidents[1].targets[0].standing, Standing::Demo);
    assert_eq!(report.incidents[1].judged_minutes, U64(0));
}

#[test]
fn an_outage_over_midnight_goes_on_in_the_next_report() {
    let mut world = World::new();
    world.well(0..DAY_MINUTES - 10);
    world.down("shop", DAY_MINUTES - 10..DAY_MINUTES + 20);
    world.well(DAY_MINUTES + 20..2 * DAY_MINUTES);
    world.heartbeat(at(2 * DAY_MINUTES + 6));
    let reports = world.reports();
    let spans: Vec<_> = reports[..2]
        .iter()
        .map(|report| {
            let one = &report.incidents[0];
            (one.from.0, one.to.0, one.continues_before, one.continues_after)
        })
        .collect();
    let midnight = at(DAY_MINUTES);
    assert_eq!(spans, [(at(DAY_MINUTES - 10), midnight, false, true), (midnight, at(DAY_MINUTES + 20), true, false)]);
    // The first minutes of the day were received before its first leaf: counted, and cited only from there on.
    let shop = &reports[1].incidents[0].targets[0];
    assert_eq!((shop.failed, shop.bad_minutes), (U64(60), U64(20)));
    assert!(shop.evidence.unwrap().first > reports[1].log.from.seq);
    assert!(shop.reasons[0].count < U64(60));
}

#[test]
fn an_outage_in_maintenance_is_shown_and_does_not_count() {
    let mut world = World::new();
    world.well(0..600);
    world.control(at(600), maintenance("disks", &["shop"], 600, 600..630));
    world.down("shop", 600..630);
    world.well(630..DAY_MINUTES);
    let report = world.first_day();
    let incident = &report.incidents[0];
    assert_eq!((incident.bad_minutes, incident.judged_minutes), (U64(30), U64(0)));
    assert_eq!(incident.targets[0].maintenance_minutes, U64(30));
    let shop = row(&report, "shop");
    assert_eq!((shop.maintenance_s, shop.figures.as_ref().unwrap().failed), (U64(1_800), U64(0)));
    assert_eq!(report.risk.level, Level::Low, "{:#?}", report.risk);
    assert_eq!((report.maintenances.len(), report.maintenances[0].afterwards), (1, false));
}

#[test]
fn an_outage_of_a_demonstration_is_shown_and_does_not_count() {
    let mut world = World::new();
    world.well(0..600);
    world.down("demo", 600..660);
    world.well(660..DAY_MINUTES);
    let report = world.first_day();
    assert_eq!((report.incidents.len(), report.incidents[0].judged_minutes), (1, U64(0)));
    assert_eq!(report.risk.level, Level::Low);
}

#[test]
fn what_did_not_come_is_a_silence_and_what_failed_is_none() {
    let mut world = World::new();
    world.well(0..600);
    world.down("shop", 600..610);
    world.well(630..700);
    world.well(704..DAY_MINUTES); // four minutes are too short to be named
    let report = world.first_day();
    assert_eq!(report.silences.len(), 1);
    let silence = &report.silences[0];
    assert_eq!((silence.from.0, silence.to.0, silence.judged), (at(610), at(630), true));
    assert_eq!((silence.targets.len(), silence.expected), (3, U64(180)));
    assert_eq!(level(&report, "completeness"), Level::Medium);
}
