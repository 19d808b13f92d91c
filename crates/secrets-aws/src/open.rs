//! From configuration and context to a provider, without a request.

use std::sync::Arc;

use async_trait::async_trait;
use secrets_core::{
    Environment, Error, ErrorKind, Location, NamedPath, OpenContext, ProviderInfo, ProviderKind,
    Result, SecretValue,
};
use secrets_provider::{
    BaseUrl, ClientOptions, NamedFile, SettingNames, Transport, sensitive_header,
};

use crate::auth::{Connection, KEY_VARIABLES, Keys, Role, Settings};
use crate::client::Client;
use crate::client::http::AwsHttpClient;
use crate::limits::{IN_FLIGHT, READS_A_SECOND, RECOVERY_DAYS};
use crate::names::{self, Arn, Names};
use crate::provider::{JsonKeys, KEY_CAPABILITIES, PerSecret, Store};
use crate::{AwsConfig, AwsProvider, CAPABILITIES, SCHEME};

/// Variables with an address of the service, the more exact one first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];

/// Variables that name files which AWS's SDK reads.
const FILE_VARIABLES: [&str; 4] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
/// A variable that gives the container's role to whoever holds it.
const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// Opens the secrets of one region of an account. Nothing is sent yet, and no file of AWS's is read; both happen at the
/// first use.
///
/// # Errors
/// - [`ErrorKind::InvalidConfig`]: a setting that cannot be used, half an access key, or plain http to another machine
///   without `allow_http`.
/// - [`ErrorKind::Unauthenticated`]: a credential would be needed that must not go to a location of somebody else's choice.
pub async fn open(
    config: AwsConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<AwsProvider> {
    let environment = match context.allow_ambient("the environment's settings for aws") {
        Ok(()) => context.environment.clone(),
        Err(_) => Environment::default(),
    };
    for name in FILE_VARIABLES {
        if let Some(path) = environment.text(name) {
            NamedPath::new(name, path)?;
        }
    }
    let mut variables = Vec::new();
    let keys = keys(&config, &context, &environment, &mut variables)?;
    if keys.is_none() && environment.var(CONTAINER_TOKEN).is_some() {
        variables.push(CONTAINER_TOKEN.to_owned());
    }
    let region = region(&config, &environment)?;
    let endpoint = endpoint(&config, &environment)?;
    let is_plain = endpoint
        .as_ref()
        .is_some_and(|endpoint| !endpoint.is_https());
    let options = if is_plain && keys.is_some() && config.role_arn.is_none() {
        // Nothing will go over TLS, and a bundle costs more to parse than all the rest.
        ClientOptions::default().with_names(setting_names())
    } else {
        client_options(&config, &context, &environment)?
    };
    let location = location(&config, region.as_deref(), endpoint.as_ref());
    let clock = Arc::clone(&context.clock);
    let connection = Connection::new(Settings {
        region,
        endpoint: endpoint.map(|endpoint| endpoint.to_string()),
        profile: config.profile.clone(),
        keys,
        role: role(&config)?,
        environment,
        http: AwsHttpClient::new(transport, options),
        clock: Arc::clone(&clock),
    });
    let client = Client::new(connection, clock);
    let kms_key = config.kms_key_id.clone();
    if let Some(days) = config.recovery_window_days
        && !RECOVERY_DAYS.contains(&days)
    {
        return Err(Error::invalid_config(format!(
            "`recovery_window_days` is {days}, not 7 to 30"
        )));
    }
    let (store, capabilities) = match (&config.secret_name, &config.secret_prefix) {
        (Some(_), Some(_)) => {
            return Err(
                Error::invalid_config("both `secret_name` and `secret_prefix` are set").with_hint(
                    "`secret_name` is one secret that holds all keys, `secret_prefix` what the names of many secrets begin with; keep one",
                ),
            );
        }
        (Some(id), None) => {
            check_secret_name(id)?;
            let keys = JsonKeys::new(client, id.clone(), kms_key);
            (Store::JsonKeys(keys), KEY_CAPABILITIES)
        }
        (None, prefix) => {
            let names = Names::under(prefix.as_deref().unwrap_or_default())?;
            let secrets = PerSecret::new(client, names, kms_key, config.recovery_window_days);
            (Store::PerSecret(secrets), CAPABILITIES)
        }
    };
    let info = ProviderInfo::new(SCHEME, context.provider, location, capabilities)
        .with_credential_variables(variables)
        .with_concurrency(IN_FLIGHT)
        .with_rate(READS_A_SECOND);
    Ok(AwsProvider::new(info, store))
}

#[async_trait]
impl ProviderKind for AwsProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = AwsConfig;

    fn set_location(config: &mut AwsConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: AwsConfig, context: OpenContext) -> Result<Self> {
        let transport = Transport::from_context(&context);
        open(config, context, transport).await
    }
}

