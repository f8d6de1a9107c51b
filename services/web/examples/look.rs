//! Serves the pages over an invented day, to look at them: `cargo run -p spark-web --example look -- 3103 live`.
//!
//! Scenes: `live`, `outage`, `fresh`, `replaying`, `failed`, `unreachable`, `rejected`, `trading`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example to look at")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use spark_aggregator::Phase;
use spark_eventlog::clock::wall_now;
use spark_schemas::event::{ConfigRejected, Observed, Portfolio, Position, Strategy};
use spark_schemas::{Class, Event, TimeNs};
use support::{World, before, failed, name, passed};

const CONFIG: &str = r#"
environment = "production"

[[target]]
name = "checkout"
url = "https://shop.example/api/checkout/health?deep=1"
interval = "15s"
role = "ui"
latency_max = "2s"
expect_body = "ok"

[[target]]
name = "executor"
url = "http://127.0.0.1:4001/health"
interval = "15s"
role = "executor"

[[target]]
name = "market-feed-btcturk"
url = "tcp://feed.example:9443"
interval = "15s"

[[target]]
name = "demo-shop"
url = "http://127.0.0.1:4555/"
interval = "15s"
demo = true
"#;
const TARGETS: [&str; 4] = ["checkout", "executor", "market-feed-btcturk", "demo-shop"];
const INTERVAL_S: u64 = 15;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn observe(target: &str, slot: TimeNs, age_s: u64, outage: bool, dice: &mut Dice) -> Option<Observed> {
    let base = match target {
        "checkout" => 38_000,
        "executor" => 4_200,
        "demo-shop" => 90_000,
        _ => 11_000,
    };
    let wave = 1.0 + 0.35 * (slot.0 as f64 / 1e9 / 700.0).sin();
    let mut latency_us = (base as f64 * wave) as u64 + dice.roll(base / 3);
    if dice.roll(30) == 0 {
        latency_us *= 2 + dice.roll(2);
    }
    let minutes = age_s / 60;
    if target == "checkout" && (300..330).contains(&minutes) {
        return None;
    }
    let fails = match target {
        "checkout" => dice.roll(4_000) == 0 || ((700..712).contains(&minutes) && dice.roll(3) > 0),
        "executor" => outage && minutes < 4,
        "demo-shop" => dice.roll(6) == 0 || (120..190).contains(&minutes),
        _ => dice.roll(1_500) == 0,
    };
    let mut observed = if fails { failed(target, slot, latency_us * 3) } else { passed(target, slot, latency_us) };
    if target == "checkout" {
        observed.phases.tls_us = Some(latency_us / 5);
        observed.certificate_expires_ns = Some(TimeNs(slot.0 + 61 * 86_400 * TimeNs::SECOND));
    }
    Some(observed)
}

fn day(now: TimeNs, hours: u64, outage: bool) -> World {
    let mut world = World::new();
    let mut dice = Dice(7);
    let start =
        TimeNs((now.0 / (INTERVAL_S * TimeNs::SECOND)) * INTERVAL_S * TimeNs::SECOND - hours * 3_600 * TimeNs::SECOND);
    world.configure(CONFIG, start);
    world.probe("ist-1", &TARGETS, INTERVAL_S, start);
    let mut slot = start;
    while slot < before(now, 2) {
        let age_s = now.since_us(slot) / 1_000_000;
        let events: Vec<Event> = TARGETS
            .into_iter()
            .filter_map(|target| observe(target, slot, age_s, outage, &mut dice).map(Event::from))
            .collect();
        world.say("ist-1", Class::Obs, TimeNs(slot.0 + TimeNs::SECOND), events);
        slot = TimeNs(slot.0 + INTERVAL_S * TimeNs::SECOND);
    }
    world.heartbeat("ist-1", Class::Obs, before(now, 1), 0);
    world.heartbeat("aggregator", Class::Ctl, before(now, 1), 0);
    world
}

fn scene(which: &str, now: TimeNs) -> World {
    let mut world = match which {
        "fresh" => World::new(),
        "outage" => day(now, 24, true),
        _ => day(now, 24, false),
    };
    world.live();
    match which {
        "replaying" => {
            world.projection.set_status(|status| status.phase = Phase::Replaying { folded: 41_200, of: 96_000 });
        }
        "failed" => {
            world.projection.set_status(|status| status.phase = Phase::Failed("leaf 5123 is damaged".to_owned()));
        }
        "unreachable" => world.projection.set_status(|status| {
            status.phase = Phase::Unreachable("nats://127.0.0.1:4222 refuses the connection".to_owned());
            status.last_batch = before(now, 140);
        }),
        "rejected" => {
            let rejected = ConfigRejected {
                at_ns: before(now, 90),
                source: "spark.toml".to_owned(),
                error: "line 12, column 9: no check for scheme \"gopher\"; there are: http, https, tcp".to_owned(),
            };
            world.say("web", Class::Ctl, before(now, 1), vec![rejected.into()]);
        }
        "trading" => trading(&mut world, now),
        _ => {}
    }
    world
}

fn trading(world: &mut World, now: TimeNs) {
    let position = |symbol: &str, quantity: &str, price: &str, value: &str| Position {
        symbol: symbol.to_owned(),
        quantity: quantity.to_owned(),
        average_price: price.to_owned(),
        value: value.to_owned(),
    };
    let portfolio = Portfolio {
        at_ns: before(now, 3),
        account: name("main"),
        currency: "TRY".to_owned(),
        equity: "1284310.55".to_owned(),
        positions: vec![
            position("BTCTRY", "0.2500", "3104200.00", "812450.00"),
            position("THYAO", "1200", "298.40", "361200.00"),
        ],
        demo: true,
    };
    let strategy = |text: &str, state: &str, pnl: &str| Strategy {
        at_ns: before(now, 3),
        name: name(text),
        state: state.to_owned(),
        pnl: pnl.to_owned(),
        currency: "TRY".to_owned(),
        open_orders: 3,
        demo: true,
    };
    let events = vec![
        portfolio.into(),
        strategy("momentum", "running", "1840.50").into(),
        strategy("pairs", "paused", "-312.00").into(),
    ];
    world.say("demo", Class::Ctl, before(now, 1), events);
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "3103".to_owned());
    let which = arguments.next().unwrap_or_else(|| "live".to_owned());
    let now = wall_now();
    let world = scene(&which, now);
    let clock = Arc::new(wall_now);
    let service = support::start_at(world, &format!("127.0.0.1:{port}"), clock, before(now, 4_000), true).await;
    println!("{which} on http://{}", service.address);
    if matches!(which.as_str(), "live" | "outage" | "rejected" | "trading") {
        tokio::spawn(go_on(Arc::clone(&service.world), which == "outage"));
    }
    service.task.await.unwrap().unwrap();
}

async fn go_on(world: Arc<std::sync::Mutex<World>>, outage: bool) {
    let mut dice = Dice(11);
    let width = INTERVAL_S * TimeNs::SECOND;
    let mut told = wall_now().0 / width;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = wall_now();
        if now.0 / width == told {
            continue;
        }
        told = now.0 / width;
        let slot = TimeNs(told * width);
        let mut world = world.lock().unwrap();
        let events: Vec<Event> = TARGETS
            .into_iter()
            .filter_map(|target| observe(target, slot, 0, outage, &mut dice).map(Event::from))
            .collect();
        world.say("ist-1", Class::Obs, now, events);
        world.heartbeat("ist-1", Class::Obs, now, 0);
        world.heartbeat("aggregator", Class::Ctl, now, 0);
    }
}
