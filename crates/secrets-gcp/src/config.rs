use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrets_core::{Error, Location, Result, SecretValue};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::TokenSource;

/// Which project of Secret Manager is used, and who we are to it.
///
/// At most one credential is given: `credentials`, `credentials_file`, `token`, `token_file`, `anonymous` or
/// [`token_source`](Self::token_source). Without one, and only where the location is the user's own, these are looked at, in
/// this order: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, the access token in `CLOUDSDK_AUTH_ACCESS_TOKEN` or
/// `GOOGLE_OAUTH_ACCESS_TOKEN`, the file that `gcloud auth application-default login` writes, and the metadata server.
/// Relative paths start from the folder of the configuration.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GcpConfig {
    /// The project's id, such as `my-project`; its number works too. Default: `GOOGLE_CLOUD_PROJECT`, `GCLOUD_PROJECT`,
    /// `GCP_PROJECT_ID` or `CLOUDSDK_CORE_PROJECT`, then the project of the credential, else that of the machine.
    #[serde(alias = "project")]
    pub project_id: Option<String>,
    /// The region, such as `europe-west3`, of regional secrets, which live there and nowhere else. Default: none, for
    /// global secrets.
    pub region: Option<String>,
    /// What the ids of all secrets start with. It is not part of their names, and secrets without it are not seen.
    /// Default: nothing.
    #[serde(alias = "prefix")]
    pub secret_prefix: Option<String>,
    /// Where new global secrets are replicated to. Default: wherever Google chooses.
    pub replicas: Vec<ReplicaConfig>,
    /// The Cloud KMS key that new secrets are encrypted with, `projects/P/locations/L/keyRings/R/cryptoKeys/K`. With
    /// `replicas`, each of them has its own instead. Default: a key of Google's.
    pub kms_key: Option<String>,
    /// Another address of the service, such as that of an emulator or of a private endpoint. Default:
    /// `CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER`, else `https://secretmanager.googleapis.com`, or that of the
    /// region.
    pub endpoint: Option<String>,
    /// Sends no credential at all, as emulators want it. Default: no.
    pub anonymous: bool,
    /// The content of a credentials file: JSON with a `type` such as `service_account`.
    pub credentials: Option<SecretValue>,
    /// A credentials file. It is read again at each login.
    pub credentials_file: Option<PathBuf>,
    /// An access token.
    pub token: Option<SecretValue>,
    /// A file that holds an access token. It is read again when the service refuses the token.
    pub token_file: Option<PathBuf>,
    /// The project that calls are counted for, where that is another one. Default: `GOOGLE_CLOUD_QUOTA_PROJECT`, then the
    /// one in the credentials file.
    pub quota_project: Option<String>,
    /// A PEM file with the CAs to trust instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// Sends values and credentials in clear over `http://` to another machine. Default: no; to this machine they always
    /// may go.
    pub allow_http: bool,
    /// Where access tokens come from, for programs that bring their own. It cannot be set in a file.
    #[serde(skip)]
    pub token_source: Option<Arc<dyn TokenSource>>,
}

/// One place of a replication that the user manages. In a configuration: a region's name, or a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaConfig {
    /// The region, such as `europe-west3`.
    pub region: String,
    /// The Cloud KMS key for this replica, which is in the same region. Default: a key of Google's.
    pub kms_key: Option<String>,
}

impl ReplicaConfig {
    /// A replica in this region.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            kms_key: None,
        }
    }

    /// Encrypted with this key.
    pub fn with_kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }
}

impl<'de> Deserialize<'de> for ReplicaConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            region: String,
            #[serde(default)]
            kms_key: Option<String>,
        }

        struct ReplicaVisitor;

        impl<'de> Visitor<'de> for ReplicaVisitor {
            type Value = ReplicaConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a region such as \"europe-west3\", or a table with `region` and `kms_key`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ReplicaConfig, E> {
                Ok(ReplicaConfig::new(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReplicaConfig, A::Error> {
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(ReplicaConfig {
                    region: table.region,
                    kms_key: table.kms_key,
                })
            }
        }

        deserializer.deserialize_any(ReplicaVisitor)
    }
}

impl GcpConfig {
    /// With access tokens from there.
    pub fn with_token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Takes the project and the region from `gcp-sm://PROJECT?region=R` or `gcp-sm:///PROJECT`. An emulator stands before
    /// the project, `gcp-sm://127.0.0.1:9000/PROJECT?tls=off`; `tls=off` means plain http.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for another parameter, another value of `tls`, or a path
    /// with more than a project.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["region", "tls"])?;
        let scheme = secrets_provider::http_scheme(location)?;
        let path = location.path().trim_matches('/');
        if path.contains('/') {
            return Err(Error::invalid_config(
                "the path of the location is not the id of one project",
            )
            .with_hint("a location looks like `gcp-sm://my-project?region=europe-west3`"));
        }
        let (host, project) = match (location.host(), location.port(), path) {
            (host, None, "") => (None, host),
            (host, _, project) => (Some(host).filter(|host| !host.is_empty()), project),
        };
        if let Some(host) = host {
            let port = location.port().map(|port| format!(":{port}"));
            let port = port.unwrap_or_default();
            self.endpoint = Some(format!("{scheme}://{host}{port}"));
        }
        if !project.is_empty() {
            self.project_id = Some(project.to_owned());
        }
        if let Some(region) = location.parameter("region") {
            self.region = Some(region.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    fn located(text: &str) -> GcpConfig {
        let mut config = GcpConfig::default();
        config.set_location(&text.parse().unwrap()).unwrap();
        config
    }

    #[test]
    fn a_location_is_project_region_and_endpoint() {
        for text in ["gcp-sm:///my-project", "gcp-sm://my-project"] {
            let config = located(text);
            assert_eq!(config.project_id.as_deref(), Some("my-project"));
            assert_eq!((config.endpoint, config.region), (None, None));
        }
        let config = located("gcp-sm://my-project?region=europe-west3");
        assert_eq!(config.region.as_deref(), Some("europe-west3"));
        let config = located("gcp-sm://127.0.0.1:9000/p?tls=off");
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(config.project_id.as_deref(), Some("p"));
        let config = located("gcp-sm://sm.internal/p");
        assert_eq!(config.endpoint.as_deref(), Some("https://sm.internal"));
    }

    #[test]
    fn a_location_with_anything_else_is_refused() {
        for text in [
            "gcp-sm://p?tls=no",
            "gcp-sm:///p/secrets/x",
            "gcp-sm://p?token=hunter2",
        ] {
            let location = text.parse().unwrap();
            let error = GcpConfig::default().set_location(&location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn reads_the_keys_of_people_and_of_older_documents() {
        let config: GcpConfig = serde_json::from_str(
            r#"{"project":"p","prefix":"app-","token":"hunter2",
                "replicas":["europe-west1",{"region":"europe-west4","kms_key":"k"}]}"#,
        )
        .unwrap();
        assert_eq!(config.project_id.as_deref(), Some("p"));
        assert_eq!(config.secret_prefix.as_deref(), Some("app-"));
        assert_eq!(
            config.replicas,
            [
                ReplicaConfig::new("europe-west1"),
                ReplicaConfig::new("europe-west4").with_kms_key("k")
            ]
        );
        assert!(!format!("{config:?}").contains("hunter2"));
        for wrong in [
            r#"{"projct":"p"}"#,
            r#"{"replicas":[1]}"#,
            r#"{"replicas":[{"region":"r","key":"k"}]}"#,
            r#"{"token_source":"x"}"#,
        ] {
            assert!(serde_json::from_str::<GcpConfig>(wrong).is_err(), "{wrong}");
        }
    }
}
