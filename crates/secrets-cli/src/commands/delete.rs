//! `secrets delete`.

use secrets::{DeleteMode, DeleteOptions, SecretRef};
use serde_json::json;

use crate::cli::Delete;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{output, prompt};

pub(crate) fn run(command: &Delete, settings: &Settings) -> Outcome {
    let reference: SecretRef = command.name.parse()?;
    let (question, mode) = if command.purge {
        (
            format!("permanently delete all versions of {reference}?"),
            DeleteMode::Purge,
        )
    } else {
        (format!("delete {reference}?"), DeleteMode::Soft)
    };
    let name = reference.to_string();
    settings.with_secrets(async |secrets| {
        super::refuse_field(secrets, &reference)?;
        if !command.yes && !prompt::confirm(&question, "pass --yes to delete without confirmation")?
        {
            return Err(Failure::other("cancelled"));
        }
        let options = DeleteOptions::default().with_mode(mode);
        Ok(secrets.delete_with(reference, options).await?)
    })?;
    if command.json {
        output::json(json!({ "deleted": name, "purged": command.purge }))?;
    } else {
        output::say(format!("deleted {name}"));
    }
    Ok(Exit::Ok)
}
