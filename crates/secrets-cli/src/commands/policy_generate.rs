//! `secrets policy generate`: the least permissions that the vendors must grant.

use secrets::{Error, ProviderGrants, SecretRef};
use serde_json::{Value, json};

use crate::cli::Vendor;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::settings::Settings;

pub(crate) fn generate(
    settings: &Settings,
    used: &[SecretRef],
    vendor: Option<Vendor>,
    as_json: bool,
) -> Outcome {
    let scheme = vendor.map(Vendor::scheme);
    let granted = settings.with_secrets(async |secrets| {
        let declared = secrets.declared().iter().map(|one| one.reference.clone());
        let references: Vec<SecretRef> = declared.chain(used.iter().cloned()).collect();
        if references.is_empty() {
            return Err(Failure::input("no secrets to grant access to")
                .with_hint("declare secrets in the configuration, or name files with references"));
        }
        Ok(secrets.grants(&references, scheme).await?)
    })?;
    if let (Some(scheme), true) = (scheme, granted.is_empty()) {
        return Err(
            Failure::input(format!("no secret comes from a provider of type {scheme}"))
                .with_hint("`secrets status` shows the provider of each secret"),
        );
    }
    let failed = granted.iter().find_map(|one| one.grants.as_ref().err());
    match as_json {
        true => output::json(object(&granted))?,
        false => print(settings, &granted)?,
    }
    failed.map_or(Ok(Exit::Ok), |error| Err(Error::clone(error).into()))
}

fn print(settings: &Settings, granted: &[ProviderGrants]) -> Outcome<()> {
    let texts: Vec<_> = granted
        .iter()
        .filter_map(|one| Some((one, one.grants.as_ref().ok()?.as_ref()?)))
        .collect();
    // Print a single policy without a heading, ready for the vendor's command.
    let is_alone = texts.len() == 1;
    for (number, (one, grants)) in texts.iter().enumerate() {
        if !is_alone {
            let gap = if number > 0 { "\n" } else { "" };
            let head = format!(
                "{gap}# {} ({}): {}\n",
                one.provider, one.scheme, grants.title
            );
            output::data(head.as_bytes())?;
        }
        output::data(grants.text.as_bytes())?;
    }
    for (one, grants) in &texts {
        output::say(format!(
            "{} for provider {}: {}",
            grants.title,
            one.provider,
            output::count(one.names.len(), "secret")
        ));
        for note in &grants.notes {
            output::say(format!("  {}", output::printable(note)));
        }
    }
    let is_failed = granted.iter().any(|one| one.grants.is_err());
    if texts.is_empty() && !is_failed {
        output::warn(
            settings.palette,
            "these secrets are in local stores, which need no permissions",
        );
    }
    Ok(())
}

fn object(granted: &[ProviderGrants]) -> Value {
    let all: Vec<Value> = granted
        .iter()
        .map(|one| {
            let names: Vec<&str> = one.names.iter().map(|name| name.as_str()).collect();
            let mut object = json!({
                "provider": *one.provider,
                "type": one.scheme,
                "secrets": names,
            });
            match &one.grants {
                Ok(Some(grants)) => {
                    object["title"] = json!(grants.title);
                    object["language"] = json!(grants.language);
                    object["text"] = json!(grants.text);
                    object["notes"] = json!(grants.notes);
                }
                Ok(None) => object["text"] = Value::Null,
                Err(error) => object["error"] = json!(error.message()),
            }
            object
        })
        .collect();
    json!({ "grants": all })
}
