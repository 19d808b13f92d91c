//! From configuration and context to a provider, without a request.

use std::path::Path;

use secrets_core::{Error, ErrorKind, Location, NamedPath, OpenContext, Result};
use secrets_provider::{
    Ambient, BaseUrl, ClientIdentity, ClientOptions, Credential, HeaderValue, NamedFile,
    SettingNames, Transport, at_most_one_credential, missing, required,
};

use crate::auth::{Auth, Method};
use crate::client::{Client, Endpoint, WriteIndex};
use crate::error::invalid_config;
use crate::names::is_path;
use crate::value::Shaper;
use crate::{SCHEME, VaultConfig, VaultProvider};

const DEFAULT_MOUNT: &str = "secret";
const DEFAULT_VALUE_FIELD: &str = "value";
/// Where Kubernetes mounts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The variables of one program. Those of one never go to the address of the other.
#[derive(Debug, Clone, Copy)]
struct Family {
    address: &'static str,
    namespace: &'static str,
    ca: &'static str,
    token: &'static str,
}

const BAO: Family = Family {
    address: "BAO_ADDR",
    namespace: "BAO_NAMESPACE",
    ca: "BAO_CACERT",
    token: "BAO_TOKEN",
};
const VAULT: Family = Family {
    address: "VAULT_ADDR",
    namespace: "VAULT_NAMESPACE",
    ca: "VAULT_CACERT",
    token: "VAULT_TOKEN",
};

impl Family {
    /// The variables that go with an address: those of the program whose address it is, else those that are set. OpenBao's
    /// come first, as in `bao` itself.
    fn for_address(address: Option<&str>, ambient: Ambient<'_>) -> Self {
        let both = [BAO, VAULT];
        let same = |family: &Self| {
            let theirs = ambient.text(&[family.address]);
            let theirs = theirs.map(|address| address.trim_end_matches('/'));
            theirs.is_some() && theirs == address.map(|address| address.trim_end_matches('/'))
        };
        let has = |variable: fn(&Self) -> &'static str| {
            both.into_iter()
                .find(|family| ambient.variable(&[variable(family)]).is_some())
        };
        let by_address = match address {
            Some(_) => both.into_iter().find(same),
            None => has(|family| family.address),
        };
        by_address
            .or_else(|| has(|family| family.token))
            .unwrap_or(VAULT)
    }
}

