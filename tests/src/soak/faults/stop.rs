//! SIGSTOP: a process that is there and does nothing; and readers that are too slow for the server.

use std::io::Write as _;
use std::net::TcpStream;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use super::super::Fault;
use super::super::services::ServicesRig;
use super::Part;
use crate::http::Client;
use crate::random::Random;
use crate::wait::{self, LONG};

/// A server that says nothing for so long stands still.
const STILL_AFTER: Duration = Duration::from_secs(1);

/// The server stands still.
pub(in super::super) struct Stop {
    pub(in super::super) millis: Range<u64>,
}

impl Fault<ServicesRig> for Stop {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        rig.services.nats.process.signal("STOP");
        let asked = Client::with_patience(rig.services.nats.monitor.base(), STILL_AFTER).get("/healthz");
        assert!(asked.is_err(), "a server that stands still answers: {asked:?}");
    }

    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(self.millis.start, self.millis.end)
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        rig.services.nats.process.signal("CONT");
    }
}

/// Aggregator or web stand still until the server cuts them off, beside subscribers that never read. The rig's server
/// has short patience and its network small buffers.
#[derive(Default)]
pub(in super::super) struct SlowConsumer {
    cycle: usize,
    cut_off_before: u64,
    deaf: Vec<TcpStream>,
    /// How many clients the server cut off for it.
    pub(in super::super) cut_off: u64,
}

impl SlowConsumer {
    /// What the server is configured with for this.
    pub(in super::super) const NATS: &str = "write_deadline: \"500ms\"\n";
    /// One subscriber's subscriptions: the more, the sooner it is full.
    const SUBSCRIPTIONS: usize = 100;
    /// How long a request of a reader lasts at most, and a little more.
    const PULL_OVER: Duration = Duration::from_secs(11);

    fn part(&self) -> Part {
        if self.cycle % 2 == 1 { Part::Aggregator } else { Part::Web }
    }
}

impl Fault<ServicesRig> for SlowConsumer {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        self.cycle += 1;
        self.cut_off_before = slow_consumers(rig).expect("the server's count");
        self.part().process(rig).signal("STOP");
        let address = rig.services.nats.url().replace("nats://", "");
        let mut stream = TcpStream::connect(address).expect("the NATS server");
        let subscriptions = (0..Self::SUBSCRIPTIONS).map(|n| format!("SUB spark.> {n}\r\n"));
        let hello = "CONNECT {\"verbose\":false}\r\n".to_owned() + &subscriptions.collect::<String>();
        stream.write_all(hello.as_bytes()).expect("a greeting");
        self.deaf.push(stream);
    }

    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(2_000, 5_000)
    }

    /// Both must be cut off: the one that never reads, and ours that stands still.
    fn heal(&mut self, rig: &mut ServicesRig) {
        let mut stopped = wait::now();
        let now = wait::until("the server has cut both off", LONG, || {
            if stopped.elapsed() > Self::PULL_OVER {
                // Little was under way to it when it stopped, and nothing more will be until it asks again.
                self.part().process(rig).signal("CONT");
                thread::sleep(Duration::from_millis(300));
                self.part().process(rig).signal("STOP");
                stopped = wait::now();
            }
            let now = slow_consumers(rig)?;
            wait::that(now >= self.cut_off_before + 2, || format!("{now} after {}", self.cut_off_before))?;
            Ok(now)
        });
        self.cut_off += now - self.cut_off_before;
        self.deaf.clear();
        self.part().process(rig).signal("CONT");
    }
}

fn slow_consumers(rig: &ServicesRig) -> Result<u64, String> {
    let facts = rig.services.nats.monitor.try_json("/varz")?;
    facts["slow_consumers"].as_u64().ok_or_else(|| facts.to_string())
}
