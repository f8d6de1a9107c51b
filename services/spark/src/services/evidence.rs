//! Where `/evidence/…` comes from: the archives of this process, or another service that has them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use spark_aggregator::follow::describe;
use spark_eventlog::archive::{Archive, read_checkpoint};
use spark_evidence::tiles::TilePath;
use spark_evidence::{KeyPlace, LogSigner};
use spark_web::BuildInfo;
use spark_web::evidence::{Document, Evidence, NoDocument};
use tokio::sync::Semaphore;
use url::Url;

use crate::configuration::beneath;

/// A full bundle has 256 leaves of 64 KiB at most.
const DOCUMENT_BYTES_MAX: u64 = 256 * 65_537;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the archives of this process are.
#[derive(Debug, Clone)]
pub enum Archives {
    /// One, of the log itself.
    One(PathBuf),
    /// A directory of them, one for each incarnation of a stream.
    Several(PathBuf),
}

/// The logs of this process, and those who sign them.
pub struct LocalEvidence {
    pub(super) keys: KeyPlace,
    environment: String,
    archives: Archives,
    /// Where issued days are kept.
    pub(super) days: PathBuf,
    /// What `replay.json` says of this program.
    pub(super) replayer: Value,
    /// One makes a day at a time: it takes the memory of a whole projection.
    pub(super) turn: Mutex<()>,
    /// One bundle is made at a time; who asks meanwhile is told so, and takes no thread.
    bundling: Arc<Semaphore>,
    /// By partition.
    signers: RwLock<BTreeMap<u16, Arc<LogSigner>>>,
}

impl LocalEvidence {
    /// Of `archives` in the directory `data`, signed with `keys`, watched in `environment` by `build`.
    pub fn new(keys: KeyPlace, environment: String, archives: Archives, data: &Path, build: &BuildInfo) -> Arc<Self> {
        let (days, replayer) = (data.join("evidence"), super::daily::replayer(build));
        Arc::new(Self {
            keys,
            environment,
            archives,
            days,
            replayer,
            turn: Mutex::default(),
            bundling: Arc::new(Semaphore::new(1)),
            signers: RwLock::default(),
        })
    }

    /// Who signs the log of `partition` now.
    pub(super) fn signer(&self, partition: u16) -> Option<Arc<LogSigner>> {
        self.signers.read().unwrap_or_else(PoisonError::into_inner).get(&partition).cloned()
    }

    /// A signer of `archive`, which is none that is served.
    pub fn signer_of(&self, archive: Archive) -> LogSigner {
        LogSigner::new(archive, self.environment.clone(), self.keys.clone())
    }

    /// Has `archive` signed as the log of `partition` from now on.
    pub fn open(&self, partition: u16, archive: Archive) -> Arc<LogSigner> {
        let signer = Arc::new(self.signer_of(archive));
        self.signers.write().unwrap_or_else(PoisonError::into_inner).insert(partition, Arc::clone(&signer));
        signer
    }

    /// The partition whose log is served where none is named.
    pub(super) fn first_partition(&self) -> Option<u16> {
        self.signers.read().unwrap_or_else(PoisonError::into_inner).first_key_value().map(|(partition, _)| *partition)
    }

    fn first(&self) -> Option<PathBuf> {
        Some(self.signer(self.first_partition()?)?.archive().dir().to_owned())
    }

    /// The archives by the names of their logs.
    pub(super) fn logs(&self) -> io::Result<BTreeMap<String, PathBuf>> {
        let dirs = match &self.archives {
            Archives::One(dir) => vec![dir.clone()],
            Archives::Several(dir) => {
                std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?
            }
        };
        let named = dirs.into_iter().filter_map(|dir| {
            let origin = std::fs::read_to_string(dir.join("origin")).ok()?;
            Some((origin.trim_end().to_owned(), dir))
        });
        Ok(named.collect())
    }

    fn read(&self, path: &str) -> Result<Document, NoDocument> {
        let failed = |error: &dyn std::error::Error| NoDocument::Unavailable(format!("{}.", describe(error)));
        let nothing = || NoDocument::Absent(format!("Nothing answers at /evidence/{path}."));
        match path.split_once('/') {
            None if path == "keys" => {
                let keys = self.keys.load().map_err(|error| failed(&error))?;
                Ok(Document::Text(keys.public().map(|vkey| format!("{vkey}\n")).collect()))
            }
            None if path == "logs" => {
                let logs = self.logs().map_err(|error| failed(&error))?;
                let list: Vec<_> =
                    logs.keys().map(|log| json!({ "log": log, "path": format!("/evidence/logs/{log}/") })).collect();
                Ok(Document::Json(json!({ "logs": list }).to_string()))
            }
            Some(("bundles", day)) => self.bundle(day),
            Some(("logs", rest)) => {
                let (log, rest) = rest.split_once('/').ok_or_else(nothing)?;
                let dirs = self.logs().map_err(|error| failed(&error))?;
                let dir = dirs.get(log).ok_or_else(|| {
                    NoDocument::Absent(format!("There is no archive of {log:?} here; /evidence/logs lists them."))
                })?;
                file(dir, rest)
            }
            _ => {
                let dir = self.first().ok_or_else(|| {
                    NoDocument::Unavailable("The log was not seen yet; /evidence/logs lists older ones.".to_owned())
                })?;
                file(&dir, path)
            }
        }
    }
}

