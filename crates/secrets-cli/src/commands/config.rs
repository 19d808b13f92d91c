//! `secrets config`.

use secrets::{Config, Error, ErrorKind, SourcePosition};
use serde_json::{Value, json};

use crate::cli::{self, ConfigVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::settings::Settings;

pub(crate) fn run(command: &cli::Config, settings: &Settings) -> Outcome {
    match command.verb {
        ConfigVerb::Show { origin, json } => show(settings, origin, json)?,
        ConfigVerb::Check => check(settings)?,
        ConfigVerb::Schema => schema()?,
    }
    Ok(Exit::Ok)
}

fn show(settings: &Settings, origin: bool, as_json: bool) -> Outcome<()> {
    let described = settings.config()?.describe();
    if as_json {
        let items: Vec<Value> = described
            .iter()
            .map(|one| json!({ "key": one.key, "value": one.value, "origin": one.origin.to_string() }))
            .collect();
        return output::json(json!({ "settings": items }));
    }
    if origin {
        let mut table = Table::new(&["SETTING", "VALUE", "ORIGIN"]);
        for one in described {
            table.row([one.key, one.value, one.origin.to_string()]);
        }
        return table.print();
    }
    let mut table = Table::new(&["SETTING", "VALUE"]);
    for one in described {
        table.row([one.key, one.value]);
    }
    table.print()
}

/// Opens every provider, which reads its settings but contacts no server. Skips providers with references in their
/// settings, since resolving those would contact another provider.
fn check(settings: &Settings) -> Outcome<()> {
    let summary = settings.with_secrets(async |secrets| {
        let config = secrets.config();
        for (name, entry) in &config.providers {
            if !entry.settings.references().is_empty() {
                continue;
            }
            match secrets.info(name).await {
                Err(error) if error.kind() == ErrorKind::InvalidConfig => {
                    return Err(located(error, entry.position.as_ref()).into());
                }
                _ => {}
            }
        }
        let place = match &config.source {
            Some(file) => file.display().to_string(),
            None => "the configuration without a file".to_owned(),
        };
        Ok(format!(
            "{place} is valid: {}, {}, {}",
            output::count(config.providers.len(), "provider"),
            output::count(config.chains.len(), "chain"),
            output::count(config.secrets.len(), "declared secret")
        ))
    })?;
    output::say(summary);
    Ok(())
}

/// Adds the position of the provider to an error without one.
fn located(error: Error, provider: Option<&SourcePosition>) -> Error {
    match provider {
        Some(position) if error.position().is_none() => error.with_position(position.clone()),
        _ => error,
    }
}

fn schema() -> Outcome<()> {
    let mut text = serde_json::to_string_pretty(&Config::schema())
        .map_err(|_| Failure::other("cannot serialize the schema"))?;
    text.push('\n');
    output::data(text.as_bytes())
}
