//! `secrets config`.

use secrets::{Config, Secrets};
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

/// Reads everything and opens nothing.
fn check(settings: &Settings) -> Outcome<()> {
    let secrets = Secrets::from_options(&settings.load)?;
    let config = secrets.config();
    let place = match &config.source {
        Some(file) => file.display().to_string(),
        None => "without a file, the configuration".to_owned(),
    };
    output::say(format!(
        "{place} is well-formed: {} providers, {} chains, {} declared secrets",
        config.providers.len(),
        config.chains.len(),
        config.secrets.len()
    ));
    Ok(())
}

fn schema() -> Outcome<()> {
    let mut text = serde_json::to_string_pretty(&Config::schema())
        .map_err(|_| Failure::other("cannot write the schema"))?;
    text.push('\n');
    output::data(text.as_bytes())
}