/// The access key of the configuration, else that of the environment. A named profile goes before the latter.
fn keys(
    config: &AwsConfig,
    context: &OpenContext,
    environment: &Environment,
    variables: &mut Vec<String>,
) -> Result<Option<Keys>> {
    let (names, values) = match (&config.access_key_id, &config.secret_access_key) {
        (None, None) if config.session_token.is_none() => {
            context.allow_ambient("a credential of AWS's default chain")?;
            if config.profile.is_some() {
                return Ok(None);
            }
            let value = |at: usize| {
                let value = environment.var(KEY_VARIABLES[at])?;
                (!value.expose_bytes().trim_ascii().is_empty()).then(|| trimmed(value))
            };
            (KEY_VARIABLES, (value(0), value(1), value(2)))
        }
        (id, secret) => {
            if config.profile.is_some() {
                return Err(
                    Error::invalid_config("both an access key and `profile` are set")
                        .with_hint("keep one of them"),
                );
            }
            (
                ["`access_key_id`", "`secret_access_key`", "`session_token`"],
                (id.clone(), secret.clone(), config.session_token.clone()),
            )
        }
    };
    let (id, secret, token) = match values {
        (None, None, _) if names == KEY_VARIABLES => return Ok(None),
        (Some(id), Some(secret), token) => (id, secret, token),
        (id, _, _) => {
            let (missing, present) = match id {
                None => (names[0], names[1]),
                Some(_) => (names[1], names[0]),
            };
            return Err(Error::invalid_config(format!("{missing} is missing"))
                .with_hint(format!("it belongs to {present}; set both or neither")));
        }
    };
    // Both go into headers, where a stray line feed would be reported as a wrong signature.
    sensitive_header(&id, names[0])?;
    if let Some(token) = &token {
        sensitive_header(token, names[2])?;
    }
    sensitive_header(&secret, names[1])?;
    if names == KEY_VARIABLES {
        variables.extend(
            KEY_VARIABLES
                .iter()
                .filter(|name| environment.var(name).is_some())
                .map(|name| (*name).to_owned()),
        );
    }
    Ok(Some(Keys { id, secret, token }))
}

/// AWS's own tools trim these variables too.
fn trimmed(value: &SecretValue) -> SecretValue {
    value.expose_bytes().trim_ascii().into()
}

fn role(config: &AwsConfig) -> Result<Option<Role>> {
    match &config.role_arn {
        Some(arn) => Ok(Some(Role {
            arn: arn.clone(),
            external_id: config.external_id.clone(),
            session: config.role_session_name.clone(),
        })),
        None if config.external_id.is_some() || config.role_session_name.is_some() => {
            Err(Error::invalid_config("`role_arn` is missing")
                .with_hint("`external_id` and `role_session_name` belong to it"))
        }
        None => Ok(None),
    }
}

fn region(config: &AwsConfig, environment: &Environment) -> Result<Option<String>> {
    let from_environment = || {
        ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| Some((name, environment.text(name)?.to_owned())))
    };
    let given = match &config.region {
        Some(region) => Some(("`region`", region.clone())),
        None => from_environment(),
    };
    let Some((setting, region)) = given else {
        return Ok(None);
    };
    // It becomes a part of the host name.
    let is_sound = (2..=40).contains(&region.len())
        && region
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && region.starts_with(|c: char| c.is_ascii_lowercase());
    match is_sound {
        true => Ok(Some(region)),
        false => Err(Error::invalid_config(format!("{setting} is not a region"))
            .with_hint("a region looks like `eu-central-1`")),
    }
}

fn endpoint(config: &AwsConfig, environment: &Environment) -> Result<Option<BaseUrl>> {
    let is_ignored = environment
        .text("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let from_environment = || {
        ENDPOINT_VARIABLES
            .into_iter()
            .find_map(|name| Some((name, environment.text(name)?)))
    };
    let given = match &config.endpoint {
        Some(endpoint) => Some(("`endpoint`", endpoint.as_str())),
        None if is_ignored => None,
        None => from_environment(),
    };
    let Some((setting, text)) = given else {
        return Ok(None);
    };
    let base = BaseUrl::from_setting(setting, text, "https://host:port")?;
    base.refuse_clear("values", config.allow_http)?;
    Ok(Some(base))
}

fn client_options(
    config: &AwsConfig,
    context: &OpenContext,
    environment: &Environment,
) -> Result<ClientOptions> {
    let file = match (&config.ca_cert, environment.text("AWS_CA_BUNDLE")) {
        (Some(path), _) => Some(NamedFile::from_config("`ca_cert`", path, context)?),
        (None, Some(path)) => Some(NamedFile::new("AWS_CA_BUNDLE", path)?),
        (None, None) => None,
    };
    ClientOptions::default()
        .with_names(setting_names())
        .with_ca_file(file.as_ref())
}

fn setting_names() -> SettingNames {
    let mut names = SettingNames::default();
    names.address = "`region` and `endpoint`".into();
    names.ca = "`ca_cert` or AWS_CA_BUNDLE".into();
    names
}

fn location(config: &AwsConfig, region: Option<&str>, endpoint: Option<&BaseUrl>) -> Location {
    let mut location = Location::from_scheme(SCHEME);
    if let Some(region) = region {
        location = location.with_host(region, None);
    }
    for (parameter, value) in [
        ("profile", &config.profile),
        ("secret_name", &config.secret_name),
        ("secret_prefix", &config.secret_prefix),
    ] {
        if let Some(value) = value {
            location = location.with_parameter(parameter, value);
        }
    }
    match endpoint {
        Some(endpoint) => location.with_parameter("endpoint", endpoint.to_string()),
        None => location,
    }
}

fn check_secret_name(id: &str) -> Result<()> {
    match names::is_name(id) || Arn::parse(id).is_some() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidConfig,
            "`secret_name` is neither a name nor an ARN of a secret",
        )
        .with_hint("names have 1 to 512 ASCII letters, digits and the characters / _ + = . @ -")),
    }
}
