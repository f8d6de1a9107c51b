//! `spark probe`: an agent that checks targets and publishes what it sees to NATS.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::{EventLog, clock};
use spark_probe::ProbeOptions;
use spark_probe::check::CheckContext;
use tokio::sync::watch;

use super::admin::{self, Admin};
use super::policy::{PolicyKeeper, ProbeTargets};
use super::running::{Running, Stage};
use super::{nats, partitions, prepare_data};
use crate::cli::ProbeArgs;
use crate::configuration::{self, Overrides};
use crate::edge;

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
    let partition = partitions::home(&client, &args.agent, args.partitions).await?;
    let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::open(&client, partition).await?);

    let (probing, serving) = (Stage::default(), Stage::default());
    let mut running = Running::default();
    let connection = client.clone();
    let admin = Admin {
        metrics: Box::new({
            let metrics = metrics.clone();
            move || metrics.render()
        }),
        // Without a connection observations wait in the outbox: the agent still works.
        health: Box::new(move || (true, json!({ "connected": connection.is_connected() }))),
    };
    println!("Spark's probe {}: metrics and health on http://{}", args.agent, listener.local_addr()?);
    running.start(&serving, "admin", |stop| async move { Ok(admin::serve(listener, admin, stop).await?) });
    running.start(&serving, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

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
