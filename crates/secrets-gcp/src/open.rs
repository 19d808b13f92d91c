//! From configuration and context to a provider, without a request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrets_core::{Environment, Error, Location, OpenContext, ProviderKind, Result, SecretValue};
use secrets_provider::{
    Ambient, BaseUrl, ClientOptions, HeaderValue, HttpClient, NamedFile, SettingNames, Transport,
    at_most_one_credential,
};

use crate::SCHEME;
use crate::auth::{
    Auth, CredentialsJson, CredentialsSource, Exchange, GivenToken, MetadataServer, TokenFile,
    TokenSource,
};
use crate::client::{Client, Placement, Project};
use crate::config::{GcpConfig, ReplicaConfig};
use crate::names::Ids;
use crate::provider::GcpProvider;
use crate::wire::{Automatic, Encryption, Replica, Replication, UserManaged};

const GLOBAL: &str = "https://secretmanager.googleapis.com";
const ENDPOINT_VARIABLE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
/// In the order in which they are looked at: Google's own, the one of our documents, and that of gcloud.
const PROJECT_VARIABLES: [&str; 4] = [
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "GCP_PROJECT_ID",
    "CLOUDSDK_CORE_PROJECT",
];
const TOKEN_VARIABLES: [&str; 2] = ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"];
const CREDENTIALS_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const WELL_KNOWN_FILE: &str = "application_default_credentials.json";

/// Opens the secrets of one project, global ones or those of one region. Nothing is sent yet; the login happens at the
/// first use.
///
/// # Errors
/// - [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig): a project, region, prefix, endpoint, file or credential that cannot be used, more than
///   one credential, or plain http to another machine without `allow_http`.
/// - [`Unauthenticated`](secrets_core::ErrorKind::Unauthenticated): a credential that must not go to a location of somebody else's choice.
pub async fn open(
    config: GcpConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<GcpProvider> {
    let ambient = Ambient::for_context(&context);
    let base = base(&config, ambient)?;
    base.refuse_clear("values and credentials", config.allow_http)?;
    let ids = Ids::new(config.secret_prefix.as_deref().unwrap_or_default())?;
    let placement = placement(&config)?;
    let http = transport.client(client_options(&config, &context, ambient)?)?;
    let login = Login::from_config(&config, &context, ambient, &http)?;

    let project = match config
        .project_id
        .clone()
        .or_else(|| ambient.text(&PROJECT_VARIABLES).map(str::to_owned))
        .or(login.project)
    {
        Some(project) => {
            check_project(&project)?;
            Project::known(project)
        }
        None => match login.metadata {
            Some(server) => Project::of_machine(server),
            None => {
                return Err(Error::invalid_config("the project is missing").with_hint(
                    "set `project_id`, or `location = \"gcp-sm://my-project\"`, or GOOGLE_CLOUD_PROJECT",
                ));
            }
        },
    };
    let quota_project = config
        .quota_project
        .clone()
        .or_else(|| {
            ambient
                .text(&["GOOGLE_CLOUD_QUOTA_PROJECT"])
                .map(str::to_owned)
        })
        .or(login.quota_project);
    let quota_project = quota_project
        .map(|project| {
            check_project(&project)?;
            HeaderValue::from_str(&project)
                .map_err(|_| Error::invalid_config("`quota_project` is not the id of a project"))
        })
        .transpose()?;

    let location = location(&config, &base, project.id());
    let auth = login
        .source
        .map(|(source, what)| Auth::new(source, what, Arc::clone(&context.clock)));
    let client = Client::new(
        http,
        base,
        project,
        placement,
        auth,
        quota_project,
        &context,
    );
    Ok(GcpProvider::new(
        client,
        ids,
        (context.provider, location, login.variables),
    ))
}

#[async_trait]
impl ProviderKind for GcpProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = GcpConfig;

    fn set_location(config: &mut GcpConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: GcpConfig, context: OpenContext) -> Result<Self> {
        let transport = Transport::from_context(&context);
        open(config, context, transport).await
    }
}

fn base(config: &GcpConfig, ambient: Ambient<'_>) -> Result<BaseUrl> {
    if let Some(region) = &config.region {
        check_region(region, "region")?;
    }
    if let Some(endpoint) = &config.endpoint {
        return BaseUrl::parse(endpoint);
    }
    if let Some(endpoint) = ambient.text(&[ENDPOINT_VARIABLE]) {
        return BaseUrl::from_setting(ENDPOINT_VARIABLE, endpoint, GLOBAL);
    }
    match &config.region {
        None => BaseUrl::parse(GLOBAL),
        Some(region) => BaseUrl::parse(&format!(
            "https://secretmanager.{region}.rep.googleapis.com"
        )),
    }
}

