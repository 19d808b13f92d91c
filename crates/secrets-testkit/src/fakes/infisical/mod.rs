//! Infisical: secrets (v4 and v3), folders, imports, tags, universal auth, service tokens, keys, leases, status.
//!
//! ```
//! # use polysecrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let fake = InfisicalFake::start(InfisicalOptions::default()).await?;
//! fake.seed("dev", "/db", "PASSWORD", "opensesame");
//! let login = (fake.client_id(), fake.client_secret());
//! # let _ = login;
//! # Ok(())
//! # }
//! ```
//!
//! It follows the server's source: what its schemas refuse is refused (422, all issues at once), what they strip is
//! stripped. A client that sends a field which is stripped has most likely misspelt it, so
//! [`ignored`](InfisicalFake::ignored) tells which there were. Its own faults, beside those that every fake has:
//!
//! | `fault` | what it does |
//! |---|---|
//! | `expire_tokens` | every access token given out so far is expired: 403 `TokenError` |
//! | `lockout` | the next login finds the identity locked, and so do others for 300 s: 401 |
//! | `approval` | a write is not done but has to be approved: 200 with `approval` |
//! | `hidden_values` | the identity may see that a secret is there, not its value: 403, or a mask where none was asked for |
//! | `denied` | 403 `PermissionDenied` |
//!
//! A `status` fault of 429 says in its message how long to wait, in whole seconds; with
//! [`with_retry_after_header`](InfisicalOptions::with_retry_after_header) in a header as well.
//!
//! From other languages, beside what every fake answers: `GET /_fake/ignored`; `POST /_fake/service-tokens` with
//! `{"scopes":[{"environment":"dev","path":"/a"}],"read_only":true}`, which answers `{"token":"st.…"}`; `POST /_fake/older` with
//! a list of `no_v4`, `ignores_version`, `refuses_missing_references`, `empties_missing_references`, in place of what was.
//!
//! What surprises, and is the server's way:
//!
//! - Values are trimmed as JavaScript trims, but for one line feed at the end; a body has at most 1 MiB (else 500).
//! - A secret's name that is longer than 100 UTF-16 units does not fit the path of a route (404); in a batch's body it
//!   may have 500 characters.
//! - `version=N` finds by folder and name, not by the secret: the versions of a deleted secret are still there, and where
//!   a new one has the same name, version 1 is the *old* one's. Its `id` tells. After a change of name the versions
//!   before it are found by the old name only.
//! - An answer about a version has no `secretMetadata` and no tags, which are the secret's and not the version's; it has
//!   the version's own `secretComment`.
//! - What is answered to a create has neither `secretPath` nor `tags`, `secretMetadata` or `secretValueHidden`; an update
//!   answers the value and comment of the request, empty ones where it had none.
//! - A renewal that would reach beyond the longest life ends the token (401): with the defaults, where life and longest
//!   life are both 30 days, each one does.
//! - The order of a list is no order (that of random ids).
//! - A stale token in the `Authorization` header fails a login too, though a login needs none.
//! - `POST` for a folder makes those above it, and is no error where it exists.
//!
//! Not here: personal secrets (machines have none, 400), moving secrets, reference trees, other ways to log in, users. All projects have one organization, and the identity may do everything in each.

mod auth;
mod call;
mod error;
mod folders;
mod id;
mod imports;
mod kms;
mod leases;
mod options;
mod own;
mod reference;
mod routes;
mod schema;
mod secrets;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse, Response};

pub use options::{InfisicalOptions, Older};

use super::console::Console;
use super::host::Host;
use super::{Asked, Authority, Faults};
use call::{Call, MOST_BODY, NoCall};
use state::{Place, Secret, State};

/// A running stand-in for an Infisical server; it ends when it is dropped.
#[derive(Debug)]
pub struct InfisicalFake {
    host: Host,
    served: Served,
    options: InfisicalOptions,
    authority: Option<Authority>,
}

#[derive(Clone)]
struct Served {
    state: Arc<Mutex<State>>,
    console: Console,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

impl Served {
    fn new(options: &InfisicalOptions) -> Self {
        let render = if options.retry_after_header {
            error::render_with_header
        } else {
            error::render
        };
        let console = Console::new(routes::SWITCHES, render);
        Self {
            state: Arc::new(Mutex::new(State::new(options, console.time.now()))),
            console,
        }
    }

    fn router(&self) -> Router {
        own::router().fallback(serve).with_state(self.clone())
    }
}

impl InfisicalFake {
    /// Starts one on `127.0.0.1`.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn start(options: InfisicalOptions) -> io::Result<Self> {
        let served = Served::new(&options);
        let authority = options.tls.then(Authority::generate);
        let router = served.router();
        let host = Host::start(router, options.port, authority.as_ref(), &served.console).await?;
        Ok(Self {
            host,
            served,
            options,
            authority,
        })
    }

    /// Where it listens: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS; without a slash at the end.
    pub fn url(&self) -> String {
        self.host.url()
    }

