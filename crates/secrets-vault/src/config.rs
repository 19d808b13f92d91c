#[cfg(feature = "vaultrs")]
mod vaultrs;

use std::fmt;
use std::path::PathBuf;

use secrets_core::{Location, Result, SecretValue};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The port of a `vault://` location without one.
const DEFAULT_PORT: u16 = 8200;

/// How to reach a Vault or OpenBao server, and with which credential.
///
/// Set at most one credential: `token`, `token_file`, `wrapped_token`, `approle`, `userpass`, `kubernetes`, `jwt` or
/// `cert`. Without one, and only where the location is the user's own, the variables `BAO_TOKEN` or `VAULT_TOKEN` and
/// the file `~/.vault-token` count. The variables of one family go together: those named `BAO_…` with `BAO_ADDR`, those
/// named `VAULT_…` with `VAULT_ADDR`. Relative paths start at the configuration's folder.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct VaultConfig {
    /// The server's address, such as `https://vault.example:8200`. Default: `BAO_ADDR`, then
    /// `VAULT_ADDR`.
    #[serde(alias = "url")]
    pub address: Option<String>,
    /// The path at which the secrets engine is mounted. Default: `secret`.
    pub mount: Option<String>,
    /// The namespace of mount and login. Default: the namespace of the address's family of variables,
    /// `BAO_NAMESPACE` or `VAULT_NAMESPACE`; otherwise the root.
    pub namespace: Option<String>,
    /// The mounted engine. Default: `auto`, detected from the server.
    #[serde(alias = "kv_version")]
    pub engine: Engine,
    /// The form of a value in the engine. Default: `auto`.
    pub shape: Shape,
    /// The key that holds a value that is not a JSON object. Default: `value`.
    pub value_field: Option<String>,
    /// A PEM file with the CAs to trust instead of the system's. Default: `BAO_CACERT` or
    /// `VAULT_CACERT`.
    pub ca_cert: Option<PathBuf>,
    /// A PEM file with the client's certificate.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with the private key of `client_cert`.
    pub client_key: Option<PathBuf>,
    /// A file in which processes share the index of their last write, so each of them sees the writes of the others even
    /// through a standby that lags behind. Default: none; within one handle that always holds.
    pub index_file: Option<PathBuf>,
    /// Allows credentials over plain `http://` to another machine. Default: no; to this machine they may always go.
    pub allow_http: bool,
    /// A token.
    pub token: Option<SecretValue>,
    /// A file that holds a token, as an agent writes it. It is read again when the server refuses the token.
    pub token_file: Option<PathBuf>,
    /// A single-use wrapping token around a token, unwrapped at the first use.
    pub wrapped_token: Option<SecretValue>,
    /// Login as an application.
    pub approle: Option<AppRoleConfig>,
    /// Login with a user name and a password.
    pub userpass: Option<UserpassConfig>,
    /// Login with the service account of a Kubernetes pod.
    pub kubernetes: Option<KubernetesConfig>,
    /// Login with a JWT.
    pub jwt: Option<JwtConfig>,
    /// Login with the client certificate.
    pub cert: Option<CertConfig>,
}

/// Login as an application. Set one of `secret_id` and `secret_id_file`, or neither for a role without a secret id.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AppRoleConfig {
    /// The role's id.
    pub role_id: Option<SecretValue>,
    /// The secret id.
    pub secret_id: Option<SecretValue>,
    /// A file that holds the secret id; read again at each login.
    pub secret_id_file: Option<PathBuf>,
    /// Whether the given text is a single-use wrapping token around the secret id. Default: no.
    pub wrapped: bool,
    /// Where the auth method is mounted. Default: `approle`.
    pub mount: Option<String>,
}

/// Login with a user name and a password.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct UserpassConfig {
    /// The user's name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretValue>,
    /// Where the auth method is mounted. Default: `userpass`.
    pub mount: Option<String>,
}

/// Login with the service account of a Kubernetes pod.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct KubernetesConfig {
    /// The role to log in as.
    pub role: Option<String>,
    /// The file with the service account's token; read again at each login. Default:
    /// `/var/run/secrets/kubernetes.io/serviceaccount/token`.
    pub token_file: Option<PathBuf>,
    /// Where the auth method is mounted. Default: `kubernetes`.
    pub mount: Option<String>,
}

/// Login with a JWT. Set one of `token` and `token_file`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct JwtConfig {
    /// The role to log in as. Default: the auth method's default role.
    pub role: Option<String>,
    /// The JWT.
    pub token: Option<SecretValue>,
    /// A file that holds the JWT; read again at each login.
    pub token_file: Option<PathBuf>,
    /// Where the auth method is mounted. Default: `jwt`.
    pub mount: Option<String>,
}

