use serde_json::{Value, json};

use super::auth::Action;
use super::error::ApiError;
use super::id;
use super::routes::Context;
use super::schema::{Reader, trim, without_trailing_slash};
use super::state::{Folder, Place, is_valid_name};

/// The two ages of the routes for folders and imports: what a project's id is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    V2,
}

impl Dialect {
    pub(super) fn of(version: &str) -> Self {
        match version {
            "v1" => Self::V1,
            _ => Self::V2,
        }
    }

    /// Where a request reads or writes.
    pub(super) fn place(self, fields: &mut Reader<'_>) -> Place {
        let project = fields.trimmed(match self {
            Self::V1 => "workspaceId",
            Self::V2 => "projectId",
        });
        let environment = fields.trimmed("environment");
        // The older routes know the path by an older name too.
        let directory = match self {
            Self::V1 => fields.optional_trimmed("directory"),
            Self::V2 => None,
        };
        let path = fields.optional_trimmed("path").or(directory);
        Place {
            project,
            environment,
            path: with_slash(path.as_deref().unwrap_or("/")),
        }
    }
}

fn with_slash(path: &str) -> String {
    let path = without_trailing_slash(path);
    if path.starts_with('/') {
        path.to_owned()
    } else {
        without_trailing_slash(&format!("/{path}")).to_owned()
    }
}

fn name_of(body: &mut Reader<'_>) -> String {
    let name = body.trimmed("name");
    if !is_valid_name(&name) {
        body.custom(
            "name",
            "Invalid folder name. Only alphanumeric characters, dashes, and underscores are allowed.",
        );
    }
    name
}

pub(super) fn create(context: &mut Context<'_>, dialect: Dialect) -> Result<Value, ApiError> {
    let (place, name, description) = context.body(|body| {
        let place = dialect.place(body);
        (place, name_of(body), body.nullable_text("description"))
    })?;
    context.actor.may(Action::Create, &place)?;
    context.state.environment(&place)?;
    context.state.find_folder(&place)?;
    let now = context.call.now;
    // Whatever is missing above is made too, and an existing folder is the answer.
    let mut above = Place {
        path: "/".to_owned(),
        ..place.clone()
    };
    let whole = format!("{}/{name}", place.path.trim_end_matches('/'));
    for segment in whole.split('/').filter(|segment| !segment.is_empty()) {
        let here = Place {
            path: format!("{}/{segment}", above.path.trim_end_matches('/')),
            ..place.clone()
        };
        if context.state.folder_at(&here).is_none() {
            let parent = context
                .state
                .folder_at(&above)
                .map(|folder| folder.id.clone());
            let made = context.state.add_folder(here.clone(), segment, parent, now);
            if here.path == whole
                && let Some(folder) = context.state.folders.get_mut(&made)
            {
                folder.description.clone_from(&description);
            }
        }
        above = here;
    }
    let folder = context
        .state
        .folder_at(&above)
        .ok_or_else(ApiError::internal)?;
    Ok(json!({"folder": with_path(folder)}))
}

fn with_path(folder: &Folder) -> Value {
    let mut shape = folder.as_json();
    shape["path"] = json!(folder.place.path);
    shape
}

pub(super) fn list(context: &mut Context<'_>, dialect: Dialect) -> Result<Value, ApiError> {
    let (place, recursive) = context.query(|query| {
        let place = dialect.place(query);
        if dialect == Dialect::V2 && query.any("path").is_none() {
            // It has no default there.
            query.trimmed("path");
        }
        query.optional_text("lastSecretModified");
        let recursive = query.optional_trimmed("recursive");
        (place, recursive)
    })?;
    context.state.environment(&place)?;
    if context.state.find_folder(&place)?.is_none() {
        return Ok(json!({"folders": []}));
    }
    let recursive = recursive.is_some_and(|word| {
        !word.is_empty() && word.parse::<f64>() != Ok(0.0) && !word.eq_ignore_ascii_case("false")
    });
    let own = context
        .state
        .folder_at(&place)
        .map(|folder| folder.id.clone());
    let folders: Vec<Value> = context
        .state
        .folders_below(&place)
        .into_iter()
        .filter(|folder| folder.place != place && (recursive || folder.parent == own))
        .map(|folder| {
            let mut shape = folder.as_json();
            if recursive {
                // From the folder that was asked about, not from the root.
                let above = place.path.trim_end_matches('/');
                let below = folder.place.path.strip_prefix(above);
                shape["relativePath"] = json!(below.unwrap_or(&folder.place.path));
            }
            shape
        })
        .collect();
    Ok(json!({ "folders": folders }))
}

pub(super) fn by_id(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let missing = || ApiError::not_found(format!("Folder with ID '{id}' not found"));
    let folder = context.state.folders.get(trim(id)).ok_or_else(missing)?;
    context.actor.may(Action::Read, &folder.place)?;
    let environment = context.state.environment(&folder.place)?;
    let mut shape = with_path(folder);
    shape["projectId"] = json!(folder.place.project);
    shape["environment"] = json!({
        "envId": environment.id,
        "envName": environment.name,
        "envSlug": environment.slug,
    });
    Ok(json!({ "folder": shape }))
}

pub(super) fn rename(
    context: &mut Context<'_>,
    dialect: Dialect,
    id: &str,
) -> Result<Value, ApiError> {
    let (above, name, description) = context.body(|body| {
        let place = dialect.place(body);
        (place, name_of(body), body.nullable_text("description"))
    })?;
    context.actor.may(Action::Edit, &above)?;
    let place = child(context, &above, id)
        .ok_or_else(|| {
            ApiError::not_found(format!("Folder with ID '{id}' not found")).named("UpdateFolder")
        })?
        .place
        .clone();
    let wanted = Place {
        path: format!("{}/{name}", above.path.trim_end_matches('/')),
        ..above
    };
    if wanted != place && context.state.folder_at(&wanted).is_some() {
        return Err(
            ApiError::bad_request("Folder with specified name already exists")
                .named("UpdateFolder"),
        );
    }
    let now = context.call.now;
    let place = context.state.rename_folder(&place, &name, now);
    let folder = context
        .state
        .folder_at_mut(&place)
        .ok_or_else(ApiError::internal)?;
    folder.description = description.or(folder.description.take());
    Ok(json!({"folder": with_path(folder)}))
}

pub(super) fn delete(
    context: &mut Context<'_>,
    dialect: Dialect,
    id_or_name: &str,
) -> Result<Value, ApiError> {
    let above = context.body(|body| {
        body.flag("forceDelete");
        dialect.place(body)
    })?;
    context.actor.may(Action::Delete, &above)?;
    context.state.environment(&above)?;
    if context.state.find_folder(&above)?.is_none() {
        return Err(ApiError::no_folder(&above));
    }
    let folder = child(context, &above, id_or_name)
        .ok_or_else(|| ApiError::not_found("Target folder not found"))?;
    let (shape, place) = (folder.as_json(), folder.place.clone());
    context.state.remove_folder(&place);
    Ok(json!({ "folder": shape }))
}

/// The folder of a name, or of an id, right below another one.
fn child<'a>(context: &'a Context<'_>, above: &Place, id_or_name: &str) -> Option<&'a Folder> {
    let by_name = Place {
        path: format!("{}/{id_or_name}", above.path.trim_end_matches('/')),
        ..above.clone()
    };
    let parent = &context.state.folder_at(above)?.id;
    context.state.folder_at(&by_name).or_else(|| {
        let folder = context.state.folders.get(id_or_name)?;
        (id::is_uuid(id_or_name) && folder.parent.as_ref() == Some(parent)).then_some(folder)
    })
}
