//! Whatever is sent to an HTTP endpoint, it answers with what was wrong or not at all: no panic, no 5xx, and it goes on.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use spark_tests::{Client, Process, Random, Services, World};

/// Requests of each kind for each endpoint.
const ROUNDS: u64 = 12;
/// An answer that has not begun by then is none: some requests never end.
const PATIENCE: Duration = Duration::from_millis(400);
/// A whole request is answered, on a busy machine too.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
const PARAMETERS: [&str; 8] = ["target", "window", "at", "profile", "from", "format", "date", "limit"];

const WEB: &[&str] = &[
    "/",
    "/dashboard",
    "/targets/executor",
    "/portfolio",
    "/strategies",
    "/settings",
    "/api/healthz",
    "/api/tools/status",
    "/api/tools/smoke",
    "/api/tools/metrics",
    "/api/v1/targets",
    "/api/v1/targets/executor",
    "/api/v1/log",
    "/api/v1/windows",
    "/api/v1/config",
    "/api/v1/events",
    "/nothing/here",
];
const ADMIN: &[&str] = &["/metrics", "/healthz", "/nothing/here"];

/// One server under attack.
struct Attack<'a> {
    server: &'a Client,
    random: Random,
    answers: usize,
}

impl Attack<'_> {
    fn bytes(&mut self, longest: u64) -> Vec<u8> {
        let length = self.random.below(longest);
        (0..length).map(|_| self.random.below(256) as u8).collect()
    }

    /// Random bytes as they may stand in a URL.
    fn percent(&mut self, longest: u64) -> String {
        self.bytes(longest).iter().map(|byte| format!("%{byte:02x}")).collect()
    }

    /// As [`Attack::send`], of a request that is whole: it has an answer, if a refusal.
    fn ask(&mut self, what: &str, request: &str) {
        let before = self.answers;
        self.exchange(what, request.as_bytes(), true);
        assert!(self.answers > before, "{what}: no answer to {}", &request[..request.len().min(300)]);
    }

    fn send(&mut self, what: &str, request: &[u8]) {
        self.exchange(what, request, false);
    }

    /// Sends the bytes on a connection of their own, and holds what comes back against what may.
    fn exchange(&mut self, what: &str, request: &[u8], is_whole: bool) {
        let patience = if is_whole { ANSWERED_WITHIN } else { PATIENCE };
        let address = self.server.base().trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(patience)).unwrap();
        connection.set_write_timeout(Some(patience)).unwrap();
        // The server may have refused and hung up before all of it was sent.
        let sent = connection.write_all(request);
        if sent.is_ok() && !is_whole {
            // Nothing more comes: a request that is not whole will never be.
            let _hung_up = connection.shutdown(Shutdown::Write);
        }
        let mut start = [0; 64];
        let length = connection.read(&mut start).unwrap_or(0);
        let start = String::from_utf8_lossy(&start[..length]).into_owned();
        let status = start.strip_prefix("HTTP/1.1 ").or_else(|| start.strip_prefix("HTTP/1.0 "));
        if let Some(status) = status {
            self.answers += 1;
            assert!(
                !status.starts_with('5'),
                "{what}: {start:?} to {}",
                String::from_utf8_lossy(&request[..request.len().min(300)])
            );
        }
    }

    fn on(&mut self, path: &str) {
        let head = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: spark\r\n");
        for method in METHODS {
            self.ask("a method", &format!("{}\r\n", head(method, path)));
        }
        for _ in 0..ROUNDS {
            let query: String = PARAMETERS.iter().map(|name| format!("{name}={}&", self.percent(12))).collect();
            self.ask("a query", &format!("{}\r\n", head("GET", &format!("{path}?{query}"))));

            let numbers = ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "-1", "18446744073709551616", "NaN", ""];
            let number = numbers[self.random.below(6) as usize];
            let query = format!("target=executor&window=5m&at={number}&from={number}&limit={number}");
            self.ask("a number", &format!("{}\r\n", head("GET", &format!("{path}?{query}"))));

            let odd = format!("{path}/{}", self.percent(40));
            self.ask("a path", &format!("{}\r\n", head("GET", &odd)));

            let body = self.bytes(4_000);
            let lengths = [body.len() as u64, body.len() as u64 / 2, 1 << 40, u64::MAX];
            let length = lengths[self.random.below(4) as usize];
            let posted =
                format!("{}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n", head("POST", path));
            self.send("a body", &[posted.into_bytes(), body.clone()].concat());

            let chunked = format!("{}Transfer-Encoding: chunked\r\n\r\n", head("POST", path));
            self.send("bad chunks", &[chunked.into_bytes(), body].concat());

            let noise = self.bytes(2_000);
            self.send("noise behind a request", &[head("GET", path).into_bytes(), noise.clone()].concat());
            self.send("noise", &noise);

            let value = self.bytes(300);
            let named =
                ["Last-Event-ID", "If-None-Match", "Accept", "Authorization", "Cookie", "Range", "Expect", "Upgrade"];
            let header = format!("{}{}: ", head("GET", path), named[self.random.below(8) as usize]);
            self.send("a header", &[header.into_bytes(), value, b"\r\n\r\n".to_vec()].concat());
        }
        let long = "x".repeat(200_000);
        self.send("a long URL", format!("{}\r\n", head("GET", &format!("{path}?target={long}"))).as_bytes());
        self.send("a long header", format!("{}Cookie: {long}\r\n\r\n", head("GET", path)).as_bytes());
        let many: String = (0..5_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
        self.send("many headers", format!("{}{many}\r\n", head("GET", path)).as_bytes());
        let length = 8 << 20;
        let posted = format!("{}Content-Length: {length}\r\n\r\n", head("POST", path));
        self.send("a long body", &[posted.into_bytes(), vec![b'{'; length]].concat());
        let nested = format!("{}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n", head("POST", path));
        self.send("a deep body", &[nested.into_bytes(), vec![b'['; 100_000]].concat());
    }
}

fn assert_unharmed(name: &str, process: &mut Process) {
    assert!(process.ended().is_none(), "{name} ended");
    let log = process.stderr() + &process.stdout();
    assert!(!log.contains("panicked"), "{name}: {log}");
}

#[test]
fn no_request_brings_a_server_down_or_makes_it_blame_itself() {
    let world = World::new();
    let mut services = Services::start(&world, None);
    services.until_judged();
    let servers = [(&services.api, WEB), (&services.aggregator_admin, ADMIN), (&services.probe_admin, ADMIN)];
    for (server, paths) in servers {
        let random = Random::from_environment(&format!("requests to {}", server.base()));
        let mut attack = Attack { server, random, answers: 0 };
        for path in paths {
            attack.on(path);
        }
        if paths == WEB {
            let page = server.get("/").expect("the first page").text;
            attack.on(page.split('"').find(|text| text.starts_with("/assets/")).expect("an asset"));
        }
        // Most of it is HTTP, if bad: that it was answered shows that it arrived.
        assert!(attack.answers > paths.len() * 50, "only {} answers", attack.answers);
    }
    for (name, process) in
        [("web", &mut services.web), ("aggregator", &mut services.aggregator), ("probe", &mut services.probe)]
    {
        assert_unharmed(name, process);
    }
    services.until_up();
    let judged = services.until_judged();
    assert_eq!(judged["checks"].as_array().unwrap().len(), 6, "{judged}");
}
