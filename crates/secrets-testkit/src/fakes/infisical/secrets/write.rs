use serde_json::{Value, json};

use super::super::auth::Action;
use super::super::error::ApiError;
use super::super::id;
use super::super::options::Older;
use super::super::reference;
use super::super::routes::Context;
use super::super::schema::{Reader, name_issues, too_short, trim};
use super::super::state::{Place, Secret};
use super::{Dialect, Extras, Target, approval, check_tags, shape};

/// The database's limit for a name.
const MOST_NAME: usize = 500;

pub(in super::super) fn create(
    context: &mut Context<'_>,
    dialect: Dialect,
    name: &str,
) -> Result<Value, ApiError> {
    let name = trim(name).to_owned();
    check_part(context, name_issues(&name, vec!["secretName".into()]))?;
    let (target, value, extras, kind) = context.body(|body| {
        let target = Target::read(dialect, body);
        let value = body.value("secretValue");
        let extras = Extras {
            comment: body.optional_trimmed("secretComment"),
            metadata: super::read_metadata(body),
            tags: body.texts("tagIds"),
            skip_multiline: body.nullable_flag("skipMultilineEncoding"),
        };
        super::read_reminder(body);
        (target, value, extras, kind(body))
    })?;
    let place = target.place(context)?;
    context.actor.may(Action::Create, &place)?;
    if context.approval {
        return Ok(approval(context, &place));
    }
    let exists = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("CreateSecret"))?
        .secrets
        .contains_key(&name);
    only_shared(kind)?;
    if exists {
        return Err(ApiError::bad_request("Secret already exists"));
    }
    check_tags(context, &place, extras.tags.as_ref())?;
    check_references(context, &place, &value)?;
    insert(context, &place, &name, value, extras)?;
    answer(context, &place, &name, None, shape::Shape::MADE)
}

pub(in super::super) fn update(
    context: &mut Context<'_>,
    dialect: Dialect,
    name: &str,
) -> Result<Value, ApiError> {
    let name = trim(name).to_owned();
    let issue = name
        .is_empty()
        .then(|| too_short(vec!["secretName".into()]));
    check_part(context, issue)?;
    let (target, value, extras, new_name, kind) = context.body(|body| {
        let target = Target::read(dialect, body);
        let value = body.optional_value("secretValue");
        let extras = Extras {
            comment: body.optional_text("secretComment"),
            metadata: super::read_metadata(body),
            tags: body.texts("tagIds"),
            skip_multiline: body.flag("skipMultilineEncoding"),
        };
        super::read_reminder(body);
        body.texts("secretReminderRecipients");
        body.any("metadata");
        let new_name = body.optional_secret_name("newSecretName");
        (target, value, extras, new_name, kind(body))
    })?;
    let place = target.place(context)?;
    context.actor.may(Action::Edit, &place)?;
    if context.approval {
        return Ok(approval(context, &place));
    }
    let folder = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("UpdateSecret"))?;
    only_shared(kind)?;
    if !folder.secrets.contains_key(&name) {
        return Err(ApiError::not_found(format!(
            "Secret with name {name} not found"
        )));
    }
    if let Some(new_name) = &new_name
        && folder.secrets.contains_key(new_name)
    {
        return Err(ApiError::bad_request(
            "Secret with the new name already exists",
        ));
    }
    check_tags(context, &place, extras.tags.as_ref())?;
    check_references(context, &place, value.as_deref().unwrap_or_default())?;
    let said = (value.clone().unwrap_or_default(), extras.comment.clone());
    let name = change(context, &place, &name, new_name, value, extras)?;
    answer(context, &place, &name, Some(said), shape::Shape::CHANGED)
}

pub(in super::super) fn delete(
    context: &mut Context<'_>,
    dialect: Dialect,
    name: &str,
) -> Result<Value, ApiError> {
    let (target, kind) = context.body(|body| (Target::read(dialect, body), kind(body)))?;
    let place = target.place(context)?;
    context.actor.may(Action::Delete, &place)?;
    if context.approval {
        return Ok(approval(context, &place));
    }
    context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("DeleteSecret"))?;
    if kind == "personal" {
        return Err(ApiError::bad_request(
            "Must be user to delete personal secret",
        ));
    }
    let removed = context
        .state
        .folder_at_mut(&place)
        .and_then(|folder| folder.secrets.remove(name))
        .ok_or_else(|| ApiError::not_found("Secret not found"))?;
    let secret = shape::secret(
        context,
        &place,
        &removed,
        &removed.value,
        !context.hidden,
        shape::Shape::CHANGED,
    );
    Ok(json!({ "secret": secret }))
}

