//! For programs that already have a client of the crate `vaultrs`. Only its settings are used: requests go through our own
//! client, which never shows tokens or bodies and keeps leases, versions and `Retry-After`.

use secrets_core::Result;
use vaultrs::client::VaultClient;

use super::VaultConfig;
use crate::error::invalid_config;

impl VaultConfig {
    /// Creates a configuration with the client's address, namespace, token and CA file. Set [`mount`](Self::mount) and the
    /// rest, then [`open`](crate::open) it. The token is copied: a token that the client gets later has no effect.
    ///
    /// A CA file replaces the system's CAs, while `vaultrs` trusts both.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for a client with settings that cannot be copied: a client
    /// certificate, which it keeps private, more than one CA file, its own proxy, or TLS without verification.
    ///
    /// ```no_run
    /// # extern crate secrets_core as polysecrets_core;
    /// # extern crate secrets_provider as polysecrets_provider;
    /// # async fn example(client: vaultrs::client::VaultClient) -> polysecrets_core::Result<()> {
    /// use polysecrets_core::OpenContext;
    /// use polysecrets_provider::Transport;
    /// use polysecrets_vault::VaultConfig;
    ///
    /// let mut config = VaultConfig::from_vaultrs(&client)?;
    /// config.mount = Some("team".to_owned());
    /// let provider = polysecrets_vault::open(config, OpenContext::new("main"), Transport::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_vaultrs(client: &VaultClient) -> Result<Self> {
        let settings = &client.settings;
        let refused = |what: &'static str, hint: &'static str| {
            Err(invalid_config(format!("the vaultrs client has {what}")).with_hint(hint))
        };
        if !settings.verify && settings.address.scheme() == "https" {
            return refused(
                "TLS verification turned off",
                "trust the server's CA with `ca_certs` instead",
            );
        }
        if settings.identity.is_some() {
            return refused(
                "a client certificate, which it keeps private",
                "configure `client_cert` and `client_key`",
            );
        }
        if settings.ca_certs.len() > 1 {
            return refused("more than one CA file", "put the certificates in one file");
        }
        if settings.proxy.is_some() {
            return refused(
                "a proxy",
                "set HTTPS_PROXY in the environment of the transport",
            );
        }
        let token = settings.token.as_str();
        Ok(Self {
            address: Some(settings.address.to_string()),
            namespace: settings.namespace.clone(),
            token: (!token.is_empty()).then(|| token.into()),
            ca_cert: settings.ca_certs.first().map(Into::into),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;
    use vaultrs::client::VaultClientSettingsBuilder;

    use super::*;

    fn config(change: impl FnOnce(&mut VaultClientSettingsBuilder)) -> Result<VaultConfig> {
        // The client's own HTTP stack wants one for the whole process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut settings = VaultClientSettingsBuilder::default();
        settings
            .address("http://127.0.0.1:8200")
            .token("hunter2")
            .verify(true)
            .ca_certs(Vec::new());
        change(&mut settings);
        VaultConfig::from_vaultrs(&VaultClient::new(settings.build().unwrap()).unwrap())
    }

    #[test]
    fn copies_address_namespace_token_and_ca() {
        let config = config(|settings| {
            settings
                .namespace(Some("team".to_owned()))
                .ca_certs(vec!["/ca.pem".to_owned()]);
        })
        .unwrap();
        assert_eq!(config.address.as_deref(), Some("http://127.0.0.1:8200/"));
        assert_eq!(config.namespace.as_deref(), Some("team"));
        assert_eq!(
            config.token.as_ref().unwrap().expose_str().unwrap(),
            "hunter2"
        );
        assert_eq!(config.ca_cert.as_deref(), Some("/ca.pem".as_ref()));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn refuses_settings_that_cannot_be_copied() {
        let kind = |config: Result<VaultConfig>| config.unwrap_err().kind();
        let two = vec!["/a.pem".to_owned(), "/b.pem".to_owned()];
        assert_eq!(
            kind(config(|s| {
                s.ca_certs(two);
            })),
            ErrorKind::InvalidConfig
        );
        let proxy = "http://proxy:3128";
        assert_eq!(
            kind(config(|s| {
                s.proxy(proxy);
            })),
            ErrorKind::InvalidConfig
        );
        let unverified = config(|s| {
            s.address("https://127.0.0.1:1").verify(false);
        });
        assert_eq!(kind(unverified), ErrorKind::InvalidConfig);
    }
}
