//! From configuration and context to a provider, without a request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{
    Error, Location, OpenContext, ProviderInfo, ProviderKind, Result, SecretValue,
    looks_like_content,
};
use secrets_provider::{
    Ambient, BaseUrl, ClientOptions, NamedFile, Transport, Url, at_most_one_credential, missing,
    required,
};

use crate::auth::Proof;
use crate::auth::{
    Chain, ClientCredential, DeveloperTools, Endpoint, Entra, ManagedIdentity, Session, Source,
};
use crate::client::Client;
use crate::client::http::AzureHttpClient;
use crate::limits::{CALLS_A_SECOND, GETS_IN_FLIGHT};
use crate::{AzureConfig, AzureProvider, CAPABILITIES, SCHEME};

/// The variables that name a vault, in the order in which they are looked at.
const VAULT_VARIABLES: [&str; 2] = ["AZURE_KEYVAULT_URL", "AZURE_KEY_VAULT_URL"];
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const IDENTITY_HEADER: &str = "IDENTITY_HEADER";

/// The clouds: the end of their vaults' hosts, and where logins go.
const CLOUDS: [(&str, &str); 3] = [
    ("vault.azure.net", "https://login.microsoftonline.com"),
    (
        "vault.usgovcloudapi.net",
        "https://login.microsoftonline.us",
    ),
    ("vault.azure.cn", "https://login.chinacloudapi.cn"),
];

/// The metadata service of virtual machines.
const METADATA_SERVICE: &str = "http://169.254.169.254";
const METADATA_PATH: &str = "/metadata/identity/oauth2/token";
/// How long a machine gets to show that it has a metadata service.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// How long a metadata service may take for a token.
const IDENTITY_LIMIT: Duration = Duration::from_secs(20);

/// Opens one vault. Nothing is sent yet; the login happens at the first use.
///
/// # Errors
/// - [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig): an address, path, certificate or credential that cannot be used, plain http, or more
///   than one credential.
/// - [`Unauthenticated`](secrets_core::ErrorKind::Unauthenticated): a credential of the machine or the user that must not go to a location of somebody
///   else's choice.
pub async fn open(
    config: AzureConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<AzureProvider> {
    let ambient = Ambient::for_context(&context);
    let vault = vault(&config, ambient)?;
    let cloud = CLOUDS
        .iter()
        .find(|(hosts, _)| is_below(vault.host(), hosts));
    let resource = match &config.resource {
        Some(resource) => Some(checked_resource(resource)?),
        None => cloud.map(|(hosts, _)| format!("https://{hosts}")),
    };
    let authority = authority(&config, ambient, cloud.map(|(_, login)| *login))?;

    let ca = config.ca_cert.as_ref();
    let ca = ca.map(|path| NamedFile::from_config("`ca_cert`", path, &context));
    let ca = ca.transpose()?;
    let trusting = ClientOptions::default().with_ca_file(ca.as_ref())?;
    let options = |address: &'static str| {
        let mut options = trusting.clone();
        options.names.address = address.into();
        options.names.ca = "`ca_cert`".into();
        options
    };
    let mut variables = Vec::new();
    let sources = {
        let mut opening = Opening {
            config: &config,
            context: &context,
            entra: Entra {
                authority,
                http: AzureHttpClient::new(transport.client(options("`authority_host`"))?),
                clock: context.clock.clone(),
            },
            transport: &transport,
            identity_options: options("the address of the metadata service").without_proxy(),
            variables: &mut variables,
        };
        opening.sources()?
    };
    let session = Arc::new(Session::new(Chain::new(sources), context.clock.clone()));
    let http = transport.client(options("`vault_url`, `location` or AZURE_KEYVAULT_URL"))?;
    let port = vault.port();
    let location =
        Location::from_scheme(SCHEME).with_host(vault.host(), (port != 443).then_some(port));
    let client = Client::new(
        vault.join(""),
        AzureHttpClient::new(http),
        session,
        resource,
        context.clock.clone(),
    )?;
    let info = ProviderInfo::new(SCHEME, context.provider, location, CAPABILITIES)
        .with_credential_variables(variables)
        .with_concurrency(GETS_IN_FLIGHT)
        .with_rate(CALLS_A_SECOND);
    Ok(AzureProvider::new(
        client,
        context.clock,
        config.outside_validity,
        info,
    ))
}

#[async_trait]
impl ProviderKind for AzureProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = AzureConfig;

    fn set_location(config: &mut AzureConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: AzureConfig, context: OpenContext) -> Result<Self> {
        let transport = Transport::from_context(&context);
        open(config, context, transport).await
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|label| label.len() > 1 && label.ends_with('.'))
}

fn vault(config: &AzureConfig, ambient: Ambient<'_>) -> Result<BaseUrl> {
    let (setting, text) = match &config.vault_url {
        Some(url) => ("vault_url", url.as_str()),
        None => VAULT_VARIABLES
            .iter()
            .find_map(|name| Some((*name, ambient.text(&[name])?)))
            .ok_or_else(|| {
                Error::invalid_config("the address of the vault is missing").with_hint(
                    "set `vault_url`, or `location = \"azure-kv://contoso.vault.azure.net\"`, or AZURE_KEYVAULT_URL",
                )
            })?,
    };
    https(setting, text, "https://contoso.vault.azure.net")
}

