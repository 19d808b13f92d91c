use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::auth::Action;
use super::super::error::ApiError;
use super::super::options::Older;
use super::super::reference;
use super::super::routes::Context;
use super::super::schema::{Reader, trim};
use super::super::state::{Import, Place, Secret, at};
use super::{Dialect, ProjectField, shape};

/// What both readings say about how to read.
struct Reading {
    project: ProjectField,
    environment: Option<String>,
    path: String,
    shown: bool,
    expanded: bool,
    imports: bool,
}

impl Reading {
    fn read(dialect: Dialect, query: &mut Reader<'_>, project_needed: bool) -> Self {
        let project = match dialect {
            Dialect::V4 if project_needed => ProjectField::Id(query.trimmed("projectId")),
            Dialect::V4 => ProjectField::of(query.optional_trimmed("projectId"), None),
            Dialect::V3 => {
                let id = query.optional_trimmed("workspaceId");
                let slug = query.optional_trimmed("workspaceSlug");
                ProjectField::of(id, slug)
            }
        };
        Self {
            project,
            environment: query.optional_trimmed("environment"),
            path: query.folder("secretPath"),
            shown: query.word_flag("viewSecretValue", true),
            expanded: query.word_flag("expandSecretReferences", false),
            imports: query.word_flag("include_imports", false),
        }
    }

    /// Where it reads: a service token with one scope reads there, whatever was asked for.
    fn place(&mut self, context: &Context<'_>, missing: &str) -> Result<Place, ApiError> {
        if let Some(place) = context.actor.only_place() {
            return Ok(place);
        }
        let project = std::mem::replace(&mut self.project, ProjectField::Missing);
        let environment = self.environment.take().filter(|slug| !slug.is_empty());
        let Some(environment) = environment else {
            return Err(ApiError::bad_request(missing));
        };
        if matches!(project, ProjectField::Missing) {
            return Err(ApiError::bad_request(missing));
        }
        let place = Place {
            project: project.id(context)?,
            environment,
            path: self.path.clone(),
        };
        context.actor.may(Action::Read, &place)?;
        Ok(place)
    }

    fn check_hidden(&self, context: &Context<'_>, name: &str) -> Result<(), ApiError> {
        if self.shown && context.hidden {
            return Err(ApiError::forbidden(format!(
                "You do not have permission to view secret value on secret with name '{name}'"
            ))
            .named("ForbiddenReadSecretError"));
        }
        Ok(())
    }

    fn value(&self, context: &Context<'_>, place: &Place, secret: &Secret) -> String {
        if !(self.shown && self.expanded) || reference::all(&secret.value).is_empty() {
            return secret.value.clone();
        }
        let emptying = context.state.is(Older::EmptiesMissingReferences);
        let expanded =
            reference::expand(context.state, place, &secret.key, &secret.value, emptying);
        if secret.skip_multiline == Some(true) && expanded.contains('\n') {
            format!("\"{}\"", expanded.replace('\n', "\\n"))
        } else {
            expanded
        }
    }
}

