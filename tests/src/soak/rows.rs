//! The matrix: which faults there are, and how each is run.

use std::time::Duration;

use super::disk::SmallDisk;
use super::faults::{
    Clock, ConsumersDeleted, Cut, DamagedStore, Full, Kill, LostOutbox, Part, SlowConsumer, Stop, StreamDeleted,
};
use super::judge::{Allowed, Sums};
use super::network::{Network, Node};
use super::services::{Load, ServicesRig};
use super::up::UpRig;
use super::{Fault, Order, Row, drive, simulated};
use crate::site::Site;
use crate::world::World;

const PROBE_NATS: (Node, Node) = (Node::Probe, Node::Nats);
const AGGREGATOR_NATS: (Node, Node) = (Node::Aggregator, Node::Nats);
const WEB_NATS: (Node, Node) = (Node::Web, Node::Nats);
const PROBE_SITE: (Node, Node) = (Node::Probe, Node::Site);
/// How much fits on the disk that gets full; a run needs a few of them.
const DISK_MB: u32 = 96;
/// What a probe logs.
const OUTBOX_FULL: &str = "outbox can't keep observations";
/// How far the probe's clock is ahead at the end of its row.
const AHEAD: Duration = Duration::from_secs(4);

const fn row(name: &'static str, what: &'static str, cycles: u64, short: u64, run: fn(&Order) -> Sums) -> Row {
    Row { name, what, cycles, short, run }
}

/// Every row, in the order in which they are run.
pub const ROWS: &[Row] = &[
    row("kill-probe", "kill -9 of the probe", 50, 2, |order| kill(order, Part::Probe)),
    row("kill-aggregator", "kill -9 of the aggregator", 50, 2, |order| kill(order, Part::Aggregator)),
    row("kill-web", "kill -9 of the web service", 50, 2, |order| kill(order, Part::Web)),
    row("kill-nats", "kill -9 of nats-server", 50, 2, |order| kill(order, Part::Nats)),
    row("kill-up", "kill -9 of `spark up`", 50, 2, |order| up(order, &mut Kill(Part::Probe))),
    row("cut-probe-nats", "1 to 5 s without network between probe and NATS", 10, 2, |order| cut(order, &[PROBE_NATS])),
    row("cut-aggregator-nats", "the same between aggregator and NATS", 10, 1, |order| cut(order, &[AGGREGATOR_NATS])),
    row("cut-web-nats", "the same between web service and NATS", 10, 1, |order| cut(order, &[WEB_NATS])),
    row("cut-probe-target", "the same between probe and what it watches", 10, 1, |order| cut(order, &[PROBE_SITE])),
    row("cut-minutes", "2 to 3 minutes without network between one of the three and NATS", 3, 1, cut_minutes),
    row("stop-nats", "SIGSTOP of nats-server for 60 s", 3, 1, stop_nats),
    row("stream-deleted", "the stream deleted and made anew, after it was read", 10, 1, stream_deleted),
    row("stream-deleted-unread", "the same at any moment: what nobody had read shows as gaps", 10, 1, stream_unread),
    row("consumer-deleted", "every consumer of the stream deleted", 10, 2, consumers_deleted),
    row("slow-consumer", "readers that stand still until the server cuts them off", 10, 1, slow_consumer),
    row("disk-server", "no room on the NATS server's disk", 10, 1, disk_server),
    row("disk-outbox", "no room on the probe's disk", 10, 1, disk_outbox),
    row("disk-aggregator", "no room on the disk of archive and store", 10, 1, disk_aggregator),
    row("disk-web", "no room on the disk of the web service's store", 10, 1, disk_web),
    row("disk-up", "no room on the disk of `spark up`", 10, 1, disk_up),
    row("clock", "the probe's clock stepped forward and back by an hour", 10, 2, clock),
    row("store-web", "the web service's store deleted, cut short, bits flipped", 20, 3, |order| {
        store(order, Part::Web)
    }),
    row("store-aggregator", "the same with the aggregator's", 20, 2, |order| store(order, Part::Aggregator)),
    row("store-up", "the same with `spark up`", 20, 2, store_up),
    row("simulated-fold", "simulated logs, duplicates, reorderings and crashes, into the fold", 20_000, 0, |order| {
        simulated::run(order, &["-p", "spark-core", "--test", "simulation"], "SPARK_SIM_RUNS")
    }),
    row("simulated-probe", "simulated lives of a probe; every slot said once", 2_000, 0, |order| {
        simulated::run(order, &["-p", "spark-probe", "--lib", "simulation"], "SPARK_SIMULATION_RUNS")
    }),
];

/// No row of the matrix: a loss that the judge must notice.
pub const SABOTAGE: Row =
    row("sabotage", "frames that no log has are deleted", 1, 1, |order| services(order, &mut LostOutbox));

fn services(order: &Order, fault: &mut dyn Fault<ServicesRig>) -> Sums {
    let mut rig = ServicesRig::start(World::new(), Load::MANY, |_plan| {});
    drive(order, &mut rig, fault);
    rig.settle(Allowed::default())
}

fn up(order: &Order, fault: &mut dyn Fault<UpRig>) -> Sums {
    let mut rig = UpRig::start(World::new(), Load::MANY, Vec::new());
    drive(order, &mut rig, fault);
    rig.settle(Allowed::default())
}

fn kill(order: &Order, part: Part) -> Sums {
    services(order, &mut Kill(part))
}

