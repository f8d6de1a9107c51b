//! Keys from end to end: who has none, or another's, is refused with the reason, and agents come and go while all runs.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Guarded, GuardedServices, TlsFiles, World, run, spark, until_judged};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_no_key_and_plain_text_are_refused() {
    let world = World::new();
    let files = certificate(&world);
    let nats = Guarded::single(&world, &["a"], Some(&files));
    let address = format!("tls://localhost:{}", nats.servers[0].port());
    let init = |more: &[&Path], address: &str| {
        let mut command = spark();
        command.args(["nats", "init", "--nats", address]);
        for (flag, path) in ["--nkey", "--nats-ca"].into_iter().zip(more) {
            command.arg(flag).arg(path);
        }
        run(command)
    };
    let admin = nats.key("admin");
    let stranger = {
        let mut command = spark();
        command.args(["nats", "keys", "--dir"]).arg(world.path("strange"));
        assert_eq!(run(command).code, 0);
        world.path("strange/admin.nk")
    };

    let no_authority = init(&[&admin], &address);
    assert_ne!(no_authority.code, 0);
    assert!(no_authority.stderr.contains("invalid peer certificate"), "{no_authority:?}");
    let wrong_key = init(&[&stranger, &files.ca], &address);
    assert_ne!(wrong_key.code, 0);
    assert!(wrong_key.stderr.contains("does not accept these credentials"), "{wrong_key:?}");
    let no_key = {
        let mut command = spark();
        command.args(["nats", "init", "--nats", &address]).arg("--nats-ca").arg(&files.ca);
        run(command)
    };
    assert_ne!(no_key.code, 0);
    assert!(no_key.stderr.contains("does not accept these credentials"), "{no_key:?}");
    let plain = say_in_plain_text(nats.servers[0].port());
    assert!(!plain.contains("PONG"), "{plain:?}");

    let right = init(&[&admin, &files.ca], &address);
    assert_eq!((right.code, right.stdout.as_str()), (0, "stream EVENTS: created\n"), "{right:?}");
}

/// What a server that wants TLS answers to a client that goes on without.
fn say_in_plain_text(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut answer = Vec::new();
    let _closed_or_reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn certificate(world: &World) -> TlsFiles {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    TlsFiles {
        ca: world.file("ca.pem", &issuer.pem()),
        cert: world.file("nats.crt", &certificate.pem()),
        key: world.file("nats.key", &key.serialize_pem()),
    }
}

#[test]
fn the_pipeline_passes_the_gate_with_a_key_for_each_and_agents_come_and_go() {
    let world = World::new();
    let nats = Guarded::single(&world, &["ist-1"], None);
    nats.init(1);
    let mut services = GuardedServices::start(&world, &nats, None);
    until_judged(&services.api);
    let ask = |command: &str| {
        let mut asked = spark();
        asked.args([command, "--url", services.api.base()]);
        run(asked)
    };
    let gate = ask("gate");
    assert!(gate.code == 0 && gate.stdout.contains("6/6 checks passed"), "{gate:?}");
    let smoke = ask("smoke");
    assert!(smoke.code == 0 && smoke.stdout.contains("6/6"), "{smoke:?}");
    assert!(!services.aggregator.stderr().contains("does not permit"), "{}", services.aggregator.stderr());

    // Another agent, while everything runs.
    let seed = fs::read_to_string(nats.key("probe-ist-1")).unwrap();
    nats.add_agents(&["ist-2"]);
    assert_eq!(fs::read_to_string(nats.key("probe-ist-1")).unwrap(), seed, "keys that are there stay");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(nats.key("probe-ist-2")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let ist_2 = |user: &str| {
        let mut command = spark();
        command.args(["probe", "--agent", "ist-2", "--nats", &nats.urls(), "--url", services.api.base()]);
        command.arg("--nkey").arg(nats.key(user)).arg("--data").arg(world.path(&format!("probe-2-{user}")));
        command.args(["--admin", "127.0.0.1:0", "--executor-url", &world.executor.url("/health")]);
        command
    };
    // With another's key it gets nowhere.
    let stolen = run(ist_2("probe-ist-1"));
    assert!(stolen.code != 0 && stolen.stderr.contains("does not permit"), "{stolen:?}");
    let mut second = spark_tests::Process::start(ist_2("probe-ist-2"), "probe-2", &world.logs());
    let agents = || -> Result<Vec<(String, u64)>, String> {
        let log = services.api.try_json("/api/v1/log")?;
        let agents = log["agents"].as_array().ok_or("no agents")?.iter();
        Ok(agents.map(|run| (run["agent"].to_string(), run["observations"].as_u64().unwrap_or_default())).collect())
    };
    wait::until("both agents are in the log", LONG, || {
        let agents = agents()?;
        let of = |name: &str| agents.iter().filter(|(agent, _)| agent.contains(name)).map(|(_, sum)| sum).sum::<u64>();
        wait::that(of("ist-1") > 0 && of("ist-2") > 0, || format!("{agents:?}"))
    });
    assert!(services.probe.ended().is_none(), "a reload disturbs nobody");
    assert!(second.terminate().success());

    // And out again.
    fs::remove_file(nats.keys().join("probe-ist-2.pub")).unwrap();
    nats.add_agents(&[]);
    wait::until("the agent is shut out", LONG, || {
        let done = nats.spark(&["nats", "init"], "probe-ist-2");
        wait::that(done.stderr.contains("does not accept these credentials"), || done.stderr)
    });
    let log: Value = services.api.json("/api/v1/log");
    assert_eq!((&log["rejected"], &log["gaps"]), (&0.into(), &0.into()), "{log}");
    assert!(services.probe.terminate().success());
}