pub(in super::super) fn list(
    context: &mut Context<'_>,
    dialect: Dialect,
) -> Result<Value, ApiError> {
    let (mut reading, recursive, tags, metadata) = context.query(|query| {
        let reading = Reading::read(dialect, query, false);
        let recursive = query.word_flag("recursive", false);
        let tags: Vec<String> = query
            .optional_text("tagSlugs")
            .filter(|slugs| !slugs.is_empty())
            .map(|slugs| slugs.split(',').map(|slug| trim(slug).to_owned()).collect())
            .unwrap_or_default();
        let metadata = metadata_filter(&query.optional_text("metadataFilter").unwrap_or_default());
        if metadata.len() > 10 {
            query.custom(
                "metadataFilter",
                "You can only filter by up to 10 metadata fields",
            );
        }
        (reading, recursive, tags, metadata)
    })?;
    let place = reading.place(context, "Missing project id or environment")?;
    let missing = || {
        ApiError::not_found(format!(
            "Folder with path '{}' in environment '{}' was not found. Please ensure the environment slug and secret path is correct.",
            place.path, place.environment
        ))
        .named("SecretPathNotFound")
    };
    let state = &*context.state;
    let folders = if recursive {
        state.environment(&place)?;
        state.folders_below(&place)
    } else {
        state.find_folder(&place)?.into_iter().collect()
    };
    if folders.is_empty() {
        return Err(missing());
    }
    let wanted_tags: Vec<&str> = state
        .project(&place.project)?
        .tags
        .iter()
        .filter(|tag| tags.contains(&tag.slug))
        .map(|tag| tag.id.as_str())
        .collect();
    let mut found: Vec<(&Place, &Secret)> = folders
        .iter()
        .flat_map(|folder| {
            folder
                .secrets
                .values()
                .map(|secret| (&folder.place, secret))
        })
        .filter(|(_, secret)| {
            tags.is_empty()
                || secret
                    .tags
                    .iter()
                    .any(|tag| wanted_tags.contains(&tag.as_str()))
        })
        .filter(|(_, secret)| {
            metadata.is_empty()
                || metadata.iter().any(|(key, value)| {
                    secret
                        .metadata
                        .iter()
                        .any(|entry| entry.key == *key && entry.value == *value)
                })
        })
        .collect();
    // The database's order is that of the ids: no order that a client could count on.
    found.sort_by(|(_, left), (_, right)| left.id.cmp(&right.id));
    if let Some((_, first)) = found.first() {
        reading.check_hidden(context, &first.key)?;
    }
    let secrets: Vec<Value> = found
        .iter()
        .map(|(place, secret)| {
            let value = reading.value(context, place, secret);
            shape::secret(
                context,
                place,
                secret,
                &value,
                reading.shown,
                shape::Shape::LISTED,
            )
        })
        .collect();
    let imports = if reading.imports {
        let roots: Vec<Import> = folders
            .iter()
            .flat_map(|folder| folder.imports.iter().cloned())
            .collect();
        imported(context, &place.project, &reading, roots)
    } else {
        Vec::new()
    };
    Ok(
        json!({"secrets": secrets, "imports": imports.iter().map(Imported::as_json).collect::<Vec<_>>()}),
    )
}

pub(in super::super) fn get(
    context: &mut Context<'_>,
    dialect: Dialect,
    name: &str,
) -> Result<Value, ApiError> {
    let name = trim(name);
    let (mut reading, version, kind) = context.query(|query| {
        let reading = Reading::read(dialect, query, true);
        let version = query.coerced_number("version");
        let kind = query.one_of("type", &["shared", "personal"], "shared");
        (reading, version, kind)
    })?;
    let place = reading.place(
        context,
        match dialect {
            Dialect::V3 => "You must provide workspaceSlug or workspaceId",
            Dialect::V4 => "Missing environment",
        },
    )?;
    let state = &*context.state;
    let folder = state
        .find_folder(&place)?
        .ok_or_else(|| ApiError::no_folder(&place).named("GetSecretByName"))?;
    let version = version.filter(|_| !state.is(Older::IgnoresVersion));
    // Nobody has personal secrets here: they are people's, and only machines come.
    let found = match version {
        _ if kind == "personal" => None,
        None => folder.secrets.get(name),
        Some(version) => version_row(&folder.history, name, version)?,
    };
    if let Some(secret) = found {
        reading.check_hidden(context, name)?;
        let value = reading.value(context, &place, secret);
        let shape = match version {
            Some(_) => shape::Shape::VERSION,
            None => shape::Shape::READ,
        };
        let secret = shape::secret(context, &place, secret, &value, reading.shown, shape);
        return Ok(json!({ "secret": secret }));
    }
    if reading.imports {
        let all = imported(context, &place.project, &reading, folder.imports.clone());
        for import in all.iter().rev() {
            if let Some(found) = import.secrets.iter().find(|secret| secret.key == name) {
                reading.check_hidden(context, name)?;
                let mut secret = found.shape.clone();
                secret["secretPath"] = json!(import.place.path);
                secret["createdAt"] = json!(found.created);
                secret["updatedAt"] = json!(found.updated);
                return Ok(json!({ "secret": secret }));
            }
        }
    }
    Err(ApiError::not_found(format!(
        "Secret with name '{name}' not found"
    )))
}

