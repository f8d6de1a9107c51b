//! The TLS part of a check: shared client configurations, the handshake, and when the certificate expires.
//!
//! Sessions are not resumed: each check proves the whole handshake, certificate included.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use spark_schemas::TimeNs;
use spark_schemas::event::FailReason;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::connect::literal;
use super::{Failure, Seen, Stage, add_us, us_since};

/// Why there is no TLS configuration for a target.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities can't be read as PEM.
    #[error("can't read {} as a PEM file of certificates", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// An authority's certificate is not usable.
    #[error("a certificate in {} is not usable as an authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The file of authorities has none.
    #[error("{} has no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system knows no authorities.
    #[error(
        "this system has no trusted authorities: install its ca-certificates package, or give the target a ca_file"
    )]
    NoSystemRoots,
    /// The cryptography provider offers none of the protocol versions.
    #[error("no TLS version is available")]
    Versions(#[source] rustls::Error),
}

/// Client configurations, one for the system's authorities and one for each `ca_file`, made when first asked for.
#[derive(Debug, Default)]
pub(super) struct TlsConfigs {
    system: Mutex<Option<Arc<ClientConfig>>>,
}

impl TlsConfigs {
    /// The configuration that trusts the system's authorities.
    pub(super) fn system(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*system {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's trusted authorities can't be read");
        }
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
        let config = client_config(roots)?;
        *system = Some(Arc::clone(&config));
        Ok(config)
    }
}

/// Configurations by `ca_file`, shared among the targets that are prepared together: a later round reads the files anew.
#[derive(Debug, Default)]
pub(super) struct CaFiles(HashMap<PathBuf, Arc<ClientConfig>>);

impl CaFiles {
    /// The configuration that trusts only the authorities in `path`.
    pub(super) fn config(&mut self, path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.0.get(path) {
            return Ok(Arc::clone(config));
        }
        let unreadable = |source| TlsError::CaFile { path: path.to_owned(), source };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            let certificate = certificate.map_err(unreadable)?;
            roots.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
        }
        if roots.is_empty() {
            return Err(TlsError::Empty { path: path.to_owned() });
        }
        let config = client_config(roots)?;
        self.0.insert(path.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// `config` for a peer that need not speak HTTP: a protocol that it does not know may make it break off.
pub(super) fn without_protocol(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols.clear();
    Arc::new(config)
}

/// What a target's handshake needs.
#[derive(Debug)]
pub(super) struct TlsPart {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

impl TlsPart {
    /// Asks for `host`, and has the certificate be valid for it.
    pub(super) fn new<S: AsRef<str>>(config: Arc<ClientConfig>, host: &Host<S>) -> Result<Self, InvalidDnsNameError> {
        let server_name = match (literal(host), host) {
            (None, Host::Domain(name)) => ServerName::try_from(name.as_ref().to_owned())?,
            (Some(address), _) => ServerName::from(address),
            (None, Host::Ipv4(address)) => ServerName::from(IpAddr::V4(*address)),
            (None, Host::Ipv6(address)) => ServerName::from(IpAddr::V6(*address)),
        };
        Ok(Self { config, server_name })
    }

    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        seen: &mut Seen,
    ) -> Result<Box<TlsStream<TcpStream>>, Failure> {
        seen.stage = Stage::Handshaking;
        let begun = Instant::now();
        // Else the request waits for the acknowledgement of the handshake's last flight.
        let _slower_without = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let handshake = Box::pin(connector.connect(self.server_name.clone(), stream));
        let stream = handshake.await.map_err(|error| failed_handshake(&error, seen))?;
        add_us(&mut seen.phases.tls_us, us_since(begun));
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        seen.shown(leaf.and_then(|leaf| expiry(leaf)));
        Ok(Box::new(stream))
    }
}

fn failed_handshake(error: &io::Error, seen: &mut Seen) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            seen.shown(Some(TimeNs(not_after.as_secs().saturating_mul(TimeNs::SECOND))));
            Failure::new(FailReason::Tls, tls_text("the certificate has expired", error))
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Failure::new(FailReason::Tls, "the certificate is from an authority that is not trusted")
        }
        Some(error) => Failure::new(FailReason::Tls, error),
        None => Failure::new(FailReason::Tls, format_args!("the TLS handshake broke off: {error}")),
    }
}

fn tls_text(sentence: &'static str, error: &io::Error) -> String {
    format!("{sentence} ({error})")
}

/// When a certificate expires; `None` when it is not X.509 or expired before 1970.
fn expiry(certificate: &CertificateDer<'_>) -> Option<TimeNs> {
    let (_rest, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let secs = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(TimeNs(secs.saturating_mul(TimeNs::SECOND)))
}
