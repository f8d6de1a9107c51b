//! From a configured target to a check that is ready to run; everything that can be wrong with it is said here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::http::header::{
    ACCEPT, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue, USER_AGENT,
};
use hyper::http::{Error as HttpError, Method, Request};
use rustls::pki_types::ServerName;
use spark_core::config::{CheckKind, Target};
use spark_schemas::Name;
use tokio::sync::Semaphore;
use url::Host;

use super::PreparedCheck;
use super::connect::Endpoint;
use super::http::HttpRequest;
use super::resolve::{LOOKUPS_MAX, Resolver};
use super::tls::{CaFiles, TlsConfigs, TlsError, TlsPart};

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
    #[error("target {target}: the URL needs a scheme (http, https or tcp), a host, and for tcp a port")]
    Url {
        /// The target.
        target: Name,
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
        let no_url = || PrepareError::Url { target: target.name.clone() };
        let kind = CheckKind::from_scheme(target.url.scheme()).ok_or_else(no_url)?;
        let host = target.url.host().ok_or_else(no_url)?;
        let port = target.url.port_or_known_default().ok_or_else(no_url)?;
        let tls = match kind {
            CheckKind::Https => Some(tls_part(target, &host, context, ca_files)?),
            CheckKind::Http | CheckKind::Tcp => None,
        };
        let request = match kind {
            CheckKind::Http | CheckKind::Https => {
                Some(HttpRequest { request: request(target, &host, context)?, expect_body: target.expect_body.clone() })
            }
            CheckKind::Tcp => None,
        };
        Ok(Self {
            endpoint: endpoint(&host, port, context),
            tls,
            request,
            timeout: target.timeout().to_std(),
            expect_status: target.expect_status.clone(),
            latency_max_us: target.latency_max.map(|limit| limit.0),
            certificate_days_min: target.certificate_days_min,
        })
    }
}

/// The literal address of a host, if it is one; schemes other than HTTP's leave IPv4 addresses as text.
fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        Host::Domain(name) => name.parse().ok(),
    }
}

fn endpoint(host: &Host<&str>, port: u16, context: &CheckContext) -> Endpoint {
    match literal(host) {
        Some(address) => Endpoint::Address(SocketAddr::new(address, port)),
        None => Endpoint::Name(Resolver::new(&host.to_string(), port, Arc::clone(&context.lookups))),
    }
}

fn tls_part(
    target: &Target,
    host: &Host<&str>,
    context: &CheckContext,
    ca_files: &mut CaFiles,
) -> Result<TlsPart, PrepareError> {
    let config = match &target.ca_file {
        Some(path) => ca_files.config(Path::new(path)),
        None => context.tls.system(),
    };
    let config = config.map_err(|source| PrepareError::Tls { target: target.name.clone(), source })?;
    let server_name = match literal(host) {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(host.to_string())
            .map_err(|source| PrepareError::ServerName { target: target.name.clone(), source })?,
    };
    Ok(TlsPart { config, server_name })
}

fn request(target: &Target, host: &Host<&str>, context: &CheckContext) -> Result<Request<Empty<Bytes>>, PrepareError> {
    let unsendable = |source| PrepareError::Request { target: target.name.clone(), source };
    let path = &target.url[url::Position::BeforePath..url::Position::AfterQuery];
    let method = Method::from_bytes(target.method.as_bytes()).map_err(|source| unsendable(source.into()))?;
    let mut request = Request::builder().method(method).uri(path).body(Empty::new()).map_err(unsendable)?;
    let host = match target.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    let host_value = HeaderValue::from_str(&host).map_err(|source| unsendable(source.into()))?;
    let headers = request.headers_mut();
    headers.insert(HOST, host_value);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("spark/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    insert_headers(headers, &target.headers, target, context)?;
    Ok(request)
}

fn insert_headers(
    headers: &mut HeaderMap,
    configured: &BTreeMap<String, String>,
    target: &Target,
    context: &CheckContext,
) -> Result<(), PrepareError> {
    for (name, value) in configured {
        let (target, header) = (target.name.clone(), name.clone());
        let variable = value.strip_prefix(ENVIRONMENT_PREFIX);
        let value = match variable {
            None => value.clone(),
            Some(variable) => match (context.environment)(variable) {
                Some(value) => value,
                None => return Err(PrepareError::Variable { target, header, variable: variable.to_owned() }),
            },
        };
        let key = match HeaderName::from_bytes(name.as_bytes()) {
            Ok(key) => key,
            Err(source) => return Err(PrepareError::HeaderName { target, header, source }),
        };
        let mut value = match HeaderValue::from_str(&value) {
            Ok(value) => value,
            Err(source) => return Err(PrepareError::HeaderValue { target, header, source }),
        };
        value.set_sensitive(variable.is_some());
        headers.insert(key, value);
    }
    Ok(())
}
