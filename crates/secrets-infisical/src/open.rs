//! From configuration and context to a provider, without a request.

use async_trait::async_trait;
use secrets_core::{Error, ErrorKind, Location, OpenContext, ProviderKind, Result};
use secrets_provider::{
    Ambient, BaseUrl, ClientOptions, Credential, NamedFile, SettingNames, Transport,
    at_most_one_credential, required,
};

use crate::SCHEME;
use crate::auth::{Auth, Method};
use crate::client::Client;
use crate::client::endpoint::Endpoint;
use crate::config::{InfisicalConfig, Region, UniversalAuthConfig};
use crate::names::Root;
use crate::provider::{Behaviour, InfisicalProvider};
use crate::value::Codec;

/// The variables for the address, in the order in which they are looked at.
const ADDRESSES: [&str; 2] = ["INFISICAL_API_URL", "INFISICAL_DOMAIN"];
const CLIENT_ID: &str = "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID";
const CLIENT_SECRET: &str = "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET";
const TOKEN: &str = "INFISICAL_TOKEN";

/// Opens one environment of an Infisical project. Nothing is sent yet; the login happens at the first use.
///
/// # Errors
/// - [`ErrorKind::InvalidConfig`]: an address, project, path, certificate or credential that is missing or cannot be used,
///   more than one credential, or plain http to another machine without `allow_http`.
/// - [`ErrorKind::Unauthenticated`]: no credential, or one that must not go to a location of somebody else's choice.
pub async fn open(
    config: InfisicalConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<InfisicalProvider> {
    let ambient = Ambient::for_context(&context);
    let base = base(&config, ambient)?;
    base.refuse_clear("credentials", config.allow_http)?;
    let setting = |given: &Option<String>, variable: &str| {
        let given = given.as_deref().or_else(|| ambient.text(&[variable]));
        given
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let project = setting(&config.project_id, "INFISICAL_PROJECT_ID").ok_or_else(|| {
        Error::invalid_config("`project_id` is missing")
            .with_hint("copy it from the settings of the project; INFISICAL_PROJECT_ID will do too")
    })?;
    let environment = setting(&config.environment, "INFISICAL_ENVIRONMENT").ok_or_else(|| {
        Error::invalid_config("`environment` is missing")
            .with_hint("set it to the slug of an environment, such as `prod`")
    })?;
    let path = setting(&config.path, "INFISICAL_SECRET_PATH").unwrap_or_default();
    let root = Root::new(&path).ok_or_else(|| {
        Error::invalid_config("`path` is not the path of a folder, such as `/team/api`")
    })?;
    if [&project, &environment]
        .iter()
        .any(|text| text.chars().any(char::is_control))
    {
        return Err(Error::invalid_config(
            "`project_id` or `environment` holds a control character",
        ));
    }

    let mut variables = Vec::new();
    let method = method(&config, &context, ambient, &mut variables)?;
    let endpoint = Endpoint {
        http: transport.client(client_options(&config, &context)?)?,
        clock: context.clock.clone(),
        base,
    };
    let location = location(&endpoint.base, &project, &environment, &root);
    let auth = Auth::new(endpoint.clone(), method)?;
    let behaviour = Behaviour {
        codec: Codec {
            encoding: config.encoding,
            writes_references: config.write_references,
            unresolved: config.unresolved_references,
            expands: config.expand_references.unwrap_or(true),
        },
        imports: config.include_imports.unwrap_or(true),
        creates_folders: config.create_folders.unwrap_or(true),
    };
    Ok(InfisicalProvider::new(
        Client::new(endpoint, auth, config.api, project, environment),
        root,
        behaviour,
        (context.provider, location, variables),
    ))
}

#[async_trait]
impl ProviderKind for InfisicalProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = InfisicalConfig;

    fn set_location(config: &mut InfisicalConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: InfisicalConfig, context: OpenContext) -> Result<Self> {
        let transport = Transport::from_context(&context);
        open(config, context, transport).await
    }
}

fn base(config: &InfisicalConfig, ambient: Ambient<'_>) -> Result<BaseUrl> {
    if let Some(address) = &config.base_url {
        if config.region.is_some() {
            return Err(
                Error::invalid_config("both `base_url` and `region` are set")
                    .with_hint("keep `base_url` for a server of your own, `region` for the cloud"),
            );
        }
        return BaseUrl::parse(without_api(address));
    }
    if let Some(region) = config.region {
        return BaseUrl::parse(region.url());
    }
    for variable in ADDRESSES {
        if let Some(address) = ambient.text(&[variable]) {
            let example = "https://infisical.example";
            return BaseUrl::from_setting(variable, without_api(address), example);
        }
    }
    BaseUrl::parse(Region::Us.url())
}

/// Infisical's own programs want the path of the API in the address, ours adds it.
fn without_api(address: &str) -> &str {
    let address = address.trim().trim_end_matches('/');
    address.strip_suffix("/api").unwrap_or(address)
}

fn location(base: &BaseUrl, project: &str, environment: &str, root: &Root) -> Location {
    let below = root.path().trim_end_matches('/');
    let mut location = Location::from_scheme(SCHEME)
        .with_host(base.host(), Some(base.port()))
        .with_path(format!("/{project}/{environment}{below}"));
    let address = base.to_string();
    let prefix = address.strip_prefix(base.origin()).unwrap_or_default();
    if !prefix.is_empty() {
        location = location.with_parameter("base", prefix);
    }
    if !base.is_https() {
        location = location.with_parameter("tls", "off");
    }
    location
}

fn client_options(config: &InfisicalConfig, context: &OpenContext) -> Result<ClientOptions> {
    let mut names = SettingNames::default();
    names.address = "`base_url`, `location` or INFISICAL_API_URL".into();
    names.ca = "`ca_cert`".into();
    let ca = config.ca_cert.as_ref();
    let ca = ca.map(|path| NamedFile::from_config("`ca_cert`", path, context));
    let ca = ca.transpose()?;
    ClientOptions::default()
        .with_names(names)
        .with_ca_file(ca.as_ref())
}

fn method(
    config: &InfisicalConfig,
    context: &OpenContext,
    ambient: Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    at_most_one_credential(&[
        ("universal_auth", config.universal_auth.is_some()),
        ("token", config.token.is_some()),
        ("token_file", config.token_file.is_some()),
        ("service_token", config.service_token.is_some()),
    ])?;
    if let Some(universal) = &config.universal_auth {
        return universal_auth(universal, context);
    }
    if let Some(token) = &config.token {
        return Ok(Method::Token(token.clone(), "`token`"));
    }
    if let Some(token) = &config.service_token {
        return Ok(Method::Token(token.clone(), "`service_token`"));
    }
    if let Some(path) = &config.token_file {
        return NamedFile::for_credential("`token_file`", path, context).map(Method::TokenFile);
    }
    ambient_method(context, ambient, variables)
}

fn universal_auth(config: &UniversalAuthConfig, context: &OpenContext) -> Result<Method> {
    let client_secret = Credential::from_settings(
        ("universal_auth", "client_secret"),
        config.client_secret.as_ref(),
        config.client_secret_file.as_deref(),
        context,
    )?;
    Ok(Method::Universal {
        client_secret: required(client_secret, "universal_auth.client_secret")?,
        client_id: required(config.client_id.clone(), "universal_auth.client_id")?,
        sub_organization: config.sub_organization.clone(),
    })
}

/// The credential of the person at the keyboard.
fn ambient_method(
    context: &OpenContext,
    ambient: Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    context.allow_ambient("the credential of INFISICAL_TOKEN or universal auth's variables")?;
    if let (Some(id), Some((_, secret))) = (
        ambient.text(&[CLIENT_ID]),
        ambient.variable(&[CLIENT_SECRET]),
    ) {
        variables.extend([CLIENT_ID, CLIENT_SECRET].map(str::to_owned));
        return Ok(Method::Universal {
            client_id: id.to_owned(),
            client_secret: Credential::Given(secret.clone()),
            sub_organization: None,
        });
    }
    if let Some((_, token)) = ambient.variable(&[TOKEN]) {
        variables.push(TOKEN.to_owned());
        return Ok(Method::Token(token.clone(), TOKEN));
    }
    Err(
        Error::new(ErrorKind::Unauthenticated, "no credential for infisical").with_hint(
            "set `universal_auth`, or INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET, or INFISICAL_TOKEN",
        ),
    )
}
