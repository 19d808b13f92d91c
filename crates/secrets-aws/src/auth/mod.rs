//! From settings to a client of AWS's SDK: credentials, region and endpoint, found once and at the first use.

mod login;
mod profiles;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_secretsmanager::Client as SdkClient;
use aws_sdk_secretsmanager::config::Builder;
use aws_smithy_async::time::TimeSource;
use aws_types::os_shim_internal::{Env, Fs};
use secrets_core::{Clock, Environment, Result, SecretValue};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::client::http::AwsHttpClient;
use crate::error;

pub(crate) use login::{LoginAnswer, LoginLog};

use self::login::LoginHttp;
use self::profiles::Chosen;

/// How long all sources of a credential may take together, a person who is asked included.
const LONGEST_LOGIN: Duration = Duration::from_secs(60);
/// Where nothing else names a region.
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_SESSION: &str = "polysecrets";
/// Switches the metadata service off in AWS's SDK.
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
/// What the SDK looks at besides variables that begin with `AWS_`: where the home folder is.
const HOME_VARIABLES: [&str; 4] = ["HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH"];
/// The variables of an access key, which are read by us or, for a named profile, not at all.
pub(crate) const KEY_VARIABLES: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// Variables that name a profile, in the order in which AWS's own tools look at them.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// Where a container gets its credentials.
const CONTAINER_ADDRESS: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// An access key.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: SecretValue,
    pub(crate) secret: SecretValue,
    pub(crate) token: Option<SecretValue>,
}

/// A role to assume.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) session: Option<String>,
}

/// All that decides how the service is reached.
pub(crate) struct Settings {
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) keys: Option<Keys>,
    pub(crate) role: Option<Role>,
    /// Empty where nothing but the configuration may be listened to.
    pub(crate) environment: Environment,
    pub(crate) http: AwsHttpClient,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A client of the SDK, and what it was made with.
pub(crate) struct Connected {
    pub(crate) client: SdkClient,
    pub(crate) region: String,
    /// The credential came from somewhere that may have another one by now.
    pub(crate) can_be_renewed: bool,
    /// What the services that give credentials answered last.
    pub(crate) login: LoginLog,
}

/// Makes the SDK's client at the first use, and keeps it.
pub(crate) struct Connection {
    settings: Arc<Settings>,
    connected: Arc<tokio::sync::Mutex<Option<Arc<Connected>>>>,
}

impl Connection {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            connected: Arc::default(),
        }
    }

    /// The client. Of many callers at once one makes it. That goes on if its caller gives up: a `credential_process` that
    /// asks a person takes longer than one attempt, and must not be started again.
    pub(crate) async fn get(&self) -> Result<Arc<Connected>> {
        let mut connected = Arc::clone(&self.connected).lock_owned().await;
        if let Some(connected) = &*connected {
            return Ok(Arc::clone(connected));
        }
        let settings = Arc::clone(&self.settings);
        let connect = async move {
            let made = match tokio::time::timeout(LONGEST_LOGIN, settings.connect()).await {
                Ok(made) => Arc::new(made?),
                Err(_) => return Err(error::login_too_slow(LONGEST_LOGIN)),
            };
            *connected = Some(Arc::clone(&made));
            Ok(made)
        };
        tokio::spawn(connect.with_current_subscriber())
            .await
            .unwrap_or_else(|_| Err(error::login_interrupted()))
    }

    /// A client with a newly found credential, instead of one whose credential was refused.
    pub(crate) async fn renewed(&self, used: &Arc<Connected>) -> Result<Arc<Connected>> {
        {
            let mut connected = self.connected.lock().await;
            if connected
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, used))
            {
                *connected = None;
            }
        }
        self.get().await
    }
}

impl Settings {
    async fn connect(&self) -> Result<Connected> {
        if let Some(connected) = self.connect_directly()? {
            return Ok(connected);
        }
        // The SDK writes what it finds in files into its trace events.
        Box::pin(self.connect_by_chain())
            .with_subscriber(Dispatch::none())
            .await
    }

