use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::account::ServiceAccount;
use super::error::ApiError;
use super::route::{Rpc, Target};
use super::service::Call;
use super::state::State;
use super::tokens::{Tokens, random};
use crate::fakes::console::Console;

/// What all requests of one fake see.
pub(super) struct Shared {
    pub(super) console: Console,
    state: Mutex<State>,
    tokens: Mutex<Tokens>,
    pub(super) account: ServiceAccount,
    pub(super) user: User,
    subject_token: Mutex<String>,
    pub(super) project_id: String,
    pub(super) project_number: u64,
    /// Nobody is asked for a token.
    pub(super) is_open: bool,
    pub(super) page_limit: usize,
    /// Known when the port is.
    url: OnceLock<String>,
}

/// A person who has logged in with gcloud.
pub(super) struct User {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) refresh_token: String,
}

impl Shared {
    pub(super) fn new(console: Console, options: &super::GcpOptions) -> Self {
        let mut state = State::default();
        state
            .projects
            .insert(options.project_id.clone(), options.project_number);
        Self {
            console,
            state: Mutex::new(state),
            tokens: Mutex::default(),
            account: ServiceAccount::new(&options.project_id),
            user: User {
                client_id: format!("{}.apps.googleusercontent.com", random(12)),
                client_secret: random(24),
                refresh_token: format!("1//{}", random(40)),
            },
            subject_token: Mutex::new(random(60)),
            project_id: options.project_id.clone(),
            project_number: options.project_number,
            is_open: options.access == super::Access::Anonymous,
            page_limit: options.page_limit.max(1),
            url: OnceLock::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a workload shows at the token exchange.
    pub(super) fn subject_token(&self) -> MutexGuard<'_, String> {
        self.subject_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn url(&self) -> &str {
        self.url.get().map(String::as_str).unwrap_or_default()
    }

    /// Only the first one counts.
    pub(super) fn set_url(&self, url: String) {
        let _ = self.url.set(url);
    }

    /// Whether a switch is on for this request, which uses it up once.
    pub(super) fn switched(&self, name: &str, parts: &Parts) -> bool {
        self.console
            .faults
            .take_switch(name, &parts.method, parts.uri.path())
    }

    /// `//iam.googleapis.com/…`, the name of the provider that the token exchange trusts.
    pub(super) fn audience(&self) -> String {
        format!(
            "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/pool/providers/provider",
            self.project_number
        )
    }

    /// What an owner of the project would have done by hand.
    pub(super) fn seed(&self, id: &str, value: &[u8]) -> Result<(), String> {
        let now = Timestamp::try_from(self.console.time.now()).unwrap_or(Timestamp::MAX);
        let ask = |rpc, secret: Option<&str>, query: Value, body: Value| {
            let target = Target {
                rpc,
                project: self.project_id.clone(),
                location: None,
                secret: secret.map(str::to_owned),
                version: None,
            };
            let call = Call {
                target: &target,
                query: members(query),
                body: members(body),
                now,
                page_limit: self.page_limit,
            };
            self.state().carry_out(&call)
        };
        if ask(Rpc::GetSecret, Some(id), json!({}), json!({})).is_err() {
            let secret = json!({"replication": {"automatic": {}}});
            ask(Rpc::CreateSecret, None, json!({ "secretId": id }), secret)
                .map_err(ApiError::into_message)?;
        }
        let payload = json!({"payload": {"data": BASE64_STANDARD.encode(value)}});
        ask(Rpc::AddSecretVersion, Some(id), json!({}), payload).map_err(ApiError::into_message)?;
        Ok(())
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
