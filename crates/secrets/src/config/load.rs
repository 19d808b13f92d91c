//! From the options of a run to its configuration.

use std::path::{Path, PathBuf};

use secrets_core::{AmbientCredentials, Error, ErrorKind, Location, NamedPath, Result};

use super::describe::SettingOrigin;
use super::keys::{Names, WORKFLOW};
use super::tree::{Node, Value};
use super::{
    Config, LoadOptions, ProviderEntry, check, cycles, de, guard, interpolate, parse, policy,
    profile, read, scheme, trust, workflow,
};

/// How a file was chosen.
enum Chosen {
    Flag(PathBuf),
    Variable(PathBuf),
    Found(PathBuf),
}

pub(super) fn load(options: &LoadOptions) -> Result<Config> {
    let chosen = choose(options)?;
    let profile = choose_profile(options);
    let mut config = match &chosen {
        Some(chosen) => from_file(chosen, options, profile.as_ref().map(|(name, _)| *name))?,
        None => match profile {
            Some((name, _)) => {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!(
                        "there is no configuration with a profile {}",
                        de::shown(name)
                    ),
                )
                .with_hint(
                    "name a configuration with `--config`, or make one with `secrets init`",
                ));
            }
            None => Config {
                base_dir: options.working_dir.clone(),
                ..Config::default()
            },
        },
    };
    config.config_dir.clone_from(&options.config_dir);
    config.state_dir.clone_from(&options.state_dir);
    if let Some((name, origin)) = profile {
        config.profile = Some(name.to_owned());
        config.origins.note("profile", origin);
    }
    choose_default(&mut config, options)?;
    if config.default.is_none() && config.source.is_none() {
        config.default = Some("env".to_owned());
    }
    cycles::check(&config)?;
    Ok(config)
}

/// The file that would be read.
pub(super) fn file(options: &LoadOptions) -> Result<Option<PathBuf>> {
    let chosen = choose(options)?;
    Ok(chosen.map(|chosen| match chosen {
        Chosen::Flag(path) | Chosen::Variable(path) | Chosen::Found(path) => path,
    }))
}

fn choose(options: &LoadOptions) -> Result<Option<Chosen>> {
    if let Some(file) = &options.file {
        let file = NamedPath::new("--config", file)?;
        let file = file.below(&options.working_dir).into_path();
        return Ok(Some(Chosen::Flag(file)));
    }
    if let Some(file) = options.environment.text("SECRETS_CONFIG") {
        let file = NamedPath::new("SECRETS_CONFIG", file)?;
        let file = file.below(&options.working_dir).into_path();
        return Ok(Some(Chosen::Variable(file)));
    }
    let found = read::discover(&options.working_dir, options.home_dir.as_deref())?;
    Ok(found.map(Chosen::Found))
}

fn choose_profile(options: &LoadOptions) -> Option<(&str, SettingOrigin)> {
    if let Some(profile) = &options.profile {
        return Some((profile, SettingOrigin::Flag("--profile".into())));
    }
    let profile = options.environment.text("SECRETS_PROFILE")?;
    Some((
        profile,
        SettingOrigin::Environment("SECRETS_PROFILE".into()),
    ))
}

fn from_file(chosen: &Chosen, options: &LoadOptions, profile: Option<&str>) -> Result<Config> {
    let (path, origin) = match chosen {
        Chosen::Flag(path) => (path, SettingOrigin::Flag("--config".into())),
        Chosen::Variable(path) => (path, SettingOrigin::Environment("SECRETS_CONFIG".into())),
        Chosen::Found(path) => (path, SettingOrigin::Found),
    };
    let source = read::source(path)?;
    let approved = || {
        options
            .state_dir
            .as_deref()
            .is_some_and(|folder| trust::is_approved(&source, folder))
    };
    let trust = match chosen {
        Chosen::Found(_) if !approved() => AmbientCredentials::Refused {
            config: path.clone(),
        },
        _ => AmbientCredentials::Allowed,
    };
    let trusted = trust == AmbientCredentials::Allowed;

    let (roots, format) = read::roots(&source)?;
    let mut root;
    if read::is_ours_alone(path, format) {
        root = only(roots, path)?;
        check::root(&root, &[])?;
    } else {
        root = workflow::find(roots, &source)?;
        check::root(&root, WORKFLOW)?;
        workflow::translate(&mut root)?;
    }
    let profiles = profile::names(&root);
    profile::apply(&mut root, profile, path)?;
    interpolate::root(&mut root, &options.environment, trusted)?;
    let mut config = parse::config(&root, &trust)?;
    policy::check_environments(&config, &profiles)?;
    if !trusted {
        guard::variables(&config.secrets)?;
    }
    config.base_dir = source
        .canonical
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned();
    config.source = Some(path.clone());
    config.origins.note("trusted", origin.clone());
    config.origins.note("config", origin);
    Ok(config)
}

