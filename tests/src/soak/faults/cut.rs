//! Cuts of the network between two parts: the link goes down, or packets are swallowed and nobody is told.

use std::ops::Range;
use std::time::Duration;

use super::super::Fault;
use super::super::network::{Network, Node};
use super::super::services::ServicesRig;
use crate::random::Random;
use crate::wait::{self, LONG};

/// Cuts one of several ways, in turn; every other time by a black hole instead of a dead link.
pub(in super::super) struct Cut {
    pub(in super::super) ways: &'static [(Node, Node)],
    pub(in super::super) millis: Range<u64>,
    pub(in super::super) cycle: usize,
}

impl Cut {
    /// Cuts that last as long as `millis` says.
    pub(in super::super) fn new(ways: &'static [(Node, Node)], millis: Range<u64>) -> Self {
        Self { ways, millis, cycle: 0 }
    }

    fn way(&self) -> (Node, Node) {
        self.ways[(self.cycle - 1) % self.ways.len()]
    }

    fn set(&self, network: &Network, is_cut: bool) {
        let (from, to) = self.way();
        let round = (self.cycle - 1) / self.ways.len();
        if round.is_multiple_of(2) {
            network.set_black_hole(from, to, is_cut);
        } else {
            network.set_link(from, if is_cut { "down" } else { "up" });
        }
    }
}

impl Fault<ServicesRig> for Cut {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        self.cycle += 1;
        let network = rig.network.as_ref().expect("a network of its own");
        let (from, to) = self.way();
        let port = port_of(&if to == Node::Nats { rig.services.nats.url() } else { rig.world.executor.url("") });
        wait::until("the way is open", LONG, || {
            wait::that(network.reaches(from, to, port), || format!("{from:?} does not reach {to:?}"))
        });
        self.set(network, true);
        assert!(!network.reaches(from, to, port), "{from:?} is cut off from {to:?}");
    }

    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(self.millis.start, self.millis.end)
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        self.set(rig.network.as_ref().expect("a network of its own"), false);
    }
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}