/// Login with the certificate of `client_cert`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CertConfig {
    /// The role to log in as. Default: the first that matches the certificate.
    pub name: Option<String>,
    /// Where the auth method is mounted. Default: `cert`.
    pub mount: Option<String>,
}

/// The mounted secrets engine. In a configuration: `auto`, `kv-v2` (or 2), `kv-v1` (or 1), `generic`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Detected from the server. On KV version 2 a read detects it without a request of its own.
    #[default]
    Auto,
    /// Key/value with versions.
    KvV2,
    /// Key/value without versions.
    KvV1,
    /// Any other engine that answers reads, such as `database`: the name is the path below the mount (`creds/readonly`),
    /// the value is the answer's data as a JSON object, and the metadata has the lease. Each read makes a new credential.
    Generic,
}

impl<'de> Deserialize<'de> for Engine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EngineVisitor;

        impl Visitor<'_> for EngineVisitor {
            type Value = Engine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto`, `kv-v2`, `kv-v1`, `generic`, 2 or 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Engine, E> {
                match text {
                    "auto" => Ok(Engine::Auto),
                    "kv-v2" | "2" => Ok(Engine::KvV2),
                    "kv-v1" | "1" => Ok(Engine::KvV1),
                    "generic" => Ok(Engine::Generic),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Engine, E> {
                match number {
                    2 => Ok(Engine::KvV2),
                    1 => Ok(Engine::KvV1),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Engine, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(EngineVisitor)
    }
}

/// The form of a value in a key/value engine, which stores maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Shape {
    /// A JSON object is the map itself; anything else is the text under `value_field`.
    #[default]
    Auto,
    /// Always the text under `value_field`; other keys of the map are ignored.
    Value,
    /// Always the map itself; a write accepts only JSON objects.
    Map,
}

impl VaultConfig {
    /// Takes address, mount and namespace from `vault://host:port/mount?namespace=N`. The scheme is `https`, or `http` with
    /// `tls=off`. The default port is 8200.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for another parameter, another value of `tls`, or no
    /// host.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["namespace", "tls"])?;
        let scheme = secrets_provider::scheme_of(location)?;
        if location.host().is_empty() {
            return Err(crate::error::invalid_config("the location has no host")
                .with_hint("a location looks like `vault://host:8200/secret?namespace=team`"));
        }
        let port = location.port().unwrap_or(DEFAULT_PORT);
        self.address = Some(format!("{scheme}://{}:{port}", location.host()));
        let mount = location.path().trim_matches('/');
        if !mount.is_empty() {
            self.mount = Some(mount.to_owned());
        }
        if let Some(namespace) = location.parameter("namespace") {
            self.namespace = Some(namespace.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    #[test]
    fn a_location_is_address_mount_and_namespace() {
        let mut config = VaultConfig::default();
        let location = "vault://Host/team/kv/?namespace=a/b".parse().unwrap();
        config.set_location(&location).unwrap();
        assert_eq!(config.address.as_deref(), Some("https://host:8200"));
        assert_eq!(config.mount.as_deref(), Some("team/kv"));
        assert_eq!(config.namespace.as_deref(), Some("a/b"));

        let plain = "vault://[::1]:1234?tls=off".parse().unwrap();
        config.set_location(&plain).unwrap();
        assert_eq!(config.address.as_deref(), Some("http://[::1]:1234"));
        assert_eq!(config.mount.as_deref(), Some("team/kv"));
    }

    #[test]
    fn a_location_with_anything_else_is_refused() {
        for text in [
            "vault://h?tls=no",
            "vault:///secret",
            "vault://h?token=hunter2",
        ] {
            let location = text.parse().unwrap();
            let error = VaultConfig::default().set_location(&location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn reads_the_keys_of_people_and_of_older_documents() {
        let config: VaultConfig = serde_json::from_str(
            r#"{"url":"https://v","token":"hunter2","mount":"kv","kv_version":2,"shape":"map",
                "approle":{"role_id":"r","secret_id":"s","wrapped":true}}"#,
        )
        .unwrap();
        assert_eq!(config.engine, Engine::KvV2);
        assert_eq!(config.shape, Shape::Map);
        assert!(!format!("{config:?}").contains("hunter2"));
        for engine in ["auto", "kv-v1", "generic"] {
            let text = format!(r#"{{"engine":"{engine}"}}"#);
            assert!(serde_json::from_str::<VaultConfig>(&text).is_ok());
        }
        for wrong in [
            r#"{"engine":3}"#,
            r#"{"engine":-1}"#,
            r#"{"tokn":"x"}"#,
            r#"{"cert":{"x":1}}"#,
        ] {
            assert!(
                serde_json::from_str::<VaultConfig>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
