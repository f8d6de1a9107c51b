//! A real Prometheus scrapes Spark, and its own checker reads the metrics.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Process, Setup, Up, World, free_port, prometheus, promtool};

fn judged(world: &World) -> Up {
    let up = Setup::new(world).start();
    up.until_judged();
    up
}

#[test]
fn prometheus_scrapes_the_metrics_and_finds_the_target_up() {
    let world = World::new();
    let up = judged(&world);
    let spark = up.api.base().strip_prefix("http://").expect("a URL");
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: spark\n  metrics_path: /api/tools/metrics\n  \
         static_configs:\n  - targets: [\"{spark}\"]\n"
    );
    let port = free_port();
    let mut command = prometheus();
    command.arg(format!("--config.file={}", world.file("prometheus.yml", &config).display()));
    command.arg(format!("--storage.tsdb.path={}", world.path("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = Process::start(command, "prometheus", &world.logs());
    let api = Client::new(&format!("http://127.0.0.1:{port}"));
    wait::until("the target is up", LONG, || {
        let targets = api.try_json("/api/v1/targets")?["data"]["activeTargets"].clone();
        let health = targets[0]["health"].clone();
        wait::that(health == "up", || targets.to_string())
    });
    for query in [
        "up%7Bjob%3D%22spark%22%7D%20%3D%3D%201",
        "spark_target_up%20%3D%3D%201",
        "spark_slo_latency_seconds%7Bq%3D%220.95%22%7D%20%3E%200",
        "spark_build_info",
        "histogram_quantile(0.9%2C%20spark_probe_check_duration_seconds_bucket)%20%3E%200",
    ] {
        wait::until(&format!("{query} has a result"), LONG, || {
            let found = api.try_json(&format!("/api/v1/query?query={query}"))?["data"]["result"].clone();
            wait::that(found != Value::from(Vec::<u64>::new()), || found.to_string())
        });
    }
}

#[test]
fn promtool_reads_the_metrics_without_an_error() {
    let world = World::new();
    let up = judged(&world);
    // After some use, when as many kinds of metrics as possible are there.
    assert_eq!(up.ask(&["gate"]).code, 0);
    assert_eq!(up.ask(&["smoke"]).code, 0);
    let text = up.api.get("/api/tools/metrics").unwrap().text;
    let mut command = promtool();
    command.args(["check", "metrics"]).stdin(File::open(world.file("metrics.txt", &text)).unwrap());
    let done = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let news: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    assert!(news.is_empty(), "{news:?}");
}