/// An address that is https and nothing but an origin.
fn https(setting: &str, text: &str, example: &str) -> Result<BaseUrl> {
    let wrong = |why: &str| {
        Err(Error::invalid_config(format!("`{setting}`: {why}"))
            .with_hint(format!("it looks like `{example}`")))
    };
    // What it holds is not repeated: it may be a password.
    let base = match BaseUrl::parse(text) {
        Ok(base) => base,
        Err(failure) => return wrong(failure.message()),
    };
    if !base.is_https() {
        return wrong("azure takes credentials over https only");
    }
    if base.to_string() != base.origin() {
        return wrong("the address has a path");
    }
    Ok(base)
}

fn checked_resource(resource: &str) -> Result<String> {
    let trimmed = resource.trim_end_matches('/');
    https("resource", trimmed, "https://vault.azure.net").map(|_| trimmed.to_owned())
}

fn authority(config: &AzureConfig, ambient: Ambient<'_>, of_cloud: Option<&str>) -> Result<String> {
    let (setting, text) = match &config.authority_host {
        Some(host) => ("authority_host", host.as_str()),
        None => match ambient.text(&["AZURE_AUTHORITY_HOST"]) {
            Some(host) => ("AZURE_AUTHORITY_HOST", host),
            None => ("authority_host", of_cloud.unwrap_or(CLOUDS[0].1)),
        },
    };
    // Others write it without the scheme.
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    https(setting, &text, CLOUDS[0].1).map(|base| base.origin().to_owned())
}

/// Which credentials there are.
struct Opening<'a> {
    config: &'a AzureConfig,
    context: &'a OpenContext,
    entra: Entra,
    transport: &'a Transport,
    identity_options: ClientOptions,
    variables: &'a mut Vec<String>,
}

