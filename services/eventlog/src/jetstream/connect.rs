//! The connection: how it is made, how it comes back, and what is said when it goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{ClientError, ConnectErrorKind, Event, ServerAddr, ServerError};
use spark_schemas::metric;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::Publisher;
use super::backoff::{backoff, with_jitter};

/// The oldest server that has what the streams need (atomic batches, strict requests).
const SERVER_VERSION_MIN: (i64, i64, i64) = (2, 12, 0);
/// How long a server may take to answer a connection attempt, a request or a publish.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to reconnect.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(4);

/// Where the log is and who asks.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Every server of the cluster, such as `nats://127.0.0.1:4222`; the first that answers is used.
    pub servers: Vec<String>,
    /// How this program proves who it is, if the server asks.
    pub credentials: Option<Credentials>,
    /// What the server calls this connection in its own lists.
    pub name: String,
    /// What the subjects start with on which answers come, when permissions need another than `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// Certificates (PEM) of who signs the servers', besides those that the system trusts.
    pub ca_file: Option<PathBuf>,
}

/// A file with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A file with nothing but an nkey seed (`SU…`).
    NkeySeed(PathBuf),
    /// A `.creds` file: a user's JWT and its seed.
    Creds(PathBuf),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration names no server.
    #[error("no NATS server is named: give at least one, such as nats://127.0.0.1:4222")]
    NoServers,
    /// An address is none.
    #[error("{server:?} is not an address of a NATS server: write it like nats://127.0.0.1:4222")]
    Address {
        /// The address as given.
        server: String,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// The file with the secret can't be read.
    #[error("can't read the NATS credentials in {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answers.
    #[error("no NATS server answers at {servers}: is it started, and is the address right?")]
    Unreachable {
        /// All that were tried.
        servers: String,
        /// What the last of them did.
        #[source]
        source: async_nats::ConnectError,
    },
    /// A server does not let this program in.
    #[error("the NATS server at {servers} does not accept these credentials: check the file and the server's users")]
    Unauthorized {
        /// All that were tried.
        servers: String,
        /// Its answer.
        #[source]
        source: async_nats::ConnectError,
    },
    /// TLS failed.
    #[error("no secure connection to the NATS server at {servers}: check its certificate and who signed it")]
    Tls {
        /// All that were tried.
        servers: String,
        /// What failed.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The server is older than what the streams need.
    #[error("the NATS server at {servers} has version {version}: it must be 2.12 or newer")]
    TooOld {
        /// All that were tried.
        servers: String,
        /// The version it has.
        version: String,
    },
}

/// There is no connection now; it is being looked for in the background.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not connected to any NATS server of {servers}")]
pub struct NotConnected {
    /// All that are tried.
    pub servers: String,
}

/// A connection to NATS. Clones share it; it reconnects by itself for as long as one of them lives.
#[derive(Debug, Clone)]
pub struct Client {
    nats: async_nats::Client,
    servers: Arc<str>,
    contact: watch::Receiver<Contact>,
    losses: watch::Receiver<u64>,
    refusals: broadcast::Sender<Arc<str>>,
}

/// What is known of the servers since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Contact {
    /// None has answered yet.
    None,
    /// One let this program in.
    Made,
    /// One answered, and not as it must: it does not let this program in, or not securely.
    Refused(ConnectErrorKind),
}

/// Connects once, to any of the servers: a wrong address is an error now, not a silence. Reconnects for ever afterwards.
pub async fn connect(options: ConnectOptions) -> Result<Client, ConnectError> {
    let client = try_connect(options, false).await?;
    client.established().await?;
    Ok(client)
}

/// As [`connect`], and when no server answers yet it goes on looking for one: the client is not connected then. What
/// waiting can't mend is an error still: now if a server answers now, else from [`Client::established`].
pub async fn connect_when_there(options: ConnectOptions) -> Result<Client, ConnectError> {
    match try_connect(options.clone(), false).await {
        Err(error @ ConnectError::Unreachable { .. }) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "waiting for a NATS server");
            metrics::gauge!(metric::LOG_CONNECTED).set(0.0);
            try_connect(options, true).await
        }
        client => client,
    }
}

