use serde::Deserialize;

/// The project that a fake has by default.
pub(super) const PROJECT: (&str, &str) = ("7b1f7c9e-6d55-4c2c-9d6d-0d6c1c5b6a11", "fake-project");

/// How an [`InfisicalFake`](super::InfisicalFake) is set up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InfisicalOptions {
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) projects: Vec<(String, String)>,
    pub(super) environments: Vec<String>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) token_seconds: u64,
    pub(super) most_token_seconds: u64,
    pub(super) older: Vec<Older>,
    pub(super) retry_after_header: bool,
}

/// What older servers did otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Older {
    /// No `/api/v4/secrets`: 404, as for any route that is unknown.
    #[serde(rename = "no_v4")]
    NoV4,
    /// `version=N` is not looked at: the newest is the answer to all.
    IgnoresVersion,
    /// A value with a `${NAME}` that leads nowhere is refused (400) when it is written.
    RefusesMissingReferences,
    /// A `${NAME}` that leads nowhere becomes nothing when references are expanded; newer servers leave it as it is.
    EmptiesMissingReferences,
}

impl Default for InfisicalOptions {
    /// A free port and plain HTTP; one project with the environments `dev`, `staging` and `prod`; one machine identity, whose tokens
    /// live 30 days and cannot be renewed beyond 30 days, as the server's defaults are; nothing older.
    fn default() -> Self {
        let (id, slug) = PROJECT;
        Self {
            port: 0,
            tls: false,
            projects: vec![(id.to_owned(), slug.to_owned())],
            environments: ["dev", "staging", "prod"].map(str::to_owned).to_vec(),
            client_id: "5a3c8c1e-54b2-4a5f-8a2e-3f6d2b7c9e10".to_owned(),
            client_secret: "fake-client-secret".to_owned(),
            token_seconds: 2_592_000,
            most_token_seconds: 2_592_000,
            older: Vec::new(),
            retry_after_header: false,
        }
    }
}

impl InfisicalOptions {
    /// This port; 0 is a free one.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Over HTTPS, as `https://localhost:PORT`, with a certificate of its own authority.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One more project, by its id and its slug.
    #[must_use]
    pub fn with_project(mut self, id: impl Into<String>, slug: impl Into<String>) -> Self {
        self.projects.push((id.into(), slug.into()));
        self
    }

    /// One more environment, by its slug, in every project.
    #[must_use]
    pub fn with_environment(mut self, slug: impl Into<String>) -> Self {
        self.environments.push(slug.into());
        self
    }

    /// The machine identity's universal auth.
    #[must_use]
    pub fn with_client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.client_id = id.into();
        self.client_secret = secret.into();
        self
    }

    /// How long an access token lives, and how long after its making it can still be renewed, both in seconds; 0 is for
    /// ever.
    #[must_use]
    pub fn with_token_life(mut self, seconds: u64, at_most: u64) -> Self {
        self.token_seconds = seconds;
        self.most_token_seconds = at_most;
        self
    }

    /// A server that is older in one way; can be given more than once.
    #[must_use]
    pub fn with_older(mut self, older: Older) -> Self {
        self.older.push(older);
        self
    }

    /// A throttled answer says how long to wait in a `retry-after` header too, not only in its message.
    #[must_use]
    pub fn with_retry_after_header(mut self) -> Self {
        self.retry_after_header = true;
        self
    }
}
