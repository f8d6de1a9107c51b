//! `spark probe`: an agent that checks targets and publishes what it sees to NATS.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use spark_eventlog::jetstream::{Client, JetStreamLog, partition_of};
use spark_eventlog::{EventLog, clock};
use spark_probe::ProbeOptions;
use spark_probe::check::CheckContext;
use tokio::sync::watch;

use super::admin::{self, Admin};
use super::held::Held;
use super::policy::{PolicyKeeper, ProbeTargets};
use super::running::{Running, Stage};
use super::{nats, partitions, prepare_data};
use crate::cli::ProbeArgs;
use crate::configuration::{self, Overrides};
use crate::edge;
use crate::output::say;

/// What the admin endpoint says of the way to the log: whether a server is connected at this moment, and what is still
/// missing since the start.
fn way_to_the_log(client: &Client, waiting_for: &watch::Receiver<String>) -> Value {
    let waiting_for = Some(waiting_for.borrow().clone()).filter(|text| !text.is_empty());
    json!({ "connected": client.is_connected(), "waiting_for": waiting_for })
}

/// Runs `spark probe`.
pub fn probe(args: ProbeArgs) -> anyhow::Result<ExitCode> {
    let overrides = Overrides::new(&args.common, args.url.clone())?;
    configuration::load(args.common.config.as_deref(), &overrides)?;
    edge::install_logging(args.common.log_format)?;
    edge::block_on(run(args, overrides))?
}

async fn run(args: ProbeArgs, overrides: Overrides) -> anyhow::Result<ExitCode> {
    let config = configuration::load(args.common.config.as_deref(), &overrides)?;
    let context = Arc::new(CheckContext::new(|name| std::env::var(name).ok()));
    let targets = ProbeTargets::prepared(&context, &config)?;
    prepare_data(&args.common.data)?;
    let metrics = edge::install_metrics(&edge::build_info()?)?;
    let listener = edge::bind(args.admin, "--admin").await?;
    let client = nats::connect(&args.nats, &format!("probe {}", args.agent), &args.agent).await?;
    let refusals = client.refusals();
    let partitions = partitions::told(&client, args.partitions).await?;
    let partition = partition_of(&args.agent, partitions);
    let stream = JetStreamLog::new(&client, partition);

    let (probing, serving) = (Stage::default(), Stage::default());
    let mut running = Running::default();
    let connection = client.clone();
    let (waiting, waiting_for) = watch::channel(String::from("no NATS server has answered yet"));
    // Observations must not go to a stream that turns out to be another's, or not safe.
    let log: Arc<dyn EventLog> = Arc::new(Held { log: Arc::new(stream.clone()), waiting_for: waiting_for.clone() });
    let admin = Admin {
        metrics: Box::new({
            let metrics = metrics.clone();
            move || metrics.render()
        }),
        // Without a connection observations wait in the outbox: the agent still works.
        health: Box::new(move || (true, way_to_the_log(&connection, &waiting_for))),
        evidence: None,
    };
    say!("Spark's probe {}: metrics and health on http://{}", args.agent, listener.local_addr()?)?;
    running.start(&serving, "admin", |stop| async move { Ok(admin::serve(listener, admin, stop).await?) });
    running.start(&serving, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

    // Meanwhile what is observed waits in the outbox.
    let nats = client.clone();
    running.start(&serving, "NATS", move |stop| nats::until_safe(nats, refusals, stream, partitions, waiting, stop));

    let (sender, targets) = watch::channel(targets);
    let options = ProbeOptions {
        agent: args.agent.clone(),
        partition,
        dir: args.common.data.join("outbox"),
        clock: clock::system(),
        settings: config.probe.clone(),
        context: Arc::clone(&context),
        targets,
    };
    running.start(&probing, "probe", |stop| async move {
        let summary = spark_probe::run(options, log, stop).await?;
        tracing::info!(?summary, "the probe has stopped");
        Ok(())
    });
    let file = args.common.config.clone().map(|file| (file, overrides));
    let keeper = PolicyKeeper { duties: None, probe: Some(ProbeTargets { context, sender }), file };
    running.start(&probing, "configuration", |stop| keeper.run(config, stop));

    running.until_asked_to_stop().await;
    running.stop(&probing).await;
    running.stop(&serving).await;
    client.close().await;
    running.into_result().await.map(|()| ExitCode::SUCCESS)
}
