//! Keeps the configuration in force: applies it once the fold is live, and again when its file changes.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use spark_aggregator::duties::Duties;
use spark_aggregator::follow::describe;
use spark_aggregator::{Phase, Projection};
use spark_core::config::{Config, Target};
use spark_probe::check::{CheckContext, PreparedCheck};
use spark_schemas::metric;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::configuration::Overrides;
use crate::exit::Unusable;
use crate::reload::Watched;

/// How the probe of this process learns of its targets.
pub struct ProbeTargets {
    /// What its checks share.
    pub context: Arc<CheckContext>,
    /// Where it listens.
    pub sender: watch::Sender<Arc<Vec<Target>>>,
}

impl ProbeTargets {
    /// The targets of `config`, if each can be checked: certificates can be read, variables are set.
    pub fn prepared(context: &CheckContext, config: &Config) -> Result<Arc<Vec<Target>>, Unusable> {
        match PreparedCheck::all(&config.targets, context) {
            Ok(_checks) => Ok(Arc::new(config.targets.clone())),
            Err(error) => Err(Unusable::Setting(describe(&error))),
        }
    }
}

/// Who learns of a configuration.
pub struct PolicyKeeper {
    /// Writes it into the log; a probe of its own does not.
    pub duties: Option<Duties>,
    /// Tells the probe its targets, once it is sure that it can check them.
    pub probe: Option<ProbeTargets>,
    /// The file to keep in view.
    pub file: Option<(PathBuf, Overrides)>,
}

impl PolicyKeeper {
    /// Applies `config`, then every good change of the file, until `shutdown`.
    pub async fn run(self, config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
        // Before the replay, which may take a while: a change meanwhile is noticed after it.
        let watched = self.file.clone().map(|(file, overrides)| (file.clone(), Watched::new(file, overrides)));
        if let Some(duties) = &self.duties {
            wait_until_live(&duties.projection, &shutdown).await;
            self.apply(duties, &config, &shutdown).await;
        }
        let Some((file, mut watched)) = watched else {
            shutdown.cancelled().await;
            return Ok(());
        };
        let probe_at_start = config.probe;
        while let Some(change) = watched.next_change(&shutdown).await {
            let usable = change.and_then(|config| self.hand_to_probe(&config).map(|()| config));
            let result = if usable.is_ok() { "applied" } else { "rejected" };
            metrics::counter!(metric::CONFIG_RELOADS, "result" => result).increment(1);
            match usable {
                Ok(config) => {
                    tracing::info!(file = %file.display(), digest = config.digest(), "configuration applied");
                    if self.probe.is_some() && config.probe != probe_at_start {
                        tracing::warn!("[probe] changed: those settings take effect when the probe is started again");
                    }
                    if let Some(duties) = &self.duties {
                        self.apply(duties, &config, &shutdown).await;
                    }
                }
                Err(error) => self.refuse(&watched, &error).await,
            }
        }
        Ok(())
    }

    fn hand_to_probe(&self, config: &Config) -> Result<(), Unusable> {
        if let Some(probe) = &self.probe {
            probe.sender.send_replace(ProbeTargets::prepared(&probe.context, config)?);
        }
        Ok(())
    }

    async fn refuse(&self, watched: &Watched, error: &Unusable) {
        tracing::error!(error = error as &dyn Error, "configuration not applied, the one before stays");
        if let Some(duties) = &self.duties {
            let event = watched.rejected_event((duties.clock)(), error);
            if let Err(error) = duties.writer.write(vec![event.into()]).await {
                tracing::warn!(error = &error as &dyn Error, "the refusal is not in the log");
            }
        }
    }

    /// Tries until the log takes it.
    async fn apply(&self, duties: &Duties, config: &Config, shutdown: &CancellationToken) {
        while let Err(error) = duties.apply_config(config).await {
            tracing::warn!(error = &error as &dyn Error, "the configuration is not in the log yet");
            let pause = std::time::Duration::from_secs(1);
            if tokio::time::timeout(pause, shutdown.cancelled()).await.is_ok() {
                return;
            }
        }
    }
}

/// Before the fold is live, it is not known which configuration is in force.
async fn wait_until_live(projection: &Projection, shutdown: &CancellationToken) {
    let pause = std::time::Duration::from_millis(20);
    while projection.status().phase != Phase::Live {
        if tokio::time::timeout(pause, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}
