use std::path::PathBuf;

use secrets_core::{Error, Location, Result, SecretValue};

/// Which secrets of AWS Secrets Manager are meant, and who we are to it.
///
/// Credentials are `access_key_id` with `secret_access_key`, or those of `profile`. Without either, and only where the
/// location is the user's own, AWS's default chain is asked: environment, profile, SSO, process, web identity, container,
/// and last the metadata service of the machine.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AwsConfig {
    /// The region, such as `eu-central-1`. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, that of the machine
    /// whose metadata service gave the credentials, else `us-east-1`.
    pub region: Option<String>,
    /// The service's address, for emulators and private endpoints. Default: `AWS_ENDPOINT_URL_SECRETS_MANAGER`, then
    /// `AWS_ENDPOINT_URL`, else the region's own.
    #[serde(alias = "endpoint_url")]
    pub endpoint: Option<String>,
    /// The profile of `~/.aws/config` and `~/.aws/credentials`. It goes before keys in the environment. Default:
    /// `AWS_PROFILE`, else `default`.
    pub profile: Option<String>,
    /// One secret, by name or ARN, whose value is a JSON object: each name is a key of it. Default: each name is a secret.
    pub secret_name: Option<String>,
    /// What the name of each secret begins with in AWS, such as `app/`. Default: nothing.
    pub secret_prefix: Option<String>,
    /// The KMS key, by id, ARN or alias, that new secrets are encrypted with. Default: `aws/secretsmanager`.
    pub kms_key_id: Option<String>,
    /// For how many days a deleted secret can be restored: 7 to 30. Default: 30, AWS's own.
    pub recovery_window_days: Option<u8>,
    /// The id of an access key; needs `secret_access_key`.
    pub access_key_id: Option<SecretValue>,
    /// The secret of the access key.
    pub secret_access_key: Option<SecretValue>,
    /// The token that belongs to a temporary access key.
    pub session_token: Option<SecretValue>,
    /// The ARN of a role that is assumed with the credentials.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy requires.
    pub external_id: Option<String>,
    /// The name of the role's session in AWS's logs. Default: `polysecrets`.
    pub role_session_name: Option<String>,
    /// A PEM file with the CAs to trust instead of the system's. Default: `AWS_CA_BUNDLE`.
    pub ca_cert: Option<PathBuf>,
    /// Sends requests in clear over `http://` to another machine. Default: no; to this machine they always may go.
    pub allow_http: bool,
}

impl AwsConfig {
    /// Takes the settings of `aws-sm://REGION?endpoint=URL&profile=P&secret_name=N&secret_prefix=P`, all of them optional.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for another parameter, a port or a path.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["endpoint", "profile", "secret_name", "secret_prefix"])?;
        if location.port().is_some() || !location.path().trim_matches('/').is_empty() {
            return Err(
                Error::invalid_config("the location is more than a region and parameters").with_hint(
                    "a location looks like `aws-sm://eu-central-1?secret_prefix=app/`; another address is `endpoint=…`",
                ),
            );
        }
        if !location.host().is_empty() {
            self.region = Some(location.host().to_owned());
        }
        for (parameter, setting) in [
            ("endpoint", &mut self.endpoint),
            ("profile", &mut self.profile),
            ("secret_name", &mut self.secret_name),
            ("secret_prefix", &mut self.secret_prefix),
        ] {
            if let Some(value) = location.parameter(parameter) {
                *setting = Some(value.to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    #[test]
    fn a_location_is_region_and_parameters() {
        let mut config = AwsConfig::default();
        let location = "aws-sm://eu-central-1?secret_prefix=app/&endpoint=http://127.0.0.1:4566"
            .parse()
            .unwrap();
        config.set_location(&location).unwrap();
        assert_eq!(config.region.as_deref(), Some("eu-central-1"));
        assert_eq!(config.secret_prefix.as_deref(), Some("app/"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:4566"));

        config.set_location(&"aws-sm:".parse().unwrap()).unwrap();
        assert_eq!(config.region.as_deref(), Some("eu-central-1"));
    }

    #[test]
    fn a_location_with_anything_else_is_refused() {
        for text in [
            "aws-sm://eu-central-1/app",
            "aws-sm://host:443",
            "aws-sm://eu-central-1?token=hunter2",
        ] {
            let error = AwsConfig::default()
                .set_location(&text.parse().unwrap())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn reads_the_keys_of_people_and_of_older_documents() {
        let config: AwsConfig = serde_json::from_str(
            r#"{"region":"eu-west-1","secret_prefix":"app/","access_key_id":"AKIA","secret_access_key":"hunter2",
                "endpoint_url":"http://localhost:1","recovery_window_days":7}"#,
        )
        .unwrap();
        assert_eq!(config.endpoint.as_deref(), Some("http://localhost:1"));
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(serde_json::from_str::<AwsConfig>(r#"{"regoin":"x"}"#).is_err());
    }
}
