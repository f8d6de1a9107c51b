//! What becomes known of earlier days: as known then, as known now, and nothing is rewritten.

use spark_core::report::{Amendment, Cause, Level, Report, U64};
use spark_schemas::event::MaintenanceAction;
use spark_schemas::event::Outcome::{Fail, Ok as Passed};

use crate::support::missed;
use crate::world::{World, at, config, level, maintenance, objective};

const DAY_MINUTES: u64 = 24 * 60;

fn amendment<'a>(report: &'a Report, target: &str) -> &'a Amendment {
    report.amendments.iter().find(|one| one.target.as_str() == target).unwrap()
}

#[test]
fn late_observations_are_shown_beside_what_the_issued_report_says() {
    let mut world = World::new();
    world.well(0..700);
    world.well(730..DAY_MINUTES + 20);
    let issued = world.reports().remove(0);
    assert!(!issued.draft);
    // Half an hour comes eight hours late, in which the shop was down.
    let first = world.next_seq();
    for minute in 700..730 {
        world.minute_received(minute, at(DAY_MINUTES + 480), |target| if target == "shop" { Fail } else { Passed });
    }
    world.well(DAY_MINUTES + 20..2 * DAY_MINUTES);
    world.heartbeat(at(2 * DAY_MINUTES + 6));
    let reports = world.reports();
    assert_eq!(reports[0], issued, "an issued report stays as it is");
    assert_eq!(reports[1].amendments.len(), 3);
    let shop = amendment(&reports[1], "shop");
    assert_eq!((shop.date, shop.causes.as_slice()), (issued.date, &[Cause::LateObservations][..]));
    let (then, now) = (shop.then.as_ref().unwrap(), shop.now.as_ref().unwrap());
    let row = issued.targets.iter().find(|row| row.target.as_str() == "shop").unwrap();
    assert_eq!(Some(&then.figures), row.figures.as_ref(), "as known then is what the report says");
    assert_eq!((now.figures.observations, now.figures.failed), (U64(3 * DAY_MINUTES), U64(90)));
    assert_eq!(now.figures.completeness_ppm, Some(U64(1_000_000)));
    assert_eq!((shop.evidence.first, shop.evidence.last), (U64(first), U64(first + 29)));
    assert!(reports[1].incidents.is_empty(), "an earlier day's outage is no incident of this day");
    assert_eq!(reports[2].amendments, [], "told once");
}

#[test]
fn a_maintenance_declared_afterwards_amends_the_day_it_covers() {
    let mut world = World::new();
    world.well(0..600);
    world.down("shop", 600..660);
    world.well(660..DAY_MINUTES + 60);
    let declared = maintenance("disks", &["shop"], DAY_MINUTES + 60, 600..660);
    world.control(at(DAY_MINUTES + 60), declared.clone());
    world.well(DAY_MINUTES + 60..2 * DAY_MINUTES + 60);
    let called_off = spark_schemas::event::Maintenance { action: MaintenanceAction::Cancel, ..declared };
    world.control(at(2 * DAY_MINUTES + 60), called_off);
    world.heartbeat(at(3 * DAY_MINUTES + 6));
    let reports = world.reports();
    assert_eq!(reports[1].amendments.len(), 1);
    let shop = amendment(&reports[1], "shop");
    assert_eq!(shop.causes, [Cause::Maintenance]);
    let figures = |amendment: &Amendment| {
        let of = |one: &Option<spark_core::report::Amended>| {
            let one = one.as_ref().unwrap();
            (one.maintenance_s.0, one.figures.failed.0)
        };
        (of(&amendment.then), of(&amendment.now))
    };
    assert_eq!(figures(shop), ((0, 180), (3_600, 0)));
    assert!(reports[1].maintenances[0].afterwards);
    // Called off a day later, its failures count again.
    assert_eq!(figures(amendment(&reports[2], "shop")), ((3_600, 0), (0, 180)));
    assert!(reports[2].maintenances[0].called_off);
}

#[test]
fn slots_reported_as_missed_late_amend_each_day_they_are_of() {
    let mut world = World::new();
    world.well(0..DAY_MINUTES - 10);
    world.heartbeat(at(2 * DAY_MINUTES + 6));
    // From ten minutes before the first midnight over the whole next day.
    let events = vec![missed("shop", at(DAY_MINUTES - 10), 20_000_000, 3 * (10 + DAY_MINUTES))];
    world.say(at(2 * DAY_MINUTES + 7), spark_schemas::Class::Obs, events);
    let reports = world.reports();
    let dates: Vec<_> = reports[2].amendments.iter().map(|one| (one.date.to_string(), one.causes.clone())).collect();
    let late = vec![Cause::LateMissed];
    assert_eq!(dates, [("2026-11-20".to_owned(), late.clone()), ("2026-11-21".to_owned(), late)]);
    let of = |n: usize| reports[2].amendments[n].now.as_ref().unwrap().figures.missed;
    assert_eq!((of(0), of(1)), (U64(30), U64(3 * DAY_MINUTES)));
}

#[test]
fn observations_of_days_too_long_ago_are_counted_as_such() {
    let mut world = World::new();
    world.well(0..60);
    world.heartbeat(at(40 * DAY_MINUTES));
    world.minute_received(61, at(40 * DAY_MINUTES + 1), |_| Passed);
    let reports = world.reports();
    let last = reports.last().unwrap();
    assert_eq!((last.evidence.too_late, last.amendments.len()), (U64(9), 0));
}

#[test]
fn a_maintenance_within_the_day_leaves_objectives_their_figures_and_one_for_earlier_days_makes_them_unknown() {
    let mut config = config();
    config.objectives = vec![objective()];
    let mut world = World::configured(&config);
    world.well(0..600);
    world.down("shop", 600..660);
    world.control(at(660), maintenance("disks", &["shop"], 660, 600..660));
    world.well(660..DAY_MINUTES + 60);
    world.control(at(DAY_MINUTES + 60), maintenance("before", &["shop"], DAY_MINUTES + 60, 300..360));
    world.well(DAY_MINUTES + 60..2 * DAY_MINUTES);
    world.heartbeat(at(2 * DAY_MINUTES + 6));
    let reports = world.reports();
    let taken = &reports[0].objectives[0];
    assert_eq!((taken.standing.as_str(), taken.bad, taken.excluded), ("counted", Some(U64(0)), Some(U64(180))));
    assert_eq!(level(&reports[0], "budget_spent"), Level::Low);
    assert_eq!(reports[1].objectives[0].standing, "recomputing");
    assert_eq!((level(&reports[1], "budget_spent"), reports[1].risk.level), (Level::Unknown, Level::Unknown));
}

#[test]
fn what_is_declared_on_a_later_day_for_that_day_is_counted_from_that_days_leaves() {
    let mut config = config();
    config.objectives = vec![objective()];
    let mut world = World::configured(&config);
    world.well(0..DAY_MINUTES + 600);
    world.down("shop", DAY_MINUTES + 600..DAY_MINUTES + 660);
    world.control(
        at(DAY_MINUTES + 660),
        maintenance("disks", &["shop"], DAY_MINUTES + 660, DAY_MINUTES + 600..DAY_MINUTES + 660),
    );
    world.well(DAY_MINUTES + 660..2 * DAY_MINUTES);
    world.heartbeat(at(2 * DAY_MINUTES + 6));
    let taken = &world.reports()[1].objectives[0];
    assert_eq!((taken.standing.as_str(), taken.bad, taken.excluded), ("counted", Some(U64(0)), Some(U64(180))));
    assert_eq!(taken.good, Some(U64(6 * DAY_MINUTES - 180)));
}
