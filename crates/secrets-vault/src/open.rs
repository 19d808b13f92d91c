//! From configuration and context to a provider, without a request.

use std::path::{Path, PathBuf};

use secrets_core::{Environment, Error, ErrorKind, Location, OpenContext, Result, SecretValue};
use secrets_http::{BaseUrl, ClientIdentity, ClientOptions, HeaderValue, Transport};
use zeroize::Zeroizing;

use crate::auth::{Auth, Credential, Method};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::invalid_config;
use crate::shape::Shaper;
use crate::{SCHEME, VaultConfig, VaultProvider};

const DEFAULT_MOUNT: &str = "secret";
const DEFAULT_VALUE_FIELD: &str = "value";
/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The prefixes of the two programs' variables, in the order in which they are looked at.
const PROGRAMS: [&str; 2] = ["VAULT_", "BAO_"];

/// Opens one mount of a Vault or OpenBao server. Nothing is sent yet; the login happens at the first use.
///
/// # Errors
/// - [`ErrorKind::InvalidConfig`]: an address, path, certificate or credential that cannot be used, more than one
///   credential, or plain http to another machine without `allow_http`.
/// - [`ErrorKind::Unauthenticated`]: no credential, or one that must not go to a location of somebody else's choice.
pub async fn open(
    config: VaultConfig,
    context: OpenContext,
    transport: Transport,
) -> Result<VaultProvider> {
    let ambient = Ambient::of(&context);
    let base = BaseUrl::parse(&address(&config, &ambient)?)?;
    if !base.is_https() && !base.is_loopback() && !config.allow_http {
        return Err(invalid_config(format!(
            "{} is another machine, and credentials would go there in clear",
            base.origin()
        ))
        .with_hint("use https, or set `allow_http = true` if the network is your own"));
    }
    let namespace = config
        .namespace
        .clone()
        .or_else(|| ambient.text("NAMESPACE"));
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
    let method = method(&config, &context, &ambient, &mut variables)?;
    let endpoint = Endpoint {
        http: transport.client(client_options(&config, &context, &ambient)?)?,
        namespace: namespace.as_deref().map(namespace_header).transpose()?,
        clock: context.clock.clone(),
        base,
    };
    let location = location(&endpoint.base, &mount, namespace.as_deref());
    let auth = Auth::new(endpoint.clone(), method)?;
    let shaper = Shaper {
        shape: config.shape,
        field: config
            .value_field
            .unwrap_or_else(|| DEFAULT_VALUE_FIELD.to_owned()),
    };
    if shaper.field.is_empty() {
        return Err(invalid_config("`value_field` is empty"));
    }
    Ok(VaultProvider::new(
        Client::new(endpoint, auth, &mount),
        shaper,
        config.engine,
        context.clock,
        (context.provider, location, variables),
    ))
}

/// What the environment says, as far as it may be listened to.
struct Ambient<'a> {
    environment: &'a Environment,
    is_allowed: bool,
}

impl<'a> Ambient<'a> {
    fn of(context: &'a OpenContext) -> Self {
        Self {
            environment: &context.environment,
            is_allowed: context
                .allow_ambient("the environment's settings for vault")
                .is_ok(),
        }
    }

