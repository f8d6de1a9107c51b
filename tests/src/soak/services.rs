//! Three services and a NATS server under load, and the account of what they did.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Rig;
use super::disk::SmallDisk;
use super::judge::{
    Allowed, Seen, Sums, assert_every_slot_once, assert_nothing_ended, assert_told, assert_windows, position, sums,
};
use super::network::Network;
use super::replay::assert_digests_replay;
use crate::http::Client;
use crate::python::Account;
use crate::services::{Plan, Services};
use crate::wait::{self, LONG};
use crate::world::{World, target_toml};

const INTERVALS_MS: [u64; 4] = [200, 300, 500, 1_000];
/// Long enough for a backlog of minutes on a busy machine.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// What is probed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// How many targets there are.
    pub(super) targets: usize,
    /// One interval for all, or several.
    pub(super) interval_ms: Option<u64>,
}

impl Load {
    /// Many fast targets.
    pub(super) const MANY: Self = Self { targets: 40, interval_ms: None };

    /// All on the world's site.
    pub(super) fn configuration(self, world: &World) -> String {
        let target = |n: usize| {
            let interval = self.interval_ms.unwrap_or(INTERVALS_MS[n % INTERVALS_MS.len()]);
            target_toml(&format!("t{n}"), &world.executor.url(&format!("/t{n}")), &format!("{interval}ms"))
        };
        format!("builtin_targets = false\n\n{}", (0..self.targets).map(target).collect::<String>())
    }
}

impl Load {
    /// Waits until every target was observed a few times more, and that is counted; gives what the log's account says.
    pub(super) fn until_probing(self, world: &World, api: &Client) -> Value {
        let hits = || (0..self.targets).map(|n| world.executor.hits(&format!("/t{n}"))).collect::<Vec<_>>();
        let before = hits();
        wait::until("every target is probed", LONG, || {
            let after = hits();
            wait::that(before.iter().zip(&after).all(|(before, after)| *after > before + 2), || format!("{after:?}"))
        });
        let then = wait::until("the log answers", LONG, || api.try_json("/api/v1/log"));
        wait::until("observations are counted", SETTLED_WITHIN, || {
            let log = api.try_json("/api/v1/log")?;
            wait::that(log["observations"].as_u64() > then["observations"].as_u64(), || log.to_string())?;
            Ok(log)
        })
    }
}

/// The processes, what they run on, and what was seen of them. Fields end in this order.
#[derive(Debug)]
pub(super) struct ServicesRig {
    pub(super) services: Services,
    pub(super) network: Option<Network>,
    pub(super) disks: Vec<SmallDisk>,
    pub(super) world: World,
    pub(super) load: Load,
    /// Archives of earlier incarnations of the stream, in their order.
    pub(super) before: Vec<PathBuf>,
    hasty: Client,
    pub(super) seen: Seen,
    /// The last words of what ended by itself.
    ended: Vec<String>,
}

