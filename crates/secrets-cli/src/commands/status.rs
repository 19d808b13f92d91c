//! `secrets status`.

use secrets::{Answer, Declared, ErrorKind, Health, HealthStatus, Result, Secrets};
use serde_json::{Value, json};

use super::check::table_message;
use crate::cli::Status;
use crate::exit::Exit;
use crate::failure::{Outcome, kind_word};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{progress, show};

type Found = (Declared, Result<Option<Answer>>);

/// A configured provider and its health.
struct ProviderHealth {
    name: String,
    scheme: String,
    health: Health,
}

pub(crate) fn run(command: &Status, settings: &Settings) -> Outcome {
    let (found, providers) = settings.with_revoked_secrets(async |secrets| {
        Ok(progress::during("contacting the providers", ask(secrets)).await)
    })?;
    let well = found.iter().all(|(_, answer)| answer.is_ok())
        && providers
            .iter()
            .all(|one| one.health.status != HealthStatus::Unavailable);
    if command.json {
        let secrets: Vec<Value> = found.iter().map(secret).collect();
        let providers: Vec<Value> = providers.iter().map(provider).collect();
        output::json(json!({ "secrets": secrets, "providers": providers }))?;
    } else {
        print(&found, &providers)?;
    }
    Ok(if well { Exit::Ok } else { Exit::Problems })
}

async fn ask(secrets: &Secrets) -> (Vec<Found>, Vec<ProviderHealth>) {
    // Sequential, so a provider does not log in twice.
    let found = secrets.get_declared().await;
    let health = secrets.health().await;
    let configured = &secrets.config().providers;
    let providers = health.into_iter().map(|(name, health)| {
        // A provider without an entry is a scheme with default settings.
        let scheme = configured.get(&name).map_or(&name, |entry| &entry.scheme);
        ProviderHealth {
            scheme: scheme.clone(),
            name,
            health,
        }
    });
    (found, providers.collect())
}

fn print(found: &[Found], providers: &[ProviderHealth]) -> Outcome<()> {
    let mut table = Table::new(&["SECRET", "VARIABLE", "PROVIDER", "VIA", "STATE"]);
    for (declared, answer) in found {
        let (provider, via, state) = match answer {
            Ok(Some(answer)) => (
                answer.origin.provider.to_string(),
                answer
                    .origin
                    .via
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                "ok".to_owned(),
            ),
            Ok(None) => (
                String::new(),
                String::new(),
                "not set (optional)".to_owned(),
            ),
            Err(error) => (
                error.provider().unwrap_or_default().to_owned(),
                String::new(),
                table_message(error),
            ),
        };
        table.row([
            declared.name.clone(),
            declared.env_name().to_owned(),
            provider,
            via,
            state,
        ]);
    }
    if table.is_empty() {
        output::say("no secrets are declared");
    } else {
        table.print()?;
    }
    let mut table = Table::new(&["PROVIDER", "TYPE", "HEALTH", "DETAIL"]);
    for one in providers {
        table.row([
            one.name.clone(),
            one.scheme.clone(),
            one.health.status.to_string(),
            one.health.detail.clone(),
        ]);
    }
    if !table.is_empty() {
        output::data(b"\n")?;
        table.print()?;
    }
    Ok(())
}

fn secret((declared, answer): &Found) -> Value {
    let mut object = json!({
        "secret": declared.name,
        "variable": declared.env_name(),
        "reference": declared.reference,
        "required": declared.required,
    });
    match answer {
        Ok(Some(answer)) => {
            object["state"] = json!("ok");
            object["version"] = json!(
                answer
                    .secret
                    .metadata
                    .version
                    .as_ref()
                    .map(ToString::to_string)
            );
            show::add_origin(&mut object, &answer.origin);
        }
        Ok(None) => object["state"] = json!(kind_word(ErrorKind::NotFound)),
        Err(error) => {
            object["state"] = json!(kind_word(error.kind()));
            object["message"] = json!(error.message());
            object["hint"] = json!(error.hint());
            object["provider"] = json!(error.provider());
        }
    }
    object
}

fn provider(one: &ProviderHealth) -> Value {
    json!({
        "provider": one.name,
        "type": one.scheme,
        "health": one.health.status.to_string(),
        "detail": one.health.detail,
    })
}
