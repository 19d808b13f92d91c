//! The secrets themselves, in both dialects: `/api/v4/secrets` and the older `/api/v3/secrets/raw`.

mod batch;
mod read;
mod shape;
mod write;

use serde_json::{Value, json};

pub(super) use batch::{create_many, delete_many, update_many};
pub(super) use read::{by_id, get, list};
pub(super) use write::{create, delete, update};

use super::error::ApiError;
use super::id;
use super::routes::Context;
use super::schema::{Reader, too_long};
use super::state::{Metadata, Place, at};

/// Which of the two a request speaks: they differ in the name of the project, and in what it may be named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V3,
    V4,
}

/// The project of a body, as its dialect tells it.
enum ProjectField {
    Id(String),
    Slug(String),
    Missing,
}

impl Dialect {
    fn project(self, body: &mut Reader<'_>) -> ProjectField {
        match self {
            Self::V4 => ProjectField::Id(body.trimmed("projectId")),
            Self::V3 => {
                let id = body.optional_trimmed("workspaceId");
                let slug = body.optional_trimmed("projectSlug");
                ProjectField::of(id, slug)
            }
        }
    }
}

impl ProjectField {
    fn of(id: Option<String>, slug: Option<String>) -> Self {
        let full = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (full(id), full(slug)) {
            (Some(id), _) => Self::Id(id),
            (None, Some(slug)) => Self::Slug(slug),
            (None, None) => Self::Missing,
        }
    }

    fn id(self, context: &Context<'_>) -> Result<String, ApiError> {
        match self {
            Self::Id(id) => {
                context.state.project(&id)?;
                Ok(id)
            }
            Self::Slug(slug) => Ok(context.state.project_of_slug(&slug)?.id.clone()),
            Self::Missing => Err(ApiError::bad_request(
                "You must provide projectSlug or workspaceId",
            )),
        }
    }
}

/// Where a body says that it writes to.
struct Target {
    project: ProjectField,
    environment: String,
    path: String,
}

impl Target {
    fn read(dialect: Dialect, body: &mut Reader<'_>) -> Self {
        Self {
            project: dialect.project(body),
            environment: body.trimmed("environment"),
            path: body.folder("secretPath"),
        }
    }

    fn place(self, context: &Context<'_>) -> Result<Place, ApiError> {
        Ok(Place {
            project: self.project.id(context)?,
            environment: self.environment,
            path: self.path,
        })
    }
}

/// What a write may say beside the value.
struct Extras {
    comment: Option<String>,
    metadata: Option<Vec<Metadata>>,
    tags: Option<Vec<String>>,
    skip_multiline: Option<bool>,
}

fn read_metadata(body: &mut Reader<'_>) -> Option<Vec<Metadata>> {
    body.optional_each("secretMetadata", |entry| {
        let key = entry.filled("key");
        let value = entry.optional_trimmed("value").unwrap_or_default();
        if key.chars().count() > 255 {
            entry.issue("key", |path| too_long(255, path));
        }
        if value.chars().count() > 1020 {
            entry.issue("value", |path| too_long(1020, path));
        }
        Metadata {
            key: super::schema::trim(&key).to_owned(),
            value,
            encrypted: entry.flag("isEncrypted").unwrap_or(false),
        }
    })
}

fn read_reminder(body: &mut Reader<'_>) {
    body.nullable_number("secretReminderRepeatDays");
    if body
        .nullable_text("secretReminderNote")
        .is_some_and(|note| note.chars().count() > 1024)
    {
        body.custom(
            "secretReminderNote",
            "Secret reminder note cannot exceed 1024 characters",
        );
    }
}

/// The tags that were asked for all exist.
fn check_tags(
    context: &Context<'_>,
    place: &Place,
    tags: Option<&Vec<String>>,
) -> Result<(), ApiError> {
    let known = &context.state.project(&place.project)?.tags;
    let wanted = tags.map(Vec::as_slice).unwrap_or_default();
    let found: Vec<&str> = known
        .iter()
        .filter(|tag| wanted.contains(&tag.id))
        .map(|tag| tag.slug.as_str())
        .collect();
    if found.len() == wanted.len() {
        Ok(())
    } else {
        Err(ApiError::not_found(format!(
            "Tag not found. Found {}",
            found.join(",")
        )))
    }
}

/// What a policy makes of a write: a request that somebody has to approve, and nothing done.
fn approval(context: &Context<'_>, place: &Place) -> Value {
    let now = at(context.call.now);
    let folder = context
        .state
        .folder_at(place)
        .map(|folder| folder.id.clone());
    json!({"approval": {
        "id": id::uuid(),
        "policyId": id::uuid(),
        "hasMerged": false,
        "status": "open",
        "conflicts": null,
        "slug": id::text(10),
        "folderId": folder,
        "createdAt": now,
        "updatedAt": now,
        "isReplicated": null,
        "committerUserId": id::uuid(),
        "statusChangedByUserId": null,
        "bypassReason": null,
    }})
}