fn check_region(region: &str, what: &str) -> Result<()> {
    let is_sound = region.starts_with(|c: char| c.is_ascii_lowercase())
        && region
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if is_sound {
        return Ok(());
    }
    Err(
        Error::invalid_config(format!("`{what}` is not the name of a region"))
            .with_hint("a region looks like `europe-west3`"),
    )
}

/// An id, also one of a domain (`example.com:project`), or a number.
fn check_project(project: &str) -> Result<()> {
    let is_sound = project.starts_with(|c: char| c.is_ascii_alphanumeric())
        && project
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c));
    if is_sound {
        return Ok(());
    }
    Err(Error::invalid_config("the project is given by something that is not its id").with_hint(
        "an id has lowercase letters, digits and hyphens; it is not the display name: see `gcloud projects list`",
    ))
}

fn location(config: &GcpConfig, base: &BaseUrl, project: Option<&str>) -> Location {
    let mut location = Location::from_scheme(SCHEME);
    if config.endpoint.is_some() {
        location = location.with_host(base.host(), Some(base.port()));
        if !base.is_https() {
            location = location.with_parameter("tls", "off");
        }
    }
    if let Some(project) = project {
        location = location.with_path(format!("/{project}"));
    }
    match &config.region {
        Some(region) => location.with_parameter("region", region),
        None => location,
    }
}

fn placement(config: &GcpConfig) -> Result<Placement> {
    let encryption = |key: &Option<String>| {
        key.as_ref().map(|key| Encryption {
            kms_key_name: key.clone(),
        })
    };
    for key in config
        .replicas
        .iter()
        .filter_map(|replica| replica.kms_key.as_deref())
        .chain(config.kms_key.as_deref())
    {
        if !key.starts_with("projects/") || !key.contains("/cryptoKeys/") {
            return Err(Error::invalid_config("`kms_key` is not the name of a key").with_hint(
                "it looks like `projects/P/locations/L/keyRings/R/cryptoKeys/K`, without a version",
            ));
        }
    }
    if let Some(region) = &config.region {
        if !config.replicas.is_empty() {
            return Err(
                Error::invalid_config("`region` and `replicas` exclude each other").with_hint(
                    "a regional secret is in its region alone; leave `region` out for a global one with replicas",
                ),
            );
        }
        return Ok(Placement::Regional {
            region: region.clone(),
            encryption: encryption(&config.kms_key),
        });
    }
    if config.replicas.is_empty() {
        return Ok(Placement::Global(Replication::Automatic(Automatic {
            customer_managed_encryption: encryption(&config.kms_key),
        })));
    }
    if config.kms_key.is_some() {
        return Err(Error::invalid_config("`kms_key` beside `replicas` fits no replica").with_hint(
            "give each replica its own: `replicas = [{ region = \"europe-west1\", kms_key = \"…\" }]`",
        ));
    }
    let replica = |replica: &ReplicaConfig| {
        check_region(&replica.region, "replicas")?;
        Ok(Replica {
            location: replica.region.clone(),
            customer_managed_encryption: encryption(&replica.kms_key),
        })
    };
    let replicas = config.replicas.iter().map(replica).collect::<Result<_>>()?;
    Ok(Placement::Global(Replication::UserManaged(UserManaged {
        replicas,
    })))
}

fn client_options(
    config: &GcpConfig,
    context: &OpenContext,
    ambient: Ambient<'_>,
) -> Result<ClientOptions> {
    let mut names = SettingNames::default();
    names.address = match (&config.endpoint, ambient.text(&[ENDPOINT_VARIABLE])) {
        (Some(_), _) => "`endpoint`".into(),
        (None, Some(_)) => ENDPOINT_VARIABLE.into(),
        (None, None) if config.region.is_some() => "`region`, and the network".into(),
        (None, None) => "the network".into(),
    };
    names.ca = "`ca_cert`".into();
    let ca = config.ca_cert.as_ref();
    let ca = ca.map(|path| NamedFile::from_config("`ca_cert`", path, context));
    let ca = ca.transpose()?;
    ClientOptions::default()
        .with_names(names)
        .with_ca_file(ca.as_ref())
}

/// Who we are, and what comes to light on the way to that.
#[derive(Default)]
struct Login {
    /// The source, and what it is called in errors; none for a service that wants no credential.
    source: Option<(Arc<dyn TokenSource>, String)>,
    project: Option<String>,
    quota_project: Option<String>,
    /// The server that can be asked for the project.
    metadata: Option<MetadataServer>,
    /// The variables that hold credentials.
    variables: Vec<String>,
}

