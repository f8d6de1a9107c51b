//! Which leaves are a day's, and what a day's figures are.

use spark_core::config::Config;
use spark_core::config::ReportPolicy;
use spark_core::report::{Day, Level, Standing, U64};
use spark_core::units::DurationUs;
use spark_schemas::event::Outcome::Ok as Passed;

use crate::support::{Recorded, SECOND};
use crate::world::{World, at, closing_leaf, config, level, objective, row, rule};

const DAY_MINUTES: u64 = 24 * 60;

#[test]
fn a_good_day_is_a_low_risk_and_its_figures_are_those_of_the_day() {
    let mut config = config();
    config.objectives = vec![objective()];
    let mut world = World::configured(&config);
    world.well(0..DAY_MINUTES);
    let report = world.first_day();
    assert_eq!((report.risk.level, &report.risk.reasons), (Level::Low, &Vec::new()), "{:#?}", report.risk);
    let shop = row(&report, "shop");
    let figures = shop.figures.as_ref().unwrap();
    assert_eq!((figures.observations, figures.failed), (U64(3 * DAY_MINUTES), U64(0)));
    // The last slot's observation is due when the next day begins.
    assert_eq!((figures.expected, figures.received), (U64(3 * DAY_MINUTES - 1), U64(3 * DAY_MINUTES - 1)));
    assert_eq!(figures.completeness_ppm, Some(U64(1_000_000)));
    assert_eq!(row(&report, "demo").standing, Standing::Demo);
    assert_eq!(report.totals.observations, U64(2 * 3 * DAY_MINUTES), "the demonstration is not judged");
    assert_eq!((report.evidence.watched_minutes, report.evidence.minutes), (U64(DAY_MINUTES), U64(DAY_MINUTES)));
    let taken = &report.objectives[0];
    assert_eq!((taken.standing.as_str(), taken.good, taken.bad), ("counted", Some(U64(3 * DAY_MINUTES)), Some(U64(0))));
    // Two control frames come first; the minutes follow one by one.
    let cite = shop.evidence.unwrap();
    assert_eq!((cite.first, cite.last), (U64(3), U64(2 + DAY_MINUTES)));
    assert_eq!((report.log.from.size, report.log.to.size), (U64(0), U64(2 + DAY_MINUTES)));
}

#[test]
fn a_day_closes_with_the_first_leaf_after_its_grace_and_the_next_begins_there() {
    let mut world = World::new();
    world.well(0..10);
    let edge = at(DAY_MINUTES + 5);
    world.heartbeat(spark_schemas::TimeNs(edge.0 - 1));
    let last = world.next_seq() - 1;
    world.heartbeat(edge);
    world.heartbeat(at(DAY_MINUTES + 700));
    let day: Day = "2026-11-20".parse().unwrap();
    assert_eq!(closing_leaf(&world, day), Some(last + 1));
    let reports = world.reports();
    assert_eq!(reports.len(), 2);
    assert_eq!((reports[0].draft, reports[1].draft), (false, true));
    assert_eq!(reports[0].log.to, reports[1].log.from);
    assert_eq!(reports[0].log.to.seq, U64(last));
    assert_eq!(reports[0].state.to, reports[1].state.from);
    assert_eq!(reports[1].seen_until.0, spark_schemas::TimeNs(at(DAY_MINUTES + 700).0 + 1));
}

#[test]
fn days_without_a_leaf_have_a_report_each_and_none_of_them_is_low() {
    let mut world = World::new();
    world.well(0..DAY_MINUTES);
    world.heartbeat(at(4 * DAY_MINUTES + 10));
    let reports = world.reports();
    let levels: Vec<_> = reports.iter().map(|report| report.risk.level).collect();
    assert_eq!(levels, [Level::Low, Level::Unknown, Level::Unknown, Level::Unknown, Level::Unknown]);
    let empty = &reports[1];
    assert_eq!((empty.evidence.leaves, empty.log.from == empty.log.to), (U64(0), true));
    assert_eq!((empty.evidence.first_received, empty.totals.received), (None, U64(0)));
    assert_eq!(empty.totals.expected, U64(2 * (3 * DAY_MINUTES - 1)));
    assert_eq!(level(empty, "completeness"), Level::Unknown);
    assert_eq!(empty.silences.len(), 1, "{:?}", empty.silences);
    assert_eq!((empty.silences[0].from.0, empty.silences[0].to.0), (at(DAY_MINUTES), at(2 * DAY_MINUTES)));
}

#[test]
fn a_log_without_a_configuration_is_unknown() {
    let mut world = World::default();
    world.heartbeat(at(10));
    let report = world.first_day();
    assert_eq!((report.risk.level, report.policy.is_none()), (Level::Unknown, true));
    assert_eq!(level(&report, "configuration"), Level::Unknown);
    assert_eq!(level(&report, "error_rate"), Level::Unknown);
}

#[test]
fn a_day_that_was_watched_for_a_part_is_unknown() {
    let mut world = World::new();
    world.well(0..DAY_MINUTES / 2);
    let report = world.first_day();
    assert_eq!(report.risk.level, Level::Unknown);
    assert_eq!(rule(&report, "watched").observed.as_deref(), Some("50 %"));
    assert_eq!(report.silences.len(), 1);
    assert_eq!(report.silences[0].targets.len(), 3);
}

#[test]
fn a_target_that_was_never_observed_is_no_low_risk_whatever_the_others_are() {
    let mut world = World::new();
    for minute in 0..DAY_MINUTES {
        let events = (0..3)
            .map(|n| crate::world::failing("shop", spark_schemas::TimeNs(at(minute).0 + n * 20 * SECOND), Passed));
        world.say(at(minute + 1), spark_schemas::Class::Obs, events.collect());
    }
    let report = world.first_day();
    assert_eq!(level(&report, "completeness"), Level::Unknown);
    assert_eq!(rule(&report, "completeness").reason, "feed is to be judged, and was not observed at all.");
}

#[test]
fn lost_messages_make_a_day_unknown_and_are_named() {
    let mut world = World::new();
    world.well(0..DAY_MINUTES - 1);
    let first = world.next_seq();
    world.log.push(Recorded::gap(first, first + 4, at(DAY_MINUTES)));
    world.minute(DAY_MINUTES - 1, |_| Passed);
    let report = world.first_day();
    assert_eq!(report.risk.level, Level::Unknown);
    assert_eq!((report.evidence.lost, report.evidence.gaps.len()), (U64(5), 1));
    let cite = rule(&report, "log").evidence.unwrap();
    assert_eq!((cite.first, cite.last), (U64(first), U64(first + 4)));
    assert_eq!(report.log.to.seq.0, report.log.to.size.0 + 4, "a gap leaf stands for five numbers");
}

#[test]
fn the_grace_is_the_policys() {
    let report = ReportPolicy { grace: DurationUs::from_secs(0), ..ReportPolicy::default() };
    let mut world = World::configured(&Config { report, ..config() });
    world.heartbeat(at(DAY_MINUTES - 1));
    let last = world.next_seq() - 1;
    world.heartbeat(at(DAY_MINUTES));
    assert_eq!(closing_leaf(&world, "2026-11-20".parse().unwrap()), Some(last + 1));
}