async fn try_connect(options: ConnectOptions, in_background: bool) -> Result<Client, ConnectError> {
    if options.servers.is_empty() {
        return Err(ConnectError::NoServers);
    }
    let servers: Arc<str> = options.servers.join(", ").into();
    let addresses = addresses(&options.servers)?;
    let (losses_sender, losses) = watch::channel(0);
    let (contact_sender, contact) = watch::channel(Contact::None);
    let (refusals, _) = broadcast::channel(64);

    let on_event = {
        let refusals = refusals.clone();
        let servers = Arc::clone(&servers);
        move |event| {
            note_first(&event, &contact_sender);
            observe(&event, &servers, &losses_sender, &refusals);
            std::future::ready(())
        }
    };
    let mut nats = async_nats::ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(ANSWER_TIMEOUT)
        .request_timeout(Some(ANSWER_TIMEOUT))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| with_jitter(backoff(attempts.saturating_sub(1), RECONNECT_DELAY_MAX)))
        .event_callback(on_event);
    if let Some(prefix) = &options.inbox_prefix {
        nats = nats.custom_inbox_prefix(prefix);
    }
    if let Some(path) = options.ca_file {
        nats = nats.add_root_certificates(path);
    }
    if in_background {
        nats = nats.retry_on_initial_connect();
    }
    nats = with_credentials(nats, options.credentials).await?;
    match nats.connect(addresses).await {
        Ok(nats) => Ok(Client { nats, servers, contact, losses, refusals }),
        Err(source) => Err(not_connected(source, &servers)),
    }
}

fn not_connected(source: async_nats::ConnectError, servers: &str) -> ConnectError {
    let servers = servers.to_owned();
    match source.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ConnectError::Unauthorized { servers, source }
        }
        ConnectErrorKind::Tls => ConnectError::Tls { servers, source },
        _ => ConnectError::Unreachable { servers, source },
    }
}

/// Only the first contact counts: a server that let this program in once and does not now may be between two
/// configurations.
fn note_first(event: &Event, contact: &watch::Sender<Contact>) {
    // The client has no other word for why an attempt in the background failed than the kind's text.
    let kind_of = |text: &str| {
        let final_kinds =
            [ConnectErrorKind::Authentication, ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Tls];
        final_kinds.into_iter().find(|kind| kind.to_string() == text)
    };
    let news = match event {
        Event::Connected => Some(Contact::Made),
        Event::ClientError(ClientError::Other(text)) => kind_of(text).map(Contact::Refused),
        _ => None,
    };
    contact.send_if_modified(|contact| match news {
        Some(news) if *contact == Contact::None => {
            *contact = news;
            true
        }
        _ => false,
    });
}

fn addresses(servers: &[String]) -> Result<Vec<ServerAddr>, ConnectError> {
    servers
        .iter()
        .map(|server| server.parse().map_err(|source| ConnectError::Address { server: server.clone(), source }))
        .collect()
}

async fn with_credentials(
    nats: async_nats::ConnectOptions,
    credentials: Option<Credentials>,
) -> Result<async_nats::ConnectOptions, ConnectError> {
    match credentials {
        None => Ok(nats),
        Some(Credentials::NkeySeed(path)) => match tokio::fs::read_to_string(&path).await {
            Ok(seed) => Ok(nats.nkey(seed.trim().to_owned())),
            Err(source) => Err(ConnectError::Credentials { path, source }),
        },
        Some(Credentials::Creds(path)) => {
            nats.credentials_file(&path).await.map_err(|source| ConnectError::Credentials { path, source })
        }
    }
}

