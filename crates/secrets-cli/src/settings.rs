//! Turns the command line into a configuration and opens it.

use std::future::Future;

use secrets::layers::Actor;
use secrets::{CloseOptions, Config, LeasesAtClose, LoadOptions, Registry, Secrets};
use tokio::runtime::Builder;

use crate::cli::Global;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Palette};

/// The settings that every command shares.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The colours of messages.
    pub(crate) palette: Palette,
    /// The colours of tables.
    pub(crate) data_palette: Palette,
    /// Where the configuration comes from. A flag overrides the environment, which overrides the file.
    pub(crate) load: LoadOptions,
    /// The command, for the audit log.
    command: String,
    /// The reason, for the audit log.
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
            data_palette: Palette::for_data(global.color),
            load,
            command: format!("secrets {command}"),
            reason: global.reason,
        }
    }

    /// Loads the configuration.
    pub(crate) fn config(&self) -> Outcome<Config> {
        Ok(Config::load(&self.load)?)
    }

    /// Opens the configuration, but none of its providers yet.
    pub(crate) fn open(&self) -> Outcome<Secrets> {
        let config = self.config()?;
        // The handle would find a wrong name as well, but without its position.
        config.check_names(Registry::builtin().schemes())?;
        let actor = Actor::of_process().with_command(self.command.as_str());
        let builder = Secrets::builder().config(config).actor(actor);
        let secrets = builder.environment(self.load.environment.clone()).build()?;
        Ok(match &self.reason {
            Some(reason) => secrets.with_reason(reason.as_str()),
            None => secrets,
        })
    }

    /// Opens the configuration, does the work and closes it. Leases stay: the values are used after this process.
    pub(crate) fn with_secrets<T>(
        &self,
        work: impl AsyncFnOnce(&Secrets) -> Outcome<T>,
    ) -> Outcome<T> {
        self.with(LeasesAtClose::Keep, work)
    }

    /// Does the same for values that never leave this process, and revokes their leases.
    pub(crate) fn with_revoked_secrets<T>(
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

    /// Closes the providers but keeps the leases, for the program that this process becomes.
    pub(crate) async fn close(&self, secrets: &Secrets) {
        self.close_with(secrets, LeasesAtClose::Keep).await;
    }

    /// The work is already done, so a failure to close is only a warning.
    async fn close_with(&self, secrets: &Secrets, leases: LeasesAtClose) {
        let options = CloseOptions::default().with_leases(leases);
        if let Err(error) = secrets.close_with(options).await {
            output::warn(self.palette, &format!("cannot close a provider: {error}"));
        }
    }
}

/// Runs a future on this thread. Starting the threads of a larger runtime costs more than most commands.
pub(crate) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(work)
}