    /// Where key and region are known, no file is looked at.
    fn connect_directly(&self) -> Result<Option<Connected>> {
        let names_profile = self.profile.is_some()
            || PROFILE_VARIABLES
                .iter()
                .any(|name| self.environment.var(name).is_some());
        let (Some(keys), None, false) = (&self.keys, &self.role, names_profile) else {
            return Ok(None);
        };
        let may_look_further = self.environment.iter().next().is_some();
        let region = match (&self.region, may_look_further) {
            (Some(region), _) => region.clone(),
            (None, false) => DEFAULT_REGION.to_owned(),
            (None, true) => return Ok(None),
        };
        let builder = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(credentials(keys)?)
            .use_fips(self.is_on("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(self.is_on("AWS_USE_DUALSTACK_ENDPOINT"));
        Ok(Some(self.connected(
            builder,
            region,
            false,
            LoginLog::default(),
        )))
    }

    async fn connect_by_chain(&self) -> Result<Connected> {
        let profile = self.choose_profile().await?;
        let login = LoginHttp {
            inner: self.http.clone(),
            log: LoginLog::default(),
            clock: Arc::clone(&self.clock),
        };
        let (keys, mut roles) = match &profile.wants_environment {
            Some(name) => (Some(self.environment_keys(name)?), profile.roles),
            None => (self.keys.clone(), Vec::new()),
        };
        roles.extend(self.role.clone());
        // First without the metadata service, which is slow to fail where there is none, and must not be asked where
        // something else gives a credential.
        let with_metadata = profile.wants_metadata;
        let mut loaded = self
            .load(self.region.as_deref(), with_metadata, keys.as_ref(), &login)
            .await?;
        let mut found = None;
        if keys.is_none() {
            let failed = |failure: CredentialsError| {
                error::from_credentials(&failure, login.log.last(), self.clock.wall())
            };
            let provider = provider(&loaded)?;
            found = match provider.provide_credentials().await {
                Ok(credentials) => Some(Primed::new(provider, self.unexpired(credentials)?)),
                Err(CredentialsError::CredentialsNotLoaded(_))
                    if self.may_ask_metadata() && !with_metadata =>
                {
                    let region = loaded.region().map(|region| region.as_ref().to_owned());
                    let known = region.as_deref().unwrap_or(DEFAULT_REGION);
                    loaded = self.load(Some(known), true, None, &login).await?;
                    let provider = self::provider(&loaded)?;
                    let credentials = provider.provide_credentials().await.map_err(failed)?;
                    if region.is_none() {
                        loaded = self.load(None, true, None, &login).await?;
                    }
                    Some(Primed::new(provider, self.unexpired(credentials)?))
                }
                Err(CredentialsError::InvalidConfiguration(_))
                    if let Some(failure) = self.wrong_container_address() =>
                {
                    return Err(failure);
                }
                Err(failure) => return Err(failed(failure)),
            };
        }
        let region = loaded
            .region()
            .map_or(DEFAULT_REGION, |region| region.as_ref())
            .to_owned();
        let can_be_renewed = keys.is_none() || !roles.is_empty();
        let mut loaded = loaded.into_builder().region(Region::new(region.clone()));
        if let Some(primed) = found {
            loaded.set_credentials_provider(Some(SharedCredentialsProvider::new(primed)));
        }
        let mut loaded = loaded.build();
        for role in &roles {
            let assumed = self.assume(role, &loaded, &login).await?;
            loaded = loaded
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(assumed))
                .build();
        }
        let builder = Builder::from(&loaded);
        Ok(self.connected(builder, region, can_be_renewed, login.log))
    }

    /// What the profile asks for. It fails where the SDK would go on to another identity further down the chain.
    async fn choose_profile(&self) -> Result<Chosen> {
        let named = match &self.profile {
            Some(name) => Some(name.as_str()),
            None => self.profile_variable()?,
        };
        let (files, variables) = (Fs::real(), self.sdk_environment(false));
        let selected = named.map(|name| name.to_owned().into());
        let profiles =
            aws_config::profile::load(&files, &variables, &Default::default(), selected).await;
        let profiles = profiles.map_err(|_| error::bad_files())?;
        profiles::choose(&profiles, named.unwrap_or("default"), named.is_some())
    }

    /// The profile that the environment names, in the order of AWS's own tools.
    fn profile_variable(&self) -> Result<Option<&str>> {
        for name in PROFILE_VARIABLES {
            match self.environment.var(name).map(SecretValue::expose_str) {
                None => {}
                Some(Ok(profile)) if !profile.is_empty() => return Ok(Some(profile)),
                Some(_) => return Err(error::empty_profile(name)),
            }
        }
        Ok(None)
    }

    /// The access key of the environment, for the profile that takes its credential from there.
    fn environment_keys(&self, profile: &str) -> Result<Keys> {
        let key = |at: usize| {
            let value = self.environment.var(KEY_VARIABLES[at])?;
            let trimmed = value.expose_bytes().trim_ascii();
            (!trimmed.is_empty()).then(|| SecretValue::from(trimmed))
        };
        match (key(0), key(1)) {
            (Some(id), Some(secret)) => Ok(Keys {
                id,
                secret,
                token: key(2),
            }),
            _ => Err(error::no_environment_keys(profile)),
        }
    }

    /// A credential that is over already would be refused with every request.
    fn unexpired(&self, credentials: Credentials) -> Result<Credentials> {
        match credentials.expiry() {
            Some(expiry) if expiry <= self.clock.wall() => Err(error::expired_credentials()),
            _ => Ok(credentials),
        }
    }

    /// What is wrong with the address of the container's credentials, which the SDK takes only where nobody on the way
    /// can read them.
    fn wrong_container_address(&self) -> Option<secrets_core::Error> {
        self.environment.text(CONTAINER_ADDRESS)?;
        self.environment
            .text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .is_none()
            .then(|| error::bad_container_address(CONTAINER_ADDRESS))
    }

    /// What environment and files say. Without a region, that of the environment, the profile or the metadata service is
    /// taken.
    async fn load(
        &self,
        region: Option<&str>,
        with_metadata: bool,
        keys: Option<&Keys>,
        login: &LoginHttp,
    ) -> Result<SdkConfig> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .env(self.sdk_environment(with_metadata))
            .http_client(login.clone())
            .time_source(Wall(Arc::clone(&self.clock)))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let profile = match &self.profile {
            Some(name) => Some(name.as_str()),
            None => self.profile_variable()?,
        };
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = keys {
            loader = loader.credentials_provider(credentials(keys)?);
        }
        Ok(ConfigLoader::load(loader).await)
    }