/// A file of the archive in `dir`, by its path below the log's.
fn file(dir: &Path, path: &str) -> Result<Document, NoDocument> {
    if path == "checkpoint" {
        return match read_checkpoint(dir) {
            Ok(Some(text)) => Ok(Document::Text(text)),
            Ok(None) => Err(NoDocument::Absent("Nothing of this log was signed yet.".to_owned())),
            Err(error) => Err(NoDocument::Unavailable(format!("{}.", describe(&error)))),
        };
    }
    let tile = path.strip_prefix("tile/").and_then(|path| path.parse::<TilePath>().ok());
    let tile = tile.ok_or_else(|| NoDocument::Absent(format!("{path:?} names no tile, and is not `checkpoint`.")))?;
    match tile.read(dir) {
        Ok(Some(bytes)) => Ok(Document::Tile(bytes)),
        Ok(None) => Err(NoDocument::Absent(format!("The log has no {path} at the size that was signed last."))),
        Err(error) => Err(NoDocument::Unavailable(format!("{}.", describe(&error)))),
    }
}

/// For the server's handlers: files are read off the runtime's threads.
pub struct Local(pub Arc<LocalEvidence>);

#[async_trait]
impl Evidence for Local {
    async fn get(&self, path: &str) -> Result<Document, NoDocument> {
        let (logs, path) = (Arc::clone(&self.0), path.to_owned());
        let turn = path.starts_with("bundles/").then(|| Arc::clone(&logs.bundling).try_acquire_owned()).transpose();
        let turn = turn.map_err(|_taken| {
            NoDocument::Unavailable("Another bundle is being made; ask again when it is done.".to_owned())
        })?;
        let read = tokio::task::spawn_blocking(move || {
            // Kept until it is read, also when whoever asked has left.
            let _turn = turn;
            logs.read(&path)
        });
        let read = read.await;
        read.unwrap_or_else(|error| Err(NoDocument::Unavailable(error.to_string())))
    }
}

/// The aggregator's, asked over HTTP.
pub struct Remote(pub Url);

#[async_trait]
impl Evidence for Remote {
    async fn get(&self, path: &str) -> Result<Document, NoDocument> {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '%', '?', '#']);
        if !path.split('/').all(is_plain) {
            // It would lead out of the evidence, to whatever else answers there.
            return Err(NoDocument::Absent("A path below /evidence/ has plain names only.".to_owned()));
        }
        if path.starts_with("bundles/") {
            let url = beneath(&self.0, &format!("/evidence/{path}"));
            return Err(NoDocument::Absent(format!("Bundles are made where the archive is: ask {url}.")));
        }
        let url = beneath(&self.0, &format!("/evidence/{path}"));
        let asked = tokio::task::spawn_blocking(move || ask(&url)).await;
        asked.unwrap_or_else(|error| Err(NoDocument::Unavailable(error.to_string())))
    }
}

fn ask(url: &Url) -> Result<Document, NoDocument> {
    let unavailable = |error: &dyn std::error::Error| {
        NoDocument::Unavailable(format!(
            "{url} does not answer ({}); --evidence-url says where the aggregator's admin endpoint is.",
            describe(error)
        ))
    };
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false);
    let agent: ureq::Agent = config.max_redirects(0).build().into();
    let mut response = agent.get(url.as_str()).call().map_err(|error| unavailable(&error))?;
    let status = response.status().as_u16();
    let kind =
        response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = response.body_mut().with_config().limit(DOCUMENT_BYTES_MAX).read_to_vec();
    let bytes = body.map_err(|error| unavailable(&error))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match (status, kind.as_str()) {
        (200, "application/octet-stream") => Ok(Document::Tile(bytes)),
        (200, "application/json") => Ok(Document::Json(text(bytes))),
        (200, _) if kind.starts_with("text/plain") => Ok(Document::Text(text(bytes))),
        (404, _) => Err(NoDocument::Absent(detail(&bytes, url))),
        _ => Err(NoDocument::Unavailable(detail(&bytes, url))),
    }
}

/// What a problem document says.
fn detail(bytes: &[u8], url: &Url) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let said = problem.as_ref().and_then(|problem| problem["detail"].as_str()).map(str::to_owned);
    said.unwrap_or_else(|| format!("{url} does not answer like Spark's aggregator."))
}
