//! Azure Key Vault, with Microsoft Entra ID and the endpoints of managed identities.
//!
//! One [`AzureFake`] is one vault, `https://localhost:PORT`. The same host is Entra, with one tenant and one application
//! that logs in with its secret or with a federated token. A second host, on plain HTTP, is what a machine of Azure's has
//! for its managed identity: the endpoint of App Service and the metadata service.
//!
//! - **Secrets**: set, get, update, versions, lists of at most 25 with `nextLink`, deletion, recovery, purge, backup and
//!   restore. Disabled ones are refused, expired ones are given out, as at the service.
//! - **Keys**: create (EC on P-256, P-256K, P-384 and P-521, RSA of 2 048, 3 072 and 4 096 bits), get, list, update,
//!   delete, recover, purge; sign and verify with ES256, ES256K, ES384, ES512, RS256 to RS512 and PS256 to PS512.
//! - **Logging in**: a request without a token is answered 401 with the challenge. Tokens are opaque; one for another
//!   resource (`https://management.azure.com`) can be had, and is refused by the vault.
//!
//! Names of parameters and members that the service does not document are refused, which is stricter than the service
//! may be.
//!
//! ```
//! use polysecrets_testkit::fakes::Fault;
//! use polysecrets_testkit::fakes::azure::{AzureFake, AzureOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let fake = AzureFake::start(AzureOptions::default()).await?;
//! fake.seed("db-password", "hunter2");
//! fake.faults().push(Fault::status(429).with_retry_after(1).times(2).on_path("/secrets/"));
//!
//! // The client under test is given the vault's URL, the CA to trust and the variables of the login.
//! let (vault, ca, variables) = (fake.url(), fake.ca_pem(), fake.environment());
//! # assert!(vault.starts_with("https://localhost:") && ca.contains("CERTIFICATE") && !variables.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Switches
//!
//! Beside the faults that every fake has, [`Fault::switch`] knows:
//!
//! | name | the next request that fits |
//! |---|---|
//! | `expire_tokens` | with a token finds every token expired that was issued so far |
//! | `expired_client_secret` | for a token with a client secret answers that the secret has expired (AADSTS7000222) |
//! | `empty_page` | for a list of secrets gets an empty page that is not the last |
//! | `slow_transition` | to delete, recover or purge takes 30 s of the fake's time, during which the name is in conflict |
//!
//! A [`Fault::status`] has the error body of the host that it is for. With 403 and the code `ForbiddenByFirewall` or
//! `ForbiddenByRbac` (the default) it has the inner error of that name.
//!
//! Over the wire there are, beside what [`fakes`](super) tells, `GET /_fake/environments`, the variables of all four
//! logins, and `POST /_fake/assertion` with `{"seconds":3600}`, a federated token that lives so long.

mod assertion;
mod attributes;
mod backup;
mod entra;
mod identity;
mod items;
mod keys;
mod lists;
mod material;
mod options;
mod query;
mod random;
mod refusal;
mod request;
mod secrets;
mod shelf;
mod state;
mod tokens;
mod vault;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

pub use options::AzureOptions;

use self::attributes::Attributes;
use self::random::random_text;
use self::secrets::Secret;
use self::state::Service;
#[cfg(doc)]
use super::Fault;
use super::console::Console;
use super::faults::StatusFault;
use super::host::Host;
use super::{Asked, Authority, Faults};

/// A vault, with all that is needed to log in to it. It ends when it is dropped.
#[derive(Debug)]
pub struct AzureFake {
    service: Arc<Service>,
    authority: Authority,
    vault: Host,
    identity: Host,
}

const SWITCHES: &[&str] = &[
    "expire_tokens",
    "expired_client_secret",
    "empty_page",
    "slow_transition",
];

type Variables = Vec<(String, String)>;

impl AzureFake {
    /// Starts one.
    ///
    /// # Errors
    /// If a port is taken, or none is free.
    pub async fn start(options: AzureOptions) -> io::Result<Self> {
        let base = Arc::new(OnceLock::new());
        let console = Console::new(SWITCHES, render);
        let service = Arc::new(Service::new(
            options,
            console.clone(),
            Arc::clone(&base),
            random_text("identity-header-"),
        ));
        let authority = Authority::generate();
        let options = &service.options;
        let identity = Router::new()
            .route("/msi/token", get(identity::app_service))
            .route("/metadata/identity/oauth2/token", get(identity::imds))
            .with_state(Arc::clone(&service));
        let identity = Host::start(identity, options.identity_port, None, &console).await?;
        let urls = Urls {
            vault: Arc::clone(&base),
            identity: identity.url(),
        };
        let vault = router(Arc::clone(&service), urls);
        let vault = Host::start(vault, options.port, Some(&authority), &console).await?;
        // Set once, here.
        let _ = base.set(vault.url());
        Ok(Self {
            service,
            authority,
            vault,
            identity,
        })
    }

    /// The vault's URL, which is Entra's too: `https://localhost:PORT`.
    pub fn url(&self) -> String {
        self.vault.url()
    }

    /// Where the endpoints of managed identities are: `http://127.0.0.1:PORT`.
    pub fn identity_url(&self) -> String {
        self.identity.url()
    }

    /// The CA that a client must trust, in PEM form.
    pub fn ca_pem(&self) -> &str {
        self.authority.ca_pem()
    }

    /// The variables of an application that logs in with its secret: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`,
    /// `AZURE_CLIENT_SECRET`, `AZURE_AUTHORITY_HOST`; and `AZURE_KEYVAULT_URL`.
    pub fn environment(&self) -> Variables {
        service_principal(&self.service, &self.url())
    }

