//! The whole probe with real sockets, a real directory and a log in memory.
#![cfg(test)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
#[cfg(target_os = "linux")]
use metrics_exporter_prometheus::PrometheusBuilder;
use spark_core::config::{Probe, Target};
use spark_core::units::DurationUs;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError, clock};
use spark_probe::check::CheckContext;
use spark_probe::{OutboxError, ProbeError, ProbeOptions, run};
use spark_schemas::event::{FailReason, MissedWhy, Observed, Outcome};
#[cfg(target_os = "linux")]
use spark_schemas::metric;
use spark_schemas::{Event, Frame, Name};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A log in memory that tells when it grew.
struct Memory {
    is_away: AtomicBool,
    frames: Mutex<Vec<Outgoing>>,
    grew: watch::Sender<usize>,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self { is_away: AtomicBool::new(false), frames: Mutex::default(), grew: watch::Sender::new(0) })
    }

    fn events(&self) -> Vec<Event> {
        let frames = self.frames.lock().unwrap();
        frames.iter().flat_map(|frame| Frame::decode(&frame.payload, &frame.subject).unwrap().events).collect()
    }

    fn observed(&self, target: &str) -> Vec<Observed> {
        let observed = self.events().into_iter().filter_map(|event| match event {
            Event::Observed(observed) if observed.target.as_str() == target => Some(observed),
            _ => None,
        });
        observed.collect()
    }

    /// Waits until `is_met` holds of the log.
    async fn until(&self, is_met: impl Fn(&Self) -> bool) {
        let mut grew = self.grew.subscribe();
        let met = grew.wait_for(|_| is_met(self));
        timeout(Duration::from_secs(20), met).await.expect("the log never got there").unwrap();
    }
}

#[async_trait]
impl EventLog for Memory {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        if self.is_away.load(Relaxed) {
            return Err(AppendError::Unavailable("away".into()));
        }
        let length = {
            let mut all = self.frames.lock().unwrap();
            all.extend(frames.iter().cloned());
            all.len()
        };
        self.grew.send_replace(length);
        Ok(frames.iter().map(|_| Appended { seq: length as u64, duplicate: false }).collect())
    }

    async fn read(&self, _from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        Err(ReadError::Closed)
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        Err(ReadError::Closed)
    }
}

fn options(dir: &TempDir, targets: Vec<Target>) -> (ProbeOptions, watch::Sender<Arc<Vec<Target>>>) {
    let (list, targets) = watch::channel(Arc::new(targets));
    let options = ProbeOptions {
        agent: Name::new("agent-1").unwrap(),
        partition: 0,
        dir: dir.path().to_owned(),
        clock: clock::system(),
        settings: Probe::default(),
        context: Arc::new(CheckContext::new(|_| None)),
        targets,
    };
    (options, list)
}

fn target(name: &str, url: &str) -> Target {
    let mut target = Target::new(Name::new(name).unwrap(), url.parse().unwrap());
    target.interval = DurationUs::from_ms(100);
    target
}

/// An HTTP server that says 200 to everyone.
async fn server() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _read = stream.read(&mut [0; 1024]).await;
            let _written = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn observations_reach_the_log_and_a_new_list_takes_effect() {
    let (dir, log, shutdown) = (TempDir::new().unwrap(), Memory::new(), CancellationToken::new());
    let (url, _server) = server().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let targets = vec![target("good", &url), target("bad", &format!("tcp://{gone}"))];
    let (options, list) = options(&dir, targets.clone());
    let probe = tokio::spawn(run(options.clone(), Arc::clone(&log) as Arc<dyn EventLog>, shutdown.clone()));

    log.until(|log| log.observed("good").len() >= 5 && log.observed("bad").len() >= 5).await;
    assert!(log.observed("good").iter().all(|o| o.outcome == Outcome::Ok && o.status == Some(200)));
    assert!(log.observed("bad").iter().all(|o| o.reason == Some(FailReason::Connect)));
    let events = log.events();
    assert!(matches!(events[0], Event::Targets(_)) && matches!(events[1], Event::Heartbeat(_)), "{:?}", &events[..2]);

    // A second probe on the same outbox is told so.
    let second = run(options, Arc::clone(&log) as Arc<dyn EventLog>, CancellationToken::new()).await;
    assert!(matches!(second, Err(ProbeError::Outbox(OutboxError::InUse { .. }))), "{second:?}");

    // A list that can't be probed changes nothing; the next one does.
    let mut broken = target("broken", &url);
    broken.headers.insert("x".to_owned(), "env:NOWHERE".to_owned());
    list.send(Arc::new(vec![broken])).unwrap();
    let before = log.observed("good").len();
    log.until(|log| log.observed("good").len() >= before + 3).await;
    list.send(Arc::new(vec![targets[0].clone(), target("new", &url)])).unwrap();
    log.until(|log| log.observed("new").len() >= 2).await;

    shutdown.cancel();
    let summary = probe.await.unwrap().unwrap();
    let all = ["good", "bad", "new"].map(|name| log.observed(name));
    assert_eq!(summary.observations, all.iter().map(|o| o.len() as u64).sum::<u64>());
    assert_eq!((summary.failed, summary.frames_left, summary.dropped), (all[1].len() as u64, 0, 0));
    assert_eq!(summary.frames_acked, log.frames.lock().unwrap().len() as u64);
    for observed in all {
        assert!(observed.windows(2).all(|pair| pair[0].slot_ns < pair[1].slot_ns));
        assert!(observed.iter().all(|o| o.started_ns >= o.slot_ns));
    }
}

