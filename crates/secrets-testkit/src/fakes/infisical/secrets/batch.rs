use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::auth::Action;
use super::super::error::ApiError;
use super::super::routes::Context;
use super::super::state::{Place, Secret};
use super::write::{change, check_name, check_references, insert};
use super::{Dialect, Extras, Target, approval, check_tags, shape};

struct New {
    name: String,
    value: String,
    extras: Extras,
}

struct Changed {
    name: String,
    new_name: Option<String>,
    value: Option<String>,
    path: Option<String>,
    extras: Extras,
}

pub(in super::super) fn create_many(
    context: &mut Context<'_>,
    dialect: Dialect,
) -> Result<Value, ApiError> {
    let (target, secrets) = context.body(|body| {
        let target = Target::read(dialect, body);
        let secrets = body.each("secrets", 1, |secret| {
            secret.any("metadata");
            New {
                name: secret.secret_name("secretKey"),
                value: secret.value("secretValue"),
                extras: Extras {
                    comment: secret.optional_trimmed("secretComment"),
                    metadata: super::read_metadata(secret),
                    tags: secret.texts("tagIds"),
                    skip_multiline: secret.nullable_flag("skipMultilineEncoding"),
                },
            }
        });
        (target, secrets)
    })?;
    let place = target.place(context)?;
    context.actor.may(Action::Create, &place)?;
    if context.approval {
        return Ok(approval(context, &place));
    }
    let folder = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("CreateManySecret"))?;
    let existing: Vec<&str> = secrets
        .iter()
        .map(|secret| secret.name.as_str())
        .filter(|name| folder.secrets.contains_key(*name))
        .collect();
    if !existing.is_empty() {
        return Err(ApiError::bad_request(format!(
            "Secret already exists: {}",
            existing.join(",")
        )));
    }
    once_each(secrets.iter().map(|secret| secret.name.as_str()))?;
    for secret in &secrets {
        check_name(&secret.name)?;
        check_tags(context, &place, secret.extras.tags.as_ref())?;
        check_references(context, &place, &secret.value)?;
    }
    let mut made = Vec::with_capacity(secrets.len());
    for secret in secrets {
        insert(context, &place, &secret.name, secret.value, secret.extras)?;
        made.push((place.clone(), secret.name));
    }
    Ok(answer(context, &made, shape::Shape::MADE))
}

pub(in super::super) fn update_many(
    context: &mut Context<'_>,
    dialect: Dialect,
) -> Result<Value, ApiError> {
    let (target, mode, secrets) = context.body(|body| {
        let target = Target::read(dialect, body);
        let mode = body.one_of(
            "mode",
            &["ignore", "upsert", "failOnNotFound"],
            "failOnNotFound",
        );
        let secrets = body.each("secrets", 1, |secret| {
            super::read_reminder(secret);
            Changed {
                name: secret.secret_name("secretKey"),
                new_name: secret.optional_secret_name("newSecretName"),
                value: secret.optional_value("secretValue"),
                path: secret.optional_folder("secretPath"),
                extras: Extras {
                    comment: secret.optional_trimmed("secretComment"),
                    metadata: super::read_metadata(secret),
                    tags: secret.texts("tagIds"),
                    skip_multiline: secret.flag("skipMultilineEncoding"),
                },
            }
        });
        (target, mode, secrets)
    })?;
    let home = target.place(context)?;
    context.state.environment(&home)?;
    if context.approval {
        context.actor.may(Action::Edit, &home)?;
        return Ok(approval(context, &home));
    }
    let place_of = |secret: &Changed| Place {
        path: secret.path.clone().unwrap_or_else(|| home.path.clone()),
        ..home.clone()
    };
    let mut missing = Vec::new();
    for secret in &secrets {
        let place = place_of(secret);
        context.actor.may(Action::Edit, &place)?;
        let folder = context
            .state
            .find_folder(&place)?
            .ok_or_else(|| ApiError::no_folder(&place).named("UpdateManySecret"))?;
        if !folder.secrets.contains_key(&secret.name) {
            missing.push(secret.name.as_str());
        }
        if let Some(new_name) = &secret.new_name
            && folder.secrets.contains_key(new_name)
        {
            return Err(ApiError::bad_request(format!(
                "Secret with new name already exists: {new_name}"
            )));
        }
        check_name(secret.new_name.as_deref().unwrap_or(&secret.name))?;
        check_tags(context, &place, secret.extras.tags.as_ref())?;
        check_references(context, &place, secret.value.as_deref().unwrap_or_default())?;
    }
    if mode == "failOnNotFound" && !missing.is_empty() {
        return Err(ApiError::not_found(format!(
            "Secret does not exist: {} in path {}",
            missing.join(", "),
            home.path
        )));
    }
    let mut done = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let place = place_of(&secret);
        if context.state.secret(&place, &secret.name).is_some() {
            let name = change(
                context,
                &place,
                &secret.name,
                secret.new_name,
                secret.value,
                secret.extras,
            )?;
            done.push((place, name));
        } else if mode == "upsert" {
            let value = secret.value.unwrap_or_default();
            insert(context, &place, &secret.name, value, secret.extras)?;
            done.push((place, secret.name));
        }
    }
    Ok(answer(context, &done, shape::Shape::CHANGED))
}

pub(in super::super) fn delete_many(
    context: &mut Context<'_>,
    dialect: Dialect,
) -> Result<Value, ApiError> {
    let (target, names) = context.body(|body| {
        let target = Target::read(dialect, body);
        let names = body.each("secrets", 1, |secret| {
            secret.one_of("type", &["shared", "personal"], "shared");
            secret.text("secretKey")
        });
        (target, names)
    })?;
    let place = target.place(context)?;
    context.actor.may(Action::Delete, &place)?;
    if context.approval {
        return Ok(approval(context, &place));
    }
    let folder = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("DeleteManySecret"))?;
    let known: BTreeSet<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| folder.secrets.contains_key(*name))
        .collect();
    if known.len() != names.len() {
        let known: Vec<&str> = known.into_iter().collect();
        return Err(ApiError::not_found(format!(
            "One or more secrets does not exist: {}",
            known.join(", ")
        )));
    }
    let removed: Vec<Secret> = context
        .state
        .folder_at_mut(&place)
        .map(|folder| {
            names
                .iter()
                .filter_map(|name| folder.secrets.remove(name))
                .collect()
        })
        .unwrap_or_default();
    let secrets: Vec<Value> = removed
        .iter()
        .map(|secret| {
            shape::secret(
                context,
                &place,
                secret,
                &secret.value,
                !context.hidden,
                shape::Shape::CHANGED,
            )
        })
        .collect();
    Ok(json!({ "secrets": secrets }))
}

/// A name that is there twice in one batch: two rows of one name are no state that a client should bring about.
fn once_each<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ApiError::database());
        }
    }
    Ok(())
}

fn answer(context: &Context<'_>, done: &[(Place, String)], shape: shape::Shape) -> Value {
    let secrets: Vec<Value> = done
        .iter()
        .filter_map(|(place, name)| {
            let secret = context.state.secret(place, name)?;
            let shown = !context.hidden;
            Some(shape::secret(
                context,
                place,
                secret,
                &secret.value,
                shown,
                shape,
            ))
        })
        .collect();
    json!({ "secrets": secrets })
}
