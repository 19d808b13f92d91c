//! What the command line means: which configuration is read, and the handle over it.

use std::future::Future;

use secrets::layers::Actor;
use secrets::{CloseOptions, Config, LeasesAtClose, LoadOptions, Registry, Secrets};
use tokio::runtime::Builder;

use crate::cli::Global;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Palette};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How messages look.
    pub(crate) palette: Palette,
    /// How tables look.
    pub(crate) data_palette: Palette,
    /// Where the configuration comes from. A flag stands before the environment, the environment before the file.
    pub(crate) load: LoadOptions,
    /// What the user asked for, for the audit.
    command: String,
    /// Why, if that was said.
    reason: Option<String>,
}

impl Settings {
    pub(crate) fn new(global: Global, palette: Palette, command: &str) -> Self {
        let mut load = LoadOptions::from_process();
        if global.config.is_some() {
            load.file = global.config;
        }
        if global.profile.is_some() {
            load.profile = global.profile;
        }
        if global.provider.is_some() {
            load.provider = global.provider;
        }
        Self {
            palette,
            data_palette: Palette::of_data(global.color),
            load,
            command: format!("secrets {command}"),
            reason: global.reason,
        }
    }

    /// The configuration in effect.
    pub(crate) fn config(&self) -> Outcome<Config> {
        Ok(Config::load(&self.load)?)
    }

    /// The handle over the configuration. No provider is opened yet.
    pub(crate) fn open(&self) -> Outcome<Secrets> {
        let config = self.config()?;
        // The handle would find a wrong name too, but not say where it stands.
        config.check_names(Registry::builtin().schemes())?;
        let actor = Actor::of_process().with_command(self.command.as_str());
        let builder = Secrets::builder().config(config).actor(actor);
        let secrets = builder.environment(self.load.environment.clone()).build()?;
        Ok(match &self.reason {
            Some(reason) => secrets.with_reason(reason.as_str()),
            None => secrets,
        })
    }

    /// Does the work with a handle over the configuration. What it reads is used after us, so its leases go on.
    pub(crate) fn with_secrets<T>(
        &self,
        work: impl AsyncFnOnce(&Secrets) -> Outcome<T>,
    ) -> Outcome<T> {
        self.with(LeasesAtClose::Keep, work)
    }

    /// The same for work whose values nobody else ever gets: what was lent for it is given back.
    pub(crate) fn with_secrets_given_back<T>(
        &self,
        work: impl AsyncFnOnce(&Secrets) -> Outcome<T>,
    ) -> Outcome<T> {
        self.with(LeasesAtClose::Revoke, work)
    }

    fn with<T>(
        &self,
        leases: LeasesAtClose,
        work: impl AsyncFnOnce(&Secrets) -> Outcome<T>,
    ) -> Outcome<T> {
        let secrets = self.open()?;
        block_on(async {
            let outcome = work(&secrets).await;
            self.close_with(&secrets, leases).await;
            outcome
        })
    }

    /// Closes the providers, but not the leases of what was read: a program that we become goes on to use it.
    pub(crate) async fn close(&self, secrets: &Secrets) {
        self.close_with(secrets, LeasesAtClose::Keep).await;
    }

    /// What was asked for is done by then, so a failure is only a warning.
    async fn close_with(&self, secrets: &Secrets, leases: LeasesAtClose) {
        let options = CloseOptions::default().with_leases(leases);
        if let Err(error) = secrets.close_with(options).await {
            output::warn(self.palette, &format!("cannot close a provider: {error}"));
        }
    }
}

/// Runs a future on this thread. A runtime with threads of its own costs more than most commands do.
pub(crate) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(work)
}
