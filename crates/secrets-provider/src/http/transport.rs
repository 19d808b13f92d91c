use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::ClientConfig;
use secrets_core::{Environment, Error, ErrorKind, OpenContext, Result, SecretValue};

use super::proxy;
use super::tls::{self, Roots};
use crate::{HttpClient, NamedFile};

/// What all HTTP clients of a process share. Make one and clone it: clones share one TLS configuration, with it the
/// store of TLS sessions, and one set of roots, which is parsed at the first TLS handshake.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

struct Shared {
    environment: Environment,
    config: OnceLock<ClientConfig>,
    sent: Arc<AtomicU64>,
}

/// A certificate that the client shows to the server, and its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// The certificate and its intermediates, in PEM form.
    pub certificates: Vec<u8>,
    /// The private key, in PEM form.
    pub key: SecretValue,
}

impl ClientIdentity {
    /// This certificate with this key, both in PEM form.
    pub fn new(certificates: Vec<u8>, key: SecretValue) -> Self {
        Self { certificates, key }
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(..)")
    }
}

/// How one client differs from the others.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Certificates of CAs in PEM form. Only servers that one of them vouches for are trusted then; the system's roots
    /// are not looked at.
    pub ca_pem: Option<Vec<u8>>,
    /// The certificate that the client shows.
    pub identity: Option<ClientIdentity>,
    /// How long a connection may take to be made. 5 seconds.
    pub connect_timeout: Duration,
    /// How long a request may take, from its start to the end of the answer's body. 60 seconds; the layers above have
    /// deadlines of their own.
    pub request_timeout: Duration,
    /// What the settings are called where people set them.
    pub names: SettingNames,
    /// Whether the proxies of the environment are used. A metadata service is on this machine's own link, where no proxy
    /// reaches it. Yes.
    pub uses_proxy: bool,
}

/// What people call the settings behind [`ClientOptions`], so that errors and hints can name them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SettingNames {
    /// The setting of the server's address; "the address" if it has no name of its own.
    pub address: Cow<'static, str>,
    /// The setting that names the file with the CAs to trust; "the provider's CA file".
    pub ca: Cow<'static, str>,
    /// The file that [`ClientOptions::ca_pem`] was read from; "the CA file".
    pub ca_file: Cow<'static, str>,
    /// The file of [`ClientIdentity::certificates`]; "the client certificate file".
    pub client_cert_file: Cow<'static, str>,
    /// The file of [`ClientIdentity::key`]; "the client key file".
    pub client_key_file: Cow<'static, str>,
}

impl Default for SettingNames {
    fn default() -> Self {
        Self {
            address: "the address".into(),
            ca: "the provider's CA file".into(),
            ca_file: "the CA file".into(),
            client_cert_file: "the client certificate file".into(),
            client_key_file: "the client key file".into(),
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            ca_pem: None,
            identity: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            names: SettingNames::default(),
            uses_proxy: true,
        }
    }
}

impl ClientOptions {
    /// Trusts only these CAs, in PEM form.
    pub fn with_ca_pem(mut self, pem: impl Into<Option<Vec<u8>>>) -> Self {
        self.ca_pem = pem.into();
        self
    }

    /// Trusts only the CAs in this file, which errors then name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it cannot be read.
    pub fn with_ca_file(mut self, file: Option<&NamedFile>) -> Result<Self> {
        if let Some(file) = file {
            self.names.ca_file = file.to_string().into();
            self.ca_pem = Some(file.read_public()?);
        }
        Ok(self)
    }

    /// Shows this certificate.
    pub fn with_identity(mut self, identity: impl Into<Option<ClientIdentity>>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Gives up on a connection after this time.
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Gives up on a request after this time.
    pub fn with_request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// Names the settings like this in errors and hints.
    pub fn with_names(mut self, names: SettingNames) -> Self {
        self.names = names;
        self
    }

    /// Goes straight to the server, whatever proxy the environment names.
    pub fn without_proxy(mut self) -> Self {
        self.uses_proxy = false;
        self
    }
}

impl Transport {
    /// A transport that takes `SSL_CERT_FILE`, `SSL_CERT_DIR`, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`
    /// (also in lowercase) from this environment. It does nothing yet.
    pub fn new(environment: Environment) -> Self {
        Self(Arc::new(Shared {
            environment,
            config: OnceLock::new(),
            sent: Arc::default(),
        }))
    }

    /// The transport that the providers of this context share; else one of its own from the context's environment.
    pub fn from_context(context: &OpenContext) -> Self {
        match context.shared::<Self>() {
            Some(transport) => transport.clone(),
            None => Self::new(context.environment.clone()),
        }
    }

    /// How many requests the clients of this transport have sent so far.
    pub fn requests_sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// A client with a pool of connections of its own. It follows no redirects and opens no connection yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a certificate, key or proxy that cannot be used.
    pub fn client(&self, options: ClientOptions) -> Result<HttpClient> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.config(&options)?)
            .redirect(Policy::none())
            .referer(false)
            .user_agent(concat!("polysecrets/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.request_timeout)
            .no_proxy();
        let proxies = match options.uses_proxy {
            true => proxy::proxies(&self.0.environment)?,
            false => Vec::new(),
        };
        let has_proxy = !proxies.is_empty();
        for proxy in proxies {
            builder = builder.proxy(proxy);
        }
        let client = builder
            .build()
            .map_err(|_| Error::new(ErrorKind::Unexpected, "cannot set up the HTTP client"))?;
        let sent = Arc::clone(&self.0.sent);
        Ok(HttpClient::new(client, sent, options.names, has_proxy))
    }

    fn config(&self, options: &ClientOptions) -> Result<ClientConfig> {
        let system = || Roots::from_environment(&self.0.environment);
        match (&options.ca_pem, &options.identity) {
            (None, None) => {
                if let Some(config) = self.0.config.get() {
                    return Ok(config.clone());
                }
                let config = tls::client_config(system(), None, &options.names)?;
                Ok(self.0.config.get_or_init(|| config).clone())
            }
            (ca, identity) => {
                let roots = match ca {
                    Some(pem) => Roots::from_pem(pem, &options.names.ca_file)?,
                    None => system(),
                };
                tls::client_config(roots, identity.as_ref(), &options.names)
            }
        }
    }
}

impl Default for Transport {
    /// A transport that knows no environment: the system's roots, no proxy.
    fn default() -> Self {
        Self::new(Environment::default())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport(..)")
    }
}