#[tokio::test]
async fn a_target_that_can_not_be_probed_is_an_error_at_the_start() {
    let dir = TempDir::new().unwrap();
    let mut broken = target("broken", "http://127.0.0.1:1/");
    broken.headers.insert("x".to_owned(), "env:NOWHERE".to_owned());
    let (options, _list) = options(&dir, vec![broken]);
    let error = run(options, Memory::new(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ProbeError::Prepare(_)), "{error:?}");
}

/// A disk so small that it is soon full, until the test ends.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn new(kib: u32) -> Self {
        let dir = TempDir::new().unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(dir.path()).status();
        let is_mounted = mounted.is_ok_and(|status| status.success());
        assert!(
            is_mounted,
            "a full disk needs a disk of its own: run this test as root, where `mount -t tmpfs` is allowed"
        );
        Self(dir)
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Looks again and again until `is_so`: nobody tells when a disk is full.
#[cfg(target_os = "linux")]
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), looking).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// The outbox's bound is larger than its disk, which somebody else fills up on top.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_observations_but_no_slot() {
    // No other test of this file fills an outbox.
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let (disk, log, shutdown) = (SmallDisk::new(400), Memory::new(), CancellationToken::new());
    let (url, _server) = server().await;
    let targets: Vec<Target> = (0..20).map(|n| target(&format!("t{n}"), &url)).collect();
    let (options, _list) = options(&disk.0, targets);
    log.is_away.store(true, Relaxed);
    let probe = tokio::spawn(run(options, Arc::clone(&log) as Arc<dyn EventLog>, shutdown.clone()));
    let segment = disk.0.path().join("00000000000000000001.seg");
    until("the outbox has a segment", || segment.exists()).await;
    // Fill what is left but for some 40 KiB, then let the probe fill the rest.
    let other = disk.0.path().join("other");
    let mut kib = 220;
    while std::fs::write(&other, vec![1; kib * 1024]).is_err() {
        kib -= 20;
    }
    let has_dropped = || {
        let (metrics, name) = (metrics.render(), format!("{} ", metric::OUTBOX_DROPPED));
        metrics.lines().any(|line| line.strip_prefix(&name).is_some_and(|count| count != "0"))
    };
    until("an observation finds no room", has_dropped).await;
    log.is_away.store(false, Relaxed);
    let outbox_full = |event: &Event| matches!(event, Event::Missed(missed) if missed.why == MissedWhy::OutboxFull);
    log.until(|log| log.events().iter().any(outbox_full)).await;
    let before = log.observed("t7").len();
    // It goes on, on a disk that is still almost full.
    log.until(|log| log.observed("t7").len() >= before + 5).await;
    shutdown.cancel();
    let summary = probe.await.unwrap().unwrap();
    assert!(summary.dropped > 0 && summary.frames_left == 0, "{summary:?}");
    assert_eq!(assert_every_slot_once(&log), 20);
}

/// Each target's slots follow each other without a gap; gives how many targets there are.
fn assert_every_slot_once(log: &Memory) -> usize {
    let mut slots = BTreeMap::<Name, Vec<(u64, u64)>>::new();
    for event in log.events() {
        match event {
            Event::Observed(one) => slots.entry(one.target).or_default().push((one.slot_ns.0, 1)),
            Event::Missed(one) => slots.entry(one.target).or_default().push((one.first_slot_ns.0, one.slots)),
            _ => {}
        }
    }
    for (target, slots) in &slots {
        for pair in slots.windows(2) {
            assert_eq!(
                pair[1].0,
                pair[0].0 + pair[0].1 * 100_000_000,
                "{target}: the next slot is missing or said twice"
            );
        }
    }
    slots.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_checks_run_at_once_than_the_settings_allow() {
    let (dir, log, shutdown) = (TempDir::new().unwrap(), Memory::new(), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let most = Arc::new(AtomicUsize::new(0));
    let (noted, mut server) = (Arc::clone(&most), JoinSet::new());
    server.spawn(async move {
        // Never answers: a connection is open as long as its check runs.
        let mut open = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            open.spawn(async move { while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {} });
            while open.try_join_next().is_some() {}
            noted.fetch_max(open.len(), Relaxed);
        }
    });
    let targets = (0..300).map(|n| target(&format!("t{n}"), &url)).collect();
    let (mut options, _list) = options(&dir, targets);
    options.settings.concurrency = 12;
    let probe = tokio::spawn(run(options, Arc::clone(&log) as Arc<dyn EventLog>, shutdown.clone()));
    let late = |event: &Event| matches!(event, Event::Missed(missed) if missed.why == MissedWhy::Late);
    log.until(|log| log.events().iter().filter(|event| late(event)).count() > 300).await;
    shutdown.cancel();
    let summary = probe.await.unwrap().unwrap();
    // The server may learn of an end a little later than the next check begins.
    assert!((12..=24).contains(&most.load(Relaxed)), "{most:?} connections at once");
    assert!(summary.missed_slots > 0 && summary.dropped == 0, "{summary:?}");
    assert_every_slot_once(&log);
}