    /// A variable of either program that is set and not empty, and its name.
    fn variable(&self, name: &str) -> Option<(String, &'a SecretValue)> {
        if !self.is_allowed {
            return None;
        }
        PROGRAMS.iter().find_map(|program| {
            let variable = format!("{program}{name}");
            let value = self.environment.var(&variable)?;
            (!value.is_empty()).then_some((variable, value))
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.variable(name)?;
        value.expose_str().ok().map(str::to_owned)
    }
}

fn address(config: &VaultConfig, ambient: &Ambient<'_>) -> Result<String> {
    config
        .address
        .clone()
        .or_else(|| ambient.text("ADDR"))
        .ok_or_else(|| {
            invalid_config("the address of the server is missing").with_hint(
                "set `address`, or `location = \"vault://host:8200/secret\"`, or VAULT_ADDR",
            )
        })
}

fn check_path(path: &str, what: &str) -> Result<()> {
    let is_sound = !path.is_empty()
        && !path.contains("..")
        && !path.chars().any(char::is_control)
        && path
            .split('/')
            .all(|segment| !segment.is_empty() && segment != ".");
    if is_sound {
        return Ok(());
    }
    Err(invalid_config(format!(
        "`{what}` is not a path such as `secret` or `team/secret`"
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

fn client_options(
    config: &VaultConfig,
    context: &OpenContext,
    ambient: &Ambient<'_>,
) -> Result<ClientOptions> {
    let ca = match &config.ca_cert {
        Some(path) => Some(context.base_dir.join(path)),
        None => ambient.text("CACERT").map(PathBuf::from),
    };
    let ca = ca.map(|path| read_public(&path, "ca_cert")).transpose()?;
    let identity = match (&config.client_cert, &config.client_key) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            context.allow_ambient("the client certificate")?;
            Some(ClientIdentity::new(
                read_public(&context.base_dir.join(cert), "client_cert")?,
                read_private(&context.base_dir.join(key), "client_key")?,
            ))
        }
        _ => {
            return Err(
                invalid_config("`client_cert` and `client_key` belong together")
                    .with_hint("set both or neither"),
            );
        }
    };
    Ok(ClientOptions::default()
        .with_ca_pem(ca)
        .with_identity(identity))
}

fn read_public(path: &Path, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| unreadable(path, what, &cause))
}

fn read_private(path: &Path, what: &str) -> Result<SecretValue> {
    let bytes = std::fs::read(path).map_err(|cause| unreadable(path, what, &cause))?;
    Ok(SecretValue::from_zeroizing(Zeroizing::new(bytes)))
}

fn unreadable(path: &Path, what: &str, cause: &std::io::Error) -> Error {
    invalid_config(format!(
        "cannot read `{what}` {}: {}",
        path.display(),
        cause.kind()
    ))
    .with_hint("check that the file is there and readable")
}

fn method(
    config: &VaultConfig,
    context: &OpenContext,
    ambient: &Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    let given: Vec<&str> = [
        ("token", config.token.is_some()),
        ("token_file", config.token_file.is_some()),
        ("wrapped_token", config.wrapped_token.is_some()),
        ("approle", config.approle.is_some()),
        ("userpass", config.userpass.is_some()),
        ("kubernetes", config.kubernetes.is_some()),
        ("jwt", config.jwt.is_some()),
        ("cert", config.cert.is_some()),
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
    // A file is named by the configuration, but what is in it is the user's, and must not go where somebody else says.
    let file = |path: &Path| {
        context.allow_ambient("a credential from a file")?;
        Ok::<_, Error>(context.base_dir.join(path))
    };
    let mount_of = |given: &Option<String>, default: &str| {
        let mount = given
            .as_deref()
            .unwrap_or(default)
            .trim_matches('/')
            .to_owned();
        check_path(&mount, "mount").map(|()| mount)
    };
    if let Some(token) = &config.token {
        return Ok(Method::Token(token.clone()));
    }
    if let Some(path) = &config.token_file {
        return Ok(Method::TokenFile(file(path)?));
    }
    if let Some(token) = &config.wrapped_token {
        return Ok(Method::WrappedToken(token.clone()));
    }
    if let Some(approle) = &config.approle {
        let secret_id = match (&approle.secret_id, &approle.secret_id_file) {
            (Some(_), Some(_)) => return Err(both("approle", "secret_id", "secret_id_file")),
            (Some(value), None) => Some(Credential::Given(value.clone())),
            (None, Some(path)) => Some(Credential::File(file(path)?)),
            (None, None) => None,
        };
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
            jwt: Credential::File(file(path)?),
        });
    }
    if let Some(jwt) = &config.jwt {
        let credential = match (&jwt.token, &jwt.token_file) {
            (Some(value), None) => Credential::Given(value.clone()),
            (None, Some(path)) => Credential::File(file(path)?),
            (Some(_), Some(_)) => return Err(both("jwt", "token", "token_file")),
            (None, None) => return Err(missing("jwt.token")),
        };
        return Ok(Method::Jwt {
            mount: mount_of(&jwt.mount, "jwt")?,
            role: jwt.role.clone(),
            jwt: credential,
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

/// The credential of the person at the keyboard.
fn ambient_method(
    context: &OpenContext,
    ambient: &Ambient<'_>,
    variables: &mut Vec<String>,
) -> Result<Method> {
    context.allow_ambient("the token of VAULT_TOKEN or ~/.vault-token")?;
    if let Some((name, value)) = ambient.variable("TOKEN") {
        variables.push(name);
        return Ok(Method::Token(value.clone()));
    }
    let file = context
        .environment
        .text("HOME")
        .map(|home| Path::new(home).join(".vault-token"));
    match file.filter(|file| file.is_file()) {
        Some(file) => Ok(Method::TokenFile(file)),
        None => Err(Error::new(ErrorKind::Unauthenticated, "no credential for vault")
            .with_hint("set VAULT_TOKEN, log in with `vault login` or `bao login`, or configure a login such as `approle`")),
    }
}

fn required<T>(value: Option<T>, what: &str) -> Result<T> {
    value.ok_or_else(|| missing(what))
}

fn missing(what: &str) -> Error {
    invalid_config(format!("`{what}` is missing")).with_hint("the chosen login needs it")
}

fn both(table: &str, one: &str, other: &str) -> Error {
    invalid_config(format!("`{table}` has both `{one}` and `{other}`"))
        .with_hint("keep one of them")
}
