use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrets_core::{Environment, Error, ErrorKind, Result};

use crate::{ClientIdentity, SettingNames};

/// Bundles of all trusted certificates, as distributions name them. A folder that holds the same certificates once more
/// is not read beside them.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

static PARSED: AtomicU64 = AtomicU64::new(0);

/// How often this process has parsed a store of TLS root certificates. Parsing costs milliseconds; a process that makes
/// no TLS connection shows 0, any other 1 for the system's roots and 1 for each CA file of a provider's own.
pub fn root_stores_parsed() -> u64 {
    PARSED.load(Ordering::Relaxed)
}

/// Where the roots come from.
#[derive(Debug, Clone)]
pub(crate) enum Roots {
    /// The system's, the same for the whole process.
    System,
    /// A file or a folder that the environment names.
    Named {
        file: Option<PathBuf>,
        folders: Vec<PathBuf>,
    },
    /// These certificates and no others.
    Only(Vec<CertificateDer<'static>>),
}

impl Roots {
    pub(crate) fn from_environment(environment: &Environment) -> Self {
        let file = environment.text("SSL_CERT_FILE").map(PathBuf::from);
        let folders: Vec<PathBuf> = environment
            .text("SSL_CERT_DIR")
            .map(|folders| std::env::split_paths(folders).collect())
            .unwrap_or_default();
        if file.is_none() && folders.is_empty() {
            Self::System
        } else {
            Self::Named { file, folders }
        }
    }

    /// `what` names the file in errors.
    pub(crate) fn from_pem(pem: &[u8], what: &str) -> Result<Self> {
        certificates(pem, what).map(Self::Only)
    }

    fn load(&self) -> std::result::Result<Arc<RootCertStore>, String> {
        // The system's roots are a fact about the machine, so sharing them couples nobody.
        static SYSTEM: OnceLock<std::result::Result<Arc<RootCertStore>, String>> = OnceLock::new();
        match self {
            Self::System => SYSTEM
                .get_or_init(|| {
                    let bundle = BUNDLES.iter().map(Path::new).find(|path| path.is_file());
                    store(match bundle {
                        Some(bundle) if cfg!(all(unix, not(target_vendor = "apple"))) => {
                            rustls_native_certs::load_certs_from_paths(Some(bundle), None).certs
                        }
                        _ => rustls_native_certs::load_native_certs().certs,
                    })
                })
                .clone(),
            Self::Named { file, folders } => {
                let mut certs =
                    rustls_native_certs::load_certs_from_paths(file.as_deref(), None).certs;
                for folder in folders {
                    certs.extend(
                        rustls_native_certs::load_certs_from_paths(None, Some(folder)).certs,
                    );
                }
                store(certs)
            }
            Self::Only(certs) => store(certs.clone()),
        }
    }
}

fn store(certs: Vec<CertificateDer<'static>>) -> std::result::Result<Arc<RootCertStore>, String> {
    PARSED.fetch_add(1, Ordering::Relaxed);
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(certs);
    if added == 0 {
        return Err(format!(
            "no trusted certificates were found ({ignored} could not be read)"
        ));
    }
    Ok(Arc::new(roots))
}

/// Builds the real verifier when the first server presents a certificate, so that a process without TLS connections
/// pays nothing for roots.
#[derive(Debug)]
struct LazyVerifier {
    roots: Roots,
    provider: Arc<CryptoProvider>,
    real: OnceLock<std::result::Result<Arc<WebPkiServerVerifier>, String>>,
}

impl LazyVerifier {
    fn real(&self) -> std::result::Result<&Arc<WebPkiServerVerifier>, rustls::Error> {
        self.real
            .get_or_init(|| {
                WebPkiServerVerifier::builder_with_provider(
                    self.roots.load()?,
                    Arc::clone(&self.provider),
                )
                .build()
                .map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(|problem| rustls::Error::General(problem.clone()))
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        self.real()?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A rustls configuration for these roots and perhaps a client certificate, for HTTP/2 and HTTP/1.1.
pub(crate) fn client_config(
    roots: Roots,
    identity: Option<&ClientIdentity>,
    names: &SettingNames,
) -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = LazyVerifier {
        roots,
        provider: Arc::clone(&provider),
        real: OnceLock::new(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::new(ErrorKind::Unexpected, "cannot set up TLS"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.certificates, &names.client_cert_file)?;
            let key = PrivateKeyDer::from_pem_slice(identity.key.expose_bytes()).map_err(|_| {
                let file = &names.client_key_file;
                invalid(format!("{file} holds no private key in PEM form"))
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!(
                        "the key in {} does not belong to the certificate in {}",
                        names.client_key_file, names.client_cert_file
                    ),
                )
                .with_hint("take the two files that were made together")
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certs: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| invalid(format!("{what} is not in PEM form")))?;
    if certs.is_empty() {
        return Err(invalid(format!("{what} holds no certificate")));
    }
    Ok(certs)
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
        .with_hint("a PEM file has lines such as `-----BEGIN CERTIFICATE-----`")
}
