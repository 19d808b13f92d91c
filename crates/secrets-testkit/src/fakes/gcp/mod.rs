//! Google Secret Manager over REST (v1), with Google's token endpoint and the metadata server of a virtual machine.
//!
//! ```
//! use polysecrets_testkit::fakes::gcp::{Access, Credential, GcpFake, GcpOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let fake = GcpFake::start(GcpOptions::default()).await?;
//! let endpoint = fake.url(); // instead of https://secretmanager.googleapis.com
//! let parent = format!("{endpoint}/v1/projects/{}/secrets", fake.project_id());
//! let bearer = fake.token(); // `Authorization: Bearer …`, good for an hour
//! let key_file = fake.credential_file(Credential::ServiceAccount); // for GOOGLE_APPLICATION_CREDENTIALS
//! let metadata = fake.metadata_host(); // for GCE_METADATA_HOST
//! fake.seed("db-password", b"s3cret");
//!
//! let without_tokens = GcpFake::start(GcpOptions::default().with_access(Access::Anonymous)).await?;
//! # let _ = (parent, bearer, key_file, metadata, without_tokens);
//! # Ok(())
//! # }
//! ```
//!
//! # What it serves
//!
//! - Secrets: create, get, patch, delete, list (`filter`, `pageSize`, `pageToken`), `testIamPermissions`; versions:
//!   `addVersion`, get, `access`, list, `enable`, `disable`, `destroy`. Both `projects/P/secrets` and
//!   `projects/P/locations/L/secrets`, which the real service has on a host of their own. Projects go by id or number in
//!   requests and by number in answers. `latest` is the newest version whatever its state.
//! - `POST /token` (signed assertion, refresh token), `POST /v1/token` (token exchange), `generateAccessToken` for the one
//!   service account; on a second port, over plain HTTP, the metadata server.
//!
//! Bodies and queries are read as Google's parser reads protobuf JSON: a field in either spelling, an unknown one refused.
//! gRPC, IAM policies, managed rotation and partial answers (`fields`) are not served.
//!
//! # Faults of its own
//!
//! For [`Fault::switch`](super::Fault::switch), beside those that all fakes have:
//!
//! | name | the next request |
//! |---|---|
//! | `expire_tokens` | meets expired tokens: all that were given out are worthless from then on |
//! | `deny` | is refused with the permission that it needs: 403 `PERMISSION_DENIED` |
//! | `throttle_header` | is throttled, 429 `RESOURCE_EXHAUSTED`, with `Retry-After: 1` |
//! | `throttle_body` | is throttled, with `RetryInfo` of 1 s in the body |
//! | `corrupt_crc` | gets a payload whose checksum does not fit |
//! | `corrupt_data` | gets a payload with one bit turned |
//! | `no_crc` | gets a payload without a checksum |
//! | `invalid_grant` | gets no token: the key was deleted, or the login withdrawn |
//!
//! `Fault::status(429)` comes without a hint how long to wait; with `with_retry_after` it has the header and `RetryInfo`.

mod account;
mod api;
mod error;
mod files;
mod filter;
mod format;
mod login;
mod messages;
mod metadata;
mod page;
mod route;
mod rules;
mod schema;
mod service;
mod shared;
mod state;
mod tokens;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::post;

use self::error::ApiError;
use self::files::Files;
use self::shared::Shared;
use self::tokens::{CLOUD_PLATFORM, LIFE, random};
use super::console::Console;
use super::faults::StatusFault;
use super::host::Host;
use super::{Asked, Authority, Faults};

const SWITCHES: &[&str] = &[
    "expire_tokens",
    "deny",
    "throttle_header",
    "throttle_body",
    "corrupt_crc",
    "corrupt_data",
    "no_crc",
    "invalid_grant",
];

/// How the fake is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcpOptions {
    /// The port of the service; 0, the default, is a free one.
    pub port: u16,
    /// Plain HTTP by default.
    pub encryption: Encryption,
    /// Tokens are required by default.
    pub access: Access,
    /// The one project; `test-project` by default.
    pub project_id: String,
    /// Its number, which names it in answers; 123456789012 by default.
    pub project_number: u64,
    /// What a page of a list has at most; 25000 as the service by default.
    pub page_limit: usize,
}

