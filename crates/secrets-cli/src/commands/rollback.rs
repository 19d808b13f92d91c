//! `secrets rollback`.

use secrets::{SecretRef, Version};

use crate::cli::Rollback;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::settings::Settings;
use crate::{output, show};

pub(crate) fn run(command: &Rollback, settings: &Settings) -> Outcome {
    let reference: SecretRef = command.name.parse()?;
    let to = Version::new(command.version.as_str());
    let current = settings.with_secrets(async |secrets| {
        super::refuse_field(secrets, &reference)?;
        Ok(secrets.rollback(reference, to).await?)
    })?;
    if command.json {
        output::json(show::metadata(&current))?;
    } else {
        let version = current
            .version
            .as_ref()
            .map(|version| format!("; its new version is {version}"));
        output::say(format!(
            "rolled back {} to version {}{}",
            current.name,
            command.version,
            version.unwrap_or_default()
        ));
    }
    Ok(Exit::Ok)
}
