//! The runners: started, stopped and replaced as the list of targets changes.
//!
//! A target that is the same in the new list goes on undisturbed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use spark_core::config::Target;
use spark_schemas::{Name, TimeNs};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::check::PrepareError;
use crate::error::ProbeError;
use crate::recorder::{Declaration, Said};
use crate::runner::{Check, Runner, Stop, Surroundings};
use crate::slots::SlotCursor;

/// How long a check of a target that goes may still take.
const RETIRE_GRACE: Duration = Duration::from_secs(2);

/// Makes the checks of a list of targets, in its order, or refuses the list.
pub(crate) type Prepare = dyn Fn(&[Target]) -> Result<Vec<Arc<dyn Check>>, PrepareError> + Send + Sync;

/// Targets and their checks by name.
pub(crate) type Plan = BTreeMap<Name, (Target, Arc<dyn Check>)>;

/// Makes a plan of `targets`, where blocking is allowed: files are read.
pub(crate) async fn prepared(prepare: Arc<Prepare>, targets: Arc<Vec<Target>>) -> Result<Plan, ProbeError> {
    let work = move || {
        let checks = prepare(&targets)?;
        let with_checks = targets.iter().cloned().zip(checks);
        Ok(with_checks.map(|(target, check)| (target.name.clone(), (target, check))).collect())
    };
    let plan = tokio::task::spawn_blocking(work).await;
    plan.map_err(|source| ProbeError::Panicked { part: "preparation of targets", source })?
}

pub(crate) struct Fleet {
    surroundings: Arc<Surroundings>,
    stopped: CancellationToken,
    runners: JoinSet<()>,
    running: BTreeMap<Name, Running>,
    last_from_ns: TimeNs,
}

struct Running {
    target: Target,
    stop: Stop,
    done: CancellationToken,
}

impl Fleet {
    pub(crate) fn new(surroundings: Surroundings, stopped: CancellationToken) -> Self {
        Self {
            surroundings: Arc::new(surroundings),
            stopped,
            runners: JoinSet::new(),
            running: BTreeMap::new(),
            last_from_ns: TimeNs(0),
        }
    }

    /// Runs `plan` and then what `targets` brings, until stopped or a part panics.
    pub(crate) async fn run(
        mut self,
        plan: Plan,
        prepare: Arc<Prepare>,
        mut targets: watch::Receiver<Arc<Vec<Target>>>,
    ) -> Result<(), ProbeError> {
        let stopped = self.stopped.clone();
        let surroundings = Arc::clone(&self.surroundings);
        self.apply(plan, true).await;
        loop {
            tokio::select! {
                () = stopped.cancelled() => break,
                () = surroundings.recorder.closed() => break,
                Some(end) = self.runners.join_next() => {
                    end.map_err(|source| ProbeError::Panicked { part: "runner of a target", source })?;
                }
                Ok(()) = targets.changed() => {
                    let list = Arc::clone(&targets.borrow_and_update());
                    match prepared(Arc::clone(&prepare), list).await {
                        Ok(plan) => self.apply(plan, false).await,
                        Err(error) => tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the new targets can't be probed as they are: the former stay in force"
                        ),
                    }
                }
            }
        }
        stopped.cancel();
        while self.runners.join_next().await.is_some() {}
        Ok(())
    }

    async fn apply(&mut self, plan: Plan, is_start: bool) {
        let is_going = |name: &Name, running: &mut Running| match plan.get(name) {
            Some((target, _check)) => *target != running.target,
            None => true,
        };
        let going: Vec<Running> = self.running.extract_if(.., is_going).map(|(_name, running)| running).collect();
        Self::retire(&going).await;
        let Some(starts) = self.declare(&plan, is_start).await else { return };
        for (name, (target, check)) in plan {
            if let Some(from) = starts.get(&name).filter(|_| !self.running.contains_key(&name)) {
                self.start(target, check, *from);
            }
        }
        tracing::info!(targets = self.running.len(), stopped = going.len(), "the probe's targets are in force");
    }

    /// Lets running checks come to their end for a while, then gives them up.
    async fn retire(going: &[Running]) {
        going.iter().for_each(|running| running.stop.retire.cancel());
        let all_done = async {
            for running in going {
                running.done.cancelled().await;
            }
        };
        let mut all_done = std::pin::pin!(all_done);
        if timeout(RETIRE_GRACE, &mut all_done).await.is_err() {
            going.iter().for_each(|running| running.stop.abort.cancel());
            all_done.await;
        }
    }

    /// Has the new list recorded, before anything is observed by it. `None`: the recorder is gone.
    async fn declare(&mut self, plan: &Plan, is_start: bool) -> Option<BTreeMap<Name, TimeNs>> {
        // Never the same instant twice, whatever the clock does: it tells one list from the other.
        let now = (self.surroundings.clock)();
        let from_ns = now.max(TimeNs(self.last_from_ns.0.saturating_add(1)));
        self.last_from_ns = from_ns;
        let schedules = plan.iter().map(|(name, (target, _check))| (name.clone(), target.schedule())).collect();
        let (reply, answer) = oneshot::channel();
        let declaration = Declaration { from_ns, schedules, is_start, reply };
        self.surroundings.recorder.send(Said::Declared(declaration)).await.ok()?;
        answer.await.ok()
    }

    fn start(&mut self, target: Target, check: Arc<dyn Check>, from: TimeNs) {
        let abort = self.stopped.child_token();
        let stop = Stop { retire: abort.child_token(), abort };
        let done = CancellationToken::new();
        let cursor = SlotCursor::new(target.schedule(), from);
        let name = target.name.clone();
        let runner = Runner::new(name.clone(), check, cursor, Arc::clone(&self.surroundings), stop.clone());
        let tells_done = done.clone().drop_guard();
        self.runners.spawn(async move {
            runner.run().await;
            drop(tells_done);
        });
        self.running.insert(name, Running { target, stop, done });
    }
}
