use serde_json::{Value, json};

use super::auth::Action;
use super::error::ApiError;
use super::folders::Dialect;
use super::id;
use super::routes::Context;
use super::state::{Folder, Import, Place, at};

pub(super) fn create(context: &mut Context<'_>, dialect: Dialect) -> Result<Value, ApiError> {
    let (place, (environment, path)) = context.body(|body| {
        body.flag("isReplication");
        let place = dialect.place(body);
        let from = body.object("import", |from| {
            let environment = from.trimmed("environment");
            from.trimmed("path");
            (environment, from.folder("path"))
        });
        (place, from)
    })?;
    context.actor.may(Action::Create, &place)?;
    let from = Place {
        environment,
        path,
        ..place.clone()
    };
    context.state.environment(&from)?;
    if from == place {
        return Err(ApiError::bad_request("Cyclic import not allowed"));
    }
    let now = context.call.now;
    let folder = context
        .state
        .folder_at_mut(&place)
        .ok_or_else(|| ApiError::no_folder(&place))?;
    let exists = folder
        .imports
        .iter()
        .any(|import| import.environment == from.environment && import.path == from.path);
    if exists {
        return Err(ApiError::bad_request("Secret import already exist"));
    }
    folder.imports.push(Import {
        id: id::uuid(),
        environment: from.environment,
        path: from.path,
        created: now,
    });
    let position = folder.imports.len() - 1;
    let folder = context
        .state
        .folder_at(&place)
        .ok_or_else(|| ApiError::no_folder(&place))?;
    let import = shape(context, folder, position);
    Ok(json!({"message": "Successfully created secret import", "secretImport": import}))
}

pub(super) fn list(context: &mut Context<'_>, dialect: Dialect) -> Result<Value, ApiError> {
    let place = context.query(|query| dialect.place(query))?;
    context.actor.may(Action::Read, &place)?;
    let folder = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place))?;
    let all: Vec<Value> = (0..folder.imports.len())
        .map(|position| shape(context, folder, position))
        .collect();
    Ok(json!({"message": "Successfully fetched secret imports", "secretImports": all}))
}

pub(super) fn delete(
    context: &mut Context<'_>,
    dialect: Dialect,
    id: &str,
) -> Result<Value, ApiError> {
    let place = context.body(|body| dialect.place(body))?;
    context.actor.may(Action::Delete, &place)?;
    let folder = context
        .state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place))?;
    let position = folder
        .imports
        .iter()
        .position(|import| import.id == id)
        .ok_or_else(|| {
            ApiError::not_found(format!("Secret import with folder ID '{id}' not found"))
        })?;
    let import = shape(context, folder, position);
    if let Some(folder) = context.state.folder_at_mut(&place) {
        folder.imports.remove(position);
    }
    Ok(json!({"message": "Successfully deleted secret import", "secretImport": import}))
}

fn shape(context: &Context<'_>, folder: &Folder, position: usize) -> Value {
    let import = &folder.imports[position];
    let from = Place {
        environment: import.environment.clone(),
        path: import.path.clone(),
        ..folder.place.clone()
    };
    let environment = context.state.environment(&from).ok();
    json!({
        "id": import.id,
        "version": 1,
        "importPath": import.path,
        "importEnv": environment.map(|environment| json!({
            "id": environment.id,
            "name": environment.name,
            "slug": environment.slug,
        })),
        "position": position + 1,
        "folderId": folder.id,
        "isReplication": false,
        "createdAt": at(import.created),
        "updatedAt": at(import.created),
    })
}
