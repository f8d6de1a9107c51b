//! From a configured target to a check that is ready to run; everything that can be wrong with it is said here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hyper::http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use hyper::http::{Error as HttpError, Method};
use rustls::ClientConfig;
use spark_core::config::{CheckKind, DnsQuestion, DnsUrlError, Target};
use spark_schemas::Name;
use tokio::sync::Semaphore;
use url::Host;

use super::connect::Endpoint;
use super::dns::{DnsCheck, ServerError, system_server};
use super::http::{Asked, HttpCheck, Origin, Parts, Redirects};
use super::resolve::{LOOKUPS_MAX, Lookups};
use super::tls::{CaFiles, TlsConfigs, TlsError, TlsPart, without_protocol};
use super::{PreparedCheck, Work};

const ENVIRONMENT_PREFIX: &str = "env:";

/// Reads an environment variable; `None` when it is not set.
type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What all checks of a process share: trusted authorities, the limit on name lookups, and the environment.
pub struct CheckContext {
    tls: TlsConfigs,
    lookups: Arc<Semaphore>,
    environment: Box<Environment>,
}

impl CheckContext {
    /// A context whose headers `env:NAME` are answered by `environment`, such as `|name| std::env::var(name).ok()`.
    pub fn new(environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            tls: TlsConfigs::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            environment: Box::new(environment),
        }
    }
}

impl fmt::Debug for CheckContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckContext").finish_non_exhaustive()
    }
}

/// Why a target can't be checked as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A header's value is to come from the environment, and is not there.
    #[error(
        "target {target}: header {header:?} takes its value from the environment variable {variable:?}, which is not \
         set: set it, or change the header"
    )]
    Variable {
        /// The target.
        target: Name,
        /// The header.
        header: String,
        /// The variable.
        variable: String,
    },
    /// The body is to come from the environment, and is not there.
    #[error(
        "target {target}: the body is to come from the environment variable {variable:?}, which is not set: set it, \
         or change the body"
    )]
    BodyVariable {
        /// The target.
        target: Name,
        /// The variable.
        variable: String,
    },
    /// A header's name is none.
    #[error("target {target}: {header:?} can't be a header's name")]
    HeaderName {
        /// The target.
        target: Name,
        /// The header.
        header: String,
        /// What is wrong.
        #[source]
        source: InvalidHeaderName,
    },
    /// A header's value can't be sent.
    #[error("target {target}: the value of header {header:?} can't be sent: no control characters are allowed")]
    HeaderValue {
        /// The target.
        target: Name,
        /// The header.
        header: String,
        /// What is wrong.
        #[source]
        source: InvalidHeaderValue,
    },
    /// Method or path can't be sent.
    #[error("target {target}: method and path can't be sent over HTTP")]
    Request {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: HttpError,
    },
    /// The URL has no host, no port, or a scheme without a check.
    #[error(
        "target {target}: the URL needs a scheme (http, https, tcp, tls or dns), a host, and for tcp and tls a port"
    )]
    Url {
        /// The target.
        target: Name,
    },
    /// The DNS URL asks for nothing.
    #[error("target {target}: the DNS URL can't be asked")]
    DnsUrl {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: DnsUrlError,
    },
    /// The server name is no host.
    #[error("target {target}: server_name must be a DNS name or an address")]
    NotAHost {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: url::ParseError,
    },
    /// The host can't be in a certificate.
    #[error("target {target}: the host can't be in a certificate: use a DNS name or an address")]
    ServerName {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::InvalidDnsNameError,
    },
    /// Nobody says which DNS server to ask.
    #[error("target {target}: find the system's DNS server")]
    DnsServer {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: ServerError,
    },
    /// There is no TLS configuration for it.
    #[error("target {target}: set up TLS")]
    Tls {
        /// The target.
        target: Name,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
}

impl PreparedCheck {
    /// Prepares the check of one target.
    pub fn new(target: &Target, context: &CheckContext) -> Result<Self, PrepareError> {
        Self::with_ca_files(target, context, &mut CaFiles::default())
    }

    /// Prepares the checks of all `targets`; those with the same `ca_file` share what is made of it.
    pub fn all(targets: &[Target], context: &CheckContext) -> Result<Vec<Self>, PrepareError> {
        let mut ca_files = CaFiles::default();
        targets.iter().map(|target| Self::with_ca_files(target, context, &mut ca_files)).collect()
    }

    fn with_ca_files(target: &Target, context: &CheckContext, ca_files: &mut CaFiles) -> Result<Self, PrepareError> {
        let kind = CheckKind::from_scheme(target.url.scheme()).ok_or_else(|| no_url(target))?;
        let lookups = Lookups::new(Arc::clone(&context.lookups));
        let work = match kind {
            CheckKind::Dns => Work::Dns(dns_check(target, &lookups)?),
            CheckKind::Tcp => Work::Tcp(origin(target, &lookups)?.1),
            CheckKind::Tls => {
                let (host, endpoint) = origin(target, &lookups)?;
                let config = without_protocol(&*tls_config(target, context, ca_files)?);
                Work::Tls(endpoint, tls_part(target, config, &host)?)
            }
            CheckKind::Http | CheckKind::Https => {
                Work::Http(Box::new(http_check(target, kind, lookups, context, ca_files)?))
            }
        };
        Ok(Self {
            work,
            timeout: target.timeout().to_std(),
            latency_max_us: target.latency_max.map(|limit| limit.0),
            certificate_days_min: target.certificate_days_min,
        })
    }
}