/// What is wrong with a part of the path is said before the body is looked at, once that could be read.
fn check_part(context: &Context<'_>, issue: Option<Value>) -> Result<(), ApiError> {
    context.call.body()?;
    match issue {
        Some(issue) => Err(ApiError::validation(vec![issue])),
        None => Ok(()),
    }
}

fn kind(body: &mut Reader<'_>) -> &'static str {
    body.one_of("type", &["shared", "personal"], "shared")
}

fn only_shared(kind: &str) -> Result<(), ApiError> {
    match kind {
        "personal" => Err(ApiError::bad_request(
            "Must be user to create personal secret",
        )),
        _ => Ok(()),
    }
}

/// What an older server says to references that lead nowhere.
pub(super) fn check_references(
    context: &Context<'_>,
    place: &Place,
    value: &str,
) -> Result<(), ApiError> {
    if !context.state.is(Older::RefusesMissingReferences) {
        return Ok(());
    }
    for found in reference::all(value) {
        let Some((there, name)) = reference::target(found, place) else {
            continue;
        };
        if context.state.environment(&there).is_err() {
            return Err(ApiError::bad_request(format!(
                "Referenced environment not found. Missing {}",
                there.environment
            )));
        }
        let folder = context.state.folder_at(&there).ok_or_else(|| {
            ApiError::bad_request(format!("Referenced path {} doesn't exist", there.path))
        })?;
        if !folder.secrets.contains_key(&name) {
            return Err(ApiError::bad_request(format!(
                "Referenced secret(s) not found: {name}"
            )));
        }
    }
    Ok(())
}

/// What the database's column for names takes.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    if name.chars().count() > MOST_NAME || name.contains('\0') {
        Err(ApiError::database())
    } else {
        Ok(())
    }
}

pub(super) fn insert(
    context: &mut Context<'_>,
    place: &Place,
    name: &str,
    value: String,
    extras: Extras,
) -> Result<(), ApiError> {
    check_name(name)?;
    let now = context.call.now;
    let folder = context
        .state
        .folder_at_mut(place)
        .ok_or_else(|| ApiError::no_folder(place).named("CreateSecret"))?;
    folder.secrets.insert(
        name.to_owned(),
        Secret {
            id: id::uuid(),
            key: name.to_owned(),
            value,
            comment: extras.comment.unwrap_or_default(),
            metadata: extras.metadata.unwrap_or_default(),
            tags: extras.tags.unwrap_or_default(),
            skip_multiline: extras.skip_multiline,
            version: 1,
            created: now,
            updated: now,
        },
    );
    folder.remember(name);
    Ok(())
}

/// Makes the next version, from the given parts and the parts that stay. Returns its new name.
pub(super) fn change(
    context: &mut Context<'_>,
    place: &Place,
    name: &str,
    new_name: Option<String>,
    value: Option<String>,
    extras: Extras,
) -> Result<String, ApiError> {
    let new_name = new_name.unwrap_or_else(|| name.to_owned());
    check_name(&new_name)?;
    let now = context.call.now;
    let folder = context
        .state
        .folder_at_mut(place)
        .ok_or_else(|| ApiError::no_folder(place).named("UpdateSecret"))?;
    let Some(mut secret) = folder.secrets.remove(name) else {
        return Err(ApiError::not_found(format!(
            "Secret with name {name} not found"
        )));
    };
    new_name.clone_into(&mut secret.key);
    secret.version += 1;
    secret.updated = now;
    if let Some(value) = value {
        secret.value = value;
    }
    if let Some(comment) = extras.comment {
        secret.comment = comment;
    }
    if let Some(metadata) = extras.metadata {
        secret.metadata = metadata;
    }
    if let Some(tags) = extras.tags {
        secret.tags = tags;
    }
    if extras.skip_multiline.is_some() {
        secret.skip_multiline = extras.skip_multiline;
    }
    folder.secrets.insert(new_name.clone(), secret);
    folder.remember(&new_name);
    Ok(new_name)
}

/// `said` is the value and the comment of the request, where the answer repeats those and not what is kept.
fn answer(
    context: &Context<'_>,
    place: &Place,
    name: &str,
    said: Option<(String, Option<String>)>,
    shape: shape::Shape,
) -> Result<Value, ApiError> {
    let Some(kept) = context.state.secret(place, name) else {
        return Err(ApiError::internal());
    };
    let mut secret = kept.clone();
    if let Some((value, comment)) = said {
        secret.value = value;
        secret.comment = comment.unwrap_or_default();
    }
    let secret = shape::secret(
        context,
        place,
        &secret,
        &secret.value,
        !context.hidden,
        shape,
    );
    Ok(json!({ "secret": secret }))
}
