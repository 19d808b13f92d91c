//! `secrets restore`.

use secrets::SecretRef;
use serde_json::json;

use crate::cli::Restore;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output;
use crate::settings::Settings;

pub(crate) fn run(command: &Restore, settings: &Settings) -> Outcome {
    let reference: SecretRef = command.name.parse()?;
    let name = reference.to_string();
    settings.with_secrets(async |secrets| Ok(secrets.restore(reference).await?))?;
    if command.json {
        output::json(json!({ "restored": name }))?;
    } else {
        output::say(format!("restored {name}"));
    }
    Ok(Exit::Ok)
}