    /// The certificate of the CA to trust, in PEM form, where it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::ca_pem)
    }

    /// The client id of the machine identity's universal auth.
    pub fn client_id(&self) -> &str {
        &self.options.client_id
    }

    /// The client secret of the machine identity's universal auth.
    pub fn client_secret(&self) -> &str {
        &self.options.client_secret
    }

    /// The id of the first project.
    pub fn project_id(&self) -> &str {
        &self.options.projects[0].0
    }

    /// The slug of the first project.
    pub fn project_slug(&self) -> &str {
        &self.options.projects[0].1
    }

    /// The variables with which the vendor's command line finds and logs in to an instance (`INFISICAL_API_URL`,
    /// `INFISICAL_UNIVERSAL_AUTH_CLIENT_ID`, `INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET`), and those that tell the first
    /// project and the environment `dev` (`INFISICAL_PROJECT_ID`, `INFISICAL_ENVIRONMENT`).
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("INFISICAL_API_URL", self.url()),
            (
                "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
                self.options.client_id.clone(),
            ),
            (
                "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET",
                self.options.client_secret.clone(),
            ),
            ("INFISICAL_PROJECT_ID", self.project_id().to_owned()),
            ("INFISICAL_ENVIRONMENT", "dev".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Every request so far, in the order of arrival.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked_since(0)
    }

    /// The same without the first `start`: what was asked since [`asked_count`](Self::asked_count) was so much. It costs
    /// no more than what it returns, however long the log has become.
    pub fn asked_since(&self, start: usize) -> Vec<Asked> {
        self.served.console.recorder.asked_since(start)
    }

    /// How many requests [`asked`](Self::asked) tells.
    pub fn asked_count(&self) -> usize {
        self.served.console.recorder.count()
    }

    /// What the next requests meet. The module's documentation tells the switches.
    pub fn faults(&self) -> &Faults {
        &self.served.console.faults
    }

    /// The fake's time goes on by so much, rounded down to seconds: tokens, locks and leases end as they would.
    pub fn advance(&self, by: Duration) {
        self.served.console.time.advance(by);
    }

    /// The fields of bodies and query strings that no schema knows, and that were left out as the server leaves them
    /// out. A client has misspelt them.
    pub fn ignored(&self) -> Vec<String> {
        self.state().ignored.iter().cloned().collect()
    }

    /// Puts a secret, and the folders that it needs, into the first project; as the next version if it exists. The value
    /// is kept as it is, untrimmed: such ones are in databases that an older server filled.
    pub fn seed(&self, environment: &str, path: &str, name: &str, value: &str) {
        let now = self.served.console.time.now();
        let mut state = self.state();
        let place = self.place(environment, path);
        let mut above = self.place(environment, "/");
        for segment in place.path.split('/').filter(|segment| !segment.is_empty()) {
            let here = Place {
                path: format!("{}/{segment}", above.path.trim_end_matches('/')),
                ..place.clone()
            };
            if state.folder_at(&here).is_none() {
                let parent = state.folder_at(&above).map(|folder| folder.id.clone());
                state.add_folder(here.clone(), segment, parent, now);
            }
            above = here;
        }
        let Some(folder) = state.folder_at_mut(&above) else {
            return;
        };
        let secret = match folder.secrets.remove(name) {
            Some(secret) => Secret {
                value: value.to_owned(),
                version: secret.version + 1,
                updated: now,
                ..secret
            },
            None => Secret {
                id: id::uuid(),
                key: name.to_owned(),
                value: value.to_owned(),
                comment: String::new(),
                metadata: Vec::new(),
                tags: Vec::new(),
                skip_multiline: None,
                version: 1,
                created: now,
                updated: now,
            },
        };
        folder.secrets.insert(name.to_owned(), secret);
        folder.remember(name);
    }

    /// A service token (`st.…`) for one place of the first project, that reads and writes there. A path that ends in
    /// `/**` is for all below too.
    pub fn service_token(&self, environment: &str, path: &str) -> String {
        let scopes = vec![(environment.to_owned(), path.to_owned())];
        self.state()
            .credentials
            .add_service_token(self.project_id(), scopes, true)
    }

    /// A service token that only reads, for several places of the first project: environment and path of each.
    pub fn reading_service_token(&self, scopes: &[(&str, &str)]) -> String {
        let scopes = scopes
            .iter()
            .map(|(environment, path)| ((*environment).to_owned(), (*path).to_owned()))
            .collect();
        self.state()
            .credentials
            .add_service_token(self.project_id(), scopes, false)
    }

    fn place(&self, environment: &str, path: &str) -> Place {
        Place {
            project: self.project_id().to_owned(),
            environment: environment.to_owned(),
            path: path.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.served.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(Shared(served): Shared<Served>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Option<Bytes> = axum::body::to_bytes(body, MOST_BODY).await.ok();
    let call = match Call::new(&head, body.as_ref(), served.console.time.now()) {
        Ok(call) => call,
        Err(NoCall::BadPath) => {
            let message = format!("'{}' is not a valid url component", head.uri.path());
            return error::framework(400, &message);
        }
        Err(NoCall::LongPart) => return no_route(&head.method, &head.uri.to_string()),
    };
    let answer = {
        let mut state = lock(&served.state);
        routes::answer(&mut state, &call, &served.console.faults)
    };
    match answer {
        None => no_route(&call.method, &call.target),
        Some(Ok(body)) => error::json_response(200, &body),
        Some(Err(error)) => error.into_response(),
    }
}

fn no_route(method: &axum::http::Method, target: &str) -> Response {
    error::framework(404, &format!("Route {method}:{target} not found"))
}
