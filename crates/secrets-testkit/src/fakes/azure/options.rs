use std::time::Duration;

/// How an [`AzureFake`](super::AzureFake) is started.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AzureOptions {
    /// The port of the vault and of Entra; 0, the default, is a free one.
    pub port: u16,
    /// The port of the endpoints of managed identities; 0, the default, is a free one.
    pub identity_port: u16,
    /// The one tenant that Entra knows.
    pub tenant_id: String,
    /// The one application that Entra knows.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The client id of the managed identity; one is asked for by it, or without any id.
    pub identity_client_id: String,
    /// What a token must be for: `https://vault.azure.net` by default.
    pub resource: String,
    /// How long a token lives: 3 599 s by default, as Entra's do at the least.
    pub token_life: Duration,
    /// How many days what is deleted can be recovered: 90 by default; the service has 7 to 90.
    pub retention_days: u64,
    /// Nothing can be purged. Off by default.
    pub purge_protection: bool,
    /// How long a deletion, a recovery and a purge take, during which the name is in conflict: none by default; at the
    /// service it is seconds.
    pub transition: Duration,
    /// Each version of one name says that it was made at least a second after the one before. Off by default: as at the
    /// service, the times are in seconds, and the list of versions does not tell which of two from the same second is
    /// the later one.
    pub distinct_times: bool,
}

impl Default for AzureOptions {
    fn default() -> Self {
        Self {
            port: 0,
            identity_port: 0,
            tenant_id: "7e4a0000-0000-4000-8000-0000000000aa".to_owned(),
            client_id: "7e4a0000-0000-4000-8000-0000000000bb".to_owned(),
            client_secret: "fake~client.secret_of-polysecrets".to_owned(),
            identity_client_id: "7e4a0000-0000-4000-8000-0000000000cc".to_owned(),
            resource: "https://vault.azure.net".to_owned(),
            token_life: Duration::from_secs(3599),
            retention_days: 90,
            purge_protection: false,
            transition: Duration::ZERO,
            distinct_times: false,
        }
    }
}

impl AzureOptions {
    /// Sets [`port`](Self::port).
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets [`identity_port`](Self::identity_port).
    #[must_use]
    pub fn with_identity_port(mut self, port: u16) -> Self {
        self.identity_port = port;
        self
    }

    /// Sets the tenant, the application and its secret.
    #[must_use]
    pub fn with_application(
        mut self,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        self.tenant_id = tenant_id.into();
        self.client_id = client_id.into();
        self.client_secret = client_secret.into();
        self
    }

    /// Sets [`token_life`](Self::token_life).
    #[must_use]
    pub fn with_token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// Sets [`retention_days`](Self::retention_days).
    #[must_use]
    pub fn with_retention_days(mut self, days: u64) -> Self {
        self.retention_days = days;
        self
    }

    /// Turns [`purge_protection`](Self::purge_protection) on.
    #[must_use]
    pub fn with_purge_protection(mut self) -> Self {
        self.purge_protection = true;
        self
    }

    /// Sets [`transition`](Self::transition).
    #[must_use]
    pub fn with_transition(mut self, takes: Duration) -> Self {
        self.transition = takes;
        self
    }

    /// Turns [`distinct_times`](Self::distinct_times) on.
    #[must_use]
    pub fn with_distinct_times(mut self) -> Self {
        self.distinct_times = true;
        self
    }
}

impl std::fmt::Debug for AzureOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureOptions")
            .field("port", &self.port)
            .field("identity_port", &self.identity_port)
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
