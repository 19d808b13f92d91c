use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::Method;

use super::AzureOptions;
use super::assertion::Issuer;
use super::keys::Key;
use super::request::Ask;
use super::secrets::Secret;
use super::shelf::{Moment, Policy, Shelf};
use super::tokens::{Found, Tokens};
use crate::fakes::console::Console;

/// What a deletion, a recovery or a purge takes that is slow.
const SLOW: Duration = Duration::from_secs(30);

/// Everything that one fake is made of.
pub(super) struct Service {
    pub(super) options: AzureOptions,
    pub(super) console: Console,
    pub(super) issuer: Issuer,
    /// The secret of App Service's endpoint.
    pub(super) identity_header: String,
    base: Arc<OnceLock<String>>,
    tokens: Mutex<Tokens>,
    vault: Mutex<Vault>,
}

pub(super) struct Vault {
    pub(super) secrets: Shelf<Secret>,
    pub(super) keys: Shelf<Key>,
    pub(super) policy: Policy,
    pub(super) now: Moment,
}

impl Service {
    pub(super) fn new(
        options: AzureOptions,
        console: Console,
        base: Arc<OnceLock<String>>,
        identity_header: String,
    ) -> Self {
        let policy = Policy {
            retention_days: options.retention_days,
            purge_protection: options.purge_protection,
            distinct_times: options.distinct_times,
        };
        let now = moment(&console, &options);
        Self {
            options,
            console,
            issuer: Issuer::new(),
            identity_header,
            base,
            tokens: Mutex::default(),
            vault: Mutex::new(Vault {
                secrets: Shelf::new(policy),
                keys: Shelf::new(policy),
                policy,
                now,
            }),
        }
    }

    /// The URL of the vault and of Entra.
    pub(super) fn base(&self) -> &str {
        self.base.get().map_or("https://localhost", String::as_str)
    }

    /// A new token for `resource`.
    pub(super) fn issue(&self, resource: &str) -> String {
        let life = self.options.token_life;
        lock(&self.tokens).issue(resource, life, &self.console.time)
    }

    pub(super) fn look_up(&self, token: &str) -> Found {
        let now = self.console.time.unix();
        lock(&self.tokens).look_up(token, &self.options.resource, now)
    }

    pub(super) fn expire_tokens(&self) {
        lock(&self.tokens).expire_all();
    }

    /// The vault as it is now, for one request.
    pub(super) fn vault_for(&self, ask: &Ask) -> MutexGuard<'_, Vault> {
        let mut vault = self.vault();
        let changes = ask.method == Method::DELETE
            || ask.segments.last().is_some_and(|last| last == "recover");
        let faults = &self.console.faults;
        if changes && faults.take_switch("slow_transition", &ask.method, ask.uri_path()) {
            vault.now.transition = SLOW;
        }
        vault
    }

    /// The vault as it is now.
    pub(super) fn vault(&self) -> MutexGuard<'_, Vault> {
        let mut vault = lock(&self.vault);
        let now = moment(&self.console, &self.options);
        vault.now = now;
        vault.secrets.sweep(now);
        vault.keys.sweep(now);
        vault
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("base", &self.base())
            .finish_non_exhaustive()
    }
}

fn moment(console: &Console, options: &AzureOptions) -> Moment {
    Moment {
        transition: options.transition,
        time: console.time.now(),
        unix: console.time.unix(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
