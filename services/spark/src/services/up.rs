//! `spark up`: the whole pipeline on this machine, on the embedded log.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use spark_aggregator::alerts::Alerts;
use spark_aggregator::duties::Duties;
use spark_aggregator::follow::Follow;
use spark_core::config::Config;
use spark_core::view::DECLARING;
use spark_eventlog::EventLog;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::clock;
use spark_eventlog::writer::EventWriter;
use spark_probe::ProbeOptions;
use spark_probe::check::CheckContext;
use spark_schemas::event::LogRepaired;
use spark_schemas::{Class, EventSubject, Name};
use spark_web::LogMode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use super::daily::Daily;
use super::evidence::{Archives, Local, LocalEvidence};
use super::partitions::open_projection;
use super::policy::{PolicyKeeper, ProbeTargets};
use super::running::{Running, Stage};
use super::sealing::{Sealing, prepare_keys};
use super::web::app;
use super::{prepare_data, refuse_to_expose};
use crate::cli::UpArgs;
use crate::configuration::{self, Overrides};
use crate::output::say;
use crate::{demo, edge, stand_in};

/// The probe's name on a single machine.
const PROBE_AGENT: &str = "local";
/// The name under which this process declares and decides.
const CONTROL_AGENT: &str = "spark";

/// Runs `spark up`.
pub fn up(args: UpArgs) -> anyhow::Result<ExitCode> {
    refuse_to_expose(args.listen, args.insecure)?;
    // Say what is wrong with it before anything is touched.
    let overrides = Overrides::new(&args.common, configuration::local_url(args.listen)?)?;
    configuration::load(args.common.config.as_deref(), &overrides)?;
    edge::install_logging(args.common.log_format)?;
    edge::block_on(run(args))?
}

/// Listeners of the parts that stand in for something real.
struct Extras {
    stand_in: Option<TcpListener>,
    demo: Option<TcpListener>,
}

async fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    let clock = clock::system();
    let started = clock();
    prepare_data(&args.common.data)?;
    let build = edge::build_info()?;
    let metrics = edge::install_metrics(&build)?;

    let (archive, repair) = open_archive(&args.common.data.join("archive")).await?;
    let listener = edge::bind(args.listen, "--listen").await?;
    let web_url = configuration::local_url(listener.local_addr()?)?;
    let extras = Extras::bind(&args).await?;
    let (config, overrides) = configure(&args, &web_url, &extras)?;
    let context = Arc::new(CheckContext::new(|name| std::env::var(name).ok()));
    let targets = ProbeTargets::prepared(&context, &config)?;
    let projection = open_projection(args.common.data.join("store"), DECLARING, archive.bounds().await?).await?;

    let keys = prepare_keys(&args.common.data, &args.signing)?;
    let evidence = LocalEvidence::new(
        keys,
        config.environment.to_string(),
        Archives::One(archive.dir().to_owned()),
        &args.common.data,
        &build,
    );
    let (_archive_stays, opened) = watch::channel(Some(archive.clone()));
    let log: Arc<dyn EventLog> = Arc::new(archive);
    let control = writer(&log, DECLARING, CONTROL_AGENT)?;
    if let Some(repair) = repair {
        let (last_seq, bytes_cut) = (repair.last_seq, repair.bytes_cut);
        tracing::warn!(last_seq, bytes_cut, "a torn tail was cut from the log; it was never acknowledged");
        control.write(vec![LogRepaired { at_ns: clock(), last_seq, bytes_cut }.into()]).await?;
    }

    let (probing, folding, serving) = (Stage::default(), Stage::default(), Stage::default());
    let mut running = Running::default();

    let follow = Follow {
        projection: projection.clone(),
        log: Arc::clone(&log),
        recorder: None,
        dead_letters: None,
        clock: Arc::clone(&clock),
    };
    running.start(&folding, "fold", |stop| async move { Ok(follow.run(stop).await?) });

    let sealing = Sealing {
        evidence: Arc::clone(&evidence),
        partition: DECLARING,
        archive: opened,
        projections: projection.clone().into(),
        publisher: None,
    };
    running.start(&folding, "checkpoints", |stop| sealing.run(stop));
    let daily = Daily {
        evidence: Arc::clone(&evidence),
        partition: DECLARING,
        projections: projection.clone().into(),
        writer: Arc::clone(&control),
        clock: Arc::clone(&clock),
    };
    running.start(&probing, "daily reports", |stop| daily.run(stop));

    let app = app(
        projection.clone().into(),
        LogMode::Archive,
        vec![Arc::clone(&log)],
        Some(args.common.data.clone()),
        Arc::clone(&context),
        Arc::new(Local(Arc::clone(&evidence))),
        Arc::clone(&control),
        build,
        started,
        &listener,
        extras.stand_in.is_some(),
        &metrics,
    )?;
    running.start(&serving, "web", |stop| async move { Ok(spark_web::serve(listener, app, stop).await?) });
    running.start(&serving, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

    let is_stand_in = extras.stand_in.is_some();
    extras.start(&mut running, &log, &serving)?;

    let (sender, targets) = watch::channel(targets);
    let probe = ProbeOptions {
        agent: Name::new(PROBE_AGENT)?,
        partition: 0,
        dir: args.common.data.join("outbox"),
        clock: Arc::clone(&clock),
        settings: config.probe.clone(),
        context: Arc::clone(&context),
        targets,
    };
    let probe_log = Arc::clone(&log);
    running.start(&probing, "probe", |stop| async move {
        let summary = spark_probe::run(probe, probe_log, stop).await?;
        tracing::info!(?summary, "the probe has stopped");
        Ok(())
    });

    let duties = || Duties { projection: projection.clone(), writer: Arc::clone(&control), clock: Arc::clone(&clock) };
    let alerts =
        Alerts { projections: projection.clone().into(), writer: Arc::clone(&control), clock: Arc::clone(&clock) };
    running.start(&probing, "alerts", |stop| async move {
        alerts.run(stop).await;
        Ok(())
    });
    let chores = duties();
    running.start(&probing, "duties", |stop| async move {
        chores.run(stop).await;
        Ok(())
    });
    let keeper = PolicyKeeper {
        duties: Some(duties()),
        probe: Some(ProbeTargets { context, sender }),
        file: args.common.config.clone().map(|file| (file, overrides)),
    };
    running.start(&probing, "configuration", |stop| keeper.run(config, stop));

    say_where_to_look(&web_url, &args, is_stand_in)?;
    running.until_asked_to_stop().await;
    // In the order of the flow: no new observations, everything folded and kept, then the last answers.
    for stage in [&probing, &folding, &serving] {
        running.stop(stage).await;
    }
    running.into_result().await.map(|()| ExitCode::SUCCESS)
}