fn version_row<'a>(
    history: &'a std::collections::HashMap<(String, u64), Vec<Secret>>,
    name: &str,
    version: f64,
) -> Result<Option<&'a Secret>, ApiError> {
    // The column is a 32-bit integer: what is none ends in the database's error.
    if version.fract() != 0.0 || version.abs() > f64::from(i32::MAX) {
        return Err(ApiError::database());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is a whole number in the range of 32 bits"
    )]
    let version = version.max(0.0) as u64;
    Ok(history
        .get(&(name.to_owned(), version))
        .and_then(|rows| rows.first()))
}

pub(in super::super) fn by_id(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    if !super::super::id::is_uuid(id) {
        return Err(ApiError::database());
    }
    let found = context.state.folders.values().find_map(|folder| {
        let secret = folder.secrets.values().find(|secret| secret.id == id)?;
        Some((&folder.place, secret))
    });
    let Some((place, secret)) = found else {
        return Err(
            ApiError::not_found(format!("Secret with ID '{id}' not found")).named("GetSecretById"),
        );
    };
    let mut secret = shape::secret(
        context,
        place,
        secret,
        &secret.value,
        true,
        shape::Shape::READ,
    );
    if let Some(fields) = secret.as_object_mut() {
        fields.remove("secretValueHidden");
    }
    Ok(json!({ "secret": secret }))
}

/// One folder that is imported, with all that it has.
struct Imported {
    place: Place,
    folder: String,
    secrets: Vec<ImportedSecret>,
}

struct ImportedSecret {
    key: String,
    created: String,
    updated: String,
    shape: Value,
}

impl Imported {
    fn as_json(&self) -> Value {
        json!({
            "secretPath": self.place.path,
            "environment": self.place.environment,
            "folderId": self.folder,
            "secrets": self.secrets.iter().map(|secret| &secret.shape).collect::<Vec<_>>(),
        })
    }
}

/// The folders that `roots` import, each once, and what those import themselves inside of them.
fn imported(
    context: &Context<'_>,
    project: &str,
    reading: &Reading,
    roots: Vec<Import>,
) -> Vec<Imported> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for root in roots {
        let place = Place {
            project: project.to_owned(),
            environment: root.environment.clone(),
            path: root.path.clone(),
        };
        let Some(folder) = context.state.folder_at(&place) else {
            continue;
        };
        let mut secrets = Vec::new();
        let mut stack = vec![(place.clone(), 0)];
        while let Some((place, depth)) = stack.pop() {
            if depth > 10 || !seen.insert(place.clone()) {
                continue;
            }
            let Some(folder) = context.state.folder_at(&place) else {
                continue;
            };
            for secret in folder.secrets.values() {
                let value = reading.value(context, &place, secret);
                let shown = reading.shown && !context.hidden;
                let shape = shape::Shape::IMPORTED;
                secrets.push(ImportedSecret {
                    key: secret.key.clone(),
                    created: at(secret.created),
                    updated: at(secret.updated),
                    shape: shape::secret(context, &place, secret, &value, shown, shape),
                });
            }
            for import in folder.imports.iter().rev() {
                stack.push((
                    Place {
                        project: project.to_owned(),
                        environment: import.environment.clone(),
                        path: import.path.clone(),
                    },
                    depth + 1,
                ));
            }
        }
        all.push(Imported {
            folder: folder.id.clone(),
            place,
            secrets,
        });
    }
    all
}

/// `key=A,value=B|key=C,value=D`; what has not both is left out.
fn metadata_filter(text: &str) -> Vec<(String, String)> {
    text.split('|')
        .filter_map(|pair| {
            let parts: Vec<&str> = pair.split([',', '=']).collect();
            let (mut key, mut value) = (None, None);
            for part in parts.chunks(2) {
                let [name, content] = part else { continue };
                let content = trim(content).to_owned();
                match trim(name).to_lowercase().as_str() {
                    "key" if !content.is_empty() => key = Some(content),
                    "value" if !content.is_empty() => value = Some(content),
                    _ => {}
                }
            }
            key.zip(value)
        })
        .collect()
}
