use std::path::PathBuf;

use secrets_core::{Error, Location, Result, SecretValue};

/// What a location's host without a dot is a vault of.
const PUBLIC_VAULTS: &str = "vault.azure.net";

/// How an Azure Key Vault is reached, and who we are to it.
///
/// At most one credential is given: `service_principal`, `workload_identity`, `managed_identity` or `developer_tools`.
/// Without one, and only where the location is the user's own, these are tried in this order, and the first that is
/// there is kept: the service principal of `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`; the workload
/// identity of `AZURE_FEDERATED_TOKEN_FILE`; the managed identity of this machine, which gets one second to show that it
/// is there; the login of `az`, then that of `azd`. Relative paths start from the folder of the configuration.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AzureConfig {
    /// The vault's address, such as `https://contoso.vault.azure.net`; always https. Default: `AZURE_KEYVAULT_URL`, then
    /// `AZURE_KEY_VAULT_URL`.
    #[serde(alias = "url")]
    pub vault_url: Option<String>,
    /// The tenant of the credential; each credential may name its own. Default: `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// Where logins go, such as `https://login.microsoftonline.us`; always https. Default: `AZURE_AUTHORITY_HOST`, then
    /// the one of the cloud that the vault is in, `https://login.microsoftonline.com` if that is not known.
    pub authority_host: Option<String>,
    /// The resource that tokens are asked for, such as `https://vault.azure.net`. Default: that of the cloud that the
    /// vault is in; for another host the one that the vault names, if the vault is below it.
    pub resource: Option<String>,
    /// A PEM file with the CAs to trust instead of the system's, for the vault and for logins.
    pub ca_cert: Option<PathBuf>,
    /// What becomes of a value that is read after its `exp` or before its `nbf`, which Key Vault gives out all the same.
    /// Default: `refuse`.
    pub outside_validity: OutsideValidity,
    /// An application with a client secret.
    pub service_principal: Option<ServicePrincipalConfig>,
    /// An application that a Kubernetes service account, or another issuer's token, stands for.
    pub workload_identity: Option<WorkloadIdentityConfig>,
    /// The identity of the virtual machine, App Service, function or container that this runs in.
    pub managed_identity: Option<ManagedIdentityConfig>,
    /// Whoever is logged in with `az`, else with `azd`.
    pub developer_tools: Option<DeveloperToolsConfig>,
}

/// What becomes of a value that is read outside the time for which it is valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OutsideValidity {
    /// It is not given out: [`Disabled`](secrets_core::ErrorKind::Disabled).
    #[default]
    Refuse,
    /// It is given out with the state `disabled`, and a warning is traced.
    Warn,
    /// It is given out with the state `disabled`.
    Allow,
}

/// An application with a client secret.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ServicePrincipalConfig {
    /// The tenant. Default: [`AzureConfig::tenant_id`].
    pub tenant_id: Option<String>,
    /// The application's id.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<SecretValue>,
}

/// An application that trusts another issuer's token.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct WorkloadIdentityConfig {
    /// The tenant. Default: [`AzureConfig::tenant_id`].
    pub tenant_id: Option<String>,
    /// The application's id. Default: `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The file with the issuer's token, read again at each login. Default: `AZURE_FEDERATED_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
}

/// The identity of the machine.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ManagedIdentityConfig {
    /// The client id of a user-assigned identity. Default: the system-assigned one.
    pub client_id: Option<String>,
}

/// The login of a developer.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct DeveloperToolsConfig {
    /// The tenant to get a token for. Default: [`AzureConfig::tenant_id`] as it is in the configuration, else the tool's
    /// own.
    pub tenant_id: Option<String>,
}

impl AzureConfig {
    /// Takes the vault's address from `azure-kv://contoso.vault.azure.net`. A host without a dot, such as in
    /// `azure-kv://contoso`, is the name of a vault in the public cloud.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for a parameter, a path, or no host.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&[])?;
        let host = location.host();
        if host.is_empty() || !location.path().trim_matches('/').is_empty() {
            let problem = match host.is_empty() {
                true => "the location names no vault",
                false => "the location has a path, but a vault has none",
            };
            return Err(Error::invalid_config(problem)
                .with_hint("a location looks like `azure-kv://contoso.vault.azure.net`"));
        }
        let is_name = !host.contains(['.', ':']) && host != "localhost";
        let host = match is_name {
            true => format!("{host}.{PUBLIC_VAULTS}"),
            false => host.to_owned(),
        };
        self.vault_url = Some(match location.port() {
            Some(port) => format!("https://{host}:{port}"),
            None => format!("https://{host}"),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    fn located(text: &str) -> Result<Option<String>> {
        let mut config = AzureConfig::default();
        config.set_location(&text.parse()?)?;
        Ok(config.vault_url)
    }

    #[test]
    fn a_location_is_the_address_of_a_vault() {
        for (text, url) in [
            (
                "azure-kv://contoso.vault.azure.net",
                "https://contoso.vault.azure.net",
            ),
            ("azure-kv://contoso/", "https://contoso.vault.azure.net"),
            ("azure-kv://localhost:8443", "https://localhost:8443"),
            ("azure-kv://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(located(text).unwrap().as_deref(), Some(url), "{text}");
        }
    }

    #[test]
    fn a_location_with_anything_else_is_refused() {
        for text in [
            "azure-kv:",
            "azure-kv://contoso/secrets",
            "azure-kv://contoso?token=hunter2",
        ] {
            let error = located(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn reads_the_keys_of_people_and_of_older_documents() {
        let config: AzureConfig = serde_json::from_str(
            r#"{"url":"https://v.vault.azure.net","outside_validity":"warn","managed_identity":{},
                "service_principal":{"tenant_id":"t","client_id":"c","client_secret":"hunter2"}}"#,
        )
        .unwrap();
        assert_eq!(config.outside_validity, OutsideValidity::Warn);
        assert!(config.managed_identity.is_some());
        assert!(!format!("{config:?}").contains("hunter2"));
        for wrong in [
            r#"{"vault":"x"}"#,
            r#"{"outside_validity":"never"}"#,
            r#"{"service_principal":{"secret":"x"}}"#,
        ] {
            assert!(serde_json::from_str::<AzureConfig>(wrong).is_err());
        }
    }
}
