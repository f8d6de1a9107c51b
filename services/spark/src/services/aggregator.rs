//! `spark aggregator`: folds the log in NATS, records the partitions that it owns into archives, and where it owns
//! partition 0 applies the configuration and publishes what is derived.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use spark_aggregator::alerts::Alerts;
use spark_aggregator::dead::dead_letters;
use spark_aggregator::derived::{Derived, Publish};
use spark_aggregator::duties::Duties;
use spark_aggregator::follow::Follow;
use spark_aggregator::recorder::Recorder;
use spark_aggregator::{FoldStatus, Phase, Projections};
use spark_core::config::Config;
use spark_core::view::DECLARING;
use spark_eventlog::jetstream::{Client, JetStreamLog};
use spark_eventlog::{EventLog, clock};

use super::admin::{self, Admin};
use super::daily::Daily;
use super::evidence::{Archives, Local, LocalEvidence};
use super::nats::{self, Follows, NatsPublisher};
use super::partitions::{self, Stores, open_stream_projection};
use super::policy::PolicyKeeper;
use super::prepare_data;
use super::running::{Running, Stage};
use super::sealing::{Sealing, finish, prepare_keys};
use super::up::writer;
use super::web::render;
use crate::cli::AggregatorArgs;
use crate::configuration::{self, Overrides};
use crate::edge;
use crate::output::say;

/// The name under which the aggregator declares.
const CONTROL_AGENT: &str = "aggregator";

/// Runs `spark aggregator`.
pub fn aggregator(args: AggregatorArgs) -> anyhow::Result<ExitCode> {
    let overrides = Overrides::new(&args.common, args.url.clone())?;
    configuration::load(args.common.config.as_deref(), &overrides)?;
    edge::install_logging(args.common.log_format)?;
    edge::block_on(run(args, overrides))?
}

async fn run(args: AggregatorArgs, overrides: Overrides) -> anyhow::Result<ExitCode> {
    let config = configuration::load(args.common.config.as_deref(), &overrides)?;
    let clock = clock::system();
    prepare_data(&args.common.data)?;
    let build = edge::build_info()?;
    let metrics = edge::install_metrics(&build)?;
    let listener = edge::bind(args.admin, "--admin").await?;
    let client = nats::connect(&args.nats, CONTROL_AGENT, CONTROL_AGENT).await?;
    let refusals = client.refusals();
    let stores = Stores { data: &args.common.data, name: "store" };
    let at_least = args.partitions.iter().max().map_or(1, |last| last.saturating_add(1));
    let partitions = partitions::known(&client, &stores, at_least).await;
    let owned = partitions::owned(&args.partitions, partitions)?;
    // What is derived is over all partitions: whoever declares follows those of others too.
    let leads = owned.contains(&DECLARING);
    let follows = if leads { Follows::All(partitions) } else { Follows::Only(owned.clone()) };

    let folding = Stage::default();
    let mut running = Running::default();
    let nats = client.clone();
    running.start(&folding, "NATS", move |stop| nats::until_let_in(nats, refusals, follows, stop));
    let (letters, office) = dead_letters();
    let post: Arc<dyn Publish> = Arc::new(NatsPublisher(client.publisher()));
    running.start(&folding, "dead letters", |stop| async move {
        office.run(post, stop).await;
        Ok(())
    });
    let archives = args.common.data.join("archive");
    let keys = prepare_keys(&args.common.data, &args.signing)?;
    let evidence = LocalEvidence::new(
        keys,
        config.environment.to_string(),
        Archives::Several(archives.clone()),
        &args.common.data,
        &build,
    );
    let (mut projections, mut opened) = (Vec::new(), Vec::new());
    let mut declaring = None;
    for partition in if leads { (0..partitions.get()).collect() } else { owned.clone() } {
        let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::new(&client, partition));
        let projection = open_stream_projection(&stores, partition).await?;
        projections.push(projection.clone());
        let (mut recorder, mut dead_letters) = (None, None);
        if owned.contains(&partition) {
            let found = open_recorder(archives.clone(), partition, Arc::clone(&evidence)).await?;
            opened.push((partition, found.opened()));
            recorder = Some(found);
            dead_letters = Some(letters.clone());
            let writer = writer(&log, partition, CONTROL_AGENT)?;
            let duties =
                || Duties { projection: projection.clone(), writer: Arc::clone(&writer), clock: Arc::clone(&clock) };
            let chores = duties();
            running.start(&folding, "duties", |stop| async move {
                chores.run(stop).await;
                Ok(())
            });
            declaring = declaring.or_else(|| (partition == DECLARING).then(duties));
        }
        let follow = Follow { projection, log, recorder, dead_letters, clock: Arc::clone(&clock) };
        running.start(&folding, "fold", |stop| async move { Ok(follow.run(stop).await?) });
    }
    let projections = Projections::from(projections);

    for (partition, archive) in opened {
        let sealing = Sealing {
            evidence: Arc::clone(&evidence),
            partition,
            archive,
            projections: projections.clone(),
            publisher: Some(Arc::new(NatsPublisher(client.publisher()))),
        };
        running.start(&folding, "checkpoints", |stop| sealing.run(stop));
    }

    if let Some(duties) = &declaring {
        let daily = Daily {
            evidence: Arc::clone(&evidence),
            partition: DECLARING,
            projections: projections.clone(),
            writer: Arc::clone(&duties.writer),
            clock: Arc::clone(&clock),
        };
        running.start(&folding, "daily reports", |stop| daily.run(stop));
    }

    let health = health(&projections);
    let metrics_render: Box<dyn Fn() -> String + Send + Sync> = match declaring {
        Some(duties) => {
            lead(&mut running, &folding, duties, &projections, &client, config, (&args, overrides));
            render(&projections, &metrics)
        }
        None => {
            let metrics = metrics.clone();
            Box::new(move || metrics.render())
        }
    };
    let admin = Admin { metrics: metrics_render, health, evidence: Some(Arc::new(Local(evidence))) };
    say!("Spark's aggregator: metrics, health and evidence on http://{}", listener.local_addr()?)?;
    running.start(&folding, "admin", |stop| async move { Ok(admin::serve(listener, admin, stop).await?) });
    running.start(&folding, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

    running.until_asked_to_stop().await;
    running.stop(&folding).await;
    client.close().await;
    running.into_result().await.map(|()| ExitCode::SUCCESS)
}