/// Opens one mount of a Vault or OpenBao server. Sends nothing; the login happens at the first use.
///
/// # Errors
/// - [`ErrorKind::InvalidConfig`]: an unusable address, path, certificate or credential, more than one credential, or plain http to another machine without `allow_http`.
/// - [`ErrorKind::Unauthenticated`]: no credential, or one that must not go to a location that somebody else chose.
pub async fn open(
    config: VaultConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<VaultProvider> {
    let ambient = Ambient::of(&context);
    let family = Family::for_address(config.address.as_deref(), ambient);
    let base = base(&config, ambient, family)?;
    base.refuse_clear("credentials", config.allow_http)?;
    let namespace = config.namespace.as_deref();
    let namespace = namespace.or_else(|| ambient.text(&[family.namespace]));
    let namespace = namespace.map(|namespace| namespace.trim_matches('/').to_owned());
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    let mount = config
        .mount
        .as_deref()
        .unwrap_or(DEFAULT_MOUNT)
        .trim_matches('/')
        .to_owned();
    check_path(&mount, "mount")?;

    let mut variables = Vec::new();
    let method = method(&config, &context, (ambient, family), &mut variables)?;
    let endpoint = Endpoint {
        http: transport.client(client_options(&config, &context, ambient, family)?)?,
        namespace: namespace.as_deref().map(namespace_header).transpose()?,
        clock: context.clock.clone(),
        index: index(&config, &context)?,
        base,
    };
    let location = location(&endpoint.base, &mount, namespace.as_deref());
    let auth = Auth::new(endpoint.clone(), method)?;
    let shaper = Shaper {
        shape: config.shape,
        field: config
            .value_field
            .map_or_else(|| DEFAULT_VALUE_FIELD.into(), Into::into),
    };
    if shaper.field.is_empty() {
        return Err(invalid_config("`value_field` is empty"));
    }
    Ok(VaultProvider::new(
        Client::new(endpoint, auth, &mount, config.engine),
        shaper,
        context.clock,
        (context.provider, location, variables),
    ))
}

fn base(config: &VaultConfig, ambient: Ambient<'_>, family: Family) -> Result<BaseUrl> {
    if let Some(address) = &config.address {
        return BaseUrl::parse(address);
    }
    let Some((variable, address)) = ambient.variable(&[family.address]) else {
        return Err(invalid_config("the server's address is missing").with_hint(
            "set `address`, or `location = \"vault://host:8200/secret\"`, or VAULT_ADDR or BAO_ADDR",
        ));
    };
    BaseUrl::of_setting(
        variable,
        address.expose_str().unwrap_or_default(),
        "https://host:8200",
    )
}

fn check_path(path: &str, setting: &str) -> Result<()> {
    if is_path(path) {
        return Ok(());
    }
    Err(invalid_config(format!(
        "`{setting}` is not a path such as `secret` or `team/secret`"
    )))
}

fn namespace_header(namespace: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(namespace).map_err(|_| {
        invalid_config("`namespace` holds a character that is not allowed there")
            .with_hint("a namespace looks like `team` or `team/project`")
    })
}

fn location(base: &BaseUrl, mount: &str, namespace: Option<&str>) -> Location {
    let mut location = Location::of_scheme(SCHEME)
        .with_host(base.host(), Some(base.port()))
        .with_path(format!("/{mount}"));
    if let Some(namespace) = namespace {
        location = location.with_parameter("namespace", namespace);
    }
    if !base.is_https() {
        location = location.with_parameter("tls", "off");
    }
    location
}

/// Where the index of the last write is kept.
fn index(config: &VaultConfig, context: &OpenContext) -> Result<WriteIndex> {
    let Some(file) = &config.index_file else {
        return Ok(WriteIndex::default());
    };
    context.allow_ambient("the file of `index_file`")?;
    let file = NamedPath::new("`index_file`", file)?;
    Ok(WriteIndex::shared(file.below(&context.base_dir)))
}

fn client_options(
    config: &VaultConfig,
    context: &OpenContext,
    ambient: Ambient<'_>,
    family: Family,
) -> Result<ClientOptions> {
    let mut names = SettingNames::default();
    names.address = match (&config.address, ambient.variable(&[family.address])) {
        (None, Some((variable, _))) => variable.into(),
        _ => "`address`, `location` or VAULT_ADDR".into(),
    };
    let ca = match &config.ca_cert {
        Some(path) => Some(NamedFile::from_config("`ca_cert`", path, context)?),
        None => {
            let given = ambient.variable(&[family.ca]);
            let given = given.and_then(|(name, path)| Some((name, path.expose_str().ok()?)));
            given
                .map(|(variable, path)| NamedFile::new(variable, path))
                .transpose()?
        }
    };
    names.ca = match &config.ca_cert {
        Some(_) => "`ca_cert`".into(),
        None => "`ca_cert`, or VAULT_CACERT,".into(),
    };
    let identity = match (&config.client_cert, &config.client_key) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            context.allow_ambient("the client certificate")?;
            let cert = NamedFile::from_config("`client_cert`", cert, context)?;
            let key = NamedFile::from_config("`client_key`", key, context)?;
            names.client_cert_file = cert.to_string().into();
            names.client_key_file = key.to_string().into();
            Some(ClientIdentity::new(
                cert.read_public()?,
                key.read_private()?,
            ))
        }
        _ => {
            return Err(
                invalid_config("`client_cert` and `client_key` need each other")
                    .with_hint("set both or neither"),
            );
        }
    };
    ClientOptions::default()
        .with_identity(identity)
        .with_names(names)
        .with_ca_file(ca.as_ref())
}

