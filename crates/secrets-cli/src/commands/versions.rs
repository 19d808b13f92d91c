//! `secrets versions`.

use futures_util::TryStreamExt;
use secrets::{Metadata, SecretRef};
use serde_json::{Value, json};

use crate::cli::Versions;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::show;

pub(crate) fn run(command: &Versions, settings: &Settings) -> Outcome {
    let reference: SecretRef = command.name.parse()?;
    let name = reference.name().clone();
    let versions: Vec<Metadata> = settings
        .with_secrets(async |secrets| Ok(secrets.versions(reference).try_collect().await?))?;
    if command.json {
        let items: Vec<Value> = versions.iter().map(show::metadata).collect();
        output::json(json!({ "name": name, "versions": items }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["VERSION", "WRITTEN", "STATE"]);
    for metadata in &versions {
        let version = metadata.version.as_ref().map(ToString::to_string);
        table.row([
            version.unwrap_or_default(),
            show::time(metadata.created_at.or(metadata.updated_at)),
            metadata.state.to_string(),
        ]);
    }
    table.print()?;
    Ok(Exit::Ok)
}