/// Finds what was recorded before, and has it signed to its end.
async fn open_recorder(dir: PathBuf, partition: u16, evidence: Arc<LocalEvidence>) -> anyhow::Result<Recorder> {
    let opening = move || {
        let recorder = Recorder::open(dir, partition)?;
        finish(&evidence, recorder.kept())?;
        anyhow::Ok(recorder)
    };
    tokio::task::spawn_blocking(opening).await?.context("open the archive")
}

/// The duties of the one aggregator that owns partition 0: the configuration, alerts, and what is derived over all
/// partitions.
fn lead(
    running: &mut Running,
    stage: &Stage,
    duties: Duties,
    projections: &Projections,
    client: &Client,
    config: Config,
    (args, overrides): (&AggregatorArgs, Overrides),
) {
    let derived = Derived {
        projections: projections.clone(),
        publisher: Arc::new(NatsPublisher(client.publisher())),
        clock: Arc::clone(&duties.clock),
    };
    running.start(stage, "derived messages", |stop| async move {
        derived.run(stop).await;
        Ok(())
    });
    let alerts = Alerts {
        projections: projections.clone(),
        writer: Arc::clone(&duties.writer),
        clock: Arc::clone(&duties.clock),
    };
    running.start(stage, "alerts", |stop| async move {
        alerts.run(stop).await;
        Ok(())
    });
    let file = args.common.config.clone().map(|file| (file, overrides));
    let keeper = PolicyKeeper { duties: Some(duties), probe: None, file };
    running.start(stage, "configuration", |stop| keeper.run(config, stop));
}

fn health(projections: &Projections) -> Box<dyn Fn() -> (bool, serde_json::Value) + Send + Sync> {
    let projections = projections.clone();
    Box::new(move || {
        let statuses: Vec<_> = projections.iter().map(|one| (one.partition(), one.status())).collect();
        let works = |phase: &Phase| matches!(phase, Phase::Live | Phase::Replaying { .. });
        let one = |(partition, status): &(u16, FoldStatus)| json!({ "partition": partition, "fold": status });
        let details = match statuses.as_slice() {
            [(_, alone)] => json!(alone),
            several => json!({ "partitions": several.iter().map(one).collect::<Vec<_>>() }),
        };
        (statuses.iter().all(|(_, status)| works(&status.phase)), details)
    })
}