/// How the fake is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// `http://127.0.0.1:PORT`, HTTP/1.1 and HTTP/2 with prior knowledge.
    Http,
    /// `https://localhost:PORT` with a certificate of its own [authority](Authority); HTTP/1.1 and HTTP/2.
    Https,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The bearer of a token of this fake, or of an assertion that its service account has signed.
    Bearer,
    /// Everyone, as with an emulator.
    Anonymous,
}

/// A kind of file for `GOOGLE_APPLICATION_CREDENTIALS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A service account with its RSA key.
    ServiceAccount,
    /// A person's refresh token, as `gcloud auth application-default login` leaves it.
    AuthorizedUser,
    /// Workload identity: a token in a file, exchanged for one of Google's.
    ExternalAccount,
    /// The same, in the place of the service account.
    Impersonated,
}

impl Default for GcpOptions {
    fn default() -> Self {
        Self {
            port: 0,
            encryption: Encryption::Http,
            access: Access::Bearer,
            project_id: "test-project".to_owned(),
            project_number: 123_456_789_012,
            page_limit: 25_000,
        }
    }
}

impl GcpOptions {
    /// Sets the [`port`](Self::port).
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the [`encryption`](Self::encryption).
    #[must_use]
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Sets the [`access`](Self::access).
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets the [`project_id`](Self::project_id) and the [`project_number`](Self::project_number).
    #[must_use]
    pub fn with_project(mut self, id: impl Into<String>, number: u64) -> Self {
        self.project_id = id.into();
        self.project_number = number;
        self
    }

    /// Sets the [`page_limit`](Self::page_limit).
    #[must_use]
    pub fn with_page_limit(mut self, limit: usize) -> Self {
        self.page_limit = limit;
        self
    }
}

/// Google Secret Manager on this machine, for one project; see the [module](self).
pub struct GcpFake {
    shared: Arc<Shared>,
    service: Host,
    metadata: Host,
    files: Files,
    authority: Option<Authority>,
}

impl GcpFake {
    /// Starts it, with its metadata server on a free port.
    ///
    /// # Errors
    /// If the port is taken, or no folder for credential files can be made.
    pub async fn start(options: GcpOptions) -> io::Result<Self> {
        let console = Console::new(SWITCHES, answer);
        let shared = Arc::new(Shared::new(console, &options));
        let authority = match options.encryption {
            Encryption::Http => None,
            Encryption::Https => Some(Authority::generate()),
        };
        let router = Router::new()
            .route("/token", post(login::token))
            .route("/v1/token", post(login::exchange))
            .route(
                "/v1/projects/-/serviceAccounts/{account}",
                post(login::impersonate),
            )
            .fallback(api::api)
            .with_state(Arc::clone(&shared));
        let service = Host::start(
            dated(router, &shared),
            options.port,
            authority.as_ref(),
            &shared.console,
        )
        .await?;
        shared.set_url(service.url());
        let metadata = metadata::router(Arc::clone(&shared));
        let metadata = Host::start(dated(metadata, &shared), 0, None, &shared.console).await?;
        Ok(Self {
            shared,
            service,
            metadata,
            files: Files::new()?,
            authority,
        })
    }

    /// Where the service is, instead of `https://secretmanager.googleapis.com`; without a slash at its end.
    pub fn url(&self) -> String {
        self.service.url()
    }

    /// Host and port of the metadata server, for `GCE_METADATA_HOST`.
    pub fn metadata_host(&self) -> String {
        self.metadata.url().trim_start_matches("http://").to_owned()
    }

    /// The project's id.
    pub fn project_id(&self) -> &str {
        &self.shared.project_id
    }

    /// The project's number.
    pub fn project_number(&self) -> u64 {
        self.shared.project_number
    }

