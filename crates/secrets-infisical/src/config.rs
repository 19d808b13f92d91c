use std::path::PathBuf;

use secrets_core::{Location, Result, SecretValue};
use serde::Deserialize;

/// Which environment of which project of an Infisical server, and who we are to it.
///
/// At most one credential is given: `universal_auth`, `token`, `token_file` or `service_token`. Without one, and only
/// where the location is the user's own, the variables `INFISICAL_UNIVERSAL_AUTH_CLIENT_ID` with
/// `INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET`, then `INFISICAL_TOKEN` are looked at. Relative paths of files start from the
/// folder of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct InfisicalConfig {
    /// The server's address, such as `https://infisical.example`; a trailing `/api` is left out. Default:
    /// `INFISICAL_API_URL`, then `INFISICAL_DOMAIN`, else that of `region`.
    #[serde(alias = "url", alias = "address")]
    pub base_url: Option<String>,
    /// Which cloud of Infisical's own, where no address is given. Default: `us`.
    pub region: Option<Region>,
    /// The project's id, as its settings show it. Default: `INFISICAL_PROJECT_ID`.
    #[serde(alias = "project", alias = "workspace_id")]
    pub project_id: Option<String>,
    /// The environment's slug, such as `prod`. Default: `INFISICAL_ENVIRONMENT`.
    #[serde(alias = "env")]
    pub environment: Option<String>,
    /// The folder that names start from. Default: `INFISICAL_SECRET_PATH`, else `/`.
    #[serde(alias = "secret_path")]
    pub path: Option<String>,
    /// A PEM file with the CAs to trust instead of the system's.
    #[serde(alias = "ca_bundle")]
    pub ca_cert: Option<PathBuf>,
    /// Sends credentials in clear over `http://` to another machine. Default: no; to this machine they always may go.
    pub allow_http: bool,
    /// Login of a machine identity.
    pub universal_auth: Option<UniversalAuthConfig>,
    /// An access token.
    pub token: Option<SecretValue>,
    /// A file that holds an access token, such as an agent writes. It is read again when the server refuses the token.
    pub token_file: Option<PathBuf>,
    /// A service token, `st.…`. Infisical has deprecated them.
    pub service_token: Option<SecretValue>,
    /// Which version of the API is spoken. Default: `auto`.
    pub api: Api,
    /// Whether the server puts the values in that references such as `${DB_USER}` name. Default: yes.
    pub expand_references: Option<bool>,
    /// What becomes of a reference that the server has left in a value. Default: `error`.
    #[serde(alias = "unresolved")]
    pub unresolved_references: UnresolvedReferences,
    /// Whether a `${…}` in a value that is put becomes a reference. Default: no, it is kept as the text that it is.
    pub write_references: bool,
    /// Whether secrets that a folder imports are read and listed as its own. Default: yes.
    pub include_imports: Option<bool>,
    /// Whether a put makes the folders that are missing. Default: yes.
    pub create_folders: Option<bool>,
    /// How values are stored that the server would change. Default: `auto`.
    pub encoding: Encoding,
}

/// Login of a machine identity. The client secret is in one of `client_secret` and `client_secret_file`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct UniversalAuthConfig {
    /// The client id.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<SecretValue>,
    /// A file that holds the client secret; read again at each login.
    pub client_secret_file: Option<PathBuf>,
    /// The sub-organisation to log in to; the identity's own organisation if absent.
    pub sub_organization: Option<String>,
}

/// A cloud of Infisical's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// `https://app.infisical.com`.
    Us,
    /// `https://eu.infisical.com`.
    Eu,
}

impl Region {
    /// Whether this host is a cloud of Infisical's own.
    pub(crate) fn is_at(host: &str) -> bool {
        matches!(
            host,
            "app.infisical.com" | "us.infisical.com" | "eu.infisical.com"
        )
    }

    pub(crate) fn url(self) -> &'static str {
        match self {
            Self::Us => "https://app.infisical.com",
            Self::Eu => "https://eu.infisical.com",
        }
    }
}

/// Which version of the API is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Api {
    /// Version 4; version 3 if the server turns out to lack it, which costs one request.
    #[default]
    Auto,
    /// Version 4 only.
    V4,
    /// Version 3 only, which Infisical has deprecated.
    V3,
}

