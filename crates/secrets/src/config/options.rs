use std::path::PathBuf;

use secrets_core::{Environment, Result, SecretValue};

/// What decides which configuration is loaded: the command line, the environment and the folders of the user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadOptions {
    /// `--config`: the file to read. Looked for if there is none here and none in `SECRETS_CONFIG`.
    pub file: Option<PathBuf>,
    /// `--profile`: the overlay to apply; goes before `SECRETS_PROFILE`.
    pub profile: Option<String>,
    /// `--provider`: what answers references that name no provider; goes before `SECRETS_PROVIDER` and the file. A
    /// configured provider or chain, a scheme or one of its aliases, or the URI of a location.
    pub provider: Option<String>,
    /// The environment, for `${VAR}` and the variables named here.
    pub environment: Environment,
    /// Where the search for a file starts, and where relative paths of the command line start.
    pub working_dir: PathBuf,
    /// The user's home folder, where the search ends.
    pub home_dir: Option<PathBuf>,
    /// The user's folder for lasting settings of ours.
    pub config_dir: Option<PathBuf>,
    /// The user's folder for what we remember between runs; approvals are kept in it.
    pub state_dir: Option<PathBuf>,
}

impl LoadOptions {
    /// Options from a working folder and an environment alone; the user's folders follow from `HOME`,
    /// `XDG_CONFIG_HOME` and `XDG_STATE_HOME`.
    pub fn new(working_dir: impl Into<PathBuf>, environment: Environment) -> Self {
        let folder = |variable: &str| {
            let path = PathBuf::from(environment.text(variable)?);
            path.is_absolute().then_some(path)
        };
        let home = folder("HOME");
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let ours = |base: Option<PathBuf>| base.map(|base| base.join("polysecrets"));
        let config_dir = ours(folder("XDG_CONFIG_HOME").or_else(|| below_home(".config")));
        let state_dir = ours(folder("XDG_STATE_HOME").or_else(|| below_home(".local/state")));
        Self {
            file: None,
            profile: None,
            provider: None,
            working_dir: working_dir.into(),
            home_dir: home,
            config_dir,
            state_dir,
            environment,
        }
    }

    /// The working folder and the environment of this process. Variables whose name is not UTF-8 are left out.
    pub fn from_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                Some((name, SecretValue::from(value.into_encoded_bytes())))
            })
            .collect();
        let working_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self::new(working_dir, environment)
    }

    /// The file that [`Config::load`](crate::Config::load) reads, without reading it; `None` where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for two files in one folder.
    pub fn config_file(&self) -> Result<Option<PathBuf>> {
        super::load::file(self)
    }

    /// With this file, as from `--config`.
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// With this profile, as from `--profile`.
    pub fn with_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// With this provider, as from `--provider`.
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }
}

impl Default for LoadOptions {
    /// The folder `.` and an empty environment.
    fn default() -> Self {
        Self::new(".", Environment::default())
    }
}
