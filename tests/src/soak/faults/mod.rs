//! What is broken, one kind of thing in each file.

mod clock;
mod cut;
mod full;
mod kill;
mod loss;
mod stop;
mod store;
mod stream;

pub(super) use clock::Clock;
pub(super) use cut::Cut;
pub(super) use full::Full;
pub(super) use kill::Kill;
pub(super) use loss::LostOutbox;
pub(super) use stop::{SlowConsumer, Stop};
pub(super) use store::DamagedStore;
pub(super) use stream::{ConsumersDeleted, StreamDeleted};

use super::services::ServicesRig;
use crate::process::Process;

/// One of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Probe,
    Aggregator,
    Web,
    Nats,
}

impl Part {
    fn process(self, rig: &mut ServicesRig) -> &mut Process {
        match self {
            Self::Probe => &mut rig.services.probe,
            Self::Aggregator => &mut rig.services.aggregator,
            Self::Web => &mut rig.services.web,
            Self::Nats => &mut rig.services.nats.process,
        }
    }

    fn start(self, rig: &mut ServicesRig) {
        match self {
            Self::Probe => rig.services.start_probe(),
            Self::Aggregator => rig.services.start_aggregator(),
            Self::Web => rig.services.start_web(),
            Self::Nats => rig.services.nats.start_again(),
        }
    }
}