    async fn assume(&self, role: &Role, loaded: &SdkConfig, login: &LoginHttp) -> Result<Primed> {
        let mut builder = AssumeRoleProvider::builder(&role.arn)
            .configure(loaded)
            .session_name(role.session.as_deref().unwrap_or(DEFAULT_SESSION));
        if let Some(id) = &role.external_id {
            builder = builder.external_id(id);
        }
        let assumed = SharedCredentialsProvider::new(builder.build().await);
        match assumed.provide_credentials().await {
            Ok(credentials) => Ok(Primed::new(assumed, credentials)),
            Err(failure) => Err(error::from_credentials(
                &failure,
                login.log.last(),
                self.clock.wall(),
            )),
        }
    }

    fn connected(
        &self,
        builder: Builder,
        region: String,
        can_be_renewed: bool,
        login: LoginLog,
    ) -> Connected {
        let mut builder = builder
            .region(Region::new(region.clone()))
            .http_client(self.http.clone())
            .time_source(Wall(Arc::clone(&self.clock)))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &self.endpoint {
            builder.set_endpoint_url(Some(endpoint.clone()));
        }
        Connected {
            client: SdkClient::from_conf(builder.build()),
            region,
            can_be_renewed,
            login,
        }
    }

    /// The variables that the SDK may see: its own, without access keys, which are read by us.
    fn sdk_environment(&self, with_metadata: bool) -> Env {
        let mut variables: HashMap<String, String> = self
            .environment
            .iter()
            .filter(|(name, _)| {
                (name.starts_with("AWS_") && !KEY_VARIABLES.contains(name))
                    || HOME_VARIABLES.contains(name)
            })
            .filter_map(|(name, value)| {
                Some((name.to_owned(), value.expose_str().ok()?.to_owned()))
            })
            .collect();
        if !with_metadata {
            variables.insert(METADATA_DISABLED.to_owned(), "true".to_owned());
        }
        Env::from(variables)
    }

    fn may_ask_metadata(&self) -> bool {
        !self.is_on(METADATA_DISABLED)
    }

    fn is_on(&self, name: &str) -> bool {
        self.environment
            .text(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

fn provider(loaded: &SdkConfig) -> Result<SharedCredentialsProvider> {
    loaded
        .credentials_provider()
        .ok_or_else(error::no_credential)
}

/// The SDK's own type, which wipes what it holds.
fn credentials(keys: &Keys) -> Result<Credentials> {
    let token = keys.token.as_ref().map(SecretValue::expose_str);
    Ok(Credentials::new(
        keys.id.expose_str()?,
        keys.secret.expose_str()?,
        token.transpose()?.map(str::to_owned),
        None,
        "polysecrets",
    ))
}

/// A source of credentials whose first answer is known, so the source is not asked twice.
struct Primed {
    source: SharedCredentialsProvider,
    first: Mutex<Option<Credentials>>,
}

impl Primed {
    fn new(source: SharedCredentialsProvider, first: Credentials) -> Self {
        Self {
            source,
            first: Mutex::new(Some(first)),
        }
    }
}

impl fmt::Debug for Primed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Primed(..)")
    }
}

impl ProvideCredentials for Primed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match first {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => future::ProvideCredentials::new(self.source.provide_credentials()),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.source.fallback_on_interrupt()
    }
}

/// The wall clock that we were given, for signatures and ends of credentials.
#[derive(Debug)]
struct Wall(Arc<dyn Clock>);

impl TimeSource for Wall {
    fn now(&self) -> std::time::SystemTime {
        self.0.wall()
    }
}