/// What becomes of a reference that the server has left in a value, because what it names is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UnresolvedReferences {
    /// The read fails with [`InvalidValue`](secrets_core::ErrorKind::InvalidValue).
    #[default]
    Error,
    /// The value is given as it is, and a warning is traced that names the secret.
    Warn,
    /// The value is given as it is.
    Keep,
}

/// How values are stored. Encoded ones are `polysecrets:base64:` and the bytes in base64; each read undoes that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Encoding {
    /// Plain, except for what the server would change or refuse.
    #[default]
    Auto,
    /// All values are encoded.
    Always,
    /// All values are plain; what the server would change is refused.
    Never,
}

impl InfisicalConfig {
    /// Takes address, project, environment and folder from `infisical://host:port/PROJECT/ENVIRONMENT/folder`. That means
    /// `https`; `tls=off` means `http`. `base=/prefix` is a path that the server is reached under.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for another parameter or another value of `tls`.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["base", "tls"])?;
        let scheme = secrets_provider::http_scheme(location)?;
        if !location.host().is_empty() {
            let port = location.port().map(|port| format!(":{port}"));
            let base = location.parameter("base").unwrap_or_default();
            self.base_url = Some(format!(
                "{scheme}://{}{}/{}",
                location.host(),
                port.unwrap_or_default(),
                base.trim_matches('/')
            ));
        }
        let mut rest = location.path().trim_matches('/').splitn(3, '/');
        let mut take = |setting: &mut Option<String>| {
            if let Some(part) = rest.next().filter(|part| !part.is_empty()) {
                *setting = Some(part.to_owned());
            }
        };
        take(&mut self.project_id);
        take(&mut self.environment);
        take(&mut self.path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    #[test]
    fn a_location_is_address_project_environment_and_folder() {
        let mut config = InfisicalConfig::default();
        let location = "infisical://Secrets.example:8443/p-1/prod/team/api/?base=/infisical";
        config.set_location(&location.parse().unwrap()).unwrap();
        assert_eq!(
            config.base_url.as_deref(),
            Some("https://secrets.example:8443/infisical")
        );
        assert_eq!(config.project_id.as_deref(), Some("p-1"));
        assert_eq!(config.environment.as_deref(), Some("prod"));
        assert_eq!(config.path.as_deref(), Some("team/api"));

        let plain = "infisical://[::1]:8080?tls=off".parse().unwrap();
        config.set_location(&plain).unwrap();
        assert_eq!(config.base_url.as_deref(), Some("http://[::1]:8080/"));
        assert_eq!(config.project_id.as_deref(), Some("p-1"));

        let mut cloud = InfisicalConfig::default();
        cloud
            .set_location(&"infisical:///p-2/dev".parse().unwrap())
            .unwrap();
        assert_eq!(cloud.base_url, None);
        assert_eq!(cloud.environment.as_deref(), Some("dev"));
    }

    #[test]
    fn a_location_with_anything_else_is_refused() {
        for text in ["infisical://h?tls=no", "infisical://h?token=hunter2"] {
            let location = text.parse().unwrap();
            let error = InfisicalConfig::default()
                .set_location(&location)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn reads_the_keys_of_people_and_of_older_documents() {
        let config: InfisicalConfig = serde_json::from_str(
            r#"{"url":"https://i","workspace_id":"p","env":"dev","secret_path":"/a","ca_bundle":"ca.pem",
                "universal_auth":{"client_id":"c","client_secret":"hunter2"},"encoding":"never","api":"v3",
                "region":"eu","unresolved_references":"warn"}"#,
        )
        .unwrap();
        assert_eq!(config.encoding, Encoding::Never);
        assert_eq!(config.api, Api::V3);
        assert_eq!(config.region.unwrap().url(), "https://eu.infisical.com");
        assert_eq!(config.unresolved_references, UnresolvedReferences::Warn);
        assert!(!format!("{config:?}").contains("hunter2"));
        for wrong in [
            r#"{"api":"v5"}"#,
            r#"{"tokn":"x"}"#,
            r#"{"region":"mars"}"#,
            r#"{"universal_auth":{"secret":"x"}}"#,
        ] {
            assert!(
                serde_json::from_str::<InfisicalConfig>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