/// The one document of a file that is ours alone.
fn only(roots: Vec<Node>, path: &Path) -> Result<Node> {
    let mut roots = roots.into_iter();
    let first = roots.next();
    match roots.next() {
        Some(second) => Err(second.error("a configuration is one document, this is a second one")),
        None => Ok(first.unwrap_or_else(|| Node {
            place: Some(super::tree::Place {
                file: path.into(),
                line: 1,
                column: 1,
            }),
            value: Value::Null,
        })),
    }
}

/// Puts the default of the command line or the environment over that of the file.
fn choose_default(config: &mut Config, options: &LoadOptions) -> Result<()> {
    if let Some(flag) = &options.provider {
        return choose_provider(config, flag, SettingOrigin::Flag("--provider".into()));
    }
    let variable = |name: &'static str| {
        let value = options.environment.text(name)?;
        Some((value, SettingOrigin::Environment(name.to_owned())))
    };
    let chosen = match (variable("SECRETS_PROVIDER"), variable("SECRETS_BACKEND")) {
        (Some((provider, _)), Some((backend, _)))
            if scheme::canonical(provider) != scheme::canonical(backend) =>
        {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "the environment variables SECRETS_PROVIDER and SECRETS_BACKEND differ",
            )
            .with_hint("they mean the same: unset one of them"));
        }
        (provider, backend) => provider.or(backend),
    };
    match chosen {
        Some((value, origin)) => choose_provider(config, value, origin),
        None => {
            // A file may write an alias where nothing bears that name.
            if let Some(default) = config.default.take() {
                config.default = Some(meant(config, &default));
            }
            Ok(())
        }
    }
}

/// What a word means: a configured name before a scheme.
fn meant(config: &Config, word: &str) -> String {
    let configured = config.providers.contains_key(word) || config.chains.contains_key(word);
    if configured {
        word.to_owned()
    } else {
        scheme::canonical(word).to_owned()
    }
}

fn choose_provider(config: &mut Config, value: &str, origin: SettingOrigin) -> Result<()> {
    let said_by = |error: Error, origin: &SettingOrigin| {
        let hint = error.hint().unwrap_or_default().to_owned();
        Error::new(error.kind(), format!("{origin}: {}", error.message())).with_hint(hint)
    };
    if value.contains(':') {
        let location: Location = value.parse().map_err(|error| said_by(error, &origin))?;
        let name = free_name(config);
        let provider = ProviderEntry::at(parse::canonical_location(location));
        config.providers.insert(name.clone(), provider);
        config
            .origins
            .note(format!("providers.{name}.location"), origin.clone());
        config
            .origins
            .note(format!("providers.{name}.type"), origin.clone());
        config.default = Some(name);
    } else {
        let word = meant(config, value);
        if !Names::Provider.fits(&word) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{origin}: {} is no provider", de::shown(value)),
            )
            .with_hint(
                "give the name of a configured provider, a type such as `vault`, or a location such as `vault://host:8200/secret`",
            ));
        }
        config.default = Some(word);
    }
    config.default_position = None;
    config.origins.note("default", origin);
    Ok(())
}

/// The name of the provider at a location that the user gave: it must not be one that the file refers to.
fn free_name(config: &Config) -> String {
    let taken =
        |name: &str| config.providers.contains_key(name) || config.chains.contains_key(name);
    let mut name = "selected".to_owned();
    let mut number = 1_u32;
    while taken(&name) {
        number += 1;
        name = format!("selected-{number}");
    }
    name
}