impl Opening<'_> {
    fn sources(&mut self) -> Result<Vec<Source>> {
        let config = self.config;
        at_most_one_credential(&[
            ("service_principal", config.service_principal.is_some()),
            ("workload_identity", config.workload_identity.is_some()),
            ("managed_identity", config.managed_identity.is_some()),
            ("developer_tools", config.developer_tools.is_some()),
        ])?;
        if let Some(client) = &config.service_principal {
            let tenant = self.tenant(&client.tenant_id);
            let tenant_id = required(tenant, "service_principal.tenant_id")?;
            let client_id = required(client.client_id.clone(), "service_principal.client_id")?;
            let secret = client.client_secret.clone();
            let secret = required(secret, "service_principal.client_secret")?;
            return Ok(vec![self.client(tenant_id, client_id, secret)?]);
        }
        if let Some(workload) = &config.workload_identity {
            self.context.allow_ambient("a credential from a file")?;
            let tenant = self.tenant(&workload.tenant_id);
            let tenant_id = required(tenant, "workload_identity.tenant_id")?;
            let client_id = workload.client_id.clone();
            let client_id = client_id.or_else(|| self.variable("AZURE_CLIENT_ID"));
            let client_id = required(client_id, "workload_identity.client_id")?;
            let (file, setting) = match &workload.token_file {
                Some(file) => (Some(file.clone()), "`workload_identity.token_file`"),
                None => (
                    self.variable("AZURE_FEDERATED_TOKEN_FILE")
                        .map(PathBuf::from),
                    "AZURE_FEDERATED_TOKEN_FILE",
                ),
            };
            let file = required(file, "workload_identity.token_file")?;
            return Ok(vec![self.workload(tenant_id, client_id, &file, setting)?]);
        }
        if let Some(identity) = &config.managed_identity {
            self.context
                .allow_ambient("the machine's managed identity")?;
            return Ok(vec![self.identity(identity.client_id.clone())?]);
        }
        if let Some(tools) = &config.developer_tools {
            self.context.allow_ambient("the login of `az` or `azd`")?;
            let tenant = tools.tenant_id.clone().or_else(|| config.tenant_id.clone());
            return Ok(vec![self.tools(tenant)?]);
        }
        self.ambient_sources()
    }

    /// The credentials of the user and the machine. One that is in the environment is the one: should it be refused, no
    /// other is tried in its place.
    fn ambient_sources(&mut self) -> Result<Vec<Source>> {
        self.context
            .allow_ambient("a credential of the environment, the machine or `az`")?;
        let tenant_id = self.tenant(&None);
        let client_id = self.variable("AZURE_CLIENT_ID");
        let secret = self.context.environment.var(CLIENT_SECRET).cloned();
        let secret = secret.filter(|secret| !secret.is_empty());
        if let (Some(tenant_id), Some(client_id), Some(secret)) = (&tenant_id, &client_id, secret) {
            self.variables.push(CLIENT_SECRET.to_owned());
            return Ok(vec![self.client(
                tenant_id.clone(),
                client_id.clone(),
                secret,
            )?]);
        }
        let file = self.variable("AZURE_FEDERATED_TOKEN_FILE");
        if tenant_id.is_some() && client_id.is_some() && file.is_none() {
            self.refuse_half_a_principal()?;
        }
        if let (Some(tenant_id), Some(client_id), Some(file)) = (tenant_id, &client_id, file) {
            let (client_id, setting) = (client_id.clone(), "AZURE_FEDERATED_TOKEN_FILE");
            let workload = self.workload(tenant_id, client_id, Path::new(&file), setting)?;
            return Ok(vec![workload]);
        }
        let tenant = self.config.tenant_id.clone();
        Ok(vec![self.identity(client_id)?, self.tools(tenant)?])
    }

    /// Tenant and application are named for a login that we cannot make; the machine's identity would be somebody else.
    fn refuse_half_a_principal(&self) -> Result<()> {
        let environment = &self.context.environment;
        if environment.text("AZURE_CLIENT_CERTIFICATE_PATH").is_some() {
            return Err(Error::invalid_config(
                "AZURE_CLIENT_CERTIFICATE_PATH: a client certificate is not supported",
            )
            .with_hint(
                "set AZURE_CLIENT_SECRET, or unset the variable to use the machine's identity",
            ));
        }
        match environment.var(CLIENT_SECRET) {
            Some(secret) if secret.is_empty() => Err(Error::invalid_config(format!(
                "{CLIENT_SECRET} is set and empty"
            ))
            .with_hint("set the secret, or unset the variable to use the machine's identity")),
            _ => Ok(()),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        Ambient::for_context(self.context)
            .text(&[name])
            .map(str::to_owned)
    }

    fn tenant(&self, own: &Option<String>) -> Option<String> {
        let given = own.clone().or_else(|| self.config.tenant_id.clone());
        given.or_else(|| self.variable("AZURE_TENANT_ID"))
    }

    fn client(&self, tenant_id: String, client_id: String, secret: SecretValue) -> Result<Source> {
        if secret.expose_str().is_ok_and(|text| !text.is_empty()) {
            return self.application(tenant_id, client_id, Proof::Secret(secret));
        }
        Err(
            Error::invalid_config("the client secret is empty or no text")
                .with_hint("it is the secret's value, which is shown once when it is made"),
        )
    }

    fn workload(
        &self,
        tenant_id: String,
        client_id: String,
        file: &Path,
        setting: &'static str,
    ) -> Result<Source> {
        let file = NamedFile::from_config(setting, file, self.context)?;
        self.application(tenant_id, client_id, Proof::TokenFile(file))
    }

    fn application(&self, tenant_id: String, client_id: String, proof: Proof) -> Result<Source> {
        check_tenant(&tenant_id)?;
        if client_id.trim().is_empty() {
            return Err(missing("client_id"));
        }
        Ok(Source::Client(ClientCredential {
            entra: self.entra.clone(),
            tenant_id,
            client_id,
            proof,
        }))
    }

    fn identity(&mut self, client_id: Option<String>) -> Result<Source> {
        let environment = &self.context.environment;
        let header = environment.var(IDENTITY_HEADER).cloned();
        let header = header.filter(|header| !header.is_empty());
        let endpoint = match (environment.text("IDENTITY_ENDPOINT"), header) {
            (Some(address), Some(header)) => {
                self.variables.push(IDENTITY_HEADER.to_owned());
                Endpoint::AppService(metadata_url("IDENTITY_ENDPOINT", address)?, header)
            }
            _ => {
                let variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
                let host = environment.text(variable).unwrap_or(METADATA_SERVICE);
                let mut url = metadata_url(variable, host)?;
                url.set_path(METADATA_PATH);
                Endpoint::Machine(url)
            }
        };
        let options = || {
            self.identity_options
                .clone()
                .with_connect_timeout(PROBE_LIMIT)
        };
        Ok(Source::Identity(ManagedIdentity {
            endpoint,
            client_id,
            http: self
                .transport
                .client(options().with_request_timeout(IDENTITY_LIMIT))?,
            probe: self
                .transport
                .client(options().with_request_timeout(PROBE_LIMIT))?,
            clock: self.context.clock.clone(),
        }))
    }

    fn tools(&self, tenant_id: Option<String>) -> Result<Source> {
        if let Some(tenant) = &tenant_id {
            check_tenant(tenant)?;
        }
        Ok(Source::Tools(DeveloperTools {
            tenant_id,
            environment: self.context.environment.clone(),
        }))
    }
}

fn metadata_url(variable: &str, address: &str) -> Result<Url> {
    Some(address)
        .filter(|address| !looks_like_content(address))
        .and_then(|address| Url::parse(address).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Error::invalid_config(format!("{variable} does not hold an address")))
}

/// A tenant stands in the path of a login.
fn check_tenant(tenant: &str) -> Result<()> {
    let is_sound = !tenant.is_empty()
        && tenant
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        && !tenant.starts_with('.');
    match is_sound {
        true => Ok(()),
        false => Err(
            Error::invalid_config("`tenant_id` is neither an id nor a domain")
                .with_hint("it looks like `72f988bf-86f1-41af-91ab-2d7cd011db47` or `contoso.com`"),
        ),
    }
}