fn configure(args: &UpArgs, web_url: &Url, extras: &Extras) -> anyhow::Result<(Config, Overrides)> {
    let mut overrides = Overrides::new(&args.common, web_url.clone())?;
    if let Some(demo) = &extras.demo {
        overrides = overrides.with_targets(demo::targets(demo.local_addr()?)?);
    }
    Ok((configuration::load(args.common.config.as_deref(), &overrides)?, overrides))
}

async fn open_archive(dir: &Path) -> anyhow::Result<(Archive, Option<spark_eventlog::archive::Repair>)> {
    let dir = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || Archive::open(dir, ArchiveOptions::default())).await?;
    opened.context("open the event log")
}

/// A writer of what a service says itself: declarations and decisions in partition 0, in others what is about them.
pub(super) fn writer(log: &Arc<dyn EventLog>, partition: u16, agent: &str) -> anyhow::Result<Arc<EventWriter>> {
    let subject = EventSubject { partition, agent: Name::new(agent)?, class: Class::Ctl };
    Ok(Arc::new(EventWriter::new(Arc::clone(log), subject, edge::new_boot)))
}

impl Extras {
    async fn bind(args: &UpArgs) -> anyhow::Result<Self> {
        let stand_in = stand_in::bind_unless(args.common.executor_url.as_ref()).await;
        let demo = match args.demo {
            true => Some(TcpListener::bind("127.0.0.1:0").await.context("listen for the demo service")?),
            false => None,
        };
        Ok(Self { stand_in, demo })
    }

    /// They serve until the probe has ended, so that its last checks do not fail for lack of them.
    fn start(self, running: &mut Running, log: &Arc<dyn EventLog>, serving: &Stage) -> anyhow::Result<()> {
        if let Some(listener) = self.stand_in {
            running.start(
                serving,
                "stand-in executor",
                |stop| async move { Ok(stand_in::serve(listener, stop).await?) },
            );
        }
        if let Some(listener) = self.demo {
            let serve = |stop| async move { Ok(demo::serve(listener, clock::system(), stop).await?) };
            running.start(serving, "demo", serve);
            let writer = writer(log, DECLARING, "demo")?;
            running.start(serving, "demo trading", |stop| async move {
                demo::trade(writer, clock::system(), stop).await;
                Ok(())
            });
        }
        Ok(())
    }
}

fn say_where_to_look(web_url: &Url, args: &UpArgs, is_stand_in: bool) -> std::io::Result<()> {
    say!("Spark is up: {web_url}")?;
    say!("  dashboard  {web_url}dashboard")?;
    say!("  health     {web_url}api/healthz")?;
    say!("  gate       spark gate --url {web_url}")?;
    say!("  data       {}", args.common.data.display())?;
    if is_stand_in {
        say!("  executor   a stand-in, since nothing listens on port 4001 (SPARK_EXECUTOR_URL names a real one)")?;
    }
    if args.demo {
        say!("  demo       three services that misbehave on a script of ten minutes")?;
    }
    if args.common.config.is_none() && Path::new("spark.toml").exists() {
        say!("  note       there is a spark.toml here that is not used; give --config spark.toml to use it")?;
    }
    say!("Stop with Ctrl+C.")
}