/// Runs on the connection's own task for each event.
fn observe(event: &Event, servers: &str, losses: &watch::Sender<u64>, refusals: &broadcast::Sender<Arc<str>>) {
    let label = match event {
        Event::Connected => {
            tracing::info!(servers, "connected to NATS");
            metrics::gauge!(metric::LOG_CONNECTED).set(1.0);
            "connected"
        }
        Event::Disconnected => {
            tracing::warn!(servers, "the connection to NATS is lost, trying to get it back");
            metrics::gauge!(metric::LOG_CONNECTED).set(0.0);
            losses.send_modify(|count| *count += 1);
            "disconnected"
        }
        Event::LameDuckMode => {
            tracing::warn!(servers, "the NATS server is about to stop and sends its clients elsewhere");
            "lame_duck"
        }
        Event::SlowConsumer(subscription) => {
            tracing::warn!(servers, subscription, "messages from NATS were dropped here because nobody took them");
            "slow_consumer"
        }
        Event::Draining | Event::Closed => {
            tracing::info!(servers, "the connection to NATS is closed");
            "closed"
        }
        Event::ServerError(ServerError::Other(text)) if is_refusal(text) => {
            tracing::error!(servers, text, "the NATS server does not permit this");
            // Nobody waits for it: then the log line is all there is to do.
            refusals.send(text.as_str().into()).ok();
            "refused"
        }
        Event::ServerError(error) => {
            tracing::warn!(servers, %error, "the NATS server reports an error");
            "server_error"
        }
        Event::ClientError(error) => {
            tracing::debug!(servers, %error, "an attempt to connect to NATS failed");
            "client_error"
        }
    };
    metrics::counter!(metric::LOG_CONNECTION_EVENTS, "event" => label).increment(1);
}

/// `Permissions Violation for Publish to "spark.evt.0.x.obs"`
fn is_refusal(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with("permissions violation")
}

impl Client {
    /// Waits for the first server; an error when it does not let this program in, or is too old: waiting mends neither.
    pub async fn established(&self) -> Result<(), ConnectError> {
        let mut contact = self.contact.clone();
        let made = contact.wait_for(|contact| *contact != Contact::None).await.map(|contact| *contact);
        if let Ok(Contact::Refused(kind)) = made {
            return Err(not_connected(kind.into(), &self.servers));
        }
        let (major, minor, patch) = SERVER_VERSION_MIN;
        if made.is_ok() && !self.nats.is_server_compatible(major, minor, patch) {
            let version = self.nats.server_info().version;
            return Err(ConnectError::TooOld { servers: self.servers.to_string(), version });
        }
        Ok(())
    }

    /// Whether a server is connected at this moment.
    pub fn is_connected(&self) -> bool {
        self.nats.connection_state() == State::Connected
    }

    /// For messages that are not part of the log.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// Sends what is waiting and closes the connection for all clones.
    pub async fn close(&self) {
        if self.is_connected() && tokio::time::timeout(ANSWER_TIMEOUT, self.nats.flush()).await.is_err() {
            tracing::warn!(servers = %self.servers, "NATS did not take the last messages before the connection closed");
        }
        // An error says that the connection is closed already.
        self.nats.drain().await.ok();
    }

    pub(super) fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    pub(super) fn jetstream(&self) -> Context {
        ContextBuilder::new().timeout(ANSWER_TIMEOUT).ack_timeout(ANSWER_TIMEOUT).build(self.nats.clone())
    }

    pub(super) fn not_connected(&self) -> NotConnected {
        NotConnected { servers: self.servers.to_string() }
    }

    /// Waits for a connection until `deadline`.
    pub(super) async fn connected(&self, deadline: Instant) -> Result<(), NotConnected> {
        const LOOK_AGAIN: Duration = Duration::from_millis(20);
        while !self.is_connected() {
            if Instant::now() >= deadline {
                return Err(self.not_connected());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Changes each time the connection is lost, and with it what was under way.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        losses
    }

    /// The server's words for what it does not permit, from now on.
    pub fn refusals(&self) -> broadcast::Receiver<Arc<str>> {
        self.refusals.subscribe()
    }
}