    /// The variables of a program in App Service: `IDENTITY_ENDPOINT`, `IDENTITY_HEADER`; and `AZURE_KEYVAULT_URL`.
    pub fn app_service_environment(&self) -> Variables {
        app_service(&self.service, &self.url(), &self.identity_url())
    }

    /// The variables that lead the SDKs to this metadata service in place of 169.254.169.254:
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`; and `AZURE_KEYVAULT_URL`.
    pub fn metadata_environment(&self) -> Variables {
        metadata(&self.url(), &self.identity_url())
    }

    /// The variables of workload identity, whose token is in `token_file`: write a
    /// [`federated_token`](Self::federated_token) there.
    pub fn workload_environment(&self, token_file: &Path) -> Variables {
        let mut variables = workload(&self.service, &self.url());
        variables.push(variable(
            "AZURE_FEDERATED_TOKEN_FILE",
            &token_file.to_string_lossy(),
        ));
        variables
    }

    /// A token as a cluster gives it, which Entra takes in exchange for one of its own for so long.
    pub fn federated_token(&self, life: Duration) -> String {
        self.service
            .issuer
            .mint(self.service.console.time.unix(), life)
    }

    /// Sets a secret without a request, and returns its version.
    ///
    /// # Panics
    /// If the service would refuse it.
    pub fn seed(&self, name: &str, value: &str) -> String {
        let mut vault = self.service.vault();
        let now = vault.now;
        let seeded = request::check_name(name).and_then(|()| {
            let secret = Secret::checked(Zeroizing::new(value.to_owned()), None)?;
            let attributes = Attributes::new(None, None, now.unix)?;
            let (_, revision) = vault.secrets.add(name, attributes, secret, now)?;
            Ok(revision.version.clone())
        });
        match seeded {
            Ok(version) => version,
            Err(refusal) => panic!("`{name}` is refused: {refusal:?}"),
        }
    }

    /// What both hosts were asked so far, in the order of arrival.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked_since(0)
    }

    /// The same without the first `start`: what was asked since [`asked_count`](Self::asked_count) was so much. It costs
    /// no more than what it returns, however long the log has become.
    pub fn asked_since(&self, start: usize) -> Vec<Asked> {
        self.service.console.recorder.asked_since(start)
    }

    /// How many requests [`asked`](Self::asked) tells.
    pub fn asked_count(&self) -> usize {
        self.service.console.recorder.count()
    }

    /// What it does wrong on purpose.
    pub fn faults(&self) -> &Faults {
        &self.service.console.faults
    }

    /// Its time goes on: tokens expire, deleted secrets are purged.
    pub fn advance(&self, by: Duration) {
        self.service.console.time.advance(by);
    }
}

fn router(service: Arc<Service>, urls: Urls) -> Router {
    let own = Router::new()
        .route("/_fake/environments", get(environments))
        .route("/_fake/assertion", post(assertion))
        .with_state((Arc::clone(&service), urls));
    Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(entra::discovery),
        )
        .route("/{tenant}/oauth2/v2.0/token", post(entra::token))
        .fallback(vault::serve)
        .with_state(service)
        .merge(own)
}

/// The error of the host that `path` belongs to.
fn render(fault: &StatusFault, path: &str) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = if path.contains("/oauth2/v2.0/") || path.contains("/.well-known/") {
        entra::Denial::failure(status).into_response()
    } else if path.starts_with("/msi/") || path.starts_with("/metadata/") {
        identity::failure(status)
    } else {
        refusal::failure(status, fault.code.as_deref())
    };
    if let Some(seconds) = fault.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[derive(Debug, Clone)]
struct Urls {
    vault: Arc<OnceLock<String>>,
    identity: String,
}

async fn environments(State((service, urls)): State<(Arc<Service>, Urls)>) -> Response {
    let vault = urls.vault.get().map_or("", String::as_str);
    let object = |variables: Variables| -> serde_json::Map<String, serde_json::Value> {
        variables
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect()
    };
    Json(json!({
        "service_principal": object(service_principal(&service, vault)),
        "app_service": object(app_service(&service, vault, &urls.identity)),
        "metadata": object(metadata(vault, &urls.identity)),
        "workload": object(workload(&service, vault)),
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Life {
    seconds: u64,
}

async fn assertion(State((service, _)): State<(Arc<Service>, Urls)>, body: String) -> Response {
    match serde_json::from_str::<Life>(&body) {
        Ok(life) => {
            let life = Duration::from_secs(life.seconds);
            let token = service.issuer.mint(service.console.time.unix(), life);
            Json(json!({ "assertion": token })).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn service_principal(service: &Service, vault: &str) -> Variables {
    let mut variables = workload(service, vault);
    variables.push(variable(
        "AZURE_CLIENT_SECRET",
        &service.options.client_secret,
    ));
    variables
}

/// All but the file of the token.
fn workload(service: &Service, vault: &str) -> Variables {
    vec![
        variable("AZURE_KEYVAULT_URL", vault),
        variable("AZURE_AUTHORITY_HOST", vault),
        variable("AZURE_TENANT_ID", &service.options.tenant_id),
        variable("AZURE_CLIENT_ID", &service.options.client_id),
    ]
}

fn app_service(service: &Service, vault: &str, identity: &str) -> Variables {
    vec![
        variable("AZURE_KEYVAULT_URL", vault),
        variable("IDENTITY_ENDPOINT", &format!("{identity}/msi/token")),
        variable("IDENTITY_HEADER", &service.identity_header),
    ]
}

fn metadata(vault: &str, identity: &str) -> Variables {
    vec![
        variable("AZURE_KEYVAULT_URL", vault),
        variable("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity),
    ]
}