fn method(
    config: &VaultConfig,
    context: &OpenContext,
    ambient: (Ambient<'_>, Family),
    variables: &mut Vec<String>,
) -> Result<Method> {
    at_most_one_credential(&[
        ("token", config.token.is_some()),
        ("token_file", config.token_file.is_some()),
        ("wrapped_token", config.wrapped_token.is_some()),
        ("approle", config.approle.is_some()),
        ("userpass", config.userpass.is_some()),
        ("kubernetes", config.kubernetes.is_some()),
        ("jwt", config.jwt.is_some()),
        ("cert", config.cert.is_some()),
    ])?;
    let mount_of = |given: &Option<String>, default: &str| {
        let mount = given
            .as_deref()
            .unwrap_or(default)
            .trim_matches('/')
            .to_owned();
        check_path(&mount, "mount").map(|()| mount)
    };
    if let Some(token) = &config.token {
        return Ok(Method::Token(token.clone(), "`token`".into()));
    }
    if let Some(path) = &config.token_file {
        return NamedFile::of_credential("`token_file`", path, context).map(Method::TokenFile);
    }
    if let Some(token) = &config.wrapped_token {
        return Ok(Method::WrappedToken(token.clone()));
    }
    if let Some(approle) = &config.approle {
        let secret_id = Credential::of(
            ("approle", "secret_id"),
            approle.secret_id.as_ref(),
            approle.secret_id_file.as_deref(),
            context,
        )?;
        return Ok(Method::AppRole {
            mount: mount_of(&approle.mount, "approle")?,
            role_id: required(approle.role_id.clone(), "approle.role_id")?,
            secret_id,
            wrapped: approle.wrapped,
        });
    }
    if let Some(userpass) = &config.userpass {
        return Ok(Method::Userpass {
            mount: mount_of(&userpass.mount, "userpass")?,
            username: required(userpass.username.clone(), "userpass.username")?,
            password: required(userpass.password.clone(), "userpass.password")?,
        });
    }
    if let Some(kubernetes) = &config.kubernetes {
        let path = kubernetes
            .token_file
            .as_deref()
            .unwrap_or(Path::new(SERVICE_ACCOUNT));
        return Ok(Method::Jwt {
            mount: mount_of(&kubernetes.mount, "kubernetes")?,
            role: Some(required(kubernetes.role.clone(), "kubernetes.role")?),
            jwt: Credential::File(NamedFile::of_credential(
                "`kubernetes.token_file`",
                path,
                context,
            )?),
        });
    }
    if let Some(jwt) = &config.jwt {
        let credential = Credential::of(
            ("jwt", "token"),
            jwt.token.as_ref(),
            jwt.token_file.as_deref(),
            context,
        )?;
        return Ok(Method::Jwt {
            mount: mount_of(&jwt.mount, "jwt")?,
            role: jwt.role.clone(),
            jwt: required(credential, "jwt.token")?,
        });
    }
    if let Some(cert) = &config.cert {
        if config.client_cert.is_none() {
            return Err(missing("client_cert"));
        }
        return Ok(Method::Cert {
            mount: mount_of(&cert.mount, "cert")?,
            name: cert.name.clone(),
        });
    }
    ambient_method(context, ambient, variables)
}

/// The credential of the user's environment.
fn ambient_method(
    context: &OpenContext,
    (ambient, family): (Ambient<'_>, Family),
    variables: &mut Vec<String>,
) -> Result<Method> {
    context.allow_ambient("the token of VAULT_TOKEN, BAO_TOKEN or ~/.vault-token")?;
    if let Some((name, value)) = ambient.variable(&[family.token]) {
        variables.push(name.to_owned());
        return Ok(Method::Token(value.clone(), name.into()));
    }
    let file = context
        .environment
        .text("HOME")
        .map(|home| Path::new(home).join(".vault-token"));
    match file.filter(|file| file.is_file()) {
        Some(file) => NamedFile::new("`vault login`", file).map(Method::TokenFile),
        None => Err(Error::new(ErrorKind::Unauthenticated, "no credential for vault")
            .with_hint(format!("set {}, log in with `vault login` or `bao login`, or configure a login such as `approle`", family.token))),
    }
}