impl Login {
    fn from_config(
        config: &GcpConfig,
        context: &OpenContext,
        ambient: Ambient<'_>,
        http: &HttpClient,
    ) -> Result<Self> {
        at_most_one_credential(&[
            ("credentials", config.credentials.is_some()),
            ("credentials_file", config.credentials_file.is_some()),
            ("token", config.token.is_some()),
            ("token_file", config.token_file.is_some()),
            ("anonymous", config.anonymous),
            ("a token source", config.token_source.is_some()),
        ])?;
        let exchange = Exchange {
            http: http.clone(),
            clock: Arc::clone(&context.clock),
            allow_http: config.allow_http,
        };
        if config.anonymous {
            return Ok(Self::default());
        }
        if let Some(source) = &config.token_source {
            return Ok(Self::with(Arc::clone(source), "the token of the program"));
        }
        if let Some(token) = &config.token {
            return Self::given(token, "the token of `token`");
        }
        if let Some(path) = &config.token_file {
            let file = NamedFile::for_credential("`token_file`", path, context)?;
            let what = format!("the token in {file}");
            return Ok(Self::with(Arc::new(TokenFile(file)), what));
        }
        if let Some(json) = &config.credentials {
            let json = CredentialsJson::Given(json.clone());
            return Self::by_json(json, exchange, context);
        }
        if let Some(path) = &config.credentials_file {
            let file = NamedFile::for_credential("`credentials_file`", path, context)?;
            let json = CredentialsJson::File(file);
            return Self::by_json(json, exchange, context);
        }
        Self::ambient(context, ambient, exchange)
    }

    /// The credential of the person at the keyboard, or of the machine.
    fn ambient(context: &OpenContext, ambient: Ambient<'_>, exchange: Exchange) -> Result<Self> {
        context.allow_ambient(
            "the credential of GOOGLE_APPLICATION_CREDENTIALS, gcloud or the machine",
        )?;
        if let Some(path) = ambient.text(&[CREDENTIALS_VARIABLE]) {
            let file = NamedFile::from_config(CREDENTIALS_VARIABLE, path, context)?;
            return Self::by_json(CredentialsJson::File(file), exchange, context);
        }
        if let Some((name, token)) = ambient.variable(&TOKEN_VARIABLES) {
            let mut login = Self::given(token, format!("the token of {name}"))?;
            login.variables.push(name.to_owned());
            return Ok(login);
        }
        if let Some(path) = well_known_file(&context.environment) {
            let file = NamedFile::new("`gcloud auth application-default login`", path)?;
            let mut login = Self::by_json(CredentialsJson::File(file), exchange, context)?;
            // A person's login belongs to no project; what gcloud works in is Google's own default then.
            if login.project.is_none() {
                login.project = gcloud_project(&context.environment);
            }
            return Ok(login);
        }
        let host = ambient.text(&["GCE_METADATA_HOST"]);
        let server = MetadataServer::new(host, Arc::clone(&context.clock))?;
        Ok(Self {
            metadata: Some(server.clone()),
            ..Self::with(Arc::new(server), "the token of the metadata server")
        })
    }

    fn with(source: Arc<dyn TokenSource>, what: impl Into<String>) -> Self {
        Self {
            source: Some((source, what.into())),
            ..Self::default()
        }
    }

    fn given(token: &SecretValue, what: impl Into<String>) -> Result<Self> {
        let what = what.into();
        crate::auth::bearer(token, &what)?;
        Ok(Self::with(Arc::new(GivenToken(token.clone())), what))
    }

    fn by_json(json: CredentialsJson, exchange: Exchange, context: &OpenContext) -> Result<Self> {
        let what = format!("the token for the credential in {json}");
        let (source, projects) = CredentialsSource::open(json, exchange, context)?;
        Ok(Self {
            project: projects.project_id,
            quota_project: projects.quota_project_id,
            ..Self::with(Arc::new(source), what)
        })
    }
}

/// The file of `gcloud auth application-default login`, if it is there.
fn well_known_file(environment: &Environment) -> Option<PathBuf> {
    let file = gcloud_folder(environment)?.join(WELL_KNOWN_FILE);
    file.is_file().then_some(file)
}

/// The folder of gcloud's own settings.
fn gcloud_folder(environment: &Environment) -> Option<PathBuf> {
    Some(match environment.text("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => Path::new(environment.text("APPDATA")?).join("gcloud"),
        None => Path::new(environment.text("HOME")?).join(".config/gcloud"),
    })
}

/// The project of gcloud's active configuration, as `gcloud config set project` leaves it.
fn gcloud_project(environment: &Environment) -> Option<String> {
    let folder = gcloud_folder(environment)?;
    let active = std::fs::read_to_string(folder.join("active_config")).ok();
    let active = active.as_deref().map(str::trim);
    let name = environment.text("CLOUDSDK_ACTIVE_CONFIG_NAME").or(active);
    let file = format!("config_{}", name.unwrap_or("default"));
    let text = std::fs::read_to_string(folder.join("configurations").join(file)).ok()?;
    let mut is_core = false;
    text.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            is_core = line == "[core]";
        }
        let (key, value) = line.split_once('=')?;
        (is_core && key.trim() == "project").then(|| value.trim().to_owned())
    })
}
