//! Services that are started before NATS, or before its stream is there.

use async_nats::jetstream::stream::{Config, StorageType};
use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, NatsServer, Process, Services, World, free_port, spark};

use crate::frames::admin;

fn says(client: &Client, path: &str, words: &[&str]) -> Value {
    wait::until(&format!("{path} says {words:?}"), LONG, || {
        let answer = client.get(path)?;
        wait::that(words.iter().all(|word| answer.text.contains(word)), || answer.text.clone())?;
        Ok(answer.json())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_wait_for_nats_and_for_its_stream_say_so_and_go_on() {
    let world = World::new();
    let mut services = Services::start(&world, None);
    assert!(services.probe.terminate().success());
    assert!(services.aggregator.terminate().success());
    assert!(services.web.terminate().success());
    admin(&services.nats).await.delete_stream("EVENTS").await.unwrap();
    services.nats.kill();
    std::fs::remove_dir_all(world.path("services")).unwrap();

    // No server.
    let hits_before = world.executor.hits("/health");
    services.start_probe();
    services.start_aggregator();
    services.start_web();
    let away = ["not connected to any NATS server", &services.nats.url()];
    let health = says(&services.api, "/api/healthz", &away);
    assert_eq!(health["status"], "DOWN", "{health}");
    let health = says(&services.aggregator_admin, "/healthz", &away);
    assert_eq!(health["status"], "DOWN", "{health}");
    let health = says(&services.probe_admin, "/healthz", &["no NATS server has answered yet"]);
    assert_eq!((&health["status"], &health["details"]["connected"]), (&"UP".into(), &false.into()), "{health}");
    says_metric(&services, "spark_log_connected 0");
    let observed = || world.executor.hits("/health") - hits_before;
    wait::until("the probe observes meanwhile", LONG, || wait::that(observed() > 2, || observed().to_string()));

    // No stream.
    services.nats.start_again();
    let missing = ["no stream EVENTS", "spark nats init"];
    says(&services.api, "/api/healthz", &missing);
    says(&services.aggregator_admin, "/healthz", &missing);
    let health = says(&services.probe_admin, "/healthz", &missing);
    assert_eq!(health["details"]["connected"], true, "{health}");
    says_metric(&services, "spark_log_connected 1");
    for service in [&services.web, &services.aggregator, &services.probe] {
        assert!(service.stderr().contains("no stream EVENTS"), "{}", service.stderr());
    }

    // Both: what was observed meanwhile is counted.
    let waited = observed();
    assert_eq!(services.init_nats().code, 0);
    services.until_judged();
    wait::until("what waited in the outbox is counted", LONG, || {
        let window = services.api.try_json("/api/v1/windows?target=executor")?;
        wait::that(window["count"].as_u64() >= Some(waited), || format!("{waited} of {window}"))
    });
    let health = says(&services.probe_admin, "/healthz", &["\"waiting_for\":null"]);
    assert_eq!(health["details"]["connected"], true, "{health}");
    says(&services.aggregator_admin, "/healthz", &["UP"]);
    // Not DOWN any more; its own pages' failures while it was are true observations.
    assert_eq!(services.api.get("/api/healthz").unwrap().status, 200);
}

fn says_metric(services: &Services, line: &str) {
    wait::until(&format!("metrics say {line}"), LONG, || {
        for client in [&services.probe_admin, &services.aggregator_admin] {
            let text = client.get("/metrics")?.text;
            wait::that(text.lines().any(|found| found == line), || text.clone())?;
        }
        Ok(())
    });
}

/// The services with nothing but a server to talk to, each with a place of its own.
fn start(world: &World, service: &str, url: &str) -> Process {
    let mut command = spark();
    command.args([service, "--nats", url]).arg("--data").arg(world.path(service));
    command.args([if service == "web" { "--listen" } else { "--admin" }, &format!("127.0.0.1:{}", free_port())]);
    Process::start(command, service, &world.logs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waiting_can_not_mend_ends_the_service_with_the_reason() {
    let world = World::new();
    let mut nats = NatsServer::start_with(&world, "authorization { user: spark, password: secret }\n");
    let ended = |service: &str, words: &[&str]| {
        let mut process = start(&world, service, &nats.url());
        let status = process.wait();
        let said = process.stderr();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "no {words:?} in {said}");
    };
    for service in ["probe", "aggregator", "web"] {
        ended(service, &["does not accept these credentials"]);
    }
    // The same when the server comes later.
    nats.kill();
    let mut waiting = ["probe", "aggregator", "web"].map(|service| start(&world, service, &nats.url()));
    for process in &mut waiting {
        wait::until("it waits", LONG, || {
            wait::that(process.stderr().contains("waiting for a NATS server"), || process.stderr())
        });
        assert_eq!(process.ended(), None, "{}", process.stderr());
    }
    nats.start_again();
    for mut process in waiting {
        let status = process.wait();
        assert_eq!(status.code(), Some(1), "{}", process.stderr());
        assert!(process.stderr().contains("does not accept these credentials"), "{}", process.stderr());
    }
    drop(nats);

    let world = World::new();
    let nats = NatsServer::start(&world);
    let config = Config {
        name: "EVENTS".to_owned(),
        subjects: vec!["spark.evt.0.>".to_owned()],
        storage: StorageType::Memory,
        ..Config::default()
    };
    admin(&nats).await.create_stream(config).await.unwrap();
    for service in ["probe", "aggregator", "web"] {
        let mut process = start(&world, service, &nats.url());
        let status = process.wait();
        let said = process.stderr();
        assert_eq!(status.code(), Some(1), "{said}");
        for word in ["not safe", "a stream in memory is gone when the server stops", "deny_delete"] {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_service_that_knows_only_the_new_stream_has_the_configuration() {
    let world = World::new();
    let mut services = Services::start(&world, None);
    services.until_judged();
    let digest = services.api.json("/api/v1/config")["digest"].clone();
    let frames = services.api.json("/api/v1/log")["frames"].as_u64();
    admin(&services.nats).await.delete_stream("EVENTS").await.unwrap();
    assert_eq!(services.init_nats().code, 0);
    // The one that saw both goes on by itself.
    wait::until("its figures go on", LONG, || {
        let log = services.api.try_json("/api/v1/log")?;
        wait::that(log["frames"].as_u64() > frames && log["sealed"].as_array().map(Vec::len) == Some(1), || {
            log.to_string()
        })
    });
    assert_eq!((services.probe.ended(), services.aggregator.ended(), services.web.ended()), (None, None, None));

    assert!(services.web.terminate().success());
    std::fs::remove_dir_all(world.path("services/web")).unwrap();
    services.start_web();
    services.until_up();
    wait::until("the configuration is known", LONG, || {
        let config = services.api.try_json("/api/v1/config")?;
        wait::that(config["digest"] == digest, || config.to_string())
    });
    let log = services.api.json("/api/v1/log");
    assert_eq!(log["sealed"], Value::from(Vec::<u64>::new()), "{log}");
}
