//! `secrets list`.

use futures_util::TryStreamExt;
use secrets::Metadata;
use serde_json::{Value, json};

use crate::cli::List;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{progress, show};

pub(crate) fn run(command: &List, settings: &Settings) -> Outcome {
    let mut listed: Vec<Metadata> = settings.with_secrets(async |secrets| {
        let all = secrets.list(&command.prefix).try_collect();
        Ok(progress::during("listing", all).await?)
    })?;
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    if command.json {
        let items: Vec<Value> = listed.iter().map(show::metadata).collect();
        output::json(json!({ "secrets": items }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["NAME", "VERSION", "CHANGED", "TAGS"]);
    for metadata in &listed {
        let version = metadata.version.as_ref().map(ToString::to_string);
        table.row([
            metadata.name.to_string(),
            version.unwrap_or_default(),
            show::time(metadata.updated_at.or(metadata.created_at)),
            show::tags(metadata),
        ]);
    }
    if table.is_empty() {
        output::say("no secrets");
    } else {
        table.print()?;
    }
    Ok(Exit::Ok)
}