fn in_a_network(load: Load, nats_more: &'static str, prepare: impl FnOnce(&Network)) -> ServicesRig {
    let network = Network::make();
    prepare(&network);
    let world = World::with(Site::open_at(&network.address(Node::Site)));
    ServicesRig::start_on(world, load, Some(network), Vec::new(), |plan| plan.nats_more = nats_more)
}

fn cut(order: &Order, ways: &'static [(Node, Node)]) -> Sums {
    let mut rig = in_a_network(Load::MANY, "", |_network| {});
    let millis = if order.is_short { 1_000..2_000 } else { 1_000..5_000 };
    drive(order, &mut rig, &mut Cut::new(ways, millis));
    rig.settle(Allowed::default())
}

fn cut_minutes(order: &Order) -> Sums {
    let mut rig = in_a_network(Load::MANY, "", |_network| {});
    let millis = if order.is_short { 8_000..12_000 } else { 120_000..180_000 };
    drive(order, &mut rig, &mut Cut::new(&[PROBE_NATS, AGGREGATOR_NATS, WEB_NATS], millis));
    rig.settle(Allowed::default())
}

fn stop_nats(order: &Order) -> Sums {
    let millis = if order.is_short { 7_000..8_000 } else { 60_000..61_000 };
    services(order, &mut Stop { millis })
}

fn stream_deleted(order: &Order) -> Sums {
    services(order, &mut StreamDeleted { is_read: true })
}

fn stream_unread(order: &Order) -> Sums {
    let mut rig = ServicesRig::start(World::new(), Load::MANY, |_plan| {});
    drive(order, &mut rig, &mut StreamDeleted { is_read: false });
    // The frames of a moment for each time.
    let gaps = 20 * order.cycles;
    rig.settle(Allowed { gaps, ..Allowed::default() })
}

fn consumers_deleted(order: &Order) -> Sums {
    let mut fault = ConsumersDeleted::default();
    let sums = services(order, &mut fault);
    Sums { effect: format!("{} consumers deleted", fault.deleted), ..sums }
}

fn slow_consumer(order: &Order) -> Sums {
    let mut rig = in_a_network(Load::MANY, SlowConsumer::NATS, |network| {
        [Node::Aggregator, Node::Web, Node::Nats].iter().for_each(|node| network.shrink_buffers(*node));
    });
    let mut fault = SlowConsumer::default();
    drive(order, &mut rig, &mut fault);
    let sums = rig.settle(Allowed::default());
    Sums { effect: format!("{} cut off by the server", fault.cut_off), ..sums }
}

fn disk_server(order: &Order) -> Sums {
    // The server gives JetStream up when there is no room, until it is started anew.
    let fault = Full::under(Part::Nats, "no space left").and_restart();
    on_a_disk(order, "nats", fault, Allowed::default())
}

fn disk_outbox(order: &Order) -> Sums {
    let sums = on_a_disk(order, "services/probe", Full::under(Part::Probe, OUTBOX_FULL), Allowed::default());
    assert!(sums.missed > 0, "what could not be kept is said to be missed");
    sums
}

fn disk_aggregator(order: &Order) -> Sums {
    let fault = Full::under(Part::Aggregator, "No space left");
    on_a_disk(order, "services/aggregator", fault, Allowed::default())
}

fn disk_web(order: &Order) -> Sums {
    let fault = Full::under(Part::Web, "no checkpoint of the store");
    on_a_disk(order, "services/web", fault, Allowed::default())
}

fn on_a_disk(order: &Order, dir: &str, mut fault: Full, allowed: Allowed) -> Sums {
    let world = World::new();
    let disks = vec![SmallDisk::mount(world.path(dir), DISK_MB)];
    let mut rig = ServicesRig::start_on(world, Load::MANY, None, disks, |_plan| {});
    drive(order, &mut rig, &mut fault);
    rig.settle(allowed)
}

fn disk_up(order: &Order) -> Sums {
    let world = World::new();
    let disks = vec![SmallDisk::mount(world.path("data"), DISK_MB)];
    let mut rig = UpRig::start(world, Load::MANY, disks);
    drive(order, &mut rig, &mut Full::under(Part::Probe, OUTBOX_FULL));
    let sums = rig.settle(Allowed::default());
    assert!(sums.missed > 0, "what could not be kept is said to be missed");
    sums
}

fn clock(order: &Order) -> Sums {
    let world = World::new();
    let mut fault = Clock::new(&world, order.cycles);
    let environment = fault.environment();
    // Few and slow: each hour that is jumped over is thousands of slots to be accounted for.
    let load = Load { targets: 10, interval_ms: Some(1_000) };
    let mut rig = ServicesRig::start(world, load, |plan| plan.probe_environment = environment);
    drive(order, &mut rig, &mut fault);
    rig.until_settled();
    // At last beyond the log's own time: what the probe says now can't be right, and is visibly rejected.
    fault.step_forward();
    std::thread::sleep(AHEAD);
    let allowed = Allowed { rejected: true, clock_ns: fault.offset_ns(), ..Allowed::default() };
    rig.settle(allowed)
}

fn store(order: &Order, part: Part) -> Sums {
    let mut fault = DamagedStore::of(part);
    let sums = services(order, &mut fault);
    Sums { effect: fault.effect(), ..sums }
}

fn store_up(order: &Order) -> Sums {
    let mut fault = DamagedStore::of(Part::Aggregator);
    let sums = up(order, &mut fault);
    Sums { effect: fault.effect(), ..sums }
}