fn no_url(target: &Target) -> PrepareError {
    PrepareError::Url { target: target.name.clone() }
}

fn origin<'a>(target: &'a Target, lookups: &Lookups) -> Result<(Host<&'a str>, Endpoint), PrepareError> {
    let host = target.url.host().ok_or_else(|| no_url(target))?;
    let port = target.url.port_or_known_default().ok_or_else(|| no_url(target))?;
    let endpoint = Endpoint::new(&host, port, lookups);
    Ok((host, endpoint))
}

fn dns_check(target: &Target, lookups: &Lookups) -> Result<DnsCheck, PrepareError> {
    let question = DnsQuestion::from_url(&target.url);
    let question = question.map_err(|source| PrepareError::DnsUrl { target: target.name.clone(), source })?;
    let server = match &question.server {
        Some((host, port)) => Endpoint::new(host, *port, lookups),
        None => {
            let server = system_server();
            Endpoint::Address(server.map_err(|source| PrepareError::DnsServer { target: target.name.clone(), source })?)
        }
    };
    Ok(DnsCheck::new(server, &question, &target.expect_records))
}

fn http_check(
    target: &Target,
    kind: CheckKind,
    lookups: Lookups,
    context: &CheckContext,
    ca_files: &mut CaFiles,
) -> Result<HttpCheck, PrepareError> {
    let (host, endpoint) = origin(target, &lookups)?;
    let tls = match kind {
        CheckKind::Https => Some(tls_part(target, tls_config(target, context, ca_files)?, &host)?),
        _ => None,
    };
    let unsendable = |source| PrepareError::Request { target: target.name.clone(), source };
    let (body, is_body_secret) = match &target.body {
        None => (String::new(), false),
        Some(text) => from_environment(text, context)
            .map_err(|variable| PrepareError::BodyVariable { target: target.name.clone(), variable })?,
    };
    let mut headers = HeaderMap::new();
    insert_headers(&mut headers, &target.headers, target, context)?;
    let parts = Parts { headers, body: body.into(), connection: target.connection };
    let first = Asked {
        url: target.url.clone(),
        method: Method::from_bytes(target.method.as_bytes()).map_err(|source| unsendable(source.into()))?,
        has_body: target.body.is_some(),
        has_left: false,
    };
    let redirects = match target.redirects_max {
        0 => None,
        max => Some(Redirects { max, tls: tls_config(target, context, ca_files)?, lookups, is_body_secret }),
    };
    HttpCheck::new(Origin { endpoint, tls }, parts, first, redirects, target).map_err(unsendable)
}

fn tls_config(
    target: &Target,
    context: &CheckContext,
    ca_files: &mut CaFiles,
) -> Result<Arc<ClientConfig>, PrepareError> {
    let config = match &target.ca_file {
        Some(path) => ca_files.config(Path::new(path)),
        None => context.tls.system(),
    };
    config.map_err(|source| PrepareError::Tls { target: target.name.clone(), source })
}

/// The handshake with `host`, or with who the target says is there.
fn tls_part(target: &Target, config: Arc<ClientConfig>, host: &Host<&str>) -> Result<TlsPart, PrepareError> {
    let part = match &target.server_name {
        Some(name) => {
            let host = Host::parse(name);
            TlsPart::new(
                config,
                &host.map_err(|source| PrepareError::NotAHost { target: target.name.clone(), source })?,
            )
        }
        None => TlsPart::new(config, host),
    };
    part.map_err(|source| PrepareError::ServerName { target: target.name.clone(), source })
}

/// The text, or what the variable it names says, and whether that was so; an error is the variable that is not set.
fn from_environment(text: &str, context: &CheckContext) -> Result<(String, bool), String> {
    match text.strip_prefix(ENVIRONMENT_PREFIX) {
        None => Ok((text.to_owned(), false)),
        Some(variable) => (context.environment)(variable).map(|value| (value, true)).ok_or_else(|| variable.to_owned()),
    }
}

fn insert_headers(
    headers: &mut HeaderMap,
    configured: &BTreeMap<String, String>,
    target: &Target,
    context: &CheckContext,
) -> Result<(), PrepareError> {
    for (name, value) in configured {
        let (target, header) = (target.name.clone(), name.clone());
        let (value, is_secret) = match from_environment(value, context) {
            Ok(value) => value,
            Err(variable) => return Err(PrepareError::Variable { target, header, variable }),
        };
        let key = match HeaderName::from_bytes(name.as_bytes()) {
            Ok(key) => key,
            Err(source) => return Err(PrepareError::HeaderName { target, header, source }),
        };
        let mut value = match HeaderValue::from_str(&value) {
            Ok(value) => value,
            Err(source) => return Err(PrepareError::HeaderValue { target, header, source }),
        };
        value.set_sensitive(is_secret);
        headers.insert(key, value);
    }
    Ok(())
}