    /// The certificate that a client has to trust, in PEM form; `None` over plain HTTP.
    pub fn ca_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::ca_pem)
    }

    /// Every request so far, those to the token endpoint and the metadata server included.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked_since(0)
    }

    /// The same without the first `start`: what was asked since [`asked_count`](Self::asked_count) was so much. It costs
    /// no more than what it returns, however long the log has become.
    pub fn asked_since(&self, start: usize) -> Vec<Asked> {
        self.shared.console.recorder.asked_since(start)
    }

    /// How many requests [`asked`](Self::asked) tells.
    pub fn asked_count(&self) -> usize {
        self.shared.console.recorder.count()
    }

    /// What the fake does wrong on purpose.
    pub fn faults(&self) -> &Faults {
        &self.shared.console.faults
    }

    /// Lets the fake's time go on, by whole seconds: tokens and secrets expire, versions whose destruction was put off
    /// are destroyed.
    pub fn advance(&self, by: Duration) {
        self.shared.console.time.advance(by);
    }

    /// A new access token, good for an hour.
    pub fn token(&self) -> String {
        let now = self.shared.console.time.unix();
        self.shared.tokens().issue(now, LIFE, CLOUD_PLATFORM)
    }

    /// A file for `GOOGLE_APPLICATION_CREDENTIALS`, which is gone when the fake is.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[expect(clippy::expect_used, reason = "the caller is a test")]
    pub fn credential_file(&self, kind: Credential) -> PathBuf {
        self.files
            .credential(&self.shared, kind)
            .expect("a file can be written in a new folder")
    }

    /// Writes another token into the file that [`Credential::ExternalAccount`] names; the old one is worthless.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[expect(clippy::expect_used, reason = "the caller is a test")]
    pub fn rotate_subject_token(&self) {
        *self.shared.subject_token() = random(60);
        self.files
            .subject_token(&self.shared)
            .expect("a file can be written in a new folder");
    }

    /// The variables with which Google's clients find project, credentials and metadata server, and gcloud the service:
    /// Google's libraries take the address of the service from the code only. The credentials are the service account's;
    /// beside its file lie `authorized-user.json`, `external-account.json` and `impersonated.json`.
    pub fn environment(&self) -> Vec<(String, String)> {
        let host = self.metadata_host();
        let mut variables = vec![
            ("GOOGLE_CLOUD_PROJECT", self.shared.project_id.clone()),
            ("GCE_METADATA_HOST", host.clone()),
            ("GCE_METADATA_IP", host),
            (
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
                format!("{}/", self.url()),
            ),
        ];
        if !self.shared.is_open {
            self.credential_file(Credential::AuthorizedUser);
            self.credential_file(Credential::ExternalAccount);
            self.credential_file(Credential::Impersonated);
            let file = self.credential_file(Credential::ServiceAccount);
            variables.push(("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string()));
        }
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Adds a version to the global secret `id`, which is made if it is not there. The request is not recorded.
    ///
    /// # Panics
    /// If the service would refuse the id or the value.
    pub fn seed(&self, id: &str, value: &[u8]) {
        if let Err(message) = self.shared.seed(id, value) {
            panic!("cannot seed `{id}`: {message}");
        }
    }
}

impl fmt::Debug for GcpFake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpFake")
            .field("url", &self.url())
            .field("metadata_host", &self.metadata_host())
            .finish_non_exhaustive()
    }
}

/// Each answer tells the fake's time.
fn dated(router: Router, shared: &Arc<Shared>) -> Router {
    let time = shared.console.time.clone();
    router.layer(axum::middleware::map_response(
        move |mut response: Response| {
            let date = httpdate::fmt_http_date(time.now());
            async move {
                if let Ok(date) = HeaderValue::from_str(&date) {
                    response.headers_mut().insert(header::DATE, date);
                }
                response
            }
        },
    ))
}

/// What each part says for a [`StatusFault`].
fn answer(fault: &StatusFault, path: &str) -> Response {
    match path {
        "/token" | "/v1/token" => login::refused(fault.status),
        path if path == "/" || path.starts_with("/computeMetadata") => {
            error::page(fault.status, "Error")
        }
        path => ApiError::from_fault(fault, path).into_response(),
    }
}