impl ServicesRig {
    /// Starts everything, and waits until every target is probed.
    pub(super) fn start(world: World, load: Load, plan: impl FnOnce(&mut Plan<'_>)) -> Self {
        Self::start_on(world, load, None, Vec::new(), plan)
    }

    /// The same with a network or disks of its own.
    pub(super) fn start_on(
        world: World,
        load: Load,
        network: Option<Network>,
        disks: Vec<SmallDisk>,
        change: impl FnOnce(&mut Plan<'_>),
    ) -> Self {
        let config = load.configuration(&world);
        let mut plan = Plan::local(Some(&config));
        if let Some(network) = &network {
            plan.hosts = network.hosts();
        }
        change(&mut plan);
        let services = Services::start_as(&world, plan);
        let hasty = Client::with_patience(services.api.base(), Duration::from_secs(2));
        let (seen, before, ended) = (Seen::default(), Vec::new(), Vec::new());
        let rig = Self { services, network, disks, world, load, before, hasty, seen, ended };
        rig.until_probing();
        rig
    }

    /// Waits until every target was observed a few times more, and that is counted.
    pub(super) fn until_probing(&self) {
        self.load.until_probing(&self.world, &self.services.api);
    }

    /// Waits until every service answers, probes, and has nothing waiting.
    pub(super) fn until_settled(&self) {
        self.services.until_up();
        wait::until("the outbox is empty", SETTLED_WITHIN, || {
            // Probing goes on: a frame or two are always on their way.
            let left = metric(&self.services.probe_admin, "spark_outbox_frames")?;
            wait::that(left < 5.0, || format!("{left} frames wait"))
        });
        self.until_probing();
    }

    /// Ends the run and holds everything against the account.
    pub(super) fn settle(mut self, allowed: Allowed) -> Sums {
        // What is rejected is not counted.
        if !allowed.rejected {
            self.until_settled();
        }
        assert!(self.services.probe.terminate().success());
        let stopped_ns = wait::wall_ns();
        let stderr = self.services.probe.stderr();
        let summary = stderr.lines().rev().find(|line| line.contains("the probe has stopped")).expect("its summary");
        assert!(summary.contains("frames_left: 0"), "the log has everything that the agent kept: {summary}");

        // Only now is the stream's end also the end of what is to be folded and recorded.
        let url = self.services.nats.url();
        let end = self.account().of_stream(&url)["last_seq"].as_u64();
        wait::until("the aggregator has recorded the whole stream", SETTLED_WITHIN, || {
            let health = self.services.aggregator_admin.try_json("/healthz")?;
            wait::that(health["details"]["position"].as_u64() >= end, || health.to_string())
        });
        let log = wait::until("web has folded the whole stream", SETTLED_WITHIN, || {
            let log = self.services.api.try_json("/api/v1/log")?;
            wait::that(position(&log) >= end, || log.to_string())?;
            Ok(log)
        });
        self.seen.logs.push(log.clone());
        let stream = self.account().at(&self.seen.positions()).of_stream(&url);
        assert_told(&log, &self.account().until(position(&log)).of_stream(&url), allowed);
        // With gaps, what one reader has another has not: each only has to say so.
        let looks = if allowed.gaps == 0 { self.seen.assert_true_to(&stream) } else { 0 };
        assert_every_slot_once(&self.world, &stream, stopped_ns, allowed);
        if allowed.gaps == 0 {
            assert_windows(&self.services.api, &stream, allowed);
            self.assert_web_and_aggregator_agree();
        }
        assert!(self.services.aggregator.terminate().success());
        let archives = self.archives();
        assert_eq!(archives.len(), self.before.len() + 1, "one for each incarnation of the stream: {archives:?}");
        let newest = archives.iter().find(|archive| !self.before.contains(archive)).expect("an archive");
        assert_told(&log, &self.account().until(position(&log)).of_archive(newest), allowed);
        // Over several incarnations, positions alone do not say which leaves were folded.
        let is_one = self.before.is_empty();
        let digests = if is_one { assert_digests_replay(newest, &self.seen.digests) } else { 0 };
        assert_nothing_ended(&self.ended);
        Sums { ended: self.ended.len() as u64, digests, ..sums(&self.world, self.load.targets, &stream, looks) }
    }

    /// The recorder's copies of the log.
    pub(super) fn archives(&self) -> Vec<PathBuf> {
        let entries = self.services.archives().read_dir().expect("archives");
        entries.map(|entry| entry.expect("an archive").path()).collect()
    }

    fn account(&self) -> Account {
        self.before.iter().fold(Account::default(), |account, archive| account.before(archive))
    }

    fn assert_web_and_aggregator_agree(&self) {
        wait::until("web and aggregator show the same", LONG, || {
            let observations = |client: &Client, path: &str| -> Result<Vec<String>, String> {
                let text = client.get(path)?.text;
                let is_sum = |line: &&str| line.starts_with("spark_slo_observations{");
                let mut lines: Vec<String> = text.lines().filter(is_sum).map(str::to_owned).collect();
                lines.sort();
                Ok(lines)
            };
            let web = observations(&self.services.api, "/api/tools/metrics")?;
            let aggregator = observations(&self.services.aggregator_admin, "/metrics")?;
            wait::that(!web.is_empty() && web == aggregator, || format!("{web:?}\n{aggregator:?}"))
        });
    }
}

impl Rig for ServicesRig {
    fn look(&mut self) {
        self.seen.look(&self.hasty);
    }

    fn revive(&mut self) {
        let Self { services, ended, .. } = self;
        let mut note = |what: &str, last_words: String| {
            let text = format!("{what}: {}", last_words.lines().last().unwrap_or_default());
            eprintln!("had ended by itself: {text}");
            ended.push(text);
        };
        if services.probe.ended().is_some() {
            note("the probe", services.probe.stderr());
            services.start_probe();
        }
        if services.aggregator.ended().is_some() {
            note("the aggregator", services.aggregator.stderr());
            services.start_aggregator();
        }
        if services.web.ended().is_some() {
            note("the web service", services.web.stderr());
            services.start_web();
        }
        if services.nats.process.ended().is_some() {
            note("the NATS server", services.nats.process.stderr());
            services.nats.start_again();
        }
    }
}

/// A metric without labels, or the first with them.
pub(super) fn metric(client: &Client, name: &str) -> Result<f64, String> {
    let metrics = client.get("/metrics")?.text;
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let line = metrics.lines().find(is_it).ok_or_else(|| format!("no {name}"))?;
    let figure = line.rsplit(' ').next().and_then(|figure| figure.parse().ok());
    figure.ok_or_else(|| line.to_owned())
}
