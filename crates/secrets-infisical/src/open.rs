//! From configuration and context to a provider, without a request.

use secrets_core::{Error, ErrorKind, Location, OpenContext, Result, SecretValue};
use secrets_http::{BaseUrl, ClientOptions, SettingNames, Transport};

use crate::SCHEME;
use crate::auth::{Auth, Credential, Method};
use crate::client::Client;
use crate::config::{InfisicalConfig, Region, UniversalAuthConfig};
use crate::endpoint::Endpoint;
use crate::error::invalid_config;
use crate::file::NamedFile;
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
    let ambient = Ambient::of(&context);
    let base = base(&config, &ambient)?;
    if !base.is_https() && !base.is_loopback() && !config.allow_http {
        return Err(invalid_config(format!(
            "{} is another machine, and credentials would go there in clear",
            base.origin()
        ))
        .with_hint("use https, or set `allow_http = true` if the network is your own"));
    }
    let setting = |given: &Option<String>, variable: &str| {
        let given = given.clone().or_else(|| ambient.text(variable));
        given
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let project = setting(&config.project_id, "INFISICAL_PROJECT_ID").ok_or_else(|| {
        invalid_config("`project_id` is missing")
            .with_hint("copy it from the settings of the project; INFISICAL_PROJECT_ID will do too")
    })?;
    let environment = setting(&config.environment, "INFISICAL_ENVIRONMENT").ok_or_else(|| {
        invalid_config("`environment` is missing")
            .with_hint("set it to the slug of an environment, such as `prod`")
    })?;
    let path = setting(&config.path, "INFISICAL_SECRET_PATH").unwrap_or_default();
    let root = Root::new(&path)
        .ok_or_else(|| invalid_config("`path` is not the path of a folder, such as `/team/api`"))?;
    if [&project, &environment]
        .iter()
        .any(|text| text.chars().any(char::is_control))
    {
        return Err(invalid_config(
            "`project_id` or `environment` holds a control character",
        ));
    }

    let mut variables = Vec::new();
    let method = method(&config, &context, &ambient, &mut variables)?;
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

/// What the environment says, as far as it may be listened to.
struct Ambient<'a> {
    context: &'a OpenContext,
    is_allowed: bool,
}

impl<'a> Ambient<'a> {
    fn of(context: &'a OpenContext) -> Self {
        Self {
            context,
            is_allowed: context
                .allow_ambient("the environment's settings for infisical")
                .is_ok(),
        }
    }

    fn value(&self, name: &str) -> Option<&'a SecretValue> {
        let value = self.context.environment.var(name)?;
        (self.is_allowed && !value.is_empty()).then_some(value)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.expose_str().ok().map(str::to_owned)
    }
}

fn base(config: &InfisicalConfig, ambient: &Ambient<'_>) -> Result<BaseUrl> {
    if let Some(address) = &config.base_url {
        if config.region.is_some() {
            return Err(invalid_config("both `base_url` and `region` are set")
                .with_hint("keep `base_url` for a server of your own, `region` for the cloud"));
        }
        return BaseUrl::parse(without_api(address));
    }
    if let Some(region) = config.region {
        return BaseUrl::parse(region.url());
    }
    for variable in ADDRESSES {
        if let Some(address) = ambient.text(variable) {
            return BaseUrl::parse(without_api(&address)).map_err(|failure| {
                invalid_config(format!("{variable}: {}", failure.message()))
                    .with_hint("an address looks like `https://infisical.example`")
            });
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
    let mut location = Location::of_scheme(SCHEME)
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
    let ca = config
        .ca_cert
        .as_ref()
        .map(|path| NamedFile::new("ca_cert", context.base_dir.join(path)));
    if let Some(ca) = &ca {
        names.ca_file = ca.to_string().into();
    }
    let ca = ca.map(|file| file.read_public()).transpose()?;
    Ok(ClientOptions::default().with_ca_pem(ca).with_names(names))
}

fn method(
    config: &InfisicalConfig,
    context: &OpenContext,
    ambient: &Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    let given: Vec<&str> = [
        ("universal_auth", config.universal_auth.is_some()),
        ("token", config.token.is_some()),
        ("token_file", config.token_file.is_some()),
        ("service_token", config.service_token.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_given)| is_given.then_some(name))
    .collect();
    if given.len() > 1 {
        return Err(
            invalid_config(format!("more than one credential: {}", given.join(", ")))
                .with_hint("keep the one to use"),
        );
    }
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
        // Named by the configuration, but what is in it is the user's, and must not go where somebody else says.
        context.allow_ambient("a credential from a file")?;
        let file = NamedFile::new("token_file", context.base_dir.join(path));
        return Ok(Method::TokenFile(file));
    }
    ambient_method(context, ambient, variables)
}

fn universal_auth(config: &UniversalAuthConfig, context: &OpenContext) -> Result<Method> {
    let client_secret = match (&config.client_secret, &config.client_secret_file) {
        (Some(value), None) => Credential::Given(value.clone()),
        (None, Some(path)) => {
            context.allow_ambient("a credential from a file")?;
            Credential::File(NamedFile::new(
                "universal_auth.client_secret_file",
                context.base_dir.join(path),
            ))
        }
        (Some(_), Some(_)) => {
            return Err(invalid_config(
                "`universal_auth` has both `client_secret` and `client_secret_file`",
            )
            .with_hint("keep one of them"));
        }
        (None, None) => return Err(missing("universal_auth.client_secret")),
    };
    Ok(Method::Universal {
        client_id: config
            .client_id
            .clone()
            .ok_or_else(|| missing("universal_auth.client_id"))?,
        client_secret,
        sub_organization: config.sub_organization.clone(),
    })
}

/// The credential of the person at the keyboard.
fn ambient_method(
    context: &OpenContext,
    ambient: &Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    context.allow_ambient("the credential of INFISICAL_TOKEN or universal auth's variables")?;
    if let (Some(id), Some(secret)) = (ambient.text(CLIENT_ID), ambient.value(CLIENT_SECRET)) {
        variables.extend([CLIENT_ID, CLIENT_SECRET].map(str::to_owned));
        return Ok(Method::Universal {
            client_id: id,
            client_secret: Credential::Given(secret.clone()),
            sub_organization: None,
        });
    }
    if let Some(token) = ambient.value(TOKEN) {
        variables.push(TOKEN.to_owned());
        return Ok(Method::Token(token.clone(), TOKEN));
    }
    Err(
        Error::new(ErrorKind::Unauthenticated, "no credential for infisical").with_hint(
            "set `universal_auth`, or INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET, or INFISICAL_TOKEN",
        ),
    )
}

fn missing(what: &str) -> Error {
    invalid_config(format!("`{what}` is missing")).with_hint("the chosen login needs it")
}
